"""The U-Net against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel
from ldm.models.unet_blocks import DeepFeatures

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
    "depths by layer, as SSD-1B has them": {
        **THREE_LEVELS,
        "layers_per_block": 2,
        "transformer_layers_per_block": [1, [2, 1], [1, 3]],
        "reverse_transformer_layers_per_block": [[1, 2, 1], [3, 1, 1], 1],
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
    "sdxl": {
        "block_out_channels": (32, 48, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 2, 4],
        "attention_head_dim": [2, 3, 4],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 12 + 6 * 8,
    },
    "latent consistency": {"time_cond_proj_dim": 16},
    "x4 upscaler": {
        "in_channels": 7,
        "num_class_embeds": 20,
        "only_cross_attention": [True, True, True, False],
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 3,
        "up_block_types": ("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",),
    },
}


def _embedded_scales(scales: torch.Tensor) -> torch.Tensor:
    """As LatentConsistencyModelPipeline embeds them; its method needs none of its parts."""
    pipeline = diffusers.LatentConsistencyModelPipeline
    return pipeline.__new__(pipeline).get_guidance_scale_embedding(scales, 16)


# What a model is told besides, as (ours, diffusers'). W of two guidance scales.
W = torch.tensor([0.0, 7.5])
POOLED = torch.linspace(-1, 1, 24).view(2, 12)
LABELS = torch.tensor([3, 19])
TIME_IDS = torch.tensor([[1024.0, 768, 0, 0, 1024, 768], [512, 512, 8, 16, 640, 512]])
TOLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sdxl": (
        {"pooled": POOLED, "time_ids": TIME_IDS},
        {"added_cond_kwargs": {"text_embeds": POOLED, "time_ids": TIME_IDS}},
    ),
    "latent consistency": (
        {"guidance": W},
        {"timestep_cond": _embedded_scales(W)},
    ),
    "x4 upscaler": ({"class_labels": LABELS}, {"class_labels": LABELS}),
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
    told, their_words = TOLD.get(name, ({}, {}))
    wanted = theirs(*inputs, **their_words).sample
    assert wanted.std() > 0.1  # a result that a mistake can move
    torch.testing.assert_close(ours(*inputs, **told), wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", TOLD)
def test_what_it_is_told_counts(name: str, randomise: Randomise) -> None:
    """Each part moves the result by far more than the tolerance, and none may be missing."""
    ours, _ = _pair(randomise, CONFIGS[name])
    inputs = _inputs(ours.config.in_channels, 8, 8)
    told = TOLD[name][0]
    plain = ours(*inputs, **told)
    for key, value in told.items():
        moved = ours(*inputs, **{**told, key: value.flip(0)})
        assert (moved - plain).abs().max() > 100 * TOLERANCE
        missing = {other: told[other] for other in told if other != key}
        with pytest.raises(ValueError, match=f"{key}: got nothing, allowed: one for each row"):
            ours(*inputs, **missing)
    unlike, _ = _pair(randomise, {})
    with pytest.raises(ValueError, match=r"got \(2.*\), allowed: nothing, of this model"):
        unlike(*_inputs(4, 8, 8), **told)


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


# A row in five: in the order of a call, two of three pictures are told a second caption.
AGAIN = torch.tensor([0, 2])
SHARING = [name for name in CONFIGS if name != "sdxl"]


@pytest.mark.parametrize("name", SHARING)
def test_guided_rows_are_given_once(name: str, randomise: Randomise) -> None:
    """The same as diffusers makes of them when it is given them twice, and less work."""
    ours, theirs = _pair(randomise, CONFIGS[name])
    generator = torch.Generator().manual_seed(4)
    sample = torch.randn(3, ours.config.in_channels, 16, 24, generator=generator)
    states = torch.randn(5, 7, 24, generator=generator)
    timestep = torch.tensor([3.0, 771.5, 400.0])
    rows = torch.cat([torch.arange(3), AGAIN])
    told: dict[str, torch.Tensor] = {}
    their_words: dict[str, torch.Tensor] = {}
    if name == "x4 upscaler":
        told = {"class_labels": torch.tensor([3, 19, 7])}
        their_words = {"class_labels": told["class_labels"][rows]}
    if name == "latent consistency":
        scales = torch.tensor([0.0, 7.5, 2.0])
        told = {"guidance": scales}
        their_words = {"timestep_cond": _embedded_scales(scales[rows])}
    wanted = theirs(sample[rows], timestep[rows], states, **their_words).sample
    counts: dict[str, int] = {}
    for part in ("conv_in", "conv_out"):
        ours.get_submodule(part).register_forward_pre_hook(
            lambda _, inputs, part=part: counts.update({part: len(inputs[0])})
        )
    got = ours(sample, timestep, ours.project(states, again=AGAIN), **told)
    torch.testing.assert_close(got, wanted, atol=TOLERANCE, rtol=0)
    assert counts == {"conv_in": 3, "conv_out": 5}


@pytest.mark.parametrize("name", ["stable diffusion 1", "uneven depths"])
def test_guided_rows_spare_deep_levels_too(name: str, randomise: Randomise) -> None:
    ours, _ = _pair(randomise, {**CONFIGS[name], "layers_per_block": 2})
    sample, timestep, states = _inputs(4, 16, 16)
    context = ours.project(states, again=torch.tensor([0]))
    both = sample[[0, 0]], timestep[[0, 0]]
    kept, wanted = DeepFeatures(), DeepFeatures()
    torch.testing.assert_close(
        ours(sample[:1], timestep[:1], context, deep=kept),
        ours(*both, states, deep=wanted),
        atol=TOLERANCE,
        rtol=0,
    )
    assert kept.features is not None and len(kept.features) == 2
    torch.testing.assert_close(
        ours(sample[:1] + 0.1, timestep[:1], context, deep=kept),
        ours(both[0] + 0.1, both[1], states, deep=wanted),
        atol=TOLERANCE,
        rtol=0,
    )


def test_rows_with_pooled_text_are_given_twice(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, CONFIGS["sdxl"])
    sample, timestep, states = _inputs(4, 8, 8)
    context = ours.project(states, again=torch.tensor([0]))
    told = {"pooled": POOLED, "time_ids": TIME_IDS}
    assert not ours.may_share
    with pytest.raises(ValueError, match=r"encoder_hidden_states: .*allowed: \(1, tokens"):
        ours(sample[:1], timestep[:1], context, **told)
    again = sample[[0, 0]], timestep[[0, 0]]
    assert torch.equal(ours(*again, context, **told), ours(*again, states, **told))


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
