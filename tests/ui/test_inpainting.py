"""The mask that was painted, as the engine gets it and as the page shows it."""

import re

import numpy as np
import pytest
from PIL import Image

from ldm.ui.form import Missing
from ldm.ui.masking import mask_view, painted


def strokes(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    image.paste((214, 64, 96, 255), box)
    return image


def test_strokes_on_a_doubled_sheet_mark_the_pictures_own_pixels() -> None:
    picture = Image.new("RGB", (256, 192), "teal")
    _, mask = painted(picture, strokes((512, 384), (128, 64, 256, 128)))
    marked = np.asarray(mask)
    assert mask.size == picture.size
    assert (marked[32:64, 64:128] == 255).all()
    assert (marked > 0).sum() == 64 * 32


def test_a_reduced_sheet_of_rounded_shape_is_the_whole_picture() -> None:
    picture = Image.new("RGB", (1500, 37), "teal")  # its sheet is 1024 x 25, 1% off
    _, mask = painted(picture, strokes((1024, 25), (0, 0, 512, 25)))
    assert 0.45 < (np.asarray(mask) > 0).mean() < 0.55


def test_what_is_missing_is_said() -> None:
    picture = Image.new("RGB", (64, 64))
    with pytest.raises(Missing) as no_picture:
        painted(None, strokes((64, 64), (0, 0, 9, 9)))
    with pytest.raises(Missing) as no_mask:
        painted(picture, None)
    assert (no_picture.value.field, no_mask.value.field) == ("init_image", "mask")


def test_the_view_counts_what_will_be_repainted_after_the_crop() -> None:
    picture = Image.new("RGB", (128, 64), "teal")
    mask = Image.new("L", (128, 64), 0)
    mask.paste(255, (0, 0, 48, 64))  # a square crop keeps x from 32 to 96
    shown = re.sub(r'src="[^"]*"', "", mask_view(picture, mask, (64, 64), 0))
    assert "25% of the picture" in shown
