"""Masks: what to repaint, read from files and strokes, softened, and pasted back exactly.

A mask is a PIL image in L, 255 where to repaint and 0 where to keep; only `feather` makes values
between. Knows nothing of latents (see `tensors.mask_to_latents`) or of how the repainting is done.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from ldm.imaging.colours import UnknownColours, eight_bit, is_sixteen_bit, to_rgb
from ldm.imaging.opening import ImageError, decode
from ldm.imaging.tensors import cover_box

_HALF = 128  # from here on a pixel counts as marked
_MAX_RADIUS = 64  # pixels; its squared distances fit 16 bits
_SAME_SHAPE = 0.01  # how far the aspect ratios of mask and picture may differ
_MARKED = "a mask with at least one marked pixel (white, or painted with the brush)"


def _at_half(mask: Image.Image) -> Image.Image:
    return mask.point([0] * _HALF + [255] * (256 - _HALF))


def _require_marks(mask: Image.Image, field: str, got: str = "a mask without any mark") -> None:
    if mask.getbbox() is None:
        raise ImageError(field, got, _MARKED)


def _at_size(mask: Image.Image, size: tuple[int, int], field: str) -> Image.Image:
    """The mask at the picture's size, nothing between 0 and 255; refused if of another shape."""
    width, height = size
    got = f"a mask of {mask.width} x {mask.height} pixels"
    if abs(mask.width * height / (mask.height * width) - 1) > _SAME_SHAPE:
        same = f"the picture's size, {width} x {height}, or another size of the same shape"
        raise ImageError(field, got, same)
    if mask.size == size:
        return _at_half(mask)
    _require_marks(_at_half(mask), field)
    resized = _at_half(mask.resize(size, Image.Resampling.BILINEAR))
    _require_marks(resized, field, f"{got} whose marks vanish at {width} x {height}")
    return resized


def _marks(image: Image.Image) -> Image.Image:
    """The alpha of a picture where it varies, else its luminance."""
    if is_sixteen_bit(image):
        return eight_bit(image)
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        low, high = alpha.getextrema()
        if low != high or high == 0:  # wholly transparent means nothing is painted
            return alpha
    return to_rgb(image)[0].convert("L")


def open_mask(
    source: str | Path | bytes | Image.Image, field: str, size: tuple[int, int]
) -> Image.Image:
    """The mask of a file or image at the picture's `size` (width, height): 255 repaint, 0 keep.

    White marks what to repaint; in a picture with transparency the opaque part does. Grey is cut
    at one half, so that the noise of a JPEG marks nothing. A mask of another size is resized where
    its aspect ratio is the picture's within 1%. Raises `ImageError` for another shape, for a mask
    without marks, and for all that `open_image` refuses.
    """
    decoded = decode(source, field)
    try:
        marks = _marks(decoded.image)
    except UnknownColours as error:
        raise decoded.source.refuse(f"a picture with {error}") from error
    mask = _at_size(marks, size, field)
    _require_marks(mask, field)
    return mask


def _alpha(layer: np.ndarray | Image.Image) -> Image.Image:
    """The alpha of one layer: of an image with alpha, or of an array (H, W, 4) of bytes."""
    image = Image.fromarray(layer) if isinstance(layer, np.ndarray) else layer
    if not image.has_transparency_data:
        raise ImageError("mask", f"a layer in the mode {image.mode}", "layers with transparency")
    return image.convert("RGBA").getchannel("A")


def mask_from_layers(
    layers: Sequence[np.ndarray | Image.Image], size: tuple[int, int]
) -> Image.Image:
    """The mask painted in an editor's layers, at the picture's `size` (width, height).

    Wherever any layer is at least half opaque is marked, whatever its colour. Layers of another
    size are resized as in `open_mask`. Raises `ImageError` where nothing is painted, and for
    layers of another shape or without transparency.
    """
    alphas = [_alpha(layer) for layer in layers]
    # Brought to size only where something is painted: an empty layer is no fault of its own.
    painted = [_at_size(alpha, size, "mask") for alpha in alphas if _at_half(alpha).getbbox()]
    mask = Image.new("L", size, 0)
    for layer in painted:
        mask = ImageChops.lighter(mask, layer)
    _require_marks(mask, "mask")
    return mask


def fit_mask(mask: Image.Image, width: int, height: int) -> Image.Image:
    """The mask of a picture that `fit` brings to width x height, cropped and resized with it.

    Raises `ImageError` where the crop leaves no mark.
    """
    box = cover_box(mask, width, height)
    fitted = _at_half(mask.resize((width, height), Image.Resampling.BILINEAR, box=box))
    got = f"a mask without any mark in the part that is left at {width} x {height}"
    _require_marks(fitted, "mask", got)
    return fitted


def _squared_distance(marked: np.ndarray, reach: int) -> np.ndarray:
    """Squared distance in pixels to the nearest marked pixel, exact up to `reach` pixels.

    Rows first, then columns, as in Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
    Functions" (2012), section 2.1; beyond `reach` any value larger than reach squared.
    """
    height, width = marked.shape
    along = np.where(marked, 0, reach + 1).astype(np.int16)
    for x in range(1, width):
        along[:, x] = np.minimum(along[:, x], along[:, x - 1] + 1)
    for x in range(width - 2, -1, -1):
        along[:, x] = np.minimum(along[:, x], along[:, x + 1] + 1)
    along *= along
    nearest = along.copy()
    for step in range(1, min(reach, height - 1) + 1):
        square = np.int16(step * step)
        np.minimum(nearest[step:], along[:-step] + square, out=nearest[step:])
        np.minimum(nearest[:-step], along[step:] + square, out=nearest[:-step])
    return nearest


def feather(mask: Image.Image, radius: int) -> Image.Image:
    """The mask with a soft edge outside it, falling in a line over `radius` pixels.

    Exactly 255 on every marked pixel, so that what was marked is wholly repainted; exactly 0
    further than `radius` pixels from the mask. Radius 0 leaves a hard edge. 0 <= radius <= 64.
    """
    if not 0 <= radius <= _MAX_RADIUS:
        raise ImageError("mask_feather", f"{radius}", f"0 to {_MAX_RADIUS} pixels")
    mask = _at_half(mask)
    bounds = mask.getbbox()
    if bounds is None or radius == 0:
        return mask
    left, top = max(bounds[0] - radius, 0), max(bounds[1] - radius, 0)
    box = (left, top, min(bounds[2] + radius, mask.width), min(bounds[3] + radius, mask.height))
    squared = _squared_distance(np.asarray(mask.crop(box)) > 0, radius)
    # One table from squared distance to opacity; whatever lies beyond the radius stays 0.
    distance = np.sqrt(np.arange(radius**2 + 1))
    opacity = np.rint(255 * (1 - distance / (radius + 1))).astype(np.uint8)
    soft = np.where(squared <= radius**2, opacity[np.minimum(squared, radius**2)], 0)
    mask.paste(Image.fromarray(soft.astype(np.uint8)), (left, top))
    return mask


def _require_one_size(*images: Image.Image) -> None:
    if len({image.size for image in images}) > 1:
        got = ", ".join(f"{image.width} x {image.height}" for image in images)
        raise ImageError("image", f"pictures of {got} pixels", "pictures and mask of one size")


def paste_back(
    original: Image.Image, generated: Image.Image, feathered: Image.Image
) -> Image.Image:
    """The generated picture where the mask is 255, the original's very bytes where it is 0."""
    _require_one_size(original, generated, feathered)
    return Image.composite(generated, original, feathered)


def changed_outside(original: Image.Image, result: Image.Image, feathered: Image.Image) -> int:
    """How many pixels differ where the feathered mask is 0; exactness means that none does."""
    _require_one_size(original, result, feathered)
    differs = (np.asarray(original) != np.asarray(result)).any(axis=-1)
    return int((differs & (np.asarray(feathered) == 0)).sum())
