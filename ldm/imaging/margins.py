"""A picture with room added on its sides, for a model to paint what lies beyond its edges.

Knows nothing of how that is painted.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ldm.imaging.opening import ImageError

MAX_SIDE = 4096  # pixels of the picture with its margins


@dataclass(frozen=True)
class Margins:
    """Pixels to add on each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= MAX_SIDE:
                raise ImageError(name, f"{value}", f"0 to {MAX_SIDE} pixels")

    def __bool__(self) -> bool:
        return any(vars(self).values())


def extend(picture: Image.Image, margins: Margins) -> tuple[Image.Image, Image.Image]:
    """The picture (RGB) with its margins, filled with the colours of its edges; and its mask.

    The mask (L, 255 where to repaint) marks the margins; every pixel of the picture is kept.
    """
    width = picture.width + margins.left + margins.right
    height = picture.height + margins.top + margins.bottom
    if max(width, height) > MAX_SIDE:
        raise ImageError("margins", f"{width} x {height} pixels", f"at most {MAX_SIDE} a side")
    sides = ((margins.top, margins.bottom), (margins.left, margins.right), (0, 0))
    extended = Image.fromarray(np.pad(np.asarray(picture), sides, mode="edge"))
    mask = Image.new("L", extended.size, 255)
    mask.paste(0, (margins.left, margins.top, width - margins.right, height - margins.bottom))
    return extended, mask
