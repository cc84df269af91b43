"""From the packages' files to RGBA pictures of one size, for each thing in the catalogue.

SVG icons are rendered by resvg, WebP files are reduced. Knows how each package names its files.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from ldm.train.scenes.things.catalogue import Concept, by_code, concepts
from ldm.train.scenes.things.store import cropped

from .bodies import with_body
from .packages import Package, read_members

BODY = "+body"
SIDE = 200  # pixels of a sprite's longer side


def _picture(image: Image.Image) -> NDArray[np.uint8]:
    image = image.convert("RGBA")
    image = Image.fromarray(cropped(np.asarray(image)))
    share = SIDE / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    if size != image.size:
        # Reduced with the colours weighted by alpha, or edges take on the hidden colour.
        image = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    return np.asarray(image)


def _svg(body: str, width: float, height: float) -> Image.Image:
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{body}</svg>'
    )
    data = bytes(resvg_py.svg_to_bytes(svg_string=text, width=round(SIDE * 1.25)))
    return Image.open(io.BytesIO(data))


def _dry(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A boat without the slab of water that some styles draw under it."""
    rgb = picture[..., :3].astype(int)
    visible = picture[..., 3] > 128
    blue = visible & (rgb[..., 2] > rgb[..., 0] + 40) & (rgb[..., 2] > rgb[..., 1] + 5)
    wet = blue.sum(1) / np.maximum(visible.sum(1), 1)
    height = len(picture)
    wide = visible.sum(1) > 0.8 * picture.shape[1]
    bottom = slice(height - max(5, height // 16), height)
    if np.median(wet[bottom]) < 0.7 or wide[bottom].mean() < 0.5:
        return picture
    row = height - max(5, height // 16)
    while row > height * 0.5 and wet[row] > 0.3:
        row -= 1
    return picture[: row + 1]


def _fluent3d(archive: Path, wanted: list[Concept]) -> Iterator[tuple[str, Image.Image]]:
    files = {
        re.sub(r"-?fe0f", "", Path(name).stem): data
        for name, data in read_members(archive, "assets/").items()
    }
    for concept in wanted:
        if concept.code in files:
            yield concept.code, Image.open(io.BytesIO(files[concept.code]))


def _iconify(archive: Path, wanted: list[Concept]) -> Iterator[tuple[str, Image.Image]]:
    icons = json.loads(read_members(archive, "icons.json")["icons.json"])
    chars = json.loads(read_members(archive, "chars.json")["chars.json"])
    names = {re.sub(r"-?fe0f", "", code.lower()): name for code, name in chars.items()}
    for concept in wanted:
        icon = icons["icons"].get(names.get(concept.code, ""))
        if icon:
            width, height = icon.get("width", icons["width"]), icon.get("height", icons["height"])
            yield concept.code, _svg(icon["body"], width, height)


def rendered(package: Package, archive: Path) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """(code, style, RGBA pixels) of every thing in the catalogue that the package holds."""
    wanted = [each for each in concepts() if package.style not in each.unfit]
    if package.style == "fluent3d":
        images = _fluent3d(archive, wanted)
    else:
        images = _iconify(archive, wanted)
    embodied = {code.removesuffix(BODY): code for code in by_code() if code.endswith(BODY)}
    for code, image in images:
        picture = _picture(image)
        if by_code()[code].group == "vehicles" and "water" in by_code()[code].zones:
            picture = _dry(picture)
        yield code, package.style, picture
        if code in embodied and package.style not in by_code()[embodied[code]].unfit:
            whole = Image.fromarray(with_body(embodied[code], package.style, picture))
            yield embodied[code], package.style, _picture(whole)
