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
from ldm.train.scenes.things.colour_names import shares
from ldm.train.scenes.things.store import cropped

from .bodies import with_body
from .packages import Package, read_members

BODY = "+body"
SIDE = 200  # pixels of a sprite's longer side
SQUARE = 0.985  # an icon that fills so much of its square has a background of its own

# fxemoji names its icons by the emoji's name without spaces, except these.
FXEMOJI_NAMES = {
    "1f408": "catside",
    "1f431": "cat",
    "1f415": "dogside",
    "1f436": "dog",
    "1f401": "mouseside",
    "1f42d": "mouse",
    "1f416": "pigside",
    "1f437": "pig",
    "1f405": "tigerside",
    "1f406": "leopardside",
    "1f409": "dragonside",
    "1f432": "dragonhead",
    "1f430": "bunny",
    "1f407": "bunnyside",
    "1f411": "sheep",
    "1f42e": "cowface",
    "1f434": "horseface",
    "1f43c": "pandaface",
    "1f42a": "dromedarycamel",
    "1f42b": "bactriancamel",
    "1f433": "spurtingwhale",
    "1f43d": "pigsnout",
    "1f346": "aubergine",
    "1f336": "chilipepper",
    "1f33d": "earofmaize",
    "1f332": "evergreen",
    "1f3f0": "europeancastle",
    "1f3e4": "europeanpostoffice",
    "1f3e0": "housebuilding",
    "1f682": "steamlocomotive",
    "1f3ce": "racecar",
    "1f3d4": "snowmountains",
    "26bd": "soccerball",
    "1f3be": "tennisball",
    "1f355": "sliceofpizza",
    "1f3ae": "videogame",
    "1f47b": "ghost",
    "1f47d": "alien",
    "1f480": "skull",
    "2764": "redheart",
    "1f511": "key",
    "1f5dd": "oldkey",
    "1f512": "lock",
    "1f514": "bell",
    "1f4e6": "package",
    "1f4ee": "postbox",
    "2709": "envelope",
}


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


def _has_background(picture: NDArray[np.uint8]) -> bool:
    return float((picture[..., 3] > 200).mean()) > SQUARE


def _is_glyph(picture: NDArray[np.uint8]) -> bool:
    """Whether it is a black sign, not a drawing."""
    return shares(picture[picture[..., 3] > 128][:, :3])["black"] > 0.92


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


def _icon_names(chars: dict[str, str], style: str, wanted: list[Concept]) -> dict[str, list[str]]:
    """Code -> names its icon may have, best first."""
    if style != "fxemoji":
        known = {re.sub(r"-?fe0f", "", code.lower()): name for code, name in chars.items()}
        return {each.code: [known[each.code]] for each in wanted if each.code in known}
    names = {}
    for concept in wanted:
        if concept.code in FXEMOJI_NAMES:
            names[concept.code] = [FXEMOJI_NAMES[concept.code]]
        else:
            names[concept.code] = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in concept.names]
    return names


def _iconify(archive: Path, style: str, wanted: list[Concept]) -> Iterator[tuple[str, Image.Image]]:
    icons = json.loads(read_members(archive, "icons.json")["icons.json"])
    chars = json.loads(read_members(archive, "chars.json")["chars.json"])
    names = _icon_names(chars, style, wanted)
    for concept in wanted:
        found = [name for name in names.get(concept.code, ()) if name in icons["icons"]]
        if found:
            icon = icons["icons"][found[0]]
            width, height = icon.get("width", icons["width"]), icon.get("height", icons["height"])
            yield concept.code, _svg(icon["body"], width, height)


def rendered(package: Package, archive: Path) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """(code, style, RGBA pixels) of every thing in the catalogue that the package holds."""
    wanted = [each for each in concepts() if package.style not in each.unfit]
    if package.style == "fluent3d":
        images = _fluent3d(archive, wanted)
    else:
        images = _iconify(archive, package.style, wanted)
    embodied = {code.removesuffix(BODY): code for code in by_code() if code.endswith(BODY)}
    for code, image in images:
        picture = _picture(image)
        if package.style == "fxemoji" and (_has_background(picture) or _is_glyph(picture)):
            continue
        if by_code()[code].group == "vehicles" and "water" in by_code()[code].zones:
            picture = _dry(picture)
        yield code, package.style, picture
        if code in embodied and package.style not in by_code()[embodied[code]].unfit:
            whole = Image.fromarray(with_body(embodied[code], package.style, picture))
            yield embodied[code], package.style, _picture(whole)
