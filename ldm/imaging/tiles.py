"""A picture in overlapping tiles, and tiles blended into one picture again.

Knows nothing of what is done with a tile in between.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side: evenly, the last ending at the edge."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def tile_boxes(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> list[Box]:
    """Tiles of one size that cover a picture of `size`, row by row, overlapping by at least that.

    A side shorter than the tile's has one tile, of that side's own length. 0 <= overlap < tile.
    """
    if not 0 <= overlap < min(tile):
        raise ValueError(f"overlap: got {overlap}, allowed: 0 to {min(tile) - 1}")
    (width, height), (wide, high) = size, (min(tile[0], size[0]), min(tile[1], size[1]))
    return [
        (left, top, left + wide, top + high)
        for top in _starts(height, high, overlap)
        for left in _starts(width, wide, overlap)
    ]


def _ramp(length: int, overlap: int, first: bool, last: bool) -> np.ndarray:
    """Weights along one side of a tile: falling towards a neighbour, full at the picture's edge."""
    weights = np.ones(length, dtype=np.float32)
    rise = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if not first:
        weights[:overlap] = rise
    if not last:
        weights[length - overlap :] = np.minimum(weights[length - overlap :], rise[::-1])
    return weights


def blend_tiles(
    tiles: Sequence[tuple[Box, Image.Image]], size: tuple[int, int], overlap: int
) -> Image.Image:
    """The picture of `size` that tiles (RGB, each of its box's size) make, blended where they meet.

    Where tiles agree the picture is theirs exactly.
    """
    total = np.zeros((size[1], size[0], 3), dtype=np.float32)
    weight = np.zeros((size[1], size[0], 1), dtype=np.float32)
    for (left, top, right, bottom), tile in tiles:
        across = _ramp(right - left, overlap, left == 0, right == size[0])
        down = _ramp(bottom - top, overlap, top == 0, bottom == size[1])
        share = (down[:, None] * across[None, :])[:, :, None]
        total[top:bottom, left:right] += np.asarray(tile, dtype=np.float32) * share
        weight[top:bottom, left:right] += share
    return Image.fromarray(np.rint(total / weight).astype(np.uint8))
