"""A picture enlarged in tiles: which tiles a recipe has, and the picture that they become."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm.engine import Engine
from ldm.events import Picture, Result
from ldm.imaging import read_png_text
from ldm.pipeline.tiled import MOST_TILES, enlarged_size, put_together, tiles_of
from ldm.recipe import Recipe, RecipeError

RECIPE = Recipe(
    "a lake",
    task="upscale",
    model="small",
    num_inference_steps=2,
    guidance_scale=1,
    width=128,
    height=96,
    seed=2**32 - 1,
    strength=0.5,
)


def gradient(width: int, height: int) -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((width, height))


def test_tiles_have_the_models_size_and_seeds_of_their_own() -> None:
    tiles = tiles_of(RECIPE, gradient(64, 48), (64, 64))
    assert {(tile.recipe.width, tile.recipe.height) for tile in tiles} == {(64, 64)}
    seeds = [tile.recipe.seed for tile in tiles]
    assert seeds == [2**32 - 1, *range(len(tiles) - 1)]  # counted on from the recipe's
    covered = np.zeros((96, 128), bool)
    for tile in tiles:
        left, top, right, bottom = tile.box
        covered[top:bottom, left:right] = True
        assert tile.picture.size == (64, 64)
    assert covered.all()


def test_one_tile_is_enough_for_a_model_of_that_size() -> None:
    (tile,) = tiles_of(RECIPE, gradient(64, 48), (512, 512))
    assert tile.box == (0, 0, 128, 96)


@pytest.mark.parametrize(
    ("size", "factor", "step", "expected"),
    [
        ((100, 60), 2, 8, (200, 120)),
        ((100, 60), 4, 16, (400, 240)),
        ((101, 10), 2, 16, (208, 64)),  # 202 and 20 in steps, and no side below what a recipe takes
    ],
)
def test_the_size_is_the_pictures_in_steps(
    size: tuple[int, int], factor: int, step: int, expected: tuple[int, int]
) -> None:
    assert enlarged_size(Image.new("RGB", size), factor, step) == expected


def test_what_becomes_too_large_is_refused() -> None:
    with pytest.raises(
        RecipeError, match="a picture of 600 x 20 pixels, allowed: at most 512 pixels"
    ):
        enlarged_size(Image.new("RGB", (600, 20)), 4, 8)
    large = replace(RECIPE, width=2048, height=2048)
    with pytest.raises(RecipeError, match=f"tiles, allowed: at most {MOST_TILES} tiles"):
        tiles_of(large, gradient(512, 512), (64, 64))


def test_the_recipe_of_the_whole_draws_it_again(small_stable_diffusion_folder: Path) -> None:
    picture = gradient(64, 48)

    def draw(engine: Engine, recipe: Recipe) -> Picture:
        tiles = tiles_of(recipe, picture, (64, 64))
        runs = [engine.run(tile.recipe, tile.picture) for tile in tiles]
        results = [next(event for event in run if isinstance(event, Result)) for run in runs]
        return put_together(recipe, tiles, [result.pictures[0] for result in results])

    with Engine({"small": small_stable_diffusion_folder}) as engine:
        first = draw(engine, RECIPE)
        kept = Recipe.from_json(read_png_text(first.png)["recipe"])
        again = draw(engine, kept)
    assert first.image.size == (128, 96)
    # Tiles share U-Net calls as they come, and a batch adds in another order: 2/255.
    difference = np.asarray(first.image).astype(int) - np.asarray(again.image).astype(int)
    assert abs(difference).max() <= 2
