"""A run on the page: what is shown, and that stopping, leaving and failing end it cleanly."""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
import pytest
import torch

from ldm.engine import EngineBusy, OutOfMemory, TimeLimit
from ldm.imaging import ImageError
from ldm.recipe import Recipe, RecipeError
from ldm.ui.form import Form
from ldm.ui.handlers import recover, show
from ldm.ui.jobs import Jobs, Request
from ldm.ui.text_to_image import build_text_to_image
from ldm.ui.texts import plain
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe("a lake", num_inference_steps=4, guidance_scale=3, width=64, height=64, seed=9)
SECONDS = 5  # far more than a scripted run needs


@dataclass
class Desk:
    """A form and the runs of its page, and what the page shows after each update."""

    form: Form
    engine: ScriptedEngine
    jobs: Jobs

    def start(self, visitor: str = "ann", recipe: Recipe = RECIPE) -> Any:
        job = self.jobs.start(self.engine, (visitor, self.form.tab), [Request(recipe)])
        return show(self.form, job)

    async def play(self, visitor: str = "ann") -> dict[Any, Any]:
        page: dict[Any, Any] = {}
        async for updates in self.start(visitor):
            page |= updates
        return page

    async def until(self, shown: Any, text: str) -> dict[Any, Any]:
        page: dict[Any, Any] = {}
        while text not in page.get(self.form.status, ""):
            page |= await anext(shown)
        return page

    def ready(self, page: dict[Any, Any]) -> bool:
        return page[self.form.generate]["interactive"] and not page[self.form.stop]["interactive"]


@pytest.fixture
def desk(engine: ScriptedEngine) -> Desk:
    jobs = Jobs()
    with gr.Blocks():
        form = build_text_to_image(engine, jobs, gr.Textbox())
    return Desk(form, engine, jobs)


def spoken(markup: str) -> str:
    return re.sub("<[^>]*>", "", markup)


def wait(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, SECONDS))


def test_a_run_shows_steps_previews_and_the_result(desk: Desk) -> None:
    async def watch() -> None:
        states, lines = [], []
        async for updates in desk.start():
            if desk.form.stage in updates:
                states.append(updates[desk.form.stage].split('data-state="')[1].split('"')[0])
            lines.append(updates.get(desk.form.status, ""))
            last = updates
        assert states == ["waiting", "drawing", "drawing", "drawing", "drawing", "done"]
        assert any("Loading the model vignette" in spoken(line) for line in lines)
        assert any("Step 3 of 4" in spoken(line) for line in lines)
        assert plain("done", seconds=1.5) in lines[-1]
        assert desk.ready(last)

    wait(watch())


def test_the_seed_used_is_shown_at_once(desk: Desk) -> None:
    async def first() -> Any:
        return (await anext(desk.start()))[desk.form.fields["seed"]]

    assert wait(first()) == RECIPE.seed


def test_stop_ends_a_run_that_waits_for_its_next_step(desk: Desk) -> None:
    async def stop() -> dict[Any, Any]:
        desk.engine.held_at = 3  # for ever
        shown = desk.start()
        page = await desk.until(shown, "Step 2 of 4")
        page |= await anext(shown)
        asyncio.get_running_loop().call_later(0.05, desk.jobs.stop, ("ann", desk.form.tab))
        async for updates in shown:
            page |= updates
        return page

    page = wait(stop())
    assert "Stopped at step 2 of 4" in page[desk.form.status]
    assert 'data-state="stopped"' in page[desk.form.stage]
    assert desk.ready(page)
    assert desk.engine.closed == ["ann"]


def test_stop_reaches_ones_own_runs_alone(desk: Desk) -> None:
    async def both() -> tuple[dict[Any, Any], dict[Any, Any]]:
        ann, ben = desk.start("ann"), desk.start("ben")
        await desk.until(ann, "Step 1")
        await desk.until(ben, "Step 1")
        desk.jobs.stop(("ann", "another tab"))
        desk.jobs.stop(("nobody", desk.form.tab))
        desk.jobs.stop(("ann", desk.form.tab))
        pages: list[dict[Any, Any]] = [{}, {}]
        for page, shown in zip(pages, (ann, ben), strict=True):
            async for updates in shown:
                page |= updates
        return pages[0], pages[1]

    ann, ben = wait(both())
    assert "Stopped" in ann[desk.form.status]
    assert "Done" in ben[desk.form.status]


def test_a_run_goes_on_when_its_page_is_gone_and_is_found_again(desk: Desk) -> None:
    async def leave_and_return() -> dict[Any, Any]:
        shown = desk.start()
        await desk.until(shown, "Step 1")
        await shown.aclose()
        page: dict[Any, Any] = {}
        async for updates in recover({desk.form.tab: partial(show, desk.form)}, desk.jobs, "ann"):
            page |= updates
        assert [u async for u in recover({}, desk.jobs, "ben")] == []  # nobody else finds it
        assert [u async for u in recover({}, desk.jobs, "")] == []
        return page

    page = wait(leave_and_return())
    assert "Done" in page[desk.form.status]
    assert 'data-state="done"' in page[desk.form.stage]
    assert len(desk.engine.asked) == 1


def test_a_cancelled_watcher_leaves_the_run(desk: Desk) -> None:
    async def lose() -> None:
        task = asyncio.ensure_future(desk.play())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        _, job = desk.jobs.latest("ann") or ("", None)
        assert job is not None
        while job.ended is None:
            await asyncio.sleep(0.01)
        assert desk.engine.closed == ["ann"]

    wait(lose())


def test_a_later_run_of_the_same_tab_takes_the_place_of_the_first(desk: Desk) -> None:
    async def twice() -> tuple[list[dict[Any, Any]], dict[Any, Any]]:
        first = desk.start()
        await desk.until(first, "Step 1")
        second = desk.start()
        left = [updates async for updates in first]
        page: dict[Any, Any] = {}
        async for updates in second:
            page |= updates
        return left, page

    left, page = wait(twice())
    assert "Done" in page[desk.form.status]
    assert not any("Stopped" in updates.get(desk.form.status, "") for updates in left)


@pytest.mark.parametrize(
    ("error", "slot", "words"),
    [
        (RecipeError("num_inference_steps", 0, "1 to 150"), "settings", "Steps: got 0"),
        (RecipeError("prompt", "", "1 to 2000 characters"), "prompt", plain("empty_prompt")),
        (ImageError("mask", "a mask", "another"), "settings", "Mask: got a mask"),
    ],
)
def test_a_refusal_stands_beside_its_field(
    desk: Desk, error: RecipeError | ImageError, slot: str, words: str
) -> None:
    desk.engine.error = error
    page = wait(desk.play())
    message = page[getattr(desk.form.problems, slot)]
    assert words in spoken(message)
    assert f'data-field="{desk.form.tab}-{error.field}"' in message
    assert desk.ready(page)


def test_other_failures_are_told_without_their_insides(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.engine.error = ZeroDivisionError("secret path /home")
    page = wait(desk.play())
    assert plain("problem_elsewhere") in page[desk.form.status]
    assert "secret" not in str(page.values())
    assert "secret path" in caplog.text  # the log has it
    assert 'aria-busy="false"' in page[desk.form.stage]  # nothing pretends to be drawing
    desk.engine.error = EngineBusy(100, 30.0)
    assert "100 requests are waiting" in wait(desk.play())[desk.form.status]
    desk.engine.error = None
    assert "Done" in wait(desk.play())[desk.form.status]


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemory(),  # while drawing
        MemoryError(),  # while the model is loaded
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_too_little_memory_is_told_with_the_way_out(desk: Desk, error: Exception) -> None:
    desk.engine.error = error
    page = wait(desk.play())
    assert "a smaller size, or fewer pictures" in spoken(page[desk.form.status])
    assert desk.ready(page)


def test_a_time_limit_is_told_with_its_seconds(desk: Desk) -> None:
    desk.engine.error = TimeLimit(12)
    page = wait(desk.play())
    assert "The 12 s that one request may take" in spoken(page[desk.form.status])


def test_several_pictures_are_all_shown(desk: Desk) -> None:
    async def play() -> str:
        stage = ""
        async for updates in desk.start(recipe=replace(RECIPE, num_images=3)):
            stage = updates.get(desk.form.stage, stage)
        return stage

    assert wait(play()).count("<figure") == 3
