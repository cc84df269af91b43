"""Enlarging in tiles: the requests, and the whole that comes of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldm.events import Picture
from ldm.imaging import ImageError, encode_png, read_png_text
from ldm.recipe import Recipe, RecipeError
from ldm.ui.enlarging import TileRequest, one_request, put_together, tiled_requests
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe(
    "a lake",
    task="image_to_image",
    model="scripted",
    num_inference_steps=4,
    guidance_scale=3,
    width=64,
    height=64,
    seed=9,
    num_images=3,
    strength=0.3,
)


def test_tiles_have_the_models_size_and_seeds_of_their_own(engine: ScriptedEngine) -> None:
    picture = Image.linear_gradient("L").convert("RGB").resize((64, 48))
    requests = tiled_requests(engine, RECIPE, picture, 2)
    tiles = [request for request in requests if isinstance(request, TileRequest)]
    assert len(tiles) == len(requests) > 4
    assert {(tile.recipe.width, tile.recipe.height) for tile in tiles} == {(64, 64)}
    assert [tile.recipe.seed for tile in tiles] == list(range(9, 9 + len(tiles)))
    assert {tile.recipe.num_images for tile in tiles} == {1}
    assert all(tile.init_image is not None and tile.init_image.size == (64, 64) for tile in tiles)

    # What a model gives back unchanged is the enlarged picture itself.
    drawn = {}
    for index, tile in enumerate(tiles):
        assert tile.init_image is not None
        png = encode_png(tile.init_image, {"made_with": "{}"})
        drawn[index] = Picture(tile.init_image, png, tile.recipe)
    whole = put_together(tiles, drawn)
    large = picture.resize((128, 96), Image.Resampling.LANCZOS)
    assert (np.asarray(whole.image) == np.asarray(large)).all()
    text = read_png_text(whole.png)
    assert len(json.loads(text["tiles"])["boxes"]) == len(tiles)
    assert "recipe" not in text


def test_too_many_tiles_are_refused(engine: ScriptedEngine) -> None:
    with pytest.raises(ImageError, match="at most 64 tiles"):
        tiled_requests(engine, RECIPE, Image.new("RGB", (900, 900)), 4)


def test_a_model_that_does_not_enlarge_is_refused_by_name(engine: ScriptedEngine) -> None:
    with pytest.raises(RecipeError) as caught:
        one_request(engine, replace(RECIPE, num_images=1), Image.new("RGB", (64, 64)))
    assert caught.value.field == "task"
