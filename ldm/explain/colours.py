"""Numbers as colours: signed, from nothing to much, and feature maps by their main directions.

Owns the palettes, so that a colour means the same everywhere: blue is below zero and orange above;
amber is attention, red what words change, plum error. Works on arrays; files and pages are others'
affair.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIGNED = ("#12346b", "#3f7fc4", "#b9d3ea", "#f4f2ee", "#f6c58f", "#e07b28", "#7d2f0a")
AMOUNT = ("#14110f", "#4a2410", "#9c4a0c", "#e08a1a", "#ffd166", "#fff6d8")
CHANGE = ("#160d12", "#4f1530", "#9c2350", "#d6406f", "#f29bb5", "#fff0f5")
ERROR = ("#141116", "#3d1d4f", "#7d3391", "#c264c9", "#f3b7ee", "#fff3fd")


def palette(stops: Sequence[str], count: int = 256) -> np.ndarray:
    """(count, 3) bytes that run through the colours "#rrggbb" at equal distances."""
    colours = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    at = np.linspace(0, len(stops) - 1, count)
    channels = [np.interp(at, np.arange(len(stops)), colours[:, i]) for i in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


_TABLES = {stops: palette(stops) for stops in (SIGNED, AMOUNT, CHANGE, ERROR)}
_GREY = palette(("#000000", "#ffffff"))


def _painted(shares: Tensor, table: np.ndarray) -> Image.Image:
    """(rows, columns) of 0..1 through a palette; one pixel a cell."""
    index = (shares.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(table[index])


def signed(values: Tensor, limit: float) -> Image.Image:
    """(rows, columns) of -limit..limit: blue below zero, orange above, what is beyond is cut."""
    return _painted(values / (2 * limit) + 0.5, _TABLES[SIGNED])


def change(values: Tensor, limit: float) -> Image.Image:
    """(rows, columns) of 0..limit: dark to light red."""
    return _painted(values / limit if limit > 0 else torch.zeros_like(values), _TABLES[CHANGE])


def error(values: Tensor, limit: float) -> Image.Image:
    """(rows, columns) of 0..limit: dark to light plum."""
    return _painted(values / limit if limit > 0 else torch.zeros_like(values), _TABLES[ERROR])


def overlaid(picture: Image.Image, shares: Tensor) -> Image.Image:
    """The picture in dim grey with (rows, columns) of 0..1 as amber light upon it."""
    light = _painted(shares, _TABLES[AMOUNT]).resize(picture.size, Image.Resampling.BICUBIC)
    strength = _painted(shares, _GREY).convert("L").resize(picture.size, Image.Resampling.BICUBIC)
    grey = picture.convert("L").point(lambda value: 16 + value * 0.55).convert("RGB")
    return Image.composite(Image.blend(grey, light, 0.8), grey, strength)


def main_directions(features: Tensor, count: int = 3) -> tuple[Tensor, Tensor]:
    """The directions in which a feature map's cells differ most (PCA), and their mean.

    features (C, rows, columns). Returns (count, C) of length 1 and (C,); zeros where a map has
    fewer directions than that.
    """
    cells = features.flatten(1).T.float()
    mean = cells.mean(0)
    directions = torch.zeros(count, len(mean))
    found = torch.linalg.svd(cells - mean, full_matrices=False).Vh[:count]
    # The sign of a direction is arbitrary; this one is the same every time.
    directions[: len(found)] = found * found.gather(1, found.abs().argmax(1, keepdim=True)).sign()
    return directions, mean


def by_directions(features: Tensor, directions: Tensor, mean: Tensor) -> Image.Image:
    """A feature map (C, rows, columns) as red, green and blue: its place along three directions.

    Each colour spans two and a half standard deviations to both sides of the middle.
    """
    rows, columns = features.shape[1:]
    placed = (features.flatten(1).T.float() - mean) @ directions.T  # (cells, 3)
    spread = placed.std(0).clamp(min=1e-12)
    levels = (placed / (5 * spread) + 0.5).clamp(0, 1) * 255
    return Image.fromarray(levels.round().to(torch.uint8).view(rows, columns, 3).numpy())
