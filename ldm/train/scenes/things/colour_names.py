"""What a reader would call the colours of a picture: shares of named colours in RGB pixels."""

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "black",
    "grey",
    "white",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
)
MAIN = 0.66  # a thing is "red" if that share of it is
PART = 0.26  # and "red and white" if each takes that share and both together
BOTH = 0.80


def shares(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """The share of each of NAMES among (N, 3) RGB pixels."""
    rgb = pixels.astype(np.float32) / 255
    value, low = rgb.max(1), rgb.min(1)
    chroma = value - low
    saturation = chroma / np.maximum(value, 1e-6)
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(
        value == red,
        ((green - blue) / safe) % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue * 60
    names = np.select(
        [
            value < 0.25,
            (saturation < 0.14) & (value > 0.86),
            saturation < 0.16,
            ((hue < 46) & (hue >= 8) & (value < 0.72))
            | ((hue < 40) & (hue >= 14) & (saturation < 0.55) & (value < 0.85)),
            (hue >= 325) & (saturation < 0.62) & (value > 0.75),
            ((hue < 12) | (hue >= 340)) & (saturation < 0.55) & (value > 0.75),
            (hue < 14) | (hue >= 343),
            hue < 42,
            hue < 66,
            hue < 165,
            hue < 252,
            (hue < 300) | ((hue < 322) & (value < 0.75)),
        ],
        [0, 2, 1, 10, 9, 9, 3, 4, 5, 6, 7, 8],
        9,
    )
    counts = np.bincount(names, minlength=len(NAMES)) / max(1, len(names))
    return dict(zip(NAMES, counts.tolist(), strict=True))


def named_colours(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """One name if the pixels are mostly of it, two if two make them up, else none."""
    ranked = sorted(shares(pixels).items(), key=lambda pair: (-pair[1], pair[0]))
    (first, most), (second, next_most) = ranked[:2]
    if most >= MAIN:
        return (first,)
    if next_most >= PART and most + next_most >= BOTH:
        return (first, second)
    return ()
