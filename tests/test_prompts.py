"""Captions from the recipe to the picture: what a row is given, what is refused, and one whole run
against diffusers, which takes the states that this test makes with transformers' own model.
"""

from copy import copy
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Result
from ldm.pipeline import check, prepare, run
from ldm.recipe import Recipe, RecipeError

RECIPE = Recipe(
    prompt="a lake",
    sampler="ddim",
    num_inference_steps=4,
    guidance_scale=5.0,
    seed=3,
    width=64,
    height=64,
)


@pytest.fixture(scope="module")
def checkpoint(small_stable_diffusion_folder: Path) -> Checkpoint:
    checkpoint = load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)
    with torch.no_grad():  # a mean of the states, as CLIP's have one
        checkpoint.text_encoder.model.final_layer_norm.bias -= 0.5
    return checkpoint


def test_a_plain_caption_within_the_limit_gives_the_states_it_gave(checkpoint: Checkpoint) -> None:
    (row,) = prepare(checkpoint, replace(RECIPE, negative_prompt="rain"), None, None)
    states = checkpoint.text_encoder.encode(["a lake", "rain"])
    assert row.unconditional is not None
    assert torch.equal(torch.cat([row.conditional.states, row.unconditional.states]), states)


@pytest.mark.parametrize(
    ("prompt", "negative_prompt", "chunks"),
    [
        ("a lake", "", 1),
        ("a lake BREAK dawn", "rain", 2),
        ("a lake", "fog BREAK rain BREAK mist", 3),
    ],
)
def test_both_prompts_of_a_row_are_equally_long(
    checkpoint: Checkpoint, prompt: str, negative_prompt: str, chunks: int
) -> None:
    recipe = replace(RECIPE, prompt=prompt, negative_prompt=negative_prompt)
    (row,) = prepare(checkpoint, recipe, None, None)
    assert row.unconditional is not None
    length = chunks * (checkpoint.text_encoder.limit + 2)
    assert row.conditional.states.shape == row.unconditional.states.shape == (1, length, 32)


def test_without_guidance_the_negative_prompt_changes_nothing(checkpoint: Checkpoint) -> None:
    recipe = replace(RECIPE, guidance_scale=1.0)
    (plain,) = prepare(checkpoint, recipe, None, None)
    (other,) = prepare(checkpoint, replace(recipe, negative_prompt="a BREAK b"), None, None)
    assert torch.equal(plain.conditional.states, other.conditional.states)
    assert other.unconditional is None


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("a (lake:12)", "got \"the weight 12 for 'lake'\", allowed: weights from 0 to 10"),
        ("BREAK " * 80 + "a", "got 'a caption of 81 chunks', allowed: at most 64 of up to 62"),
    ],
)
def test_what_cannot_be_encoded_names_the_field(
    checkpoint: Checkpoint, field: str, caption: str, message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(replace(RECIPE, **{field: caption}), checkpoint, max_pixels=512 * 512)
    assert str(caught.value).startswith(f"{field}: {message}")


def test_clip_skip_reaches_the_states(checkpoint: Checkpoint) -> None:
    (row,) = prepare(checkpoint, replace(RECIPE, clip_skip=1), None, None)
    wanted = checkpoint.text_encoder.encode_captions(["a lake", ""], 1).states
    assert torch.equal(row.conditional.states, wanted[:1])
    assert not torch.equal(wanted, checkpoint.text_encoder.encode(["a lake", ""]))
    with pytest.raises(RecipeError, match="clip_skip: got 2, allowed: 0 to 1 with this model"):
        check(replace(RECIPE, clip_skip=2), checkpoint, max_pixels=512 * 512)


@torch.no_grad()
def test_a_weighted_caption_of_two_chunks_draws_as_in_diffusers(
    small_stable_diffusion: diffusers.StableDiffusionPipeline, checkpoint: Checkpoint
) -> None:
    """2/255 on the picture: both sides compute in float32, in another order of additions."""
    pipe = copy(small_stable_diffusion)
    pipe.scheduler = diffusers.DDIMScheduler.from_pretrained(checkpoint.path / "scheduler")
    pipe.set_progress_bar_config(disable=True)

    def states(text: str) -> torch.Tensor:
        ids = pipe.tokenizer(text, padding="max_length", max_length=64, return_tensors="pt")
        return checkpoint.text_encoder.model(ids.input_ids).last_hidden_state

    place = len(pipe.tokenizer("a", add_special_tokens=False).input_ids) + 1
    count = len(pipe.tokenizer("lake", add_special_tokens=False).input_ids)
    first = states("a lake")
    weighted = first.clone()
    weighted[:, place : place + count] *= 1.5
    weighted *= first.mean() / weighted.mean()
    theirs = pipe(
        prompt_embeds=torch.cat([weighted, states("at dawn")], 1),
        negative_prompt_embeds=torch.cat([states("rain"), states("")], 1),
        num_inference_steps=RECIPE.num_inference_steps,
        guidance_scale=RECIPE.guidance_scale,
        width=64,
        height=64,
        generator=torch.Generator().manual_seed(RECIPE.seed),
    ).images[0]

    caption = "a (lake:1.5) BREAK at dawn"
    recipe = replace(RECIPE, prompt=caption, negative_prompt="rain")
    result = list(run(checkpoint, recipe))[-1]
    assert isinstance(result, Result)
    picture = result.pictures[0]
    assert picture.recipe.prompt == caption, "the recipe keeps the text as written"
    ours = np.asarray(picture.image).astype(int)
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2
    plain = list(run(checkpoint, replace(recipe, prompt="a lake BREAK at dawn")))[-1]
    assert isinstance(plain, Result)
    assert (np.asarray(plain.pictures[0].image) != np.asarray(picture.image)).any()
