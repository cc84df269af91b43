"""A teacher's link: what it holds, what it refuses, what a student may then draw."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ldm.engine import Engine
from ldm.recipe import Recipe, RecipeError
from ldm.ui.how_it_works.terms import SETTINGS, Terms, read_terms


@pytest.fixture(scope="module")
def engine(small_stable_diffusion_folder: Path) -> Iterator[Engine]:
    with Engine(
        {"small": small_stable_diffusion_folder}, torch.device("cpu"), torch.float32
    ) as made:
        yield made


def recipe_of(terms: Terms) -> Recipe:
    settings = dict(terms.settings)
    return Recipe(**settings, width=64, height=64)  # pyright: ignore[reportArgumentType]


def test_a_link_holds_it_all(engine: Engine) -> None:
    terms = read_terms(engine, "?lesson=noise&caption=a+b%26c&seed=7&free=seed&max_steps=6&class=x")
    assert terms is not None
    assert terms.lesson == "noise" and terms.code == "x" and terms.max_steps == 6
    assert terms.settings["prompt"] == "a b&c" and terms.settings["seed"] == 7
    assert set(terms.settings) == set(SETTINGS.values())
    assert [name for name in SETTINGS if terms.may_change(name)] == ["seed"]
    assert terms.alone and not Terms().alone
    assert read_terms(engine, terms.query()) == terms


def test_other_addresses_are_no_lessons(engine: Engine) -> None:
    for query in ("", "?", "?q=abc", "?__theme=dark"):
        assert read_terms(engine, query) is None
    assert read_terms(engine, "?lesson=noise&__theme=dark") is not None


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("lesson=cooking", "lesson", "noise, latents"),
        ("lesson=noise&steps=many", "steps", "a whole number from 1 to 150"),
        ("lesson=noise&steps=999", "steps", "a whole number from 1 to 150"),
        ("lesson=noise&steps=20&max_steps=10", "steps", "at most max_steps, 10"),
        ("lesson=noise&guidance=nan", "guidance", "a number from 0 to 30"),
        ("lesson=noise&seed=-1", "seed", "a whole number"),
        ("lesson=noise&sampler=best", "sampler", "ddim"),
        ("lesson=noise&model=big", "model", "small"),
        ("lesson=noise&caption=", "caption", "1 to 2000 characters"),
        ("lesson=noise&free=all", "free", "caption, seed"),
        ("lesson=noise&max_size=8", "max_size", "from 64"),
        ("lesson=noise&colour=red", "link", "lesson, caption"),
        ("lesson=noise&seed=1&seed=2", "seed", "one"),
        ("lesson=noise&class=" + "x" * 99, "class", "at most 40"),
        ("lesson=noise&caption=" + "x" * 9000, "link", "at most 8000"),
    ],
)
def test_what_cannot_be_used_is_named(engine: Engine, query: str, field: str, allowed: str) -> None:
    with pytest.raises(RecipeError) as error:
        read_terms(engine, query)
    assert error.value.field == field
    assert allowed in error.value.allowed


def test_what_is_locked_and_capped_cannot_be_drawn(engine: Engine) -> None:
    terms = read_terms(engine, "lesson=noise&caption=a+lake&free=seed,steps&max_steps=6&steps=4")
    assert terms is not None
    recipe = recipe_of(terms)
    terms.check(recipe)
    terms.check(replace(recipe, seed=99, num_inference_steps=6))
    for field, value in (("prompt", "a car"), ("num_inference_steps", 7), ("guidance_scale", 2.0)):
        with pytest.raises(RecipeError) as error:
            terms.check(replace(recipe, **{field: value}))
        assert error.value.field == field
    Terms().check(replace(recipe, prompt="a car"))


def test_a_cap_on_the_size_chooses_a_smaller_one(engine: Engine) -> None:
    native = engine.defaults("small").native_size
    assert Terms().size(engine, "small") == native
    assert Terms(max_size=max(native)).size(engine, "small") == native
    smaller = [s for s in engine.defaults("small").sizes if max(s) < max(native)]
    if smaller:
        cap = max(max(size) for size in smaller)
        assert max(Terms(max_size=cap).size(engine, "small")) <= cap
    terms = Terms(max_size=64)
    with pytest.raises(RecipeError, match="width"):
        terms.check(Recipe("x", num_inference_steps=1, guidance_scale=1, width=72, height=64))
