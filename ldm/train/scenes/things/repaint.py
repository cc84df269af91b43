"""Things in other colours: the commonest hue of a sprite turned into a named one.

What is grey, black or white stays, and so do small parts of another hue: wheels, leaves, windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

# Hue in degrees, factor of the saturation, power of the value (below 1 lightens).
TARGETS: dict[str, tuple[float, float, float]] = {
    "red": (357.0, 1.05, 1.0),
    "orange": (27.0, 1.05, 0.7),
    "yellow": (51.0, 1.0, 0.45),
    "green": (128.0, 0.9, 1.25),
    "blue": (216.0, 1.0, 1.0),
    "purple": (274.0, 0.85, 1.25),
    "pink": (334.0, 0.56, 0.4),
    "white": (220.0, 0.05, 0.22),
    "black": (240.0, 0.10, 1.0),
}
NEAR = 34.0  # degrees either side of the commonest hue
COLOURED = 0.22  # saturation from which a pixel has a hue at all


def _hsv(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    value, low = rgb.max(-1), rgb.min(-1)
    chroma = value - low
    safe = np.maximum(chroma, 1e-6)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    hue = np.where(
        value == red,
        ((green - blue) / safe) % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return hue * 60, chroma / np.maximum(value, 1e-6), value


def _rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """The inverse of _hsv: f(n) = v - v s max(0, min(k, 4 - k, 1)), k = (n + hue / 60) mod 6."""
    channels = []
    for offset in (5, 3, 1):
        k = (offset + hue / 60) % 6
        channels.append(value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(channels, -1)


@dataclass(frozen=True)
class _Coat:
    """A sprite's commonest hue: how far each pixel's hue is from it, and how much it belongs."""

    rgb: Floats
    saturation: Floats
    value: Floats
    away: Floats
    share: Floats
    level: float  # the coat's middle value


def _coat(pixels: NDArray[np.uint8]) -> _Coat | None:
    rgb = pixels[..., :3].astype(np.float32) / 255
    hue, saturation, value = _hsv(rgb)
    counted = (pixels[..., 3] > 128) & (saturation > COLOURED) & (value > 0.2)
    if not counted.any():
        return None
    weights = np.bincount((hue[counted] // 10).astype(int) % 36, minlength=36)
    common = 10.0 * int((weights + np.roll(weights, 1) + np.roll(weights, -1)).argmax()) + 5.0
    away = (hue - common + 180) % 360 - 180
    share = np.clip((NEAR + 12 - np.abs(away)) / 12, 0, 1)
    share *= np.clip((saturation - 0.10) / 0.12, 0, 1)
    of_coat = value[counted & (np.abs(away) < NEAR)]
    level = float(np.median(of_coat)) if len(of_coat) else 0.6
    return _Coat(rgb, saturation, value, away, share, level)


def coat_share(pixels: NDArray[np.uint8]) -> float:
    """How much of a sprite another colour would cover, 0 to 1."""
    coat = _coat(pixels)
    visible = pixels[..., 3] > 128
    if coat is None or not visible.any():
        return 0.0
    return float(coat.share[visible].mean())


def repainted(pixels: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """RGBA pixels with their commonest hue turned to `colour` (a key of TARGETS)."""
    coat = _coat(pixels)
    if coat is None:
        return pixels
    turned, strength, power = TARGETS[colour]
    shade = np.clip(coat.value / max(coat.level, 0.35), 0, 1.15) * (0.55 + 0.45 * coat.level)
    value = np.clip(shade, 0.0, 1.0) ** power
    if colour == "black":
        value = coat.value / max(coat.level, 0.35) * 0.17
    painted = _rgb(
        (turned + coat.away * 0.35) % 360, np.clip(coat.saturation * strength, 0, 1), value
    )
    mixed = coat.rgb + (painted - coat.rgb) * coat.share[..., None]
    out = pixels.copy()
    out[..., :3] = np.clip(mixed * 255 + 0.5, 0, 255).astype(np.uint8)
    return out
