"""How a picture is made larger: by a model that enlarges, or in tiles by one that redraws.

A model of an upscaler's family does it in one request. Any other redraws overlapping tiles of the
enlarged picture, each a request, which the engine draws in shared batches. Knows no components.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from PIL import Image

from ldm.engine import Engine
from ldm.events import Picture
from ldm.imaging import ImageError, encode_png, pixel_digest, read_png_text
from ldm.imaging.tiles import Box, blend_tiles, tile_boxes
from ldm.pipeline import upscaled_size
from ldm.recipe import Recipe
from ldm.ui.jobs import Request
from ldm.ui.masking import STEP

FACTORS = (2, 4)
OVERLAP = 4  # tiles overlap by this share of their shorter side: one in so many
MOST_TILES = 64


@dataclass(frozen=True)
class TileRequest(Request):
    """A tile's request, and where it lies in the whole."""

    box: Box = (0, 0, 0, 0)
    size: tuple[int, int] = (0, 0)  # of the whole
    overlap: int = 0


def enlarges(engine: Engine, model: str) -> bool:
    """Whether the model itself makes pictures larger."""
    return "upscale" in engine.family(model).tasks


def one_request(engine: Engine, recipe: Recipe, picture: Image.Image) -> list[Request]:
    """The request to a model that enlarges. Raises `RecipeError` for what it cannot."""
    width, height = upscaled_size(engine.family(recipe.model), picture)
    wanted = replace(recipe, task="upscale", width=width, height=height, num_images=1)
    return [Request(wanted, picture)]


def tiled_requests(
    engine: Engine, recipe: Recipe, picture: Image.Image, factor: int
) -> list[Request]:
    """One request a tile of the picture at `factor` times its size, at the model's own size.

    Each tile has a seed of its own, counted from the recipe's: with one seed for all, the same
    noise would show as a pattern. Raises `ImageError` for a picture that needs too many.
    """
    sides = [max(STEP * 8, round(side * factor / STEP) * STEP) for side in picture.size]
    size = (sides[0], sides[1])
    native = engine.defaults(recipe.model).native_size
    overlap = min(*native, *size) // OVERLAP
    boxes = tile_boxes(size, native, overlap)
    if len(boxes) > MOST_TILES:
        got = f"a picture of {picture.width} x {picture.height}, which makes {len(boxes)} tiles"
        raise ImageError("init_image", got, f"at most {MOST_TILES} tiles")
    large = picture.resize(size, Image.Resampling.LANCZOS)
    requests: list[Request] = []
    for index, box in enumerate(boxes):
        tile = replace(
            recipe,
            task="image_to_image",
            seed=(recipe.seed + index) % 2**32,
            width=box[2] - box[0],
            height=box[3] - box[1],
            num_images=1,
        )
        requests.append(
            TileRequest(tile, large.crop(box), before=picture, box=box, size=size, overlap=overlap)
        )
    return requests


def put_together(requests: Sequence[TileRequest], drawn: Mapping[int, Picture]) -> Picture:
    """The whole picture of all tiles; its PNG says how it was made under `tiles`.

    It has no recipe of its own in the text: no single one draws it.
    """
    first = requests[0]
    tiles = [(request.box, drawn[index].image) for index, request in enumerate(requests)]
    whole = blend_tiles(tiles, first.size, first.overlap)
    before = first.before
    about = {
        "of": pixel_digest(before) if before is not None else "",
        "overlap": first.overlap,
        "boxes": [request.box for request in requests],
        "first_tile": asdict(drawn[0].recipe),
    }
    made_with = read_png_text(drawn[0].png).get("made_with", "{}")
    png = encode_png(whole, {"tiles": json.dumps(about), "made_with": made_with})
    return Picture(whole, png, drawn[0].recipe)
