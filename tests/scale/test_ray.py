"""Two replicas over Ray Serve, one of which is killed at work. Skipped where there is no Ray."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from ldm.engine import Engine
from ldm.events import Preview, Progress, Queued, Result
from ldm.recipe import RecipeError
from ldm.scale.limits import Limits
from ldm.ui.engines import engine_of
from ldm.ui.settings import Settings
from tests.engine.visitors import make

ray = pytest.importorskip("ray", reason="Ray is not installed (requirements-scale.txt)")

REQUESTS = 20


@pytest.fixture(scope="module")
def settings(small_stable_diffusion_folder: Path) -> Settings:
    """Strict, so that the bytes of a picture do not depend on who drew it beside whom."""
    return Settings(
        host="",
        port=0,
        models={"small": small_stable_diffusion_folder},
        max_upload_megabytes=1,
        max_together=4,
        strict=True,
    )


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    from ldm.scale.ray_engine import ray_engine

    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=100 << 20,
        _system_config={"worker_niceness": 0},  # Ray's 15 starve them on a busy machine
    )
    made = ray_engine(settings, Limits(least=2, most=2, cpus=0.5))
    yield made
    made.close()
    ray.shutdown()


def replicas() -> list[int]:
    """The processes that draw."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::ServeReplica:ldm"):
                found.append(int(path.parent.name))
        except OSError:  # it ended in the meantime
            continue
    return sorted(found)


async def draw(engine: Engine, number: int, begun: asyncio.Event, news: list[object]) -> bytes:
    recipe = make(seed=number, num_inference_steps=30, guidance_scale=1.0)
    async with aclosing(engine.stream(recipe, visitor=str(number))) as events:
        async for event in events:
            news.append(event)
            if isinstance(event, Progress):
                begun.set()
            if isinstance(event, Result):
                return event.pictures[0].png
    raise AssertionError("no result")


async def draw_all(engine: Engine, kill: bool) -> tuple[Sequence[bytes], list[object]]:
    begun, news = asyncio.Event(), list[object]()
    drawing = asyncio.gather(*(draw(engine, n, begun, news) for n in range(REQUESTS)))
    if kill:
        await begun.wait()
        os.kill(replicas()[0], signal.SIGKILL)
    return await drawing, news


# As many threads as a replica of half a core has: more of them add up in another order.
@pytest.mark.usefixtures("one_thread")
@pytest.mark.ray
def test_a_replica_dies_and_no_picture_is_lost(engine: Engine, settings: Settings) -> None:
    wanted, news = asyncio.run(draw_all(engine, kill=False))
    assert len(set(wanted)) == REQUESTS and any(isinstance(each, Preview) for each in news)
    before = replicas()
    assert len(before) == 2

    pictures, news = asyncio.run(draw_all(engine, kill=True))
    assert before[0] not in replicas()
    assert list(pictures) == list(wanted)
    assert sum(isinstance(each, Queued) for each in news) > REQUESTS, "some were drawn again"

    with engine_of(settings, Engine) as local:
        (*_, alone) = local.run(make(seed=7, num_inference_steps=30, guidance_scale=1.0))
    assert isinstance(alone, Result) and alone.pictures[0].png == pictures[7]


@pytest.mark.ray
def test_refusals_and_cancels_cross_the_distance(engine: Engine) -> None:
    with pytest.raises(RecipeError) as caught:
        engine.run(make(width=68))
    assert caught.value.field == "width"
    events = engine.run(make(num_inference_steps=150))
    assert not isinstance(next(events), Result)
    events.close()  # type: ignore[attr-defined]
    (*_, last) = engine.run(make(num_inference_steps=1))
    assert isinstance(last, Result)
