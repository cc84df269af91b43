"""Which part of a picture shows what: labels for training that cost nobody's time.

The program that draws a picture knows what it draws. An element (a lighthouse, a person) or a
sprite that is drawn while a board is watched leaves its name on the cells that it changed; what is
drawn over it later takes them. Knows neither how things are drawn nor how they are learned.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

CELLS = 16  # a side of a picture
CHANGED = 12  # of 255: more than the softest edge of a shadow
COVERED = 0.3  # the share of a cell from which on it shows a thing
LEAST = 0.08  # of the cell that shows most of a thing which covers none

Pixels = NDArray[np.uint8]
Rest = ParamSpec("Rest")


class Watch:
    """What the cells of one picture show: (CELLS, CELLS) names, "" where nothing was noted."""

    def __init__(self) -> None:
        self.names: NDArray[np.object_] = np.full((CELLS, CELLS), "", object)
        self.busy = False  # with an element whose parts are its own

    def note(self, name: str, before: Pixels, after: Pixels) -> None:
        """Name the cells that differ, of pictures (H, W, 3) whose sides are multiples of CELLS."""
        changed = np.abs(after.astype(np.int16) - before).max(2) > CHANGED
        height, width = changed.shape
        share = changed.reshape(CELLS, height // CELLS, CELLS, width // CELLS).mean((1, 3))
        cells = share > COVERED
        if not cells.any() and share.max() > LEAST:
            cells = share == share.max()
        self.names[cells] = name


class Watchable(Protocol):
    """A canvas that may be watched."""

    watch: Watch | None

    def pixels(self) -> Pixels: ...


@contextmanager
def watched(board: Watchable, name: str) -> Iterator[None]:
    """While the block draws `name`. What it draws within is part of it."""
    watch = board.watch
    if watch is None or watch.busy:
        yield
        return
    before, watch.busy = board.pixels(), True
    try:
        yield
    finally:
        watch.busy = False
    watch.note(name, before, board.pixels())


Canvas = TypeVar("Canvas", bound=Watchable)
ELEMENTS: set[str] = {"man", "woman", "child"}  # names that elements leave


def shows(
    element: Callable[Concatenate[Canvas, Rest], None],
) -> Callable[Concatenate[Canvas, Rest], None]:
    """An element that leaves its function's name; of people their kind, its second argument."""
    ELEMENTS.add(element.__name__)

    @functools.wraps(element)
    def drawn(board: Canvas, *args: Rest.args, **kwargs: Rest.kwargs) -> None:
        kind = args[0] if args and isinstance(args[0], str) else element.__name__
        with watched(board, kind):
            element(board, *args, **kwargs)

    return drawn
