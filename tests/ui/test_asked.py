"""Explain this picture: the recipe that is asked about, and the pictures that it started from."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from ldm.checkpoints.load import load
from ldm.imaging import pixel_digest
from ldm.pipeline import prepare
from ldm.recipe import Recipe, RecipeError
from ldm.ui.how_it_works.asked import asked_recipe, given_for, of_the_part
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.jobs import Job, Jobs, Request

PHOTO = Image.linear_gradient("L").resize((160, 128)).convert("RGB")
MASK = Image.new("L", (160, 128))
ImageDraw.Draw(MASK).rectangle((100, 20, 130, 50), fill=255)
RECIPE = Recipe(
    "a lake",
    task="inpaint",
    model="small",
    num_inference_steps=2,
    guidance_scale=1.0,
    sampler="ddim",
    width=64,
    height=64,
    init_image=pixel_digest(PHOTO),
    mask=pixel_digest(MASK),
    padding_mask_crop=8,
)


def test_the_recipe_is_checked_as_any_strangers() -> None:
    assert asked_recipe({"recipe": RECIPE.to_json()}) == RECIPE
    for message in (None, {}, {"recipe": "[]"}, {"recipe": json.dumps({"recipe": 1})}):
        with pytest.raises(RecipeError):
            asked_recipe(message)
    enlarged = Recipe(
        "", task="upscale", num_inference_steps=1, guidance_scale=1, width=64, height=64
    )
    with pytest.raises(LabError, match="enlarged"):
        asked_recipe({"recipe": enlarged.to_json()})


def test_pictures_are_found_by_their_fingerprints_among_the_visitors_own_runs() -> None:
    jobs = Jobs()
    jobs.jobs["mine", "inpaint"] = Job((Request(RECIPE, PHOTO, MASK),))
    jobs.jobs["mine", "image_to_image"] = Job((Request(RECIPE, MASK.convert("RGB")),))
    assert given_for(RECIPE, jobs, "mine") == (PHOTO, MASK)
    for visitor in ("another", ""):
        with pytest.raises(LabError, match="no longer kept"):
            given_for(RECIPE, jobs, visitor)
    text = Recipe("a lake", num_inference_steps=1, guidance_scale=1, width=64, height=64)
    assert given_for(text, jobs, "another") == ()


def test_the_part_around_the_mask_is_what_the_model_saw(
    small_stable_diffusion_folder: Path,
) -> None:
    """Both requests begin with the same numbers, to the bit."""
    checkpoint = load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)
    alone, given = of_the_part(RECIPE, (PHOTO, MASK), checkpoint)
    assert alone.padding_mask_crop is None
    assert given[0].size == given[1].size == (alone.width, alone.height)
    (whole,), (part,) = (
        prepare(checkpoint, RECIPE, PHOTO, MASK),
        prepare(checkpoint, alone, given[0], given[1]),
    )
    assert torch.equal(whole.x, part.x)
    assert torch.equal(whole.sigmas, part.sigmas)
    assert of_the_part(alone, given, checkpoint) == (alone, given)
