"""The mask that was painted: as the engine takes it and as the page shows it.

Pictures in, pictures and markup out; it does *not* know the tab.
"""

import numpy as np
from PIL import Image

from ldm.imaging import feather, fit, fit_mask, mask_from_layers
from ldm.imaging.region import region_around
from ldm.ui.form import Missing
from ldm.ui.picture_input import FIELD
from ldm.ui.stage import data_url, tinted
from ldm.ui.texts import mask_read

SHOWN_SIDE = 256  # pixels of the small view of the mask


def painted(
    picture: Image.Image | None, strokes: Image.Image | None
) -> tuple[Image.Image, Image.Image]:
    """The picture and the mask over it (L, white where to repaint), as the engine takes them.

    Raises `Missing` for whichever is not there.
    """
    if picture is None:
        raise Missing(FIELD, "no_picture")
    if strokes is None:
        raise Missing("mask", "empty_mask")
    # The sheet is the whole picture by making; rounding must not make it another shape.
    over = strokes.resize(picture.size, Image.Resampling.BILINEAR)
    return picture, mask_from_layers([over], picture.size)


def _view(picture: Image.Image, soft: Image.Image, edge: int) -> str:
    shown = tinted(picture, soft)
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    line = mask_read(float((np.asarray(soft) > 0).mean()), edge)
    return f'<div class="ldm-mask"><img src="{data_url(shown)}" alt=""><p>{line}</p></div>'


def mask_view(picture: Image.Image, mask: Image.Image, size: tuple[int, int], edge: int) -> str:
    """The mask as the engine will use it, over the picture as it will be cropped."""
    return _view(fit(picture, *size), feather(fit_mask(mask, *size), edge), edge)


def region_view(
    picture: Image.Image, mask: Image.Image, size: tuple[int, int], edge: int, padding: int
) -> str:
    """The mask over the whole picture, of which the part that the model will see is light."""
    box = region_around(mask, padding, size)
    dim = Image.blend(picture, Image.new("RGB", picture.size), 0.45)
    dim.paste(picture.crop(box), box[:2])
    return _view(dim, feather(mask, edge), edge)
