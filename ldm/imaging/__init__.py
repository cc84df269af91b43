"""Pictures at the edge of the engine: opened, checked, turned into tensors, masked and written.

Everything a caller needs is named here; the modules hold one idea each. Pictures are PIL images in
RGB (masks in L, white where to repaint); tensors are float32 in [-1, 1]. This package knows nothing
of models, requests or pages, and it imports torch only inside the functions that make or take
tensors, so that pictures can be checked before the engine is loaded.
"""

from ldm.imaging.files import encode_jpeg, encode_png, pixel_digest, read_png_text
from ldm.imaging.masks import (
    changed_outside,
    feather,
    fit_mask,
    mask_from_layers,
    open_mask,
    paste_back,
)
from ldm.imaging.opening import MAX_PIXELS, ImageError, Opened, open_image
from ldm.imaging.tensors import fit, mask_to_latents, to_image, to_tensor

__all__ = [
    "MAX_PIXELS",
    "ImageError",
    "Opened",
    "changed_outside",
    "encode_jpeg",
    "encode_png",
    "feather",
    "fit",
    "fit_mask",
    "mask_from_layers",
    "mask_to_latents",
    "open_image",
    "open_mask",
    "paste_back",
    "pixel_digest",
    "read_png_text",
    "to_image",
    "to_tensor",
]
