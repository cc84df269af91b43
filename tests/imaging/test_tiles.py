"""Tiles cover a picture, and what is cut and not changed comes back the same."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from ldm.imaging.tiles import blend_tiles, tile_boxes


@pytest.mark.parametrize(
    ("size", "tile", "overlap"),
    [
        ((64, 64), (64, 64), 8),
        ((200, 130), (64, 48), 16),
        ((65, 30), (64, 64), 8),
        ((9, 7), (3, 3), 2),
    ],
)
def test_tiles_cut_and_blended_are_the_picture(
    size: tuple[int, int], tile: tuple[int, int], overlap: int
) -> None:
    values = np.random.default_rng(5).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    boxes = tile_boxes(size, tile, overlap)
    assert len({(right - left, bottom - top) for left, top, right, bottom in boxes}) == 1
    lefts = sorted({box[0] for box in boxes})
    wide = boxes[0][2] - boxes[0][0]
    assert all(b - a <= wide - overlap for a, b in pairwise(lefts))
    blended = blend_tiles([(box, picture.crop(box)) for box in boxes], size, overlap)
    assert (np.asarray(blended) == values).all()


def test_a_seam_falls_in_a_line_from_one_tile_to_the_other() -> None:
    boxes = tile_boxes((20, 8), (12, 8), 4)
    assert boxes == [(0, 0, 12, 8), (8, 0, 20, 8)]
    tiles = [
        (box, Image.new("RGB", (12, 8), grey))
        for box, grey in zip(boxes, ("black", "white"), strict=True)
    ]
    row = np.asarray(blend_tiles(tiles, (20, 8), 4))[3, :, 0]
    assert (row[:8] == 0).all() and (row[12:] == 255).all()
    assert list(row[8:12]) == [51, 102, 153, 204]  # fifths


def test_an_overlap_as_wide_as_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        tile_boxes((64, 64), (16, 16), 16)
