"""What is asked of the engine to make a picture larger: one request, or one for each tile.

A model of an upscaler's family does it in one; any other redraws the enlarged picture in tiles,
which the engine draws in shared batches. Knows no components.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from ldm.engine import Engine
from ldm.events import Picture
from ldm.pipeline import check_pictures, size_step, upscaled_size
from ldm.pipeline.tiled import Tile, enlarged_size, put_together, tiles_of
from ldm.recipe import Recipe
from ldm.ui.jobs import Request


@dataclass(frozen=True, kw_only=True)
class TileRequest(Request):
    """A tile's request; `whole` draws the picture that it is a part of."""

    whole: Recipe
    tile: Tile


def enlarges(engine: Engine, model: str) -> bool:
    """Whether the model itself makes pictures larger."""
    return "upscale" in engine.family(model).tasks


def enlarging(
    engine: Engine, recipe: Recipe, picture: Image.Image, factor: int
) -> list[Request] | list[TileRequest]:
    """The requests of a recipe whose size is not known yet.

    factor: how many times as large, with a model that is not made for it. Raises RecipeError for
    what cannot be.
    """
    model = recipe.model
    if enlarges(engine, model):
        width, height = upscaled_size(engine.family(model), picture)
        return [Request(replace(recipe, width=width, height=height, num_images=1), picture)]
    width, height = enlarged_size(picture, factor, size_step(engine.checkpoint(model)))
    sized = replace(recipe, width=width, height=height, num_images=1)
    whole = check_pictures(sized, picture, None)
    return [
        TileRequest(tile.recipe, tile.picture, before=picture, whole=whole, tile=tile)
        for tile in tiles_of(whole, picture, engine.defaults(model).native_size)
    ]


def whole_of(requests: Sequence[Request], drawn: Mapping[int, Picture]) -> Picture:
    """The one picture of requests that `enlarging` made, all drawn."""
    tiles = [request for request in requests if isinstance(request, TileRequest)]
    if not tiles:
        return drawn[0]
    pictures = [drawn[index] for index in range(len(tiles))]
    return put_together(tiles[0].whole, [request.tile for request in tiles], pictures)
