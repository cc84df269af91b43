"""The sprites on disk: one memory-mapped file of RGBA pixels and an index beside it.

`make train-data` writes them (ldm/train/sprites). Knows nothing of where they come from.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .catalogue import by_code
from .colour_names import named_colours
from .repaint import coat_share

FOLDER = Path(".train/sprites")
PIXELS, INDEX = "pixels.bin", "index.json"
FORMAT = 2
MISSING = (
    "{path}: no sprites there; run `make train-data` once, "
    "or ask for landscapes alone: --kinds landscape"
)


@dataclass(frozen=True)
class Sprite:
    """One drawing of a concept, cropped to what is visible.

    `foot` is the part of its width that touches the ground (0 to 1, left and right end);
    `colours` are true names of what it is mostly coloured, none, one or two; `coat` is how much of
    it takes another colour when it is repainted (0 to 1).
    """

    code: str
    style: str
    width: int
    height: int
    offset: int
    foot: tuple[float, float]
    colours: tuple[str, ...]
    coat: float


class SpriteStore:
    """All sprites of a folder. FileNotFoundError says how to get them."""

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        if not path.exists():
            raise FileNotFoundError(MISSING.format(path=folder))
        entries = json.loads(path.read_text())
        if entries["format"] != FORMAT:
            raise FileNotFoundError(
                f"{path}: got format {entries['format']}, allowed: {FORMAT}; run `make train-data`"
            )
        self.digest: str = entries["digest"]
        self._pixels = np.memmap(folder / PIXELS, np.uint8, "r")
        known = by_code()
        grouped: dict[str, dict[str, Sprite]] = defaultdict(dict)
        for entry in entries["sprites"]:
            if entry["code"] in known:
                sprite = Sprite(
                    entry["code"],
                    entry["style"],
                    entry["width"],
                    entry["height"],
                    entry["offset"],
                    (entry["foot"][0], entry["foot"][1]),
                    tuple(entry["colours"]),
                    entry["coat"],
                )
                grouped[sprite.code][sprite.style] = sprite
        self.by_code: dict[str, dict[str, Sprite]] = dict(grouped)

    def pixels(self, sprite: Sprite) -> NDArray[np.uint8]:
        """(height, width, 4) RGBA, alpha not multiplied in."""
        end = sprite.offset + sprite.width * sprite.height * 4
        return self._pixels[sprite.offset : end].reshape(sprite.height, sprite.width, 4)


@lru_cache(4)
def open_sprites(folder: Path) -> SpriteStore:
    """The store of a folder, opened once a process."""
    return SpriteStore(folder)


def _foot(alpha: NDArray[np.uint8]) -> tuple[float, float]:
    """Left and right end of what the lowest tenth covers, as shares of the width."""
    low = alpha[-max(1, len(alpha) // 10) :].max(0) > 96
    covered = np.flatnonzero(low)
    if not len(covered):
        return 0.25, 0.75
    width = alpha.shape[1]
    return round(float(covered[0]) / width, 3), round(float(covered[-1] + 1) / width, 3)


def cropped(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of an RGBA picture that is visible at all; ValueError if nothing is."""
    rows, columns = (np.flatnonzero((pixels[..., 3] > 24).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("sprite: got a picture that is wholly transparent")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def write_store(folder: Path, sprites: Iterable[tuple[str, str, NDArray[np.uint8]]]) -> int:
    """Write (code, style, RGBA pixels) triples as a store, replacing what is there.

    Pictures are cropped to what is visible. Returns how many there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, object]] = []
    digest, offset = hashlib.sha256(), 0
    with (folder / f"{PIXELS}.tmp").open("wb") as file:
        for code, style, picture in sprites:
            pixels = np.ascontiguousarray(cropped(picture))
            height, width = pixels.shape[:2]
            visible = pixels[pixels[..., 3] > 128][:, :3]
            entries.append(
                {
                    "code": code,
                    "style": style,
                    "width": width,
                    "height": height,
                    "offset": offset,
                    "foot": _foot(pixels[..., 3]),
                    "colours": named_colours(visible),
                    "coat": round(coat_share(pixels), 3),
                }
            )
            data = pixels.tobytes()
            digest.update(data)
            file.write(data)
            offset += len(data)
    index = {"format": FORMAT, "digest": digest.hexdigest()[:16], "sprites": entries}
    (folder / f"{INDEX}.tmp").write_text(json.dumps(index))
    (folder / f"{PIXELS}.tmp").replace(folder / PIXELS)
    (folder / f"{INDEX}.tmp").replace(folder / INDEX)
    return len(entries)
