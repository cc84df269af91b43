"""Enlarging on the page: which requests go to the engine, and the whole that comes of them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldm.checkpoints.family import FAMILIES
from ldm.events import Picture
from ldm.imaging import encode_png, pixel_digest, read_png_text
from ldm.recipe import Recipe, RecipeError
from ldm.ui.enlarging import TileRequest, enlarging, whole_of
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe(
    "a lake",
    task="upscale",
    model="scripted",
    num_inference_steps=4,
    guidance_scale=3,
    width=64,
    height=64,
    seed=9,
    num_images=3,
    strength=0.3,
)


def test_tiles_become_one_picture_with_one_recipe(engine: ScriptedEngine) -> None:
    picture = Image.linear_gradient("L").convert("RGB").resize((64, 48))
    requests = enlarging(engine, RECIPE, picture, 2)
    assert len(requests) > 4
    drawn = {}
    for index, request in enumerate(requests):
        assert isinstance(request, TileRequest)
        assert request.recipe.task == "image_to_image" and request.before is picture
        image = request.tile.picture
        drawn[index] = Picture(image, encode_png(image, {"made_with": "{}"}), request.recipe)
    whole = whole_of(requests, drawn)
    # What a model gives back unchanged is the enlarged picture itself.
    large = picture.resize((128, 96), Image.Resampling.LANCZOS)
    assert (np.asarray(whole.image) == np.asarray(large)).all()
    assert Recipe.from_json(read_png_text(whole.png)["recipe"]) == whole.recipe
    digest = pixel_digest(picture)
    wanted = replace(RECIPE, width=128, height=96, num_images=1, init_image=digest)
    assert whole.recipe == wanted


def test_a_model_that_enlarges_does_it_in_one(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "family", lambda model: FAMILIES["x4_upscaler"])
    (request,) = enlarging(engine, RECIPE, Image.new("RGB", (64, 48)), 2)
    assert (request.recipe.task, request.recipe.width) == ("upscale", 256)


def test_another_factor_is_refused(engine: ScriptedEngine) -> None:
    with pytest.raises(RecipeError, match="upscale_factor: got 3, allowed: 2 or 4"):
        enlarging(engine, RECIPE, Image.new("RGB", (64, 64)), 3)
