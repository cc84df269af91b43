"""Things drawn from sprites: where they stand in a picture, how tall, in what light and shadow.

They stand on a grid and are of one height, see `stood`. Knows nothing of captions.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import skia

from ..brush import EDGE, box, puff, puff_paint
from ..cells import watched
from ..palette import Colour
from ..spec import Thing
from ..stage import Board
from .repaint import repainted
from .store import Sprite, SpriteStore

SMOOTH = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
SHARP = skia.SamplingOptions(skia.CubicResampler.Mitchell())


# The autoencoder turns 16 x 16 pixels into one cell of latents, and a thing that is moved by less
# than that, or is a little taller, into altogether different ones: a network on latents would have
# to learn each thing hundreds of times. On this grid, at this height, it learns it once; of things
# that were at times half as tall, or twice, it never learned but the usual height.
GRID = 16.0
FOOT = 8.0  # how far under a line of the grid feet stand, so that their shadow is in the same cell
HEIGHT = 112.0  # of which four have room in a picture
WIDEST = 15 / 14  # of a height: 120 by 112


@dataclass(frozen=True)
class Spot:
    """One copy of a sprite: the middle of its foot at (x, y), its height and width in units."""

    sprite: Sprite
    x: float
    y: float
    height: float
    width: float
    paint: str = ""  # a key of repaint.TARGETS, or its own colours

    @property
    def foot(self) -> tuple[float, float]:
        """Left and right end of what touches the ground."""
        left, right = self.sprite.foot
        return self.x + (left - 0.5) * self.width, self.x + (right - 0.5) * self.width


def stood(thing: Thing, x: float, y: float, sprites: SpriteStore) -> Spot:
    """A copy on the grid, nearest to a foot at (x, y), inside the picture.

    Its height and width are such that long and tall things look about equally big, and have room
    side by side.
    """
    sprite = sprites.by_code[thing.code][thing.style]
    share = HEIGHT / (0.5 * max(sprite.width, sprite.height) + 0.5 * sprite.height)
    share = min(share, WIDEST * HEIGHT / sprite.width)
    return on_grid(Spot(sprite, x, y, sprite.height * share, sprite.width * share, thing.paint))


def on_grid(spot: Spot) -> Spot:
    """The same copy, moved to the grid and into the picture."""
    margin = min(math.ceil((spot.width / 2 + 2) / GRID) * GRID, EDGE / 2)
    highest = math.ceil((spot.height + 2 - FOOT) / GRID)
    line = min(max(round((spot.y - FOOT) / GRID), highest), (EDGE - FOOT) // GRID)
    x = min(max(round(spot.x / GRID) * GRID, margin), EDGE - margin)
    return replace(spot, x=x, y=line * GRID + FOOT)


def light_filter(tint: Colour, air: Colour, far: float) -> skia.ColorFilter:
    """Colours multiplied by `tint`, then mixed with `air` by the share `far`."""
    rows: list[float] = []
    for channel in range(3):
        row = [0.0] * 5
        row[channel] = tint[channel] * (1.0 - far)
        row[4] = air[channel] * far
        rows += row
    return skia.ColorFilters.Matrix([*rows, 0.0, 0.0, 0.0, 1.0, 0.0])


def paste(
    board: Board,
    spot: Spot,
    sprites: SpriteStore,
    light: skia.ColorFilter | None = None,
    alpha: float = 1.0,
) -> None:
    """Draw one copy. A watched board's cells get the sprite's code, but for mere reflections."""
    with watched(board, spot.sprite.code) if alpha == 1.0 else nullcontext():
        _paste(board, spot, sprites, light, alpha)


def _paste(
    board: Board, spot: Spot, sprites: SpriteStore, light: skia.ColorFilter | None, alpha: float
) -> None:
    pixels = np.ascontiguousarray(sprites.pixels(spot.sprite))
    if spot.paint:
        pixels = repainted(pixels, spot.paint)
    image = skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)
    paint = skia.Paint(AntiAlias=True, Alphaf=alpha)
    if light is not None:
        paint.setColorFilter(light)
    board.canvas.save()
    board.canvas.translate(spot.x, spot.y)
    board.canvas.drawImageRect(
        image,
        skia.Rect(0, 0, spot.sprite.width, spot.sprite.height),
        box(-spot.width / 2, -spot.height, spot.width, spot.height),
        SHARP if spot.height * board.scale > spot.sprite.height else SMOOTH,
        paint,
    )
    board.canvas.restore()


def contact_shadow(board: Board, spot: Spot, strength: float) -> None:
    """A soft dark spot under what touches the ground, half of it before the foot."""
    left, right = spot.foot
    half = max((right - left) / 2, spot.width * 0.16)
    paint = puff_paint((0.02, 0.02, 0.05), strength)
    lift = min(2.0, spot.height * 0.02)
    puff(board.canvas, (left + right) / 2, spot.y - lift, half * 1.35 + 4, half * 0.2 + 3.5, paint)
