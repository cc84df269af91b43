"""The engine under several visitors: shared steps, cancels, failures, refusals, its end."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm import engine as engine_module
from ldm.checkpoints.load import CheckpointError
from ldm.collection import find_models
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Event, Preview, Progress, Queued, Result
from ldm.pipeline import Row, advance
from ldm.recipe import Recipe, RecipeError

SIZE = 64


def make(**changes: object) -> Recipe:
    base = Recipe(
        prompt="a lake at dawn",
        model="small",
        num_inference_steps=6,
        guidance_scale=4.0,
        width=SIZE,
        height=SIZE,
    )
    return replace(base, **changes)


@pytest.fixture
def engine(small_stable_diffusion_folder: Path) -> Iterator[Engine]:
    models = {"small": small_stable_diffusion_folder}
    with Engine(models, torch.device("cpu"), torch.float32, max_rows=4, max_waiting=3) as made:
        yield made


def image_of(events: list[Event]) -> np.ndarray:
    assert isinstance(events[-1], Result)
    return np.asarray(events[-1].pictures[0].image).astype(int)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "waited for 10 seconds"
        time.sleep(0.01)


class Gate:
    """Holds the engine's steps until opened, so that a test can decide what happens in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.calls = threading.Event(), 0
        monkeypatch.setattr(engine_module, "advance", self.advance)

    def advance(self, checkpoint: object, rows: list[Row]) -> None:
        self.open.wait(30)
        self.calls += 1
        advance(checkpoint, rows)  # type: ignore[arg-type]


def test_events_in_order(engine: Engine) -> None:
    events = list(engine.run(make()))
    assert isinstance(events[0], Queued) and events[0].position == 0
    assert [e.step for e in events if isinstance(e, Progress)] == [1, 2, 3, 4, 5, 6]
    assert [e.step for e in events if isinstance(e, Preview)] == [1, 4]
    assert isinstance(events[-1], Result)


def test_visitors_share_steps_and_keep_their_own_pictures(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = [
        make(seed=1),
        make(seed=2, num_inference_steps=4, sampler="euler"),
        make(seed=3, guidance_scale=1.0, prompt="a forest in the rain"),
    ]
    alone = [image_of(list(engine.run(recipe))) for recipe in recipes]
    gate = Gate(monkeypatch)
    streams = [engine.run(recipe, visitor=str(i)) for i, recipe in enumerate(recipes)]
    time.sleep(0.2)
    gate.open.set()
    together = [image_of(list(stream)) for stream in streams]
    assert gate.calls <= 8, "six steps, and the first may have started alone"
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1  # another batch size adds in another order
    assert np.abs(alone[0] - alone[2]).max() > 10


def test_closing_a_stream_frees_its_rows_within_one_step(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    events = engine.run(make(num_inference_steps=150))
    while not isinstance(next(events), Progress):
        pass
    events.close()
    before = gate.calls
    image_of(list(engine.run(make(num_inference_steps=2))))
    assert gate.calls - before <= 1 + 2
    wait_until(lambda: not engine._active)


def test_a_failing_request_fails_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(checkpoint: object, rows: list[Row]) -> None:
        if any(row.recipe.seed == 13 for row in rows):
            raise RuntimeError("out of memory")
        advance(checkpoint, rows)  # type: ignore[arg-type]

    good = image_of(list(engine.run(make(seed=1))))
    monkeypatch.setattr(engine_module, "advance", poisoned)
    streams = [engine.run(make(seed=seed), visitor=str(seed)) for seed in (1, 13)]
    assert np.abs(image_of(list(streams[0])) - good).max() <= 1
    with pytest.raises(RuntimeError, match="out of memory"):
        list(streams[1])
    assert np.abs(image_of(list(engine.run(make(seed=1)))) - good).max() <= 1


def test_numbers_that_are_no_picture_are_an_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = engine.checkpoint("small").vae
    monkeypatch.setattr(vae, "decode", lambda z: torch.full((len(z), 3, SIZE, SIZE), torch.nan))
    engine.preview_every = 0
    with pytest.raises(RuntimeError, match="no picture"):
        list(engine.run(make()))


def test_waiting_is_told_and_a_full_queue_refuses(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    first = engine.run(make(num_images=4))
    wait_until(lambda: bool(engine._active))
    waiting = [engine.run(make(num_inference_steps=1)) for _ in range(3)]
    positions = [next(stream) for stream in waiting]
    assert [p.position for p in positions if isinstance(p, Queued)] == [0, 1, 2]
    with pytest.raises(EngineBusy, match="3 requests are waiting"):
        engine.run(make())
    waiting[0].close()
    moved = next(waiting[1])
    assert isinstance(moved, Queued) and moved.position == 0
    gate.open.set()
    for stream in (first, waiting[1], waiting[2]):
        image_of(list(stream))


def test_the_visitor_with_least_goes_first(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    order: list[str] = []
    prepare = engine._prepare

    def noted(ticket: engine_module.Ticket) -> None:
        order.append(ticket.visitor)
        prepare(ticket)

    monkeypatch.setattr(engine, "_prepare", noted)
    greedy = [engine.run(make(num_images=3, num_inference_steps=2), visitor="greedy")]
    wait_until(lambda: bool(order))
    greedy += [engine.run(make(num_images=2, num_inference_steps=2), visitor="greedy")]
    late = engine.run(make(num_inference_steps=2), visitor="late")
    gate.open.set()
    for stream in [*greedy, late]:
        image_of(list(stream))
    assert order == ["greedy", "late", "greedy"]


def test_async_streams(engine: Engine) -> None:
    async def collect(seed: int) -> list[Event]:
        return [event async for event in engine.stream(make(seed=seed), visitor=str(seed))]

    async def both() -> list[list[Event]]:
        return await asyncio.gather(collect(1), collect(2))

    first, second = asyncio.run(both())
    assert np.abs(image_of(first) - image_of(list(engine.run(make(seed=1))))).max() <= 1
    assert np.abs(image_of(first) - image_of(second)).max() > 2


def test_async_cancel_frees_the_engine(engine: Engine) -> None:
    async def start_and_leave() -> None:
        stream = engine.stream(make(num_inference_steps=150))
        async for event in stream:
            if isinstance(event, Progress):
                break
        await stream.aclose()
        await asyncio.sleep(0)

    asyncio.run(start_and_leave())
    image_of(list(engine.run(make(num_inference_steps=1))))
    wait_until(lambda: not engine._active)


def test_refusals_come_before_the_first_event(engine: Engine) -> None:
    cases = [
        (make(model="other"), None, None, "model"),
        (make(width=SIZE + 4), None, None, "width"),
        (make(task="inpaint"), Image.new("RGB", (8, 8)), None, "mask"),
    ]
    for recipe, init_image, mask, field in cases:
        with pytest.raises(RecipeError) as caught:
            engine.run(recipe, init_image, mask)
        assert caught.value.field == field
    image_of(list(engine.run(make(num_inference_steps=1))))


def test_closing_the_engine_ends_every_request(
    small_stable_diffusion_folder: Path,
) -> None:
    engine = Engine({"small": small_stable_diffusion_folder}, torch.device("cpu"), torch.float32)
    streams = [engine.run(make(num_inference_steps=150), visitor=str(i)) for i in range(3)]
    while not isinstance(next(streams[0]), Progress):
        pass
    engine.close()
    for stream in streams:
        with pytest.raises(EngineClosed):
            list(stream)
    with pytest.raises(EngineClosed):
        engine.run(make())


def test_models_are_found_and_missing_ones_named(
    small_stable_diffusion_folder: Path, tmp_path: Path
) -> None:
    assert find_models([small_stable_diffusion_folder])[small_stable_diffusion_folder.name]
    assert tmp_path.name not in find_models([tmp_path])
    with pytest.raises(CheckpointError, match="at least one model"):
        Engine({})
    with (
        Engine({"gone": tmp_path / "gone"}) as engine,
        pytest.raises(CheckpointError, match="no such folder"),
    ):
        engine.run(make(model="gone"))
