"""The recipe refuses what it should, in words that name the field, and survives JSON unchanged."""

import copy
import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, TASKS, Recipe, RecipeError

REQUIRED = {"num_inference_steps": 20, "guidance_scale": 5.0, "width": 256, "height": 192}
DIGEST = "0123456789abcdef" * 4
WHOLE = (
    "num_inference_steps",
    "clip_skip",
    "seed",
    "variation_seed",
    "width",
    "height",
    "num_images",
    "mask_feather",
    "noise_level",
    "cache_interval",
)
FRACTIONS = (
    "guidance_scale",
    "guidance_rescale",
    "guidance_start",
    "guidance_end",
    "token_merging_ratio",
    "variation_strength",
    "strength",
)


def make(**changes: object) -> Recipe:
    return Recipe(**({"prompt": "a lake"} | REQUIRED | changes))


FULL = make(
    prompt='a "lake",\nat dusk \\ 夕暮れ 🏔️ \x00 e\u0301',
    negative_prompt="blur",
    task="inpaint",
    model="another",
    sampler="euler",
    schedule="karras",
    guidance_scale=7.25,
    guidance_rescale=0.7,
    guidance_start=0.1,
    guidance_end=0.8,
    cache_interval=3,
    token_merging_ratio=0.5,
    clip_skip=2,
    seed=2**32 - 1,
    variation_seed=77,
    variation_strength=0.25,
    num_images=8,
    strength=0.3,
    mask_feather=64,
    padding_mask_crop=32,
    noise_level=350,
    init_image=DIGEST,
    mask=DIGEST[::-1],
)


def test_the_limits_cover_every_number_of_a_recipe():
    numbers = {f.name for f in dataclasses.fields(Recipe) if f.type in (int, float)}
    assert numbers == set(LIMITS) == {*WHOLE, *FRACTIONS}


def test_the_limits_are_those_promised_to_the_page():
    ranges = {name: (limit.minimum, limit.maximum) for name, limit in LIMITS.items()}
    assert ranges == {
        "num_inference_steps": (1, 150),
        "guidance_scale": (0, 30),
        "guidance_rescale": (0, 1),
        "guidance_start": (0, 1),
        "guidance_end": (0, 1),
        "cache_interval": (1, 10),
        "token_merging_ratio": (0, 0.75),
        "strength": (0.01, 1),
        "num_images": (1, 8),
        "width": (64, 2048),
        "height": (64, 2048),
        "clip_skip": (0, 11),
        "seed": (0, 2**32 - 1),
        "variation_seed": (0, 2**32 - 1),
        "variation_strength": (0, 1),
        "mask_feather": (0, 64),
        "noise_level": (0, 999),
    }


@pytest.mark.parametrize("field", LIMITS)
def test_the_ends_of_each_range_are_allowed(field):
    for value in (LIMITS[field].minimum, LIMITS[field].maximum):
        assert getattr(make(**{field: value}), field) == value


@pytest.mark.parametrize("field", LIMITS)
def test_what_lies_beyond_a_range_is_refused(field):
    limit = LIMITS[field]
    for value in (limit.minimum - limit.step, limit.maximum + limit.step, 10**400, -(10**5000)):
        with pytest.raises(RecipeError) as caught:
            make(**{field: value})
        assert caught.value.field == field
        assert caught.value.got == value
        assert str(caught.value).startswith(f"{field}: got ")
        assert f"from {limit.minimum:g} to " in str(caught.value)


@pytest.mark.parametrize("field", LIMITS)
@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, "1", "", None, True, [1], {"a": 1}, 1j, b"1", np.ones(1)],
    ids=repr,
)
def test_what_is_no_number_is_refused(field, value):
    with pytest.raises(RecipeError) as caught:
        make(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", WHOLE)
def test_a_fraction_is_no_whole_number(field):
    with pytest.raises(RecipeError, match=f"{field}: got 64.0, allowed: a whole number"):
        make(**{field: 64.0})


@pytest.mark.parametrize("field", FRACTIONS)
def test_a_whole_number_is_stored_as_a_fraction(field):
    whole = int(LIMITS[field].maximum)
    recipe = make(**{field: whole})
    assert type(getattr(recipe, field)) is float
    assert recipe == make(**{field: float(whole)})
    assert recipe.to_json() == make(**{field: float(whole)}).to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": 5}, "prompt: got 5, allowed: 0 to 2000 characters"),
        ({"prompt": None}, "prompt: got None, allowed: 0 to 2000 characters"),
        ({"negative_prompt": None}, "negative_prompt: got None, allowed: 0 to 2000 characters"),
        (
            {"num_inference_steps": 0},
            "num_inference_steps: got 0, allowed: a whole number from 1 to 150",
        ),
        (
            {"num_inference_steps": 10_000},
            "num_inference_steps: got 10000, allowed: a whole number from 1 to 150",
        ),
        ({"guidance_scale": math.nan}, "guidance_scale: got nan, allowed: a number from 0 to 30"),
        ({"width": 30_000}, "width: got 30000, allowed: a whole number from 64 to 2048"),
        ({"seed": -1}, "seed: got -1, allowed: a whole number from 0 to 4294967295"),
        ({"strength": 0}, "strength: got 0, allowed: a number from 0.01 to 1"),
        (
            {"task": "paint"},
            "task: got 'paint', allowed: text_to_image, image_to_image, inpaint, upscale",
        ),
        (
            {"padding_mask_crop": 257},
            "padding_mask_crop: got 257, allowed: nothing, or a whole number from 0 to 256",
        ),
        ({"padding_mask_crop": True}, "padding_mask_crop: got True"),
        ({"padding_mask_crop": 8.0}, "padding_mask_crop: got 8.0"),
        ({"task": ["inpaint"]}, "task: got ['inpaint'], allowed: " + ", ".join(TASKS)),
        ({"sampler": ""}, "sampler: got '', allowed: 1 to 300 characters"),
        ({"schedule": 3}, "schedule: got 3, allowed: 1 to 300 characters"),
        ({"model": "m" * 301}, "model: got 'mmmmm"),
        (
            {"prompt": "half \ud83d"},
            "prompt: got 'half \\ud83d', allowed: text that can be written as UTF-8",
        ),
        (
            {"init_image": DIGEST},
            f"init_image: got '{DIGEST}', allowed: '' (nothing) for the task text_to_image",
        ),
        ({"task": "image_to_image", "mask": DIGEST}, "mask: got"),
        ({"task": "inpaint", "mask": "white"}, "mask: got 'white', allowed: '' or a SHA-256"),
        ({"task": "inpaint", "init_image": DIGEST.upper()}, "init_image: got"),
        ({"task": "inpaint", "init_image": DIGEST + "\n"}, "init_image: got"),
        ({"task": "inpaint", "init_image": None}, "init_image: got None"),
    ],
)
def test_messages_name_the_field_what_came_and_what_is_allowed(changes, message):
    with pytest.raises(ValueError) as caught:
        make(**changes)
    assert isinstance(caught.value, RecipeError)
    assert str(caught.value).startswith(message)
    if message.count(", allowed: "):
        assert str(caught.value).isprintable()


def test_a_caption_of_10_000_characters_is_refused_briefly():
    with pytest.raises(RecipeError) as caught:
        make(prompt="long " * 2000)
    assert str(caught.value).startswith("prompt: got 'long long ")
    assert "(10000 characters), allowed: 0 to 2000 characters" in str(caught.value)
    assert len(str(caught.value)) < 150
    assert caught.value.got == "long " * 2000


def test_the_longest_captions_are_allowed():
    text = "\U0001f3d4" * MAX_PROMPT_CHARACTERS
    recipe = make(prompt=text, negative_prompt=text)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(json.dumps(json.loads(recipe.to_json()))) == recipe  # escaped


@pytest.mark.parametrize("task", TASKS)
def test_no_task_needs_a_caption_of_itself(task):
    """Models do, most of them: tests/test_pipeline.py and tests/test_upscale.py."""
    assert make(prompt="", task=task).prompt == ""


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_goes_with_every_task_but_one(task):
    if task == "text_to_image":
        with pytest.raises(RecipeError, match="init_image"):
            make(task=task, init_image=DIGEST)
    else:
        assert make(task=task, init_image=DIGEST).init_image == DIGEST


def test_recipes_cannot_be_changed_behind_the_checks():
    recipe = make()
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.seed = 3
    with pytest.raises(RecipeError):
        dataclasses.replace(recipe, seed=-3)


@pytest.mark.parametrize("recipe", [make(), FULL], ids=["defaults", "everything"])
def test_json_gives_the_same_recipe_back(recipe):
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe
    assert Recipe.from_json(text).to_json() == text
    assert "\n" not in text
    names = ["recipe", *(f.name for f in dataclasses.fields(Recipe))]
    assert list(json.loads(text)) == names
    assert json.loads(text)["recipe"] == 1


def test_json_keeps_what_is_not_ascii_readable():
    assert "夕暮れ 🏔️" in FULL.to_json()


def test_json_may_leave_out_what_has_a_default():
    assert Recipe.from_json(json.dumps({"recipe": 1, "prompt": "a lake"} | REQUIRED)) == make()


def stored(**changes: object) -> str:
    return json.dumps(json.loads(make().to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "recipe: got '', allowed: one JSON object"),
        ("a lake", "recipe: got 'a lake', allowed: one JSON object"),
        ("[1]", "recipe: got '[1]'"),
        ("null", "recipe: got 'null'"),
        ("[" * 90_000, "recipe: got '[[["),
        ("9" * 9_000, "recipe: got '999"),
        (stored()[:-1], "recipe: got '{"),
        (" " * 200_000 + stored(), "recipe: got '   "),
        (stored(recipe=2), "recipe: got 2, allowed: 1 (the version this program reads)"),
        (stored(recipe=True), "recipe: got True"),
        (json.dumps(REQUIRED | {"prompt": "a lake"}), "recipe: got None"),
        (stored(colour="red"), "recipe: got the field 'colour', allowed: only prompt, negative_"),
        (stored(**{"\x1b[31m\n": 1}), "recipe: got the field '\\x1b[31m\\n', allowed: only"),
        (stored(_=1), "recipe: got the field '_',"),
        ('{"recipe": 1, "seed": 1, "seed": 2}', "recipe: got the field 'seed' more than once,"),
        ('{"recipe": 1}', "prompt: got None, allowed: a value (the field is missing)"),
        (stored(seed="1"), "seed: got '1'"),
        (stored(seed=1.5), "seed: got 1.5"),
        (stored(guidance_scale=math.nan), "guidance_scale: got nan"),
        (stored(guidance_scale=math.inf), "guidance_scale: got inf"),
        (stored(width=None), "width: got None"),
        (stored(prompt="\ud800"), "prompt: got '\\ud800'"),
    ],
)
def test_json_that_is_no_recipe_is_refused(text, message):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(text)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


def test_each_picture_of_a_request_has_a_recipe_of_its_own():
    request = make(seed=2**32 - 2, num_images=3)
    recipes = [request.for_image(index) for index in range(3)]
    assert [recipe.seed for recipe in recipes] == [2**32 - 2, 2**32 - 1, 0]
    assert {recipe.num_images for recipe in recipes} == {1}
    assert dataclasses.replace(recipes[0], num_images=3) == request
    for index in (-1, 3):
        with pytest.raises(RecipeError, match="index"):
            request.for_image(index)


def test_variations_keep_the_seed_and_count_their_own():
    request = make(seed=7, variation_seed=2**32 - 1, variation_strength=0.2, num_images=2)
    recipes = [request.for_image(index) for index in range(2)]
    assert [recipe.seed for recipe in recipes] == [7, 7]
    assert [recipe.variation_seed for recipe in recipes] == [2**32 - 1, 0]
    assert {recipe.num_images for recipe in recipes} == {1}


def test_errors_survive_copying_and_pickling():
    """Worker processes hand their errors back by pickle."""
    error = RecipeError("seed", -1, "0 or more")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(other), other.field, other.got) == (str(error), "seed", -1)
