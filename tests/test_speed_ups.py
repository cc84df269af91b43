"""Speed-ups with a price, each against an implementation that is not ours."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from DeepCache import DeepCacheSDHelper
from PIL import Image
from tomesd.merge import bipartite_soft_matching_random2d

from ldm.checkpoints.load import Checkpoint, load
from ldm.engine.steps import Steps
from ldm.explain.attention import layers_of
from ldm.explain.recording import Recorder
from ldm.models.merging import Merged
from ldm.pipeline import Request, advance, by_kind, check, run
from ldm.recipe import Recipe, RecipeError

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
RECIPE = Recipe(
    prompt="a lake at dawn",
    negative_prompt="rain",
    num_inference_steps=8,
    guidance_scale=5.0,
    seed=3,
    width=64,
    height=64,
)
CLOSE = 1e-3  # on latents of about 1: the same sums in another order


@pytest.fixture(scope="module")
def folder(
    small_stable_diffusion: diffusers.StableDiffusionPipeline,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("model")
    pipe = deepcopy(small_stable_diffusion)
    with torch.no_grad():  # random weights hardly listen to words
        for name, weight in pipe.unet.named_parameters():
            if "attn2.to_out" in name:
                weight *= 30
    # Its timesteps for eight steps: 999, 874, 749, 624, 500, 375, 250, 125.
    pipe.scheduler = diffusers.DPMSolverMultistepScheduler(beta_schedule="scaled_linear")
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load(folder, torch.device("cpu"), torch.float32)


@pytest.fixture
def pipe(folder: Path) -> diffusers.StableDiffusionPipeline:
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def theirs(pipe: diffusers.StableDiffusionPipeline, **settings: object) -> torch.Tensor:
    return pipe(
        RECIPE.prompt,
        negative_prompt=RECIPE.negative_prompt,
        num_inference_steps=RECIPE.num_inference_steps,
        guidance_scale=RECIPE.guidance_scale,
        width=RECIPE.width,
        height=RECIPE.height,
        generator=torch.Generator().manual_seed(RECIPE.seed),
        output_type="latent",
        **settings,
    ).images


def ours(checkpoint: Checkpoint, recipe: Recipe, watcher: Recorder | None = None) -> torch.Tensor:
    request = Request(checkpoint, recipe, watcher=watcher)
    while request.unfinished:
        advance(checkpoint, request.unfinished)
    return request.rows[0].x


def places_of_calls(checkpoint: Checkpoint, recipe: Recipe) -> list[int]:
    """How many places of a batch each of a run's U-Net calls took."""
    places = []
    hook = checkpoint.unet.register_forward_hook(
        lambda unet, inputs, output: places.append(len(output))
    )
    try:
        list(run(checkpoint, recipe))
    finally:
        hook.remove()
    return places


def test_guidance_that_ends_early_equals_diffusers(checkpoint, pipe):
    """Its pipeline documents how: a callback that drops the negative prompt's half."""

    def stop(pipe, step, timestep, values):
        if step == 3:  # what follows is below timestep 599
            pipe._guidance_scale = 1.0
            values["prompt_embeds"] = values["prompt_embeds"].chunk(2)[-1]
        return values

    expected = theirs(
        pipe, callback_on_step_end=stop, callback_on_step_end_tensor_inputs=["prompt_embeds"]
    )
    assert (expected - theirs(pipe)).abs().max() > 10 * CLOSE, "it made no difference"
    found = ours(checkpoint, replace(RECIPE, guidance_end=0.4))
    assert (found - expected).abs().max() < CLOSE


def test_a_step_without_guidance_takes_one_place(checkpoint):
    recipe = replace(RECIPE, guidance_start=0.2, guidance_end=0.7)
    # 999 and 874 come before timestep 799; 250 and 125 after 300.
    assert places_of_calls(checkpoint, recipe) == [1, 1, 2, 2, 2, 2, 1, 1]
    assert places_of_calls(checkpoint, RECIPE) == [2] * 8
    assert places_of_calls(checkpoint, replace(recipe, guidance_scale=1.0)) == [1] * 8


def test_guidance_cannot_end_before_it_starts():
    with pytest.raises(RecipeError, match=r"guidance_end: got 0\.2, allowed: at least 0\.5"):
        replace(RECIPE, guidance_start=0.5, guidance_end=0.2)


@pytest.mark.parametrize("interval", [2, 3, 5])
def test_cached_levels_equal_deepcache(checkpoint, pipe, interval):
    helper = DeepCacheSDHelper(pipe)
    helper.set_params(cache_interval=interval, cache_branch_id=1)
    helper.enable()
    expected = theirs(pipe)
    helper.disable()
    assert (expected - theirs(pipe)).abs().max() > 10 * CLOSE, "it made no difference"
    found = ours(checkpoint, replace(RECIPE, cache_interval=interval))
    assert (found - expected).abs().max() < CLOSE


def test_a_shallow_call_runs_the_first_level_alone(checkpoint):
    runs = []
    hooks = [
        checkpoint.unet.get_submodule(name).register_forward_hook(
            lambda *_, name=name: runs.append(name)
        )
        for name in ("down_blocks.0.resnets.0", "mid_block", "up_blocks.1.resnets.1")
    ]
    list(run(checkpoint, replace(RECIPE, num_inference_steps=4, cache_interval=3)))
    for hook in hooks:
        hook.remove()
    whole = ["down_blocks.0.resnets.0", "mid_block", "up_blocks.1.resnets.1"]
    assert runs == [*whole, *whole[::2], *whole[::2], *whole]


def test_rows_with_and_without_speed_ups_are_what_they_are_alone(checkpoint):
    """As the engine moves them: a call takes rows of one kind."""
    recipes = [
        RECIPE,
        replace(RECIPE, cache_interval=2, seed=4),
        replace(RECIPE, cache_interval=3, guidance_end=0.5, seed=5),
        replace(RECIPE, token_merging_ratio=0.5, seed=6),
        replace(RECIPE, guidance_start=0.3, cache_interval=2, sampler="heun", seed=7),
    ]
    alone = [ours(checkpoint, recipe) for recipe in recipes]
    steps, requests = Steps(1 << 30, strict=False), [Request(checkpoint, r) for r in recipes]
    while rows := [row for request in requests for row in request.unfinished]:
        for group in by_kind(rows):
            assert not steps.move(checkpoint, group)
    for request, expected in zip(requests, alone, strict=True):
        assert (request.rows[0].x - expected).abs().max() < CLOSE


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (16, 4)])
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.75])
def test_merging_equals_tomesd(size, ratio):
    """What comes back of tokens that were merged and spread again, and of attention between.

    Theirs lets no token of an odd side's last row or column stay; ours does, so even sides alone.
    """
    height, width = (side - side % 2 for side in size)
    x = torch.randn(2, height * width, 12, generator=torch.Generator().manual_seed(1))
    merged = Merged(x, (height, width), ratio)
    merge, unmerge = bipartite_soft_matching_random2d(
        x, width, height, 2, 2, int(height * width * ratio), no_rand=True
    )
    attend = torch.nn.functional.scaled_dot_product_attention
    for answer in (lambda tokens: tokens, lambda tokens: attend(tokens, tokens, tokens)):
        expected = unmerge(answer(merge(x)))
        assert torch.allclose(merged.spread(answer(merged.tokens)), expected, atol=1e-5)
    assert merged.tokens.shape[1] == height * width - int(height * width * ratio)


def test_odd_sides_merge_too():
    x = torch.randn(1, 5 * 7, 4, generator=torch.Generator().manual_seed(2))
    merged = Merged(x, (5, 7), 0.75)
    assert merged.tokens.shape == (1, 3 * 4, 4), "one of each 2 x 2, and of those cut short"
    assert merged.spread(merged.tokens).shape == x.shape


def test_merging_reaches_the_picture_through_the_first_level_alone(checkpoint):
    seen = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, inputs, name=name: seen.update({name: inputs[0].shape[1]})
        )
        for name, layer in layers_of(checkpoint.unet, cross=False).items()
    ]
    plain = ours(checkpoint, RECIPE)
    merged = ours(checkpoint, replace(RECIPE, token_merging_ratio=0.5))
    for hook in hooks:
        hook.remove()
    assert (plain - merged).abs().max() > CLOSE
    first = {name: count for name, count in seen.items() if name.startswith("down_blocks.0")}
    cells = (RECIPE.width // checkpoint.vae.factor) ** 2
    attending = first or seen
    assert min(attending.values()) <= cells // 2


def test_a_recorded_run_is_the_run_itself(checkpoint):
    """With maps of every layer at every frame: a spared level looks where it looked last."""
    recipe = replace(RECIPE, cache_interval=3)
    recorder = Recorder()
    assert torch.equal(ours(checkpoint, recipe, recorder), ours(checkpoint, recipe))
    recording = recorder.recording(checkpoint, Image.new("RGB", (64, 64)))
    names = set(layers_of(checkpoint.unet, cross=True))
    assert [set(frame.maps) for frame in recording.frames] == [names] * 8
    deep = next(name for name in names if name.startswith("mid_block"))
    first, second, third, fourth = (frame.maps[deep] for frame in recording.frames[:4])
    assert torch.equal(first, second) and torch.equal(first, third)
    assert not torch.equal(third, fourth)


@pytest.mark.parametrize("changes", [{"cache_interval": 2}, {"token_merging_ratio": 0.5}])
def test_a_model_without_a_place_for_them_refuses(checkpoint, changes):
    check(replace(RECIPE, **changes), checkpoint, 1 << 20)
    other = replace(checkpoint, unet=torch.nn.Identity())
    (field,) = changes
    with pytest.raises(RecipeError) as caught:
        check(replace(RECIPE, **changes), other, 1 << 20)
    assert caught.value.field == field
