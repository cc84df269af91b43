"""What the cells of drawings show, as a loss wants it: see `ldm.train.scenes.shown`."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ldm.train.scenes import BACKGROUNDS, PLACES, labels


@cache
def is_ground() -> Tensor:
    """(len(labels()),) of bool: places and backgrounds."""
    return torch.tensor([name in PLACES or name in BACKGROUNDS for name in labels()])


def cell_weights(names: Tensor, things: float) -> Tensor:
    """The weights of cells that show these labels, in the same shape: a thing's or element's is
    `things`, a place's 1.
    """
    return torch.where(is_ground().to(names.device)[names], 1.0, things)


def mean_of_cells(errors: Tensor, names: Tensor, things: float) -> Tensor:
    """The mean of errors of cells that show these labels, weighed by `cell_weights`; a scalar."""
    weights = cell_weights(names, things)
    return (errors * weights).sum() / weights.sum()


def resized(cells: Tensor, like: Tensor) -> Tensor:
    """Labels (B, n, CELLS, CELLS) for maps (B, C, h, w): (B, n, h, w) int64, on their device."""
    return F.interpolate(cells.float(), like.shape[-2:], mode="nearest").long().to(like.device)
