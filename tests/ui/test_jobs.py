"""Jobs: kept for ten minutes and no longer, and for their visitor alone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from ldm.recipe import Recipe
from ldm.ui import jobs as module
from ldm.ui.handlers import visitor_of
from ldm.ui.jobs import Job, Jobs, News, Request
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe("a lake", num_inference_steps=4, guidance_scale=3, width=64, height=64, seed=9)


def wait(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


async def ended(job: Job) -> Job:
    async for _ in job.watch():
        pass
    return job


def test_what_has_ended_is_forgotten_after_ten_minutes(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        jobs = Jobs()
        job = await ended(jobs.start(engine, ("ann", "t"), [Request(RECIPE)]))
        assert jobs.latest("ann") == ("t", job)
        later = asyncio.get_running_loop().time() + module.KEPT_SECONDS
        monkeypatch.setattr(module.time, "monotonic", lambda: later - 1)
        assert jobs.latest("ann") == ("t", job)
        monkeypatch.setattr(module.time, "monotonic", lambda: later + 30)
        assert jobs.latest("ann") is None
        assert not jobs.jobs

    wait(play())


def test_the_oldest_are_given_up_first(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[str]:
        monkeypatch.setattr(module, "MAX_KEPT", 2)
        jobs = Jobs()
        for visitor in ("ann", "ben", "cat"):
            await ended(jobs.start(engine, (visitor, "t"), [Request(RECIPE)]))
        jobs.tidy()
        return [visitor for visitor, _ in jobs.jobs]

    assert wait(play()) == ["ben", "cat"]


def kinds(events: list[News]) -> list[str]:
    return [type(event).__name__ for _, event in events]


def test_every_watcher_sees_the_result_and_a_late_one_only_that_is_newest(
    engine: ScriptedEngine,
) -> None:
    async def play() -> None:
        job = Jobs().start(engine, ("ann", "t"), [Request(RECIPE)])
        first = [kinds(events) async for events in job.watch()]
        (late,) = [kinds(events) async for events in job.watch()]
        assert sorted(late) == ["Loading", "Preview", "Progress", "Queued", "Result"]
        assert sum(events.count("Progress") for events in first) == 4
        assert first[-1][-1] == late[-1] == "Result"

    wait(play())


def test_what_comes_at_nearly_the_same_time_comes_together(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run tells eleven things, a few milliseconds apart."""
    monkeypatch.setattr(module, "TOGETHER_SECONDS", 1.0)

    async def play() -> None:
        job = Jobs().start(engine, ("ann", "t"), [Request(RECIPE)])
        told = [kinds(events) async for events in job.watch()]
        assert len(told) < 5
        assert told[-1][-1] == "Result"

    wait(play())


def test_a_visitor_is_known_by_a_secret_or_by_the_session() -> None:
    secret = "0123456789abcdef" * 2
    assert visitor_of(secret, "session") == secret
    for other in ("", "short", None, 5, secret + "!", "x" * 32):
        assert visitor_of(other, "session") == "session"
