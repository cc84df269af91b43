"""The engine under several visitors: shared steps, turns, cancels, refusals, its end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm.checkpoints.load import CheckpointError
from ldm.collection import find_models
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Event, Loading, Preview, Progress, Queued, Result
from ldm.pipeline import Request
from ldm.recipe import RecipeError
from tests.engine.visitors import SIZE, Gate, image_of, make, wait_until
from tests.small_upscalers import save_and_load


def test_events_in_order(engine: Engine) -> None:
    events = list(engine.run(make()))
    loading = [event for event in events if isinstance(event, Loading)]
    assert loading, "nobody has asked for the model before"
    assert all(before.share <= after.share for before, after in pairwise(loading))
    queued = events[len(loading)]
    assert isinstance(queued, Queued) and queued.position == 0
    assert [e.step for e in events if isinstance(e, Progress)] == [1, 2, 3, 4, 5, 6]
    assert [e.step for e in events if isinstance(e, Preview)] == [1, 2, 3, 4, 5]
    assert isinstance(events[-1], Result)


def test_a_model_draws_unseen_before_anybody_comes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    engine.warm_up("small")
    assert engine.loaded() == ["small"]
    assert len(gate.calls) == 1
    assert not any(isinstance(event, Loading) for event in engine.run(make()))


@pytest.mark.parametrize(("name", "calls"), [("unconditional", 1), ("ldm_super_resolution", 0)])
def test_models_that_read_no_caption_or_need_a_picture_are_made_ready_too(
    name: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_and_load(name, tmp_path)
    gate = Gate(monkeypatch)
    gate.open.set()
    with Engine({"made": tmp_path / "model"}, torch.device("cpu"), torch.float32) as engine:
        engine.warm_up("made")
        assert engine.loaded() == ["made"]
    assert len(gate.calls) == calls


def test_closing_the_engine_ends_what_is_drawn_unseen(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    with ThreadPoolExecutor(1) as thread:
        drawing = thread.submit(engine.warm_up, "small")
        wait_until(lambda: bool(gate.calls))
        closing = threading.Thread(target=engine.close)
        closing.start()
        gate.open.set()
        assert drawing.result() is None
        closing.join()


def test_a_picture_is_finished_by_the_steps_thread_where_nobody_waits_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its helpers are awake. Others must not wait for it, though, nor for many pictures."""
    finished: dict[int, str] = {}
    real = Request.result

    def result(request: Request) -> Result:
        finished[request.recipe.seed] = threading.current_thread().name
        return real(request)

    monkeypatch.setattr(Request, "result", result)
    list(engine.run(make(seed=1)))
    list(engine.run(make(seed=2, num_images=2)))
    with ThreadPoolExecutor(2) as visitors:
        runs = [
            visitors.submit(lambda r=recipe: list(engine.run(r, visitor=str(r.seed))))
            for recipe in (make(seed=3, num_inference_steps=60), make(seed=4))
        ]
        assert all(isinstance(run.result()[-1], Result) for run in runs)
    assert {finished[seed] for seed in (1, 3)} == {"ldm-engine"}
    assert all(finished[seed].startswith("ldm-apart") for seed in (2, 4))


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
    wait_until(lambda: all(ticket.request for ticket in engine._tickets))
    gate.open.set()
    together = [image_of(list(stream)) for stream in streams]
    assert len(gate.calls) <= 8, "six steps, and the first may have started alone"
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
    before = len(gate.calls)
    image_of(list(engine.run(make(num_inference_steps=2))))
    assert len(gate.calls) - before <= 1 + 2
    wait_until(lambda: not engine._tickets)


def test_waiting_is_told_and_a_full_queue_refuses(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    first = engine.run(make(num_images=4))
    wait_until(lambda: bool(gate.calls))
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


def test_visitors_have_their_turns(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for four pictures gives up places to those who come later, from their next step
    on, and gets them back.
    """
    gate = Gate(monkeypatch)
    greedy = engine.run(make(num_images=4, num_inference_steps=4), visitor="greedy")
    wait_until(lambda: bool(gate.calls))
    late = [engine.run(make(seed=i, num_inference_steps=2), visitor=f"late {i}") for i in (10, 20)]
    wait_until(lambda: all(ticket.request is not None for ticket in engine._tickets))  # are ready
    gate.open.set()
    for stream in (*late, greedy):
        image_of(list(stream))
    seeds = [{row.recipe.seed for row in rows} for rows in gate.calls]
    assert seeds[0] == {0, 1, 2, 3}
    assert {0, 1, 10, 20} in seeds, "one picture each in turn, four places in all"
    assert seeds[-1] <= {2, 3}, "who gave way ends last"


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
    wait_until(lambda: not engine._tickets)


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
