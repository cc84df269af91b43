"""What goes wrong with one request does so with that one alone, and the engine lives."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ldm.checkpoints.load import Checkpoint
from ldm.engine import Engine, OutOfMemory, TimeLimit, steps
from ldm.engine.steps import is_out_of_memory
from ldm.events import Progress, Result
from ldm.pipeline import Answer, DrawingError, Row, evaluate
from tests.engine.visitors import SIZE, Gate, image_of, make, wait_until

Evaluate = Callable[[Checkpoint, list[Row]], list[Answer]]


def together(engine: Engine, monkeypatch: pytest.MonkeyPatch, act: Evaluate) -> None:
    """Pictures of seeds 1 and 2 come out as ever, while 13's request raises what `act` makes of it.

    `act` takes the place of the evaluation.
    """
    alone = [image_of(list(engine.run(make(seed=seed)))) for seed in (1, 2)]
    monkeypatch.setattr(steps, "evaluate", act)
    streams = {seed: engine.run(make(seed=seed), visitor=str(seed)) for seed in (1, 13, 2)}
    for seed, good in zip((1, 2), alone, strict=True):
        # Another batch size adds in another order.
        assert np.abs(image_of(list(streams[seed])) - good).max() <= 1
    list(streams[13])


def test_an_evaluation_that_raises(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        if any(row.recipe.seed == 13 for row in rows):
            raise RuntimeError("bad luck")
        return evaluate(checkpoint, rows)

    with pytest.raises(RuntimeError, match="bad luck"):
        together(engine, monkeypatch, poisoned)


def test_numbers_that_are_none_in_one_row(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def poisoned(checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        nonlocal calls
        for row in rows:
            if row.recipe.seed == 13:
                calls += 1
                row.x = torch.full_like(row.x, torch.nan)
        return evaluate(checkpoint, rows)

    with pytest.raises(DrawingError, match="no picture"):
        together(engine, monkeypatch, poisoned)
    assert calls == 1, "it ends at once"


def test_memory_that_does_not_suffice_for_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls become smaller, and stay so."""
    sizes: list[int] = []

    def short(checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluate(checkpoint, rows)

    monkeypatch.setattr(steps, "evaluate", short)
    result = list(engine.run(make(num_images=4)))[-1]
    assert isinstance(result, Result) and len(result.pictures) == 4
    assert sizes == [4, *[2] * 12]


def test_memory_that_does_not_suffice_for_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        if any(row.recipe.seed == 13 for row in rows):
            torch.empty(2**60, dtype=torch.uint8)
        return evaluate(checkpoint, rows)

    with pytest.raises(OutOfMemory, match="a smaller size may fit"):
        together(engine, monkeypatch, short)


def test_the_allocators_words_are_known() -> None:
    """PyTorch's own error for the CPU, as this version words it."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_calls_take_what_memory_has_room_for(
    small_stable_diffusion_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place of this model takes 30 maps of 16 channels and 8 x 8 float32 (README of the formula:
    `ldm.engine.steps`), a picture with guidance two places; a quarter of the memory is for calls.
    """
    picture = 2 * 30 * 16 * 8 * 8 * 4
    gate = Gate(monkeypatch)
    gate.open.set()
    models = {"small": small_stable_diffusion_folder}
    with Engine(models, torch.device("cpu"), torch.float32, memory=4 * (3 * picture + 1)) as engine:
        list(engine.run(make(num_images=5, num_inference_steps=2)))
    assert [len(rows) for rows in gate.calls] == [3, 2] * 2


class Failing:
    """A watcher that raises around the call, or when it is told of the answer."""

    changes = False

    def __init__(self, around: bool) -> None:
        self.around = around

    @contextmanager
    def watch(self, row: Row, unet: nn.Module, places: Sequence[int]) -> Iterator[None]:
        if self.around:
            raise RuntimeError("cannot look")
        yield

    def saw(self, row: Row, conditional: Tensor, unconditional: Tensor | None, x0: Tensor) -> None:
        raise RuntimeError("cannot look")


@pytest.mark.parametrize("around", [True, False])
def test_a_watcher_that_raises(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, around: bool
) -> None:
    alone = image_of(list(engine.run(make(seed=1))))
    gate = Gate(monkeypatch)
    watched = engine.run(make(seed=2), visitor="a", watcher=Failing(around))
    other = engine.run(make(seed=1), visitor="b")
    gate.open.set()
    with pytest.raises(RuntimeError, match="cannot look"):
        list(watched)
    assert np.abs(image_of(list(other)) - alone).max() <= 1


def test_a_decode_is_tried_again_in_float32(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what float32 does not help is an error."""
    vae = engine.checkpoint("small").vae.half()
    real, broken = vae.decode, {torch.float16}
    engine.preview_every = 0

    def decode(z: Tensor) -> Tensor:
        dtype = next(vae.parameters()).dtype
        return torch.full((len(z), 3, SIZE, SIZE), torch.nan) if dtype in broken else real(z)

    monkeypatch.setattr(vae, "decode", decode)
    assert image_of(list(engine.run(make()))).std() > 0
    assert next(vae.parameters()).dtype == torch.float16
    broken.add(torch.float32)
    with pytest.raises(DrawingError, match="no picture"):
        list(engine.run(make()))


def test_the_time_limit_is_an_error_that_names_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        time.sleep(0.1)
        return evaluate(checkpoint, rows)

    engine.checkpoint("small")
    monkeypatch.setattr(steps, "evaluate", slow)
    engine.max_seconds = 0.3
    with pytest.raises(TimeLimit, match=r"time limit of 0\.3 seconds"):
        list(engine.run(make(num_inference_steps=150)))
    wait_until(lambda: not engine._tickets)


def test_a_listener_that_raises_is_dropped(engine: Engine) -> None:
    """As an event loop that has ended: nobody is there to be told."""
    told, others = threading.Event(), engine.run(make(seed=1))

    def deliver(event: object) -> None:
        if isinstance(event, Progress):
            told.set()
            raise RuntimeError("nobody is there")

    engine._submit(make(num_inference_steps=150), None, None, "gone", deliver, None)
    assert told.wait(60)
    image_of(list(others))
    wait_until(lambda: not engine._tickets)
