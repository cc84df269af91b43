"""Illustrated pictures with captions, drawn by program: the embedded model's training data.

`sample` is all a trainer needs; `draw` and `describe` are its halves, for probes that ask for one
particular picture. Three kinds: landscapes, things in landscapes, things on backgrounds; the last
two need sprites. Everything follows from integers and the sprites: the same seed gives the same
bytes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .captions import describe
from .cells import CELLS, ELEMENTS, Watch
from .choose import random_composite, random_spec, random_still
from .elements.sky import birds
from .elements.weather import weather
from .places import PAINTERS
from .portraits import portraits
from .spec import KINDS, PLACES, Spec, Thing, is_held_out, random_landscape
from .stage import Board, Stage
from .things.backgrounds import BACKGROUNDS
from .things.catalogue import by_code, is_held_out_pair, thing_names
from .things.colour_names import NAMES as COLOURS
from .things.landing import land_things
from .things.still import draw_still
from .things.store import FOLDER, SpriteStore, open_sprites

__all__ = [
    "BACKGROUNDS",
    "CELLS",
    "COLOURS",
    "FOLDER",
    "KINDS",
    "PLACES",
    "Drawn",
    "Spec",
    "SpriteStore",
    "Thing",
    "caption_of",
    "describe",
    "draw",
    "drawing_seed",
    "is_held_out",
    "is_held_out_pair",
    "labels",
    "open_sprites",
    "portraits",
    "random_composite",
    "random_landscape",
    "random_spec",
    "random_still",
    "sample",
    "shown",
    "spec_of",
    "thing_names",
]

WATCHED = 64  # pixels a side of the copy that is watched while it is drawn
_STREAMS = 4  # seeds of spec, caption and drawing never coincide


@dataclass(frozen=True)
class Drawn:
    """A picture (RGB, size x size) and what it shows."""

    image: Image.Image
    caption: str
    spec: Spec


def _painted(
    spec: Spec, seed: int, size: int, sprites: SpriteStore | None, watch: Watch | None = None
) -> Board:
    """All of a picture but its weather."""
    if spec.things and sprites is None:
        raise ValueError(f"sprites: got None, needed for {spec.things[0].name}")
    if spec.kind == "still" and sprites is not None:
        board = Board(spec, seed, size, watch)
        draw_still(board, sprites)
        return board
    stage = Stage(spec, seed, size, watch)
    PAINTERS[spec.place](stage)
    if spec.things and sprites is not None:
        land_things(stage, sprites)
    return stage


def draw(spec: Spec, seed: int, size: int = 256, sprites: SpriteStore | None = None) -> Image.Image:
    """The picture of `spec` numbered `seed`: RGB, size x size.

    KeyError if the spec names a place, time, weather or background that does not exist; ValueError
    if it holds things and there are no sprites.
    """
    board = _painted(spec, seed, size, sprites)
    if isinstance(board, Stage):
        if board.has("birds"):
            birds(board)
        weather(board)
    return board.image()


def drawing_seed(seed: int) -> int:
    """Of `draw` and `shown`, for example number `seed`."""
    return _STREAMS * seed + 2


@lru_cache
def labels() -> tuple[str, ...]:
    """All that a cell may show: codes of things, elements, places and backgrounds."""
    codes = (concept.code for concept in by_code().values())
    return tuple(sorted({*codes, *ELEMENTS, *PLACES, *BACKGROUNDS}))


def shown(spec: Spec, seed: int, sprites: SpriteStore | None = None) -> NDArray[np.int16]:
    """(2, CELLS, CELLS): what each cell of `draw(spec, seed)` shows, and its colour.

    The first are indices of `labels()`: the thing or element, else the place or background; the
    second indices of COLOURS, -1 where no thing has a colour's name.
    """
    watch = Watch()
    _painted(spec, seed, WATCHED, sprites, watch)
    number = {name: index for index, name in enumerate(labels())}
    ground = spec.background or spec.place
    colours = {thing.code: thing.colour.split()[0] for thing in spec.things if thing.colour}
    names = watch.names.ravel()
    cells = [
        [number[name or ground] for name in names],
        [COLOURS.index(colours[name]) if name in colours else -1 for name in names],
    ]
    return np.array(cells, np.int16).reshape(2, CELLS, CELLS)


def spec_of(seed: int, sprites: SpriteStore | None, kinds: Sequence[str] = KINDS) -> Spec:
    """What example number `seed` shows."""
    return random_spec(random.Random(_STREAMS * seed), sprites, kinds)


def caption_of(seed: int, spec: Spec) -> str:
    """Of example number `seed`, which shows `spec`."""
    return describe(spec, random.Random(_STREAMS * seed + 1))


def sample(
    seed: int,
    size: int = 256,
    *,
    sprites: SpriteStore | None,
    kinds: Sequence[str] = KINDS,
) -> Drawn:
    """Training example number `seed`, with every choice drawn from the seed.

    Without sprites (None, said on purpose) only landscapes; `kinds` are those of KINDS to choose
    from.
    """
    spec = spec_of(seed, sprites, kinds)
    caption = caption_of(seed, spec)
    return Drawn(draw(spec, drawing_seed(seed), size, sprites), caption, spec)
