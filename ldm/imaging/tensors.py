"""Pictures to tensors in [-1, 1] and back, and to the size a model works at.

The one place where that range is decided. Knows nothing of files or of what a model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ldm.imaging.opening import ImageError

if TYPE_CHECKING:  # torch takes a second or two to import; the command line checks pictures first
    from torch import Tensor


def cover_box(image: Image.Image, width: int, height: int) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the largest centred part in the shape width : height."""
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    return left, top, image.width - left, image.height - top


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at exactly width x height: centre-cropped to that shape, resized by Lanczos.

    A picture that has this size already is returned with the same pixels.
    """
    # With a box the crop costs nothing: a picture of 1 x 60,000 is never resized as a whole.
    box = cover_box(image, width, height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def to_tensor(image: Image.Image) -> Tensor:
    """RGB -> (1, 3, H, W) float32 in [-1, 1]: byte b becomes b / 127.5 - 1."""
    import torch

    if image.mode != "RGB":
        raise ImageError("image", f"a picture in the mode {image.mode}", "RGB, as opened")
    values = torch.from_numpy(np.array(image))  # (H, W, 3)
    return values.permute(2, 0, 1).unsqueeze(0).float() / 127.5 - 1


def to_image(tensor: Tensor) -> Image.Image:
    """(1, 3, H, W) or (3, H, W) in [-1, 1] -> RGB, to the nearest byte; beyond the range is cut.

    Raises `ImageError` for NaN and infinite values, which would otherwise be drawn as black.
    """
    import torch

    values = tensor.detach().float().cpu()
    values = values.squeeze(0) if values.ndim == 4 else values
    if values.ndim != 3 or values.shape[0] != 3:
        raise ImageError("tensor", f"the shape {tuple(tensor.shape)}", "(1, 3, H, W) or (3, H, W)")
    if not torch.isfinite(values).all():
        raise ImageError("tensor", "values that are NaN or infinite", "finite values")
    levels = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def mask_to_latents(mask: Image.Image, factor: int) -> Tensor:
    """Mask L (H, W) -> (1, 1, H/factor, W/factor) float32, 0 (keep) to 1 (repaint).

    A latent cell takes the largest value of its pixels, so one masked pixel repaints the cell.
    """
    import torch

    if mask.width % factor or mask.height % factor:
        got = f"a mask of {mask.width} x {mask.height} pixels"
        raise ImageError("mask", got, f"sides divisible by {factor}")
    values = np.asarray(mask.convert("L"), dtype=np.float32) / 255
    cells = values.reshape(mask.height // factor, factor, mask.width // factor, factor)
    return torch.from_numpy(cells.max(axis=(1, 3)))[None, None]
