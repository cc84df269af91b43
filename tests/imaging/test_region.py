"""A masked part, cut out and set back: where it lies, and that nothing else changes."""

import numpy as np
import pytest
from PIL import Image

from ldm.imaging import ImageError
from ldm.imaging.region import Region, region_around, size_for


def mask_with(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask


def noise(size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("marks", "padding", "shape", "box"),
    [
        ((100, 100, 140, 140), 10, (1, 1), (90, 90, 150, 150)),
        ((100, 100, 140, 120), 10, (1, 1), (90, 80, 150, 140)),  # grown to a square
        ((0, 0, 20, 20), 10, (1, 1), (0, 0, 30, 30)),  # the padding ends at the edge
        ((100, 100, 140, 140), 10, (2, 1), (60, 90, 180, 150)),
        ((0, 90, 300, 110), 0, (1, 1), (0, 0, 300, 200)),  # the picture is not high enough
    ],
)
def test_the_region_holds_the_marks_in_the_wanted_shape(
    marks: tuple[int, int, int, int],
    padding: int,
    shape: tuple[int, int],
    box: tuple[int, int, int, int],
) -> None:
    assert region_around(mask_with((300, 200), marks), padding, shape) == box


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ImageError):
        region_around(Image.new("L", (8, 8), 0), 4, (1, 1))


def test_the_size_keeps_shape_and_about_the_pixels() -> None:
    assert size_for((0, 0, 60, 60), (128, 128), 8) == (128, 128)
    assert size_for((0, 0, 300, 200), (128, 128), 8) == (160, 104)  # 157 x 105, to steps of 8
    assert size_for((0, 0, 4000, 1), (64, 64), 8)[1] == 8


def test_set_back_changes_the_masked_part_alone() -> None:
    picture, mask = noise((300, 200)), mask_with((300, 200), (100, 100, 140, 140))
    region = Region(picture, mask, region_around(mask, 16, (128, 128)))
    part, part_mask = region.cut_out((128, 128))
    assert part.size == part_mask.size == (128, 128)
    whole, soft, changed = region.set_back(Image.new("RGB", (128, 128), "red"), 4)
    assert changed == 0
    before, after = np.asarray(picture).astype(int), np.asarray(whole).astype(int)
    differs = (before != after).any(axis=2)
    assert not differs[np.asarray(soft) == 0].any()
    assert (after[100:140, 100:140] == (255, 0, 0)).all()
    ys, xs = np.nonzero(np.asarray(soft))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (96, 143, 96, 143)


def test_a_soft_edge_ends_with_the_region() -> None:
    """Beyond the part nothing was drawn, so nothing may be blended there."""
    picture, mask = noise((100, 100)), mask_with((100, 100), (40, 40, 60, 60))
    whole, _, changed = Region(picture, mask, (38, 38, 62, 62)).set_back(
        Image.new("RGB", (64, 64), "red"), 30
    )
    differs = (np.asarray(whole) != np.asarray(picture)).any(axis=2)
    assert changed == 0
    assert not differs[:38].any() and not differs[62:].any()


def test_a_thin_line_survives_being_made_smaller() -> None:
    mask = mask_with((640, 640), (0, 320, 640, 321))
    _, small = Region(noise((640, 640)), mask, (0, 0, 640, 640)).cut_out((64, 64))
    assert (np.asarray(small) > 0).sum() == 64
