"""Every thing once in each of its colours, on grey: for learning what things look like."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import skia
from numpy.typing import NDArray

from .choose import LEAST_COAT, sprite_of
from .spec import Spec, Thing
from .stage import Board
from .things.catalogue import concepts
from .things.paste import paste, stood
from .things.repaint import TARGETS
from .things.store import SpriteStore

GREY = skia.Color(150, 150, 150)
X, FOOT = 128.0, 200.0
WINDOW = (64, 256), (32, 224)  # rows and columns that are shown, of 256


def _portrait(thing: Thing, size: int, sprites: SpriteStore) -> NDArray[np.uint8]:
    board = Board(Spec("", "", ""), 0, size)
    board.canvas.clear(GREY)
    paste(board, stood(thing, X, FOOT, sprites), sprites)
    rows, columns = (slice(*(end * size // 256 for end in ends)) for ends in WINDOW)
    return np.asarray(board.image())[rows, columns]


def portraits(sprites: SpriteStore, size: int = 256) -> Iterator[tuple[Thing, NDArray[np.uint8]]]:
    """Things as specs have them, and the middle three quarters (uint8 RGB) of pictures of them."""
    for concept in concepts():
        if concept.code not in sprites.by_code:
            continue
        # Glossy and flat; a dictionary, as they may be the same.
        found = (sprite_of(concept, sprites, flat) for flat in (False, True))
        for style, sprite in {each.style: each for each in found}.items():
            thing = Thing(concept.name, concept.code, style)
            yield thing, _portrait(thing, size, sprites)
            if "paint" in concept.marks and sprite.coat >= LEAST_COAT:
                for colour in TARGETS:
                    coloured = replace(thing, colour=colour, painted=True)
                    yield coloured, _portrait(coloured, size, sprites)
