"""The U-Net against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel

Randomise = Callable[[nn.Module], None]

# float32: a few hundred layers' roundings on results of size 1. Both sides call the same kernels.
TOLERANCE = 1e-5

SMALL: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (32, 64, 64, 64),
    "layers_per_block": 2,
    "cross_attention_dim": 24,
    "attention_head_dim": 8,
    "norm_num_groups": 16,
}
THREE_LEVELS: dict[str, Any] = {
    "block_out_channels": (32, 48, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "stable diffusion 1": {},
    "stable diffusion 2": {
        "use_linear_projection": True,
        "attention_head_dim": [4, 8, 16, 16],
        "upcast_attention": True,
    },
    # diffusers reads attention_head_dim as the number of heads; 6 of them in 32 channels have
    # 5 features each, and 2 channels are left over.
    "heads that do not divide the channels": {"attention_head_dim": 6},
    "inpainting": {"in_channels": 9},
    "uneven depths": {
        **THREE_LEVELS,
        "layers_per_block": [1, 3, 2],
        "transformer_layers_per_block": [1, 2, 1],
        "attention_head_dim": [2, 3, 4],
        "cross_attention_dim": [24, 24, 24],
    },
    "cross-attention alone": {"only_cross_attention": [True, False, True, False]},
    "other embeddings and kernels": {
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "time_embedding_dim": 64,
        "conv_in_kernel": 5,
        "conv_out_kernel": 1,
        "downsample_padding": 0,
        "norm_eps": 1e-3,
    },
    "no middle": {"mid_block_type": None},
}


def _pair(
    randomise: Randomise, settings: dict[str, Any]
) -> tuple[UNet2DConditionModel, diffusers.UNet2DConditionModel]:
    theirs = diffusers.UNet2DConditionModel(**{**SMALL, **settings})
    randomise(theirs)
    ours = UNet2DConditionModel(UNetConfig.from_dict(dict(theirs.config)))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.eval().requires_grad_(False), theirs


def _inputs(
    channels: int, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, channels, height, width, generator=generator)
    states = torch.randn(2, 7, 24, generator=generator)
    return sample, torch.tensor([3.0, 771.5]), states


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_diffusers(name: str, randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS[name])
    inputs = _inputs(ours.config.in_channels, 16, 24)
    wanted = theirs(*inputs).sample
    assert wanted.std() > 0.1  # a result that a mistake can move
    torch.testing.assert_close(ours(*inputs), wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("size", [(13, 19), (9, 8), (1, 3)])
def test_equals_diffusers_at_uneven_sizes(size: tuple[int, int], randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, {})
    inputs = _inputs(4, *size)
    torch.testing.assert_close(ours(*inputs), theirs(*inputs).sample, atol=TOLERANCE, rtol=0)


def test_equals_diffusers_channels_last(randomise: Randomise) -> None:
    """The layout the loader gives convolutions changes speed alone."""
    ours, theirs = _pair(randomise, CONFIGS["stable diffusion 2"])
    inputs = _inputs(4, 16, 16)
    wanted = theirs(*inputs).sample
    got = ours.to(memory_format=torch.channels_last)(*inputs)
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got, wanted, atol=TOLERANCE, rtol=0)


def test_gradients_equal_diffusers(randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS["uneven depths"])
    sample, timestep, states = _inputs(4, 8, 8)
    for model in (ours.requires_grad_(True), theirs.requires_grad_(True)):
        out = model(sample, timestep, states)
        (out if isinstance(out, torch.Tensor) else out.sample).square().mean().backward()
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        gradient = wanted[name].grad
        assert parameter.grad is not None and gradient is not None
        torch.testing.assert_close(parameter.grad, gradient, atol=TOLERANCE, rtol=1e-3)


def test_projected_context_gives_the_same(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, CONFIGS["uneven depths"])
    sample, timestep, states = _inputs(4, 8, 8)
    context = ours.project(states)
    assert torch.equal(ours(sample, timestep, context), ours(sample, timestep, states))


def test_a_row_does_not_depend_on_its_neighbours(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, {})
    sample, timestep, states = _inputs(4, 16, 16)
    both = ours(sample, timestep, states)
    for row in range(2):
        one = slice(row, row + 1)
        alone = ours(sample[one], timestep[one], states[one])
        # Kernels add in another order for another batch.
        torch.testing.assert_close(both[one], alone, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((torch.zeros(2, 3, 8, 8), torch.zeros(2), torch.zeros(2, 7, 24)), "sample: .*4, h, w"),
        ((torch.zeros(2, 4, 8, 8), torch.zeros(1), torch.zeros(2, 7, 24)), r"timestep: .*\(2,\)"),
        ((torch.zeros(2, 4, 8, 8), torch.zeros(2), torch.zeros(1, 7, 24)), "encoder_hidden"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    inputs: tuple[torch.Tensor, ...], message: str, randomise: Randomise
) -> None:
    ours, _ = _pair(randomise, {})
    with pytest.raises(ValueError, match=message):
        ours(*inputs)


# From the published unet/config.json of each model: what differs from diffusers' defaults.
PUBLISHED: dict[str, dict[str, Any]] = {
    "stable-diffusion-v1-5": {"cross_attention_dim": 768, "sample_size": 64},
    "stable-diffusion-v1-5 inpainting": {
        "cross_attention_dim": 768,
        "sample_size": 64,
        "in_channels": 9,
    },
    "stable-diffusion-2-1 (768)": {
        "cross_attention_dim": 1024,
        "sample_size": 96,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
        "upcast_attention": True,
    },
}
PARAMETERS = {
    "stable-diffusion-v1-5": 859_520_964,
    "stable-diffusion-v1-5 inpainting": 859_535_364,
    "stable-diffusion-2-1 (768)": 865_910_724,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_has_every_tensor(name: str) -> None:
    """Keys, shapes and number of weights of the real models, without their memory."""
    with torch.device("meta"):
        theirs = diffusers.UNet2DConditionModel(**PUBLISHED[name])
        ours = UNet2DConditionModel(UNetConfig.from_dict(dict(theirs.config)))

    def shapes(module: nn.Module) -> dict[str, torch.Size]:
        return {key: tensor.shape for key, tensor in module.state_dict().items()}

    assert shapes(ours) == shapes(theirs)
    assert sum(p.numel() for p in ours.parameters()) == PARAMETERS[name]
