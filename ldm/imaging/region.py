"""A masked part of a picture, cut out to be drawn at a model's own size, and set back exactly.

Knows nothing of how it is drawn, or of what the model's size is.
"""

from dataclasses import dataclass

from PIL import Image

from ldm.imaging.masks import changed_outside, feather, paste_back
from ldm.imaging.opening import ImageError

Box = tuple[int, int, int, int]  # left, top, right, bottom


def _grown(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    """An interval of `length` around [low, high), moved to lie within [0, limit)."""
    length = min(max(length, high - low), limit)
    start = min(max(0, low - (length - (high - low)) // 2), limit - length)
    return start, start + length


def region_around(mask: Image.Image, padding: int, shape: tuple[int, int]) -> Box:
    """The part of the picture around the mask's marks, with `padding` pixels to each side.

    It is grown to the shape width : height as far as the picture goes. Raises `ImageError` for a
    mask without marks.
    """
    bounds = mask.getbbox()
    if bounds is None:
        raise ImageError("mask", "a mask without any mark", "a mask with at least one marked pixel")
    left, top = max(bounds[0] - padding, 0), max(bounds[1] - padding, 0)
    right, bottom = min(bounds[2] + padding, mask.width), min(bounds[3] + padding, mask.height)
    ratio = shape[0] / shape[1]
    width, height = right - left, bottom - top
    left, right = _grown(left, right, round(height * ratio), mask.width)
    top, bottom = _grown(top, bottom, round(width / ratio), mask.height)
    return left, top, right, bottom


def size_for(box: Box, size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """A size of the box's shape with about as many pixels as `size`, in steps of `multiple`."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = (size[0] * size[1] / (width * height)) ** 0.5
    sides = (max(multiple, round(side * scale / multiple) * multiple) for side in (width, height))
    return next(sides), next(sides)


@dataclass(frozen=True)
class Region:
    """Where the part lies in `picture`, and the mask (L) of the whole picture."""

    picture: Image.Image
    mask: Image.Image
    box: Box

    def cut_out(self, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """The part and its mask at exactly `size`; no mark is lost on the way."""
        part = self.picture.crop(self.box).resize(size, Image.Resampling.LANCZOS)
        # Any share of a marked pixel marks: a thin line survives being made smaller.
        mask = self.mask.crop(self.box).resize(size, Image.Resampling.BOX)
        return part, mask.point([0] + [255] * 255)

    def set_back(self, drawn: Image.Image, softness: int) -> tuple[Image.Image, Image.Image, int]:
        """(whole picture, feathered mask, pixels changed outside it) with `drawn` in its place.

        softness: pixels of the picture over which the new part blends into the old.
        """
        size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
        soft = Image.new("L", self.picture.size, 0)
        soft.paste(feather(self.mask, softness).crop(self.box), self.box[:2])
        laid = self.picture.copy()
        laid.paste(drawn.resize(size, Image.Resampling.LANCZOS), self.box[:2])
        whole = paste_back(self.picture, laid, soft)
        return whole, soft, changed_outside(self.picture, whole, soft)
