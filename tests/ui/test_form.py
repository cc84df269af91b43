"""From what the page sends to a recipe, raw and unrepaired."""

from dataclasses import asdict
from typing import Any

import gradio as gr
import pytest

from ldm.recipe import Recipe, RecipeError
from ldm.ui.filling import fill
from ldm.ui.form import CUSTOM, Form, read_recipe
from ldm.ui.jobs import Jobs
from ldm.ui.text_to_image import build_text_to_image
from tests.ui.conftest import ScriptedEngine


@pytest.fixture
def form(engine: ScriptedEngine) -> Form:
    with gr.Blocks():
        return build_text_to_image(engine, Jobs(), gr.Textbox())


@pytest.fixture
def values(form: Form) -> dict[Any, Any]:
    """What the untouched page sends."""
    return {component: component.value for component in form.inputs()}


def test_the_untouched_page_is_a_recipe_with_the_models_defaults(
    form: Form, values: dict[Any, Any]
) -> None:
    recipe = read_recipe(form, values)
    assert (recipe.width, recipe.height) == (64, 64)
    assert (recipe.num_inference_steps, recipe.guidance_scale) == (4, 3.0)
    assert (recipe.sampler, recipe.model) == ("ddim", "scripted")
    assert recipe.task == "text_to_image"
    assert (recipe.guidance_start, recipe.guidance_end) == (0, 1)
    assert (recipe.cache_interval, recipe.token_merging_ratio) == (1, 0)


def test_a_new_seed_each_time_unless_unticked(form: Form, values: dict[Any, Any]) -> None:
    seeds = {read_recipe(form, values).seed for _ in range(5)}
    assert len(seeds) == 5
    values[form.randomise] = False
    values[form.fields["seed"]] = 41
    assert read_recipe(form, values).seed == 41


def test_variations_keep_the_seed_and_vary_anew_each_time(
    form: Form, values: dict[Any, Any]
) -> None:
    values |= {form.fields["seed"]: 41, form.fields["variation_strength"]: 0.3}
    recipes = [read_recipe(form, values) for _ in range(5)]
    assert {recipe.seed for recipe in recipes} == {41}
    assert len({recipe.variation_seed for recipe in recipes}) == 5
    values |= {form.randomise: False, form.fields["variation_seed"]: 6}
    assert read_recipe(form, values).variation_seed == 6


def test_a_recipe_sets_every_field_of_the_form(form: Form, engine: ScriptedEngine) -> None:
    recipe = Recipe(
        "a lake",
        model="other",
        negative_prompt="fog",
        sampler="euler",
        schedule="karras",
        num_inference_steps=9,
        guidance_scale=2.5,
        guidance_rescale=0.3,
        guidance_start=0.2,
        guidance_end=0.8,
        cache_interval=3,
        token_merging_ratio=0.5,
        clip_skip=1,
        seed=7,
        variation_seed=8,
        variation_strength=0.1,
        width=96,
        height=64,
        num_images=2,
    )
    filled = fill(form, engine, asdict(recipe))
    assert {name: filled[component] for name, component in form.fields.items()} == {
        name: getattr(recipe, name) for name in form.fields
    }
    assert filled[form.randomise] is False


def test_sizes(form: Form, values: dict[Any, Any]) -> None:
    values[form.size.preset] = "96x64"
    assert (read_recipe(form, values).width, read_recipe(form, values).height) == (96, 64)
    values |= {form.size.preset: CUSTOM, form.size.width: 128, form.size.height: 72}
    assert (read_recipe(form, values).width, read_recipe(form, values).height) == (128, 72)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_inference_steps", 0),
        ("num_inference_steps", 10_000),
        ("num_inference_steps", 3.5),
        ("guidance_scale", float("nan")),
        ("guidance_scale", None),
        ("seed", -1),
        ("seed", None),
        ("variation_seed", None),
        ("variation_strength", 1.5),
        ("cache_interval", 2.5),
        ("token_merging_ratio", 0.9),
        ("prompt", None),
        ("prompt", "x" * 10_000),
        ("num_images", 9),
        ("num_images", "2"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    form: Form, values: dict[Any, Any], field: str, value: object
) -> None:
    values |= {form.randomise: False, form.fields[field]: value}
    with pytest.raises(RecipeError) as caught:
        read_recipe(form, values)
    assert caught.value.field == field


@pytest.mark.parametrize("preset", ["", None, "64", "64x-1", "axb", ["64x64"]])
def test_a_size_that_is_not_on_the_list_is_refused(
    form: Form, values: dict[Any, Any], preset: object
) -> None:
    values[form.size.preset] = preset
    with pytest.raises(RecipeError) as caught:
        read_recipe(form, values)
    assert caught.value.field == "width"


@pytest.mark.parametrize(
    ("width", "height", "usable"),
    [(128, 72, (128, 72)), (10**6, 64, None), (128, None, None), (128.5, 64, None), (63, 64, None)],
)
def test_only_sizes_a_picture_may_have_reach_a_canvas(
    form: Form, values: dict[Any, Any], width: object, height: object, usable: object
) -> None:
    values |= {form.size.preset: CUSTOM, form.size.width: width, form.size.height: height}
    assert form.size.usable(values) == usable
