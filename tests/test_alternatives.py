"""Captions that leave something to the seed.

The references are written out by hand, or are itertools' product of what is in the braces.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from ldm.alternatives import chosen, longest
from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Result
from ldm.imaging import read_png_text
from ldm.pipeline import check, run
from ldm.recipe import Recipe, RecipeError

RECIPE = Recipe(
    "a {red|blue} lake",
    num_inference_steps=2,
    guidance_scale=2,
    seed=4,
    width=64,
    height=64,
    num_images=2,
)


@pytest.fixture(scope="module")
def checkpoint(small_stable_diffusion_folder: Path) -> Checkpoint:
    return load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)


def drawn(checkpoint: Checkpoint, recipe: Recipe) -> Result:
    *_, result = run(checkpoint, recipe)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize(
    ("caption", "seed", "wanted"),
    [
        ("a castle {at dawn|at night}", 0, "a castle at dawn"),
        ("a castle {at dawn|at night}", 1, "a castle at night"),
        ("a castle { at dawn | at night }", 1, "a castle at night"),
        ("a castle {at dawn|}, large", 1, "a castle, large"),
        ("{|old} castle", 0, "castle"),
        ("a {red|{light|dark} blue} boat", 0, "a red boat"),
        ("a {{light|dark} blue|red} boat", 0, "a light blue boat"),
        ("({red|blue}:1.3) [boat]", 0, "(red:1.3) [boat]"),
        # Text, to the character.
        ("a {castle}  here", 5, "a {castle}  here"),
        (r"a \{red|blue\} boat", 5, r"a \{red|blue\} boat"),
        (r"{a\|b|c}", 0, r"a\|b"),
        ("red|blue } {", 5, "red|blue } {"),
        ("{} {a|b}", 0, "{} a"),
    ],
)
def test_one_of_each_group_is_taken(caption: str, seed: int, wanted: str) -> None:
    assert chosen(caption, seed) == wanted
    assert chosen(wanted, seed + 1) == wanted  # a recipe that was taken from a picture stays


def test_consecutive_seeds_come_to_every_combination_before_one_returns() -> None:
    caption = "{a|b|c} {d|e} {f|g|h|i}"
    wanted = {" ".join(parts) for parts in product("abc", "de", "fghi")}
    for start in (0, 7, 2**31):
        assert {chosen(caption, start + index) for index in range(24)} == wanted


def test_the_next_seed_takes_another_of_every_group() -> None:
    before, after = (chosen("{a|b|c} {d|e} {f|g|h|i}", seed).split() for seed in (1, 2))
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_the_longest_is_what_could_need_the_most_room() -> None:
    assert longest("a {red|dark blue|} boat {at sea|}") == "a dark blue boat at sea"
    assert longest("a boat") == "a boat"


def test_many_braces_take_no_longer_than_they_should() -> None:
    """As long as a caption may be: innermost first, each pass takes a pair of braces away."""
    assert chosen("{a|" * 600 + "}" * 600, 0).count("{") == 0
    assert len(chosen("{" * 2000, 0)) == 2000


def test_each_picture_takes_its_own_and_says_which(checkpoint: Checkpoint) -> None:
    recipe = replace(RECIPE, negative_prompt="{small|large}")
    pictures = drawn(checkpoint, recipe).pictures
    assert [one.recipe.prompt for one in pictures] == ["a red lake", "a blue lake"]
    assert [one.recipe.negative_prompt for one in pictures] == ["small", "large"]
    for one in pictures:
        assert Recipe.from_json(read_png_text(one.png)["recipe"]) == one.recipe
        (again,) = drawn(checkpoint, one.recipe).pictures
        # The order of additions differs between a batch and one: 2/255, as in test_pipeline.
        apart = np.asarray(one.image).astype(int) - np.asarray(again.image).astype(int)
        assert abs(apart).max() <= 2


def test_captions_of_different_length_share_a_request(checkpoint: Checkpoint) -> None:
    """One is read in one part, the other in two: they cannot share a U-Net call."""
    recipe = replace(RECIPE, prompt="a lake {|BREAK at night}")
    for one in drawn(checkpoint, recipe).pictures:
        (again,) = drawn(checkpoint, one.recipe).pictures
        apart = np.asarray(one.image).astype(int) - np.asarray(again.image).astype(int)
        assert abs(apart).max() <= 2


def test_a_variation_keeps_the_words_of_its_seed(checkpoint: Checkpoint) -> None:
    recipe = replace(RECIPE, variation_strength=0.2)
    pictures = drawn(checkpoint, recipe).pictures
    assert [one.recipe.prompt for one in pictures] == ["a red lake", "a red lake"]


def test_a_caption_that_may_come_to_nothing_is_refused(checkpoint: Checkpoint) -> None:
    check(replace(RECIPE, prompt="{a lake|}", num_images=1), checkpoint, 4096)
    with pytest.raises(RecipeError, match="prompt"):
        check(replace(RECIPE, prompt="{a lake|}"), checkpoint, 4096)


def test_weights_of_every_alternative_that_is_drawn_are_checked(checkpoint: Checkpoint) -> None:
    with pytest.raises(RecipeError, match="the weight 99"):
        check(replace(RECIPE, prompt="{a lake|(a lake:99)}"), checkpoint, 4096)
