"""Sprites drawn by program, so that no test fetches anything."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldm.train.scenes.things.catalogue import concepts
from ldm.train.scenes.things.store import SpriteStore, write_store


def spot(red: int, green: int, blue: int, size: tuple[int, int] = (24, 20)) -> np.ndarray:
    """A disc of one colour on nothing, RGBA."""
    image = Image.new("RGBA", size)
    ImageDraw.Draw(image).ellipse((0, 0, size[0] - 1, size[1] - 1), fill=(red, green, blue, 255))
    return np.asarray(image)


@pytest.fixture(scope="session")
def sprite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two styles of every thing, each a disc of some bright colour."""
    folder = tmp_path_factory.mktemp("sprites")
    drawn = []
    for index, concept in enumerate(concepts()):
        red, green, blue = (int(255 * c) for c in colorsys.hsv_to_rgb(index % 11 / 11, 0.9, 0.9))
        for style in ("fluent3d", "noto"):
            if style not in concept.unfit:
                drawn.append((concept.code, style, spot(red, green, blue)))
    write_store(folder, drawn)
    return folder


@pytest.fixture(scope="session")
def sprites(sprite_folder: Path) -> SpriteStore:
    return SpriteStore(sprite_folder)
