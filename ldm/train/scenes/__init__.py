"""Illustrated scenes with captions, drawn by program: the embedded model's training data.

`sample` is all a trainer needs; `draw` and `describe` are its halves, for probes that ask for one
particular scene. Everything follows from integers: the same seed gives the same bytes.
"""

import random
from dataclasses import dataclass

from PIL import Image

from .captions import describe
from .elements.sky import birds
from .elements.weather import weather
from .places import PAINTERS
from .spec import PLACES, Spec, is_held_out, random_spec
from .stage import Stage

__all__ = ["PLACES", "Drawn", "Spec", "describe", "draw", "is_held_out", "random_spec", "sample"]

_STREAMS = 4  # seeds of spec, caption and drawing never coincide


@dataclass(frozen=True)
class Drawn:
    """A picture (RGB, size x size) and what it shows."""

    image: Image.Image
    caption: str
    spec: Spec


def draw(spec: Spec, seed: int, size: int = 256) -> Image.Image:
    """The picture of `spec` numbered `seed`: RGB, size x size.

    KeyError if the spec names a place, time or weather that does not exist.
    """
    stage = Stage(spec, seed, size)
    PAINTERS[spec.place](stage)
    if stage.has("birds"):
        birds(stage)
    weather(stage)
    return stage.image()


def sample(seed: int, size: int = 256) -> Drawn:
    """Training example number `seed`, with every choice drawn from the seed."""
    spec = random_spec(random.Random(_STREAMS * seed))
    caption = describe(spec, random.Random(_STREAMS * seed + 1))
    return Drawn(draw(spec, _STREAMS * seed + 2, size), caption, spec)
