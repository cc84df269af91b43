"""Whole runs of every family against diffusers' pipeline for it, with small random weights.

Each model is saved by diffusers, opened by ours and drawn with the defaults that its files give,
from the same noise: both sides take it from one CPU generator a picture. Tolerance 2/255: both
compute in float32, and only the order of additions differs. What Stable Diffusion 1 does with every
sampler stands in test_pipeline.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ldm import imaging
from ldm.checkpoints.load import Checkpoint, load
from ldm.conditioning import conditionings
from ldm.events import Result
from ldm.pipeline import advance, check, prepare, run
from ldm.recipe import Recipe, RecipeError
from tests import small_models
from tests.small_models import SIZE

# diffusers' schedulers hand torch's tensors to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
STEPS = 5  # for models whose own are more
MASKED = ("sd1_inpaint", "sd2_inpaint", "sdxl_inpaint")


@dataclass(frozen=True)
class Pair:
    """One model on both sides."""

    pipe: Any
    checkpoint: Checkpoint


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    made: dict[str, Pair] = {}

    def of(family: str) -> Pair:
        if family not in made:
            pipe = small_models.FAMILIES[family]()
            pipe.set_progress_bar_config(disable=True)
            folder = tmp_path_factory.mktemp("models") / family
            pipe.save_pretrained(folder)
            made[family] = Pair(pipe, load(folder, torch.device("cpu"), torch.float32))
        return made[family]

    return of


def scribble() -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), (40, 90, 200))
    ImageDraw.Draw(image).ellipse((10, 20, 50, 60), fill=(220, 180, 30))
    return image


def blob() -> Image.Image:
    """A mask whose edges are no multiples of 8."""
    mask = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(mask).ellipse((5, 9, 44, 58), fill=255)
    return mask


def recipe_of(checkpoint: Checkpoint, **changes: object) -> Recipe:
    defaults = checkpoint.defaults
    base = Recipe(
        prompt="a lake",
        sampler=defaults.sampler,
        schedule=defaults.schedule,
        num_inference_steps=min(STEPS, defaults.num_inference_steps),
        guidance_scale=defaults.guidance_scale,
        seed=3,
        width=SIZE,
        height=SIZE,
        mask_feather=0,
    )
    return replace(base, **changes)


def drawn(checkpoint: Checkpoint, recipe: Recipe, *pictures: Image.Image) -> np.ndarray:
    check(recipe, checkpoint, SIZE * SIZE)
    events = list(run(checkpoint, recipe, *pictures))
    assert isinstance(events[-1], Result)
    return np.asarray(events[-1].pictures[0].image).astype(int)


def reference(pipe: Any, recipe: Recipe, **inputs: Any) -> np.ndarray:
    """diffusers' picture; an empty negative prompt is none."""
    if "LatentConsistency" not in type(pipe).__name__:
        inputs["negative_prompt"] = recipe.negative_prompt or None
    image = pipe(
        recipe.prompt,
        num_inference_steps=recipe.num_inference_steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator().manual_seed(recipe.seed),
        **inputs,
    ).images[0]
    return np.asarray(image).astype(int)


def mode_of(pipe: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The latents that ours take: the posterior's mode, of which diffusers would draw a sample."""
    with torch.no_grad():
        mode = pipe.vae.encode(pixels).latent_dist.mode()
    return mode * pipe.vae.config.scaling_factor


def test_every_family_is_told_from_its_files(pair: Callable[[str], Pair]) -> None:
    for name in small_models.FAMILIES:
        assert pair(name).checkpoint.family.name == name


@pytest.mark.parametrize("negative", ["", "rain"])
@pytest.mark.parametrize("family", sorted(small_models.FAMILIES.keys() - {*MASKED, "sdxl_refiner"}))
def test_text_to_image(pair: Callable[[str], Pair], family: str, negative: str) -> None:
    both = pair(family)
    recipe = recipe_of(both.checkpoint, negative_prompt=negative)
    theirs = reference(both.pipe, recipe, width=SIZE, height=SIZE)
    ours = drawn(both.checkpoint, recipe)
    assert np.ptp(ours) > 20, "a flat picture would agree with anything"
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("strength", [0.6, 1.0])
@pytest.mark.parametrize(
    "family",
    # Not XL's LCM: diffusers takes strength from its timesteps there as of any other sampler's,
    # where its pipeline for LCM, and ours, let the sampler choose among the remaining ones.
    ["sd1", "sd1_lcm", "sd2", "sd2_turbo", "sdxl", "sdxl_refiner", "sdxl_turbo"],
)
def test_image_to_image(pair: Callable[[str], Pair], family: str, strength: float) -> None:
    both = pair(family)
    pipe = diffusers.AutoPipelineForImage2Image.from_pipe(both.pipe)
    if family == "sdxl_refiner":
        pipe = both.pipe
    pipe.set_progress_bar_config(disable=True)
    recipe = recipe_of(
        both.checkpoint, task="image_to_image", strength=strength, negative_prompt="rain"
    )
    latents = mode_of(both.pipe, imaging.to_tensor(scribble()))
    theirs = reference(pipe, recipe, image=latents, strength=strength)
    ours = drawn(both.checkpoint, recipe, scribble())
    assert np.ptp(ours) > 20
    assert np.abs(ours - theirs).max() <= 2


def inpainted(
    pipe: Any, recipe: Recipe, picture: Image.Image, mask: Image.Image, strength: float
) -> np.ndarray:
    pixels = imaging.to_tensor(picture)
    marked = torch.from_numpy(np.asarray(mask) > 127)
    return reference(
        pipe,
        recipe,
        image=mode_of(pipe, pixels),
        mask_image=mask,
        masked_image_latents=mode_of(pipe, pixels * ~marked),
        strength=strength,
        width=SIZE,
        height=SIZE,
    )


@pytest.mark.parametrize("strength", [0.6, 1.0])
@pytest.mark.parametrize("family", MASKED)
def test_inpainting_with_nine_channels(
    pair: Callable[[str], Pair], family: str, strength: float
) -> None:
    """Within the mask, that is; outside it ours are the given picture's own pixels."""
    both = pair(family)
    recipe = recipe_of(both.checkpoint, task="inpaint", strength=strength, negative_prompt="rain")
    theirs = inpainted(both.pipe, recipe, scribble(), blob(), strength)
    ours = drawn(both.checkpoint, recipe, scribble(), blob())
    inside = np.asarray(blob()) > 0
    assert np.ptp(ours[inside]) > 20
    assert np.abs(ours - theirs)[inside].max() <= 2
    assert (ours == np.asarray(scribble()))[~inside].all()


@pytest.mark.parametrize("family", sorted(small_models.FAMILIES.keys() - {*MASKED, "sdxl_refiner"}))
def test_inpainting_with_four_channels(pair: Callable[[str], Pair], family: str) -> None:
    """By our own formula, as diffusers noises the original anew at each step (see test_pipeline):
    with DDIM, what is not repainted goes straight from its first noise to the original's latents.
    """
    checkpoint = pair(family).checkpoint
    recipe = recipe_of(checkpoint, task="inpaint", strength=1.0, sampler="ddim")
    check(recipe, checkpoint, SIZE * SIZE)
    (row,) = prepare(checkpoint, recipe, scribble(), blob())
    assert row.original is not None and row.repaint is not None
    kept = (row.repaint == 0).expand_as(row.x)
    assert kept.any() and not kept.all()
    noise = (row.x - row.original) / row.sigma
    while not row.finished:
        advance(checkpoint, [row])
        # Stable Diffusion's schedules end a little above no noise.
        sigma = float(row.sigmas[-1]) if row.finished else row.sigma
        expected = row.original + sigma * noise
        # float32: 1e-4 of the noise level that the latents stand at.
        torch.testing.assert_close(
            row.x[kept], expected[kept], atol=1e-4 * max(1.0, row.sigma), rtol=0
        )
    ours = drawn(checkpoint, recipe, scribble(), blob())
    inside = np.asarray(blob()) > 0
    assert (ours == np.asarray(scribble()))[~inside].all()
    assert (ours != np.asarray(scribble()))[inside].any(-1).mean() > 0.5


@pytest.mark.parametrize("family", MASKED)
@pytest.mark.parametrize("task", ["text_to_image", "image_to_image"])
def test_nine_channels_without_a_mask(pair: Callable[[str], Pair], family: str, task: str) -> None:
    """All is masked: diffusers' inpainting pipeline with a white mask does the same."""
    both, white = pair(family), Image.new("L", (SIZE, SIZE), 255)
    given = [] if task == "text_to_image" else [scribble()]
    strength = 0.6 if given else 1.0
    recipe = recipe_of(both.checkpoint, task=task, strength=strength)
    theirs = inpainted(both.pipe, recipe, scribble(), white, strength)
    assert np.abs(drawn(both.checkpoint, recipe, *given) - theirs).max() <= 2


@pytest.mark.parametrize("family", ["sdxl", "sdxl_refiner"])
@pytest.mark.parametrize("clip_skip", [0, 1])
@pytest.mark.parametrize("negative", ["", "rain"])
@torch.no_grad()
def test_what_xl_is_told(
    pair: Callable[[str], Pair], family: str, clip_skip: int, negative: str
) -> None:
    """States, pooled texts and sizes, each against diffusers' own; float32 roundings apart.

    diffusers skips layers of the prompt alone; ours of both, as other programs do.
    """
    both = pair(family)
    checkpoint, pipe = both.checkpoint, both.pipe
    recipe = recipe_of(
        checkpoint,
        task=checkpoint.family.tasks[0],
        negative_prompt=negative,
        clip_skip=clip_skip,
        width=2 * SIZE,
    )
    ours = conditionings(checkpoint, recipe)
    wanted = pipe.encode_prompt(
        recipe.prompt,
        negative_prompt=negative or None,
        clip_skip=clip_skip,
        do_classifier_free_guidance=True,
    )
    skipped_negative = pipe.encode_prompt(negative, clip_skip=clip_skip)[0]
    zero = family == "sdxl" and not negative
    assert zero == (wanted[1].abs().max() == 0)
    states = (wanted[0], wanted[1] if zero else skipped_negative)

    size, top_left = (SIZE, 2 * SIZE), (0, 0)
    if family == "sdxl":
        ids = pipe._get_add_time_ids(size, top_left, size, torch.float32, small_models.POOLED)
        sizes = (ids, ids)
    else:
        sizes = pipe._get_add_time_ids(
            size, top_left, size, 6.0, 2.5, size, top_left, size, torch.float32, small_models.POOLED
        )
    for index, told in enumerate(ours):
        assert told is not None and told.states is not None and told.pooled is not None
        torch.testing.assert_close(told.states, states[index], atol=1e-5, rtol=0)
        torch.testing.assert_close(told.pooled, wanted[2 + index], atol=1e-5, rtol=0)
        assert told.time_ids is not None and torch.equal(told.time_ids, sizes[index])


def test_a_guidance_scale_that_is_told_counts(pair: Callable[[str], Pair]) -> None:
    checkpoint = pair("sd1_lcm").checkpoint
    told, negative = conditionings(checkpoint, recipe_of(checkpoint, guidance_scale=3.5))
    assert negative is None and told.guidance is not None
    assert told.guidance.tolist() == [2.5]


@pytest.mark.parametrize(
    ("family", "steps", "guidance", "sampler"),
    [
        ("sd1", 25, 7.5, "ddim"),
        ("sd2_turbo", 4, 1.0, "euler"),
        ("sdxl", 30, 5.0, "euler"),
        ("sdxl_turbo", 4, 1.0, "euler_ancestral"),
        ("sd1_lcm", 4, 8.5, "lcm"),
        ("sdxl_lcm", 4, 8.5, "lcm"),
    ],
)
def test_defaults_of_a_family(
    pair: Callable[[str], Pair], family: str, steps: int, guidance: float, sampler: str
) -> None:
    defaults = pair(family).checkpoint.defaults
    assert (defaults.num_inference_steps, defaults.guidance_scale) == (steps, guidance)
    assert defaults.sampler == sampler


def test_ays_is_aligned_to_the_family(pair: Callable[[str], Pair]) -> None:
    for family, expected in (("sd1", "sd1"), ("sd2", "sd1"), ("sdxl", "sdxl")):
        assert pair(family).checkpoint.noise_schedule.aligned_to == expected


def test_a_task_that_the_family_has_not(pair: Callable[[str], Pair]) -> None:
    checkpoint = pair("sdxl_refiner").checkpoint
    with pytest.raises(RecipeError) as caught:
        check(recipe_of(checkpoint), checkpoint, SIZE * SIZE)
    assert caught.value.field == "task"
    assert "allowed: image_to_image, with SDXL refiner" in str(caught.value)


def test_skipped_layers_have_the_familys_limit(pair: Callable[[str], Pair]) -> None:
    """Of the first text model's three layers the last is skipped already, and one is left."""
    checkpoint = pair("sdxl").checkpoint
    check(recipe_of(checkpoint, clip_skip=1), checkpoint, SIZE * SIZE)
    with pytest.raises(RecipeError, match="clip_skip: got 2, allowed: 0 to 1"):
        check(recipe_of(checkpoint, clip_skip=2), checkpoint, SIZE * SIZE)
