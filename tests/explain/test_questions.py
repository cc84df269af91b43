"""Single evaluations beside a run, against diffusers' modules with the same weights."""

import diffusers
import pytest
import torch
from torch import Tensor

from ldm.checkpoints.load import Checkpoint
from ldm.explain.edits import SkipOff, WordsOff, edited
from ldm.explain.questions import blocks_of, errors_by_level, look_inside
from ldm.explain.recording import Recording
from ldm.recipe import Recipe
from tests.explain.test_recording import recorded

TOLERANCE = 2e-5  # float32, some thirty layers


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint) -> Recording:
    recipe = Recipe(
        prompt="a forest in the rain",
        num_inference_steps=3,
        guidance_scale=2.0,
        sampler="ddim",
        width=64,
        height=64,
    )
    return recorded(checkpoint, recipe)


def test_feature_maps_are_what_diffusers_blocks_put_out(
    checkpoint: Checkpoint, run: Recording, reference: diffusers.UNet2DConditionModel
) -> None:
    frame = run.frames[1]
    inside = look_inside(checkpoint, run, frame)
    expected: dict[str, Tensor] = {}
    handles = []
    for name in inside.features:

        def note(module: object, given: object, output: Tensor | tuple, name: str = name) -> None:
            expected[name] = output[0] if isinstance(output, tuple) else output

        handles.append(reference.get_submodule(name).register_forward_hook(note))
    sigma = torch.tensor([frame.sigma], dtype=torch.float64)
    timestep = checkpoint.noise_schedule.timestep(sigma)
    with torch.no_grad():
        reference(frame.latents[None], timestep, run.conditional.states)
    for handle in handles:
        handle.remove()
    assert [*inside.features] == [
        "conv_in",
        "down_blocks.0",
        "down_blocks.1",
        "mid_block",
        "up_blocks.0",
        "up_blocks.1",
    ]
    for name, features in inside.features.items():
        torch.testing.assert_close(features, expected[name][0], atol=TOLERANCE, rtol=1e-4)


def test_the_chosen_cell_looks_at_cells_of_its_own_map(
    checkpoint: Checkpoint, run: Recording
) -> None:
    inside = look_inside(checkpoint, run, run.frames[0], cell=(0.99, 0.0))
    assert len(inside.cells) == 4
    for map_ in inside.cells.values():
        assert map_.shape in ((8, 8), (4, 4))
        assert map_.sum().item() == pytest.approx(1, abs=1e-4)


def test_loss_at_each_level_against_a_direct_computation(
    checkpoint: Checkpoint,
    run: Recording,
    small_stable_diffusion: diffusers.StableDiffusionPipeline,
) -> None:
    """diffusers' add_noise and U-Net at trained timesteps, mean squared error of epsilon."""
    pipe = small_stable_diffusion
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(8))
    timesteps = [20, 400, 900]
    scheduler = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    states, _ = pipe.encode_prompt("a forest in the rain", "cpu", 1, False)
    expected = []
    for timestep in timesteps:
        noisy = scheduler.add_noise(latents, noise, torch.tensor([timestep]))
        with torch.no_grad():
            found = pipe.unet(noisy, timestep, states).sample
        expected.append((found - noise).square().mean().item())
    sigmas = checkpoint.noise_schedule.trained_sigmas[timesteps].tolist()
    losses, clean = errors_by_level(checkpoint, run, latents, sigmas, seed=5)
    assert losses == pytest.approx(expected, rel=1e-3)
    assert clean.shape == (3, 4, 8, 8)


def given(run: Recording) -> tuple[Tensor, Tensor, Tensor]:
    sample = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert run.conditional.states is not None
    return sample, torch.tensor([700.0, 700.0]), run.conditional.states.expand(2, -1, -1)


def test_a_skip_switched_off_is_zeros_in_diffusers_too(
    checkpoint: Checkpoint, run: Recording, reference: diffusers.UNet2DConditionModel
) -> None:
    name, channels = "up_blocks.1.resnets.0", 16

    def wipe(module: object, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, *others = inputs
        x = x.clone()
        x[:, -channels:] = 0
        return (x, *others)

    with torch.no_grad():
        plain = reference(*given(run)).sample
        handle = reference.get_submodule(name).register_forward_pre_hook(wipe)
        expected = reference(*given(run)).sample
        handle.remove()
        with edited(checkpoint.unet, [1], [SkipOff(name, channels)]):
            found = checkpoint.unet(*given(run))
    torch.testing.assert_close(found[1], expected[1], atol=TOLERANCE, rtol=1e-4)
    torch.testing.assert_close(found[0], plain[0], atol=TOLERANCE, rtol=1e-4)
    assert (expected[1] - plain[1]).abs().max() > 100 * TOLERANCE


def test_words_switched_off_in_one_block(
    checkpoint: Checkpoint, run: Recording, reference: diffusers.UNet2DConditionModel
) -> None:
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2"
    with torch.no_grad():
        plain = reference(*given(run)).sample
        module = reference.get_submodule(layer)
        handle = module.register_forward_hook(lambda m, i, output: torch.zeros_like(output))
        expected = reference(*given(run)).sample
        handle.remove()
        with edited(checkpoint.unet, [0], [WordsOff("mid_block")]):
            found = checkpoint.unet(*given(run))
    torch.testing.assert_close(found[0], expected[0], atol=TOLERANCE, rtol=1e-4)
    torch.testing.assert_close(found[1], plain[1], atol=TOLERANCE, rtol=1e-4)


def test_blocks_stand_in_the_order_they_run_in(checkpoint: Checkpoint) -> None:
    names = [*blocks_of(checkpoint.unet)]
    assert names[0] == "conv_in" and names[-1] == "up_blocks.1"
