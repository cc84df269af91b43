"""A picture enlarged by a model that redraws: in overlapping tiles, each a recipe of its own.

Owns which tiles a recipe of the task *upscale* has with a model that is not made for it, and the
picture that they become. Who draws them, and with what, it does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from ldm.events import Picture
from ldm.imaging import encode_png, read_png_text
from ldm.imaging.tiles import Box, blend_tiles, tile_boxes
from ldm.pipeline.checks import described
from ldm.recipe import LIMITS, Described, Recipe, RecipeError

FACTORS = (2, 4)
MOST_TILES = 64
STRENGTH = 0.15  # beyond this, each tile begins to be a picture of its own
_OVERLAP = 4  # tiles overlap by this share of their shorter side: one in so many

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of the enlarged picture (RGB), where it lies in the whole, and what redraws it."""

    recipe: Recipe
    picture: Image.Image
    box: Box


def enlarged_size(picture: Image.Image, factor: int, step: int) -> Size:
    """`factor` times the picture's size, in multiples of `step` pixels.

    Raises RecipeError for another factor than those of FACTORS, and where a side becomes too long.
    """
    if factor not in FACTORS:
        raise RecipeError("upscale_factor", factor, " or ".join(map(str, FACTORS)))
    limit = LIMITS["width"]  # and of the height
    least = -(-int(limit.minimum) // step) * step
    width, height = (max(least, round(side * factor / step) * step) for side in picture.size)
    if max(width, height) > limit.maximum:
        most = int(limit.maximum) // factor
        allowed = f"at most {most} pixels a side, which becomes {factor} times as long"
        raise RecipeError("init_image", described(picture), allowed)
    return width, height


def tiles_of(recipe: Recipe, picture: Image.Image, native: Size) -> list[Tile]:
    """The tiles of `picture` at the recipe's size; native: what the model draws best.

    Each has a seed of its own, counted from the recipe's: with one seed for all, the same noise
    would show as a pattern. Raises RecipeError where there would be too many.
    """
    size, alone = (recipe.width, recipe.height), recipe.for_image(0)
    boxes = tile_boxes(size, native, min(*native, *size) // _OVERLAP)
    if len(boxes) > MOST_TILES:
        got = Described(f"{described(picture)}, which makes {len(boxes)} tiles")
        raise RecipeError("init_image", got, f"at most {MOST_TILES} tiles")
    large = picture.resize(size, Image.Resampling.LANCZOS)
    tiles: list[Tile] = []
    for index, box in enumerate(boxes):
        own = replace(
            alone,
            task="image_to_image",
            seed=(recipe.seed + index) % 2**32,
            width=box[2] - box[0],
            height=box[3] - box[1],
            init_image="",
        )
        tiles.append(Tile(own, large.crop(box), box))
    return tiles


def put_together(recipe: Recipe, tiles: Sequence[Tile], drawn: Sequence[Picture]) -> Picture:
    """The whole picture of all tiles as drawn, with a PNG that carries its recipe."""
    left, top, right, bottom = tiles[0].box
    parts = [(tile.box, one.image) for tile, one in zip(tiles, drawn, strict=True)]
    overlap = min(right - left, bottom - top) // _OVERLAP
    whole = blend_tiles(parts, (recipe.width, recipe.height), overlap)
    made_with = read_png_text(drawn[0].png).get("made_with", "{}")
    alone = recipe.for_image(0)
    png = encode_png(whole, {"recipe": alone.to_json(), "made_with": made_with})
    return Picture(whole, png, alone)
