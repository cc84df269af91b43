"""Illustrated pictures with captions, drawn by program: the embedded model's training data.

`sample` is all a trainer needs; `draw` and `describe` are its halves, for probes that ask for one
particular picture. Three kinds: landscapes, things in landscapes, things on backgrounds; the last
two need sprites. Everything follows from integers and the sprites: the same seed gives the same
bytes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .captions import describe
from .choose import random_composite, random_spec, random_still
from .elements.sky import birds
from .elements.weather import weather
from .places import PAINTERS
from .spec import KINDS, PLACES, Spec, Thing, is_held_out, random_landscape
from .stage import Board, Stage
from .things.catalogue import is_held_out_pair, thing_names
from .things.landing import land_things
from .things.still import draw_still
from .things.store import FOLDER, SpriteStore, open_sprites

__all__ = [
    "FOLDER",
    "KINDS",
    "PLACES",
    "Drawn",
    "Spec",
    "SpriteStore",
    "Thing",
    "describe",
    "draw",
    "is_held_out",
    "is_held_out_pair",
    "open_sprites",
    "random_composite",
    "random_landscape",
    "random_spec",
    "random_still",
    "sample",
    "thing_names",
]

_STREAMS = 4  # seeds of spec, caption and drawing never coincide


@dataclass(frozen=True)
class Drawn:
    """A picture (RGB, size x size) and what it shows."""

    image: Image.Image
    caption: str
    spec: Spec


def draw(spec: Spec, seed: int, size: int = 256, sprites: SpriteStore | None = None) -> Image.Image:
    """The picture of `spec` numbered `seed`: RGB, size x size.

    KeyError if the spec names a place, time, weather or background that does not exist; ValueError
    if it holds things and there are no sprites.
    """
    if spec.things and sprites is None:
        raise ValueError(f"sprites: got None, needed for {spec.things[0].name}")
    if spec.kind == "still" and sprites is not None:
        board = Board(spec, seed, size)
        draw_still(board, sprites)
        return board.image()
    stage = Stage(spec, seed, size)
    PAINTERS[spec.place](stage)
    if spec.things and sprites is not None:
        land_things(stage, sprites)
    if stage.has("birds"):
        birds(stage)
    weather(stage)
    return stage.image()


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
    spec = random_spec(random.Random(_STREAMS * seed), sprites, kinds)
    caption = describe(spec, random.Random(_STREAMS * seed + 1))
    return Drawn(draw(spec, _STREAMS * seed + 2, size, sprites), caption, spec)
