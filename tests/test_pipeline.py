"""Whole runs against diffusers' pipelines on one small Stable Diffusion with random weights.

Same weights, same seed: both sides draw their noise from one CPU generator a picture, so even the
starting latents are diffusers' own. Tolerance 2/255 on the picture: both sides compute in float32,
and only the order of additions differs over the steps.
"""

from copy import copy
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ldm import imaging
from ldm.checkpoints.load import Checkpoint, load
from ldm.diffusion.denoiser import scale_input
from ldm.diffusion.samplers import SAMPLERS
from ldm.events import Preview, Progress, Result
from ldm.pipeline import Request, advance, check, check_pictures, prepare, run
from ldm.recipe import Recipe, RecipeError

# diffusers' schedulers hand torch's tensors to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
SIZE = 64
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def with_scheduler(
    shared: diffusers.StableDiffusionPipeline, kind: type, folder: Path, **settings: object
) -> tuple[diffusers.StableDiffusionPipeline, Checkpoint]:
    """The shared pipeline with another scheduler, and what it saves loaded with our own loader."""
    pipe = copy(shared)
    pipe.scheduler = kind(**(SCHEDULER | settings))
    pipe.save_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe, load(folder, torch.device("cpu"), torch.float32)


def drawn(checkpoint: Checkpoint, recipe: Recipe, *pictures: Image.Image) -> np.ndarray:
    events = list(run(checkpoint, recipe, *pictures))
    assert isinstance(events[-1], Result)
    return np.asarray(events[-1].pictures[0].image).astype(int)


def make(**changes: object) -> Recipe:
    base = Recipe(
        prompt="a lake at dawn",
        num_inference_steps=8,
        guidance_scale=5.0,
        seed=3,
        width=SIZE,
        height=SIZE,
    )
    return replace(base, **changes)


KINDS = {
    "ddim": (
        diffusers.DDIMScheduler,
        {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1},
    ),
    "euler": (diffusers.EulerDiscreteScheduler, {"timestep_spacing": "leading", "steps_offset": 1}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "euler_ancestral": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "ddpm": (diffusers.DDPMScheduler, {"clip_sample": False}),
    "plms": (diffusers.PNDMScheduler, {"skip_prk_steps": True, "steps_offset": 1}),
    "dpm2": (diffusers.KDPM2DiscreteScheduler, {}),
    "dpm2_ancestral": (diffusers.KDPM2AncestralDiscreteScheduler, {}),
    "dpmpp_2m_sde": (
        diffusers.DPMSolverMultistepScheduler,
        {"algorithm_type": "sde-dpmsolver++"},
    ),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "deis": (diffusers.DEISMultistepScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
    "tcd": (diffusers.TCDScheduler, {}),
}
# Samplers that tests/diffusion compares step by step only, and why.
NOT_COMPARED = {
    "lms": "diffusers has its class where scipy is installed only",
    "dpmpp_2s_ancestral": "diffusers has no class for it",
    "dpmpp_3m_sde": "a sign in diffusers' class is wrong",
}


def test_every_sampler_is_compared() -> None:
    assert KINDS.keys() | NOT_COMPARED.keys() == SAMPLERS.keys()
    assert not KINDS.keys() & NOT_COMPARED.keys()


@pytest.mark.parametrize(
    ("sampler", "prediction_type"),
    [
        (sampler, prediction_type)
        for sampler in KINDS
        for prediction_type in ("epsilon", "v_prediction")
        # PNDM's class combines a v model's outputs of several timesteps as they are; the paper,
        # and ours, what they say of epsilon.
        if (sampler, prediction_type) != ("plms", "v_prediction")
    ],
)
def test_text_to_image_equals_diffusers(
    small_stable_diffusion: diffusers.StableDiffusionPipeline,
    tmp_path: Path,
    sampler: str,
    prediction_type: str,
) -> None:
    kind, settings = KINDS[sampler]
    pipe, checkpoint = with_scheduler(
        small_stable_diffusion, kind, tmp_path, prediction_type=prediction_type, **settings
    )
    recipe = make(sampler=sampler, negative_prompt="rain")
    theirs = pipe(
        recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        num_inference_steps=recipe.num_inference_steps,
        guidance_scale=recipe.guidance_scale,
        width=SIZE,
        height=SIZE,
        generator=torch.Generator().manual_seed(recipe.seed),
        eta=0.3 if sampler == "tcd" else 0.0,  # TCD's gamma goes by DDIM's name
    ).images[0]
    ours = drawn(checkpoint, recipe)
    assert np.ptp(ours) > 20, "a flat picture would agree with anything"
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2


def scribble() -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), (40, 90, 200))
    ImageDraw.Draw(image).ellipse((10, 20, 50, 60), fill=(220, 180, 30))
    return image


@pytest.mark.parametrize("strength", [0.4, 0.75, 1.0])
def test_image_to_image_equals_diffusers(
    small_stable_diffusion: diffusers.StableDiffusionPipeline, tmp_path: Path, strength: float
) -> None:
    """diffusers is given our latents of the picture: it would sample the posterior, we take its
    mode.
    """
    settings = {"timestep_spacing": "leading", "steps_offset": 1}
    pipe, checkpoint = with_scheduler(
        small_stable_diffusion, diffusers.EulerDiscreteScheduler, tmp_path, **settings
    )
    latents = checkpoint.vae.encode(imaging.to_tensor(scribble()))
    img2img = diffusers.StableDiffusionImg2ImgPipeline(
        **pipe.components, requires_safety_checker=False
    )
    img2img.set_progress_bar_config(disable=True)
    recipe = make(task="image_to_image", sampler="euler", strength=strength)
    theirs = img2img(
        recipe.prompt,
        image=latents,
        strength=strength,
        num_inference_steps=recipe.num_inference_steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]
    ours = drawn(checkpoint, recipe, scribble())
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2


@pytest.fixture(scope="module")
def checkpoint(
    small_stable_diffusion: diffusers.StableDiffusionPipeline,
    tmp_path_factory: pytest.TempPathFactory,
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("model")
    kind = diffusers.DPMSolverMultistepScheduler
    return with_scheduler(small_stable_diffusion, kind, folder)[1]


def half_mask() -> Image.Image:
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (0, 0, SIZE // 2, SIZE))
    return mask


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("feather", [0, 6])
def test_inpainting_keeps_every_pixel_outside(
    checkpoint: Checkpoint, sampler: str, feather: int
) -> None:
    recipe = make(task="inpaint", sampler=sampler, strength=1.0, mask_feather=feather)
    result = list(run(checkpoint, recipe, scribble(), half_mask()))[-1]
    assert isinstance(result, Result)
    picture = result.pictures[0]
    assert picture.changed_outside == 0 and picture.mask is not None
    before, after = np.asarray(scribble()), np.asarray(picture.image)
    outside = np.asarray(picture.mask) == 0
    assert outside.sum() == SIZE * (SIZE // 2 - feather)
    assert (before[outside] == after[outside]).all()
    assert (before != after).any(-1)[np.asarray(half_mask()) > 0].mean() > 0.5


def test_inpainting_blends_the_prediction(checkpoint: Checkpoint) -> None:
    """Our formula, on purpose not diffusers' (which re-noises the original at every step):
    x0 <- original + mask * (x0 - original) before the sampler's step. Then the sampler's x
    outside the mask is original + sigma * (the noise it started from), for DDIM exactly."""
    recipe = make(task="inpaint", sampler="ddim", strength=1.0, mask_feather=0)
    (row,) = prepare(checkpoint, recipe, scribble(), half_mask())
    assert row.original is not None and row.repaint is not None
    kept = (row.repaint == 0).expand_as(row.x)
    noise = (row.x - row.original) / row.sigma
    while not row.finished:
        advance(checkpoint, [row])
        expected = row.original + (0.0 if row.finished else row.sigma) * noise
        assert torch.allclose(row.x[kept], expected[kept], atol=1e-4)


@pytest.mark.parametrize("clean", [False, True])
def test_a_model_that_learned_so_sees_what_is_kept_as_it_is(
    checkpoint: Checkpoint, clean: bool
) -> None:
    """In every call, with the same bytes; noisy as ever where it paints, and for other models."""
    defaults = replace(checkpoint.defaults, clean_surroundings=clean)
    model = replace(checkpoint, defaults=defaults)
    recipe = make(task="inpaint", strength=1.0, mask_feather=0)
    (row,) = prepare(model, recipe, scribble(), half_mask())
    assert row.original is not None and row.repaint is not None
    kept = (row.repaint == 0).expand_as(row.x)
    seen: list[torch.Tensor] = []
    hook = model.unet.register_forward_pre_hook(lambda unet, given: seen.extend(given[0]))
    while not row.finished:
        noisy = row.seen if row.x0 is None else scale_input(row.x, torch.tensor([row.sigma]))
        seen.clear()
        advance(model, [row])
        assert len(seen) == 1, "for both captions"
        for each in seen:
            assert torch.equal(each[None][kept], (row.original if clean else noisy)[kept])
            assert torch.equal(each[None][~kept], noisy[~kept])
    hook.remove()


def test_rows_of_unlike_requests_share_a_call(checkpoint: Checkpoint) -> None:
    """Mixed steps, samplers, guidance, tasks and negative prompts in one batch: each row is what it
    is alone. 1e-3 on latents of about 1: kernels add in another order for another batch size.
    """
    recipes = [
        make(),
        make(sampler="euler_ancestral", num_inference_steps=5, guidance_scale=1.0, seed=9),
        make(
            sampler="heun", prompt="a forest in the rain", guidance_scale=3.0, guidance_rescale=0.7
        ),
        make(task="inpaint", strength=1.0, sampler="ddim", seed=4),
    ]
    pictures = [(None, None), (None, None), (None, None), (scribble(), half_mask())]

    def latents(together: bool) -> list[torch.Tensor]:
        requests = [Request(checkpoint, r, *p) for r, p in zip(recipes, pictures, strict=True)]
        groups = [requests] if together else [[request] for request in requests]
        for group in groups:
            while live := [request for request in group if not request.finished]:
                advance(checkpoint, [row for request in live for row in request.rows])
        return [request.rows[0].x for request in requests]

    for alone, shared in zip(latents(False), latents(True), strict=True):
        assert (alone - shared).abs().max() < 1e-3


def test_images_of_a_request_have_consecutive_seeds(checkpoint: Checkpoint) -> None:
    result = list(run(checkpoint, make(num_images=3, seed=11)))[-1]
    assert isinstance(result, Result)
    assert [picture.recipe.seed for picture in result.pictures] == [11, 12, 13]
    alone = drawn(checkpoint, make(seed=12))
    assert np.abs(alone - np.asarray(result.pictures[1].image).astype(int)).max() <= 1


def test_png_redraws_itself(checkpoint: Checkpoint) -> None:
    result = list(run(checkpoint, make(prompt='é "quoted"\nlake', negative_prompt="雨")))[-1]
    assert isinstance(result, Result)
    picture = result.pictures[0]
    stored = Recipe.from_json(imaging.read_png_text(picture.png)["recipe"])
    assert stored == picture.recipe
    again = list(run(checkpoint, stored))[-1]
    assert isinstance(again, Result) and again.pictures[0].png == picture.png


def test_events_of_a_run(checkpoint: Checkpoint) -> None:
    events = list(run(checkpoint, make(num_inference_steps=6, sampler="heun"), preview_every=2))
    steps = [event.step for event in events if isinstance(event, Progress)]
    assert steps == [1, 2, 3, 4, 5, 6], "two evaluations a step are still one step"
    assert [event.step for event in events if isinstance(event, Preview)] == [1, 2, 4]
    assert isinstance(events[-1], Result) and len(events) == 10


@pytest.mark.parametrize(
    ("steps", "seen"), [(2, [1]), (6, [1, 2, 3, 4, 5]), (8, [1, 2, 4, 6]), (12, [1, 3, 6, 9])]
)
def test_few_steps_are_shown_often(checkpoint: Checkpoint, steps: int, seen: list[int]) -> None:
    events = run(checkpoint, make(num_inference_steps=steps))
    assert [event.step for event in events if isinstance(event, Preview)] == seen


def test_many_steps_are_shown_now_and_then(checkpoint: Checkpoint) -> None:
    """However many: who waits wants to see that something happens."""
    events = run(checkpoint, make(num_inference_steps=40))
    seen = [event.step for event in events if isinstance(event, Preview)]
    assert seen == [1, *range(4, 40, 4)]


def test_closing_stops_within_one_step(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    forward = checkpoint.unet.forward

    def counted(*arguments: object, **told: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return forward(*arguments, **told)

    monkeypatch.setattr(checkpoint.unet, "forward", counted)
    events = run(checkpoint, make(num_inference_steps=50))
    next(events)
    events.close()
    assert calls == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sampler": "warp"}, "sampler"),
        ({"schedule": "warp"}, "schedule"),
        ({"width": 100}, "width"),
        ({"height": 1001}, "height"),
        ({"width": 2048, "height": 2048}, "width"),
    ],
)
def test_check_names_the_field(
    checkpoint: Checkpoint, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(make(**changes), checkpoint, max_pixels=512 * 512)
    assert caught.value.field == field
    assert str(next(iter(changes.values()))) in str(caught.value)


def test_pictures_must_fit_the_task() -> None:
    other = Image.new("RGB", (8, 8))
    cases = [
        (make(), scribble(), None, "init_image"),
        (make(task="image_to_image"), None, None, "init_image"),
        (make(task="inpaint"), scribble(), None, "mask"),
        (
            make(task="image_to_image", init_image=imaging.pixel_digest(other)),
            scribble(),
            None,
            "init_image",
        ),
    ]
    for recipe, init_image, mask, field in cases:
        with pytest.raises(RecipeError) as caught:
            check_pictures(recipe, init_image, mask)
        assert caught.value.field == field
    stored = check_pictures(make(task="image_to_image"), scribble(), None)
    assert stored.init_image == imaging.pixel_digest(scribble())


def test_strength_that_leaves_no_step_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(RecipeError) as caught:
        prepare(checkpoint, make(task="image_to_image", strength=0.05), scribble(), None)
    assert caught.value.field == "strength"
