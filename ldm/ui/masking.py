"""The mask that was painted: as the engine takes it, as the page shows it, and its part in detail.

Pictures in, requests and markup out; it does *not* know the tab.
"""

import json
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from ldm.events import Picture
from ldm.imaging import (
    encode_png,
    feather,
    fit,
    fit_mask,
    mask_from_layers,
    pixel_digest,
    read_png_text,
)
from ldm.imaging.region import Region, region_around, size_for
from ldm.recipe import Recipe
from ldm.ui.form import Missing
from ldm.ui.jobs import Request
from ldm.ui.picture_input import FIELD
from ldm.ui.stage import data_url, tinted
from ldm.ui.texts import mask_read

SHOWN_SIDE = 256  # pixels of the small view of the mask
STEP = 8  # pixels; sizes that every model here can draw are multiples of it


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


def _set_back(region: Region, softness: int, picture: Picture) -> Picture:
    """The finished part in the whole picture, with a PNG that says where it lies."""
    whole, soft, changed = region.set_back(picture.image, softness)
    left, top, right, bottom = region.box
    where = {
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
        "of": pixel_digest(region.picture),
    }
    text = read_png_text(picture.png) | {"region": json.dumps(where)}
    return Picture(whole, encode_png(whole, text), picture.recipe, changed, soft)


def detailed(recipe: Recipe, picture: Image.Image, mask: Image.Image, padding: int) -> Request:
    """The request that draws the area around the mask at about the recipe's size, and sets it back.

    The recipe is then that of the part: its size, and its pictures' fingerprints.
    """
    box = region_around(mask, padding, (recipe.width, recipe.height))
    size = size_for(box, (recipe.width, recipe.height), STEP)
    region = Region(picture, mask, box)
    part, part_mask = region.cut_out(size)
    return Request(
        replace(recipe, width=size[0], height=size[1]),
        part,
        part_mask,
        before=picture,
        finish=partial(_set_back, region, recipe.mask_feather),
    )
