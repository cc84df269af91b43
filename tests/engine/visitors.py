"""What the engine's tests share: a recipe to vary, pictures of events, a gate before every call."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ldm.checkpoints.load import Checkpoint
from ldm.engine import steps
from ldm.events import Event, Result
from ldm.pipeline import Answer, Row, evaluate
from ldm.recipe import Recipe

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


def image_of(events: Sequence[Event]) -> np.ndarray:
    assert isinstance(events[-1], Result)
    return np.asarray(events[-1].pictures[0].image).astype(int)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60  # on a busy machine
    while not true():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)


class Gate:
    """Holds the engine's steps until opened, so that a test can decide what happens in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.calls = threading.Event(), list[list[Row]]()
        monkeypatch.setattr(steps, "evaluate", self.evaluate)

    def evaluate(self, checkpoint: Checkpoint, rows: list[Row]) -> list[Answer]:
        self.calls.append(rows)
        self.open.wait(60)
        return evaluate(checkpoint, rows)
