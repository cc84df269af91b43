"""Recipes from outside: what is taken, what is warned of, what is refused."""

import base64
import json

import pytest

from ldm import __version__
from ldm.recipe import Recipe, RecipeError
from ldm.ui.given import Unreadable, read_given, read_message, read_query
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe(
    "a lake", model="other", num_inference_steps=4, guidance_scale=3, width=64, height=64, seed=9
)
SAME = json.dumps({"ldm": __version__, "model_hash": "weights of today"})


def link(recipe: Recipe, made_with: dict[str, str]) -> str:
    whole = json.dumps({"recipe": recipe.to_json(), "made_with": made_with})
    return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")


def test_a_recipe_of_this_program_needs_no_warning(engine: ScriptedEngine) -> None:
    given = read_given(engine, RECIPE.to_json(), SAME)
    assert given.task == "text_to_image"
    assert given.fields["seed"] == 9
    assert given.fields["model"] == "other"
    assert given.notes == ()


@pytest.mark.parametrize(
    ("made_with", "word"),
    [({"model_hash": "older weights"}, "weights"), ({"ldm": "0.0.1"}, "0.0.1")],
)
def test_other_weights_and_versions_are_told(
    engine: ScriptedEngine, made_with: dict[str, str], word: str
) -> None:
    given = read_given(engine, RECIPE.to_json(), json.dumps(made_with))
    assert len(given.notes) == 1
    assert word in given.notes[0]


def test_a_model_that_is_not_here_is_replaced_and_told(engine: ScriptedEngine) -> None:
    text = RECIPE.to_json().replace('"other"', '"elsewhere"')
    given = read_given(engine, text)
    assert given.fields["model"] == "scripted"
    assert "elsewhere" in given.notes[0]


def test_a_picture_that_is_needed_is_told(engine: ScriptedEngine) -> None:
    recipe = Recipe(
        "a",
        task="image_to_image",
        model="other",
        num_inference_steps=4,
        guidance_scale=3,
        width=64,
        height=64,
        init_image="0" * 64,
    )
    given = read_given(engine, recipe.to_json(), SAME)
    assert given.task == "image_to_image"
    assert len(given.notes) == 1


def test_parameters_fill_the_open_tab_and_leave_out_what_cannot_be(engine: ScriptedEngine) -> None:
    text = "a lake\nSteps: 20, Sampler: Euler, CFG scale: 900, Seed: -1, Size: 64x64, Model: other"
    given = read_given(engine, text, task="inpaint")
    assert given.task == "inpaint"
    assert given.fields["model"] == "other"
    assert "seed" not in given.fields and "guidance_scale" not in given.fields
    assert "guidance_scale, seed" in given.notes[0]
    assert read_given(engine, text, task="nonsense").task == "text_to_image"


def test_parameters_may_begin_with_alternatives(engine: ScriptedEngine) -> None:
    text = "{a lake|a hill} at dawn\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 64x64"
    given = read_given(engine, text)
    assert given.fields["prompt"] == "{a lake|a hill} at dawn"
    assert given.fields["num_inference_steps"] == 20


def test_a_link_holds_the_whole_recipe(engine: ScriptedEngine) -> None:
    given = read_message(engine, {"query": link(RECIPE, {"ldm": __version__})})
    assert given.fields["prompt"] == "a lake"
    assert given.notes == ()


@pytest.mark.parametrize("query", ["", "!", "e30", "bm90IGpzb24", "WzFd", "A" * 300_000, "é"])
def test_broken_links_are_unreadable(engine: ScriptedEngine, query: str) -> None:
    with pytest.raises((Unreadable, RecipeError)):
        read_message(engine, {"query": query})


def test_other_texts_are_unreadable_and_bad_recipes_name_the_field(engine: ScriptedEngine) -> None:
    for text in ("", "a lake", "x" * 300_000):
        with pytest.raises(Unreadable):
            read_given(engine, text)
    with pytest.raises(RecipeError) as caught:
        read_given(engine, RECIPE.to_json().replace('"seed": 9', '"seed": -9'))
    assert caught.value.field == "seed"
    assert read_query(link(RECIPE, {}))[0] == RECIPE.to_json()
