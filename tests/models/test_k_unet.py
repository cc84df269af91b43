"""The U-Net of K-blocks against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import ConfigError
from ldm.models.k_unet import KUNet2DConditionModel, KUNetConfig, is_k_unet
from tests.checkpoints.published import K_UNET

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: a few hundred layers' roundings on results of size 1

SMALL = {
    **K_UNET,
    "attention_head_dim": 16,
    "block_out_channels": [32, 32, 64, 64],
    "cross_attention_dim": 24,
    "layers_per_block": 2,
    "time_cond_proj_dim": 20,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers_per_block": 1, "flip_sin_to_cos": False, "norm_eps": 1e-3, "conv_in_kernel": 3},
        {
            "block_out_channels": [32, 64, 64],
            "down_block_types": ["KDownBlock2D", *["KCrossAttnDownBlock2D"] * 2],
            "up_block_types": [*["KCrossAttnUpBlock2D"] * 2, "KUpBlock2D"],
        },
    ],
    ids=["x2 upscaler", "other settings", "three levels"],
)
def test_equals_diffusers(changes: dict[str, Any], randomise: Randomise) -> None:
    theirs = diffusers.UNet2DConditionModel(**{**SMALL, **changes})
    randomise(theirs)
    ours = KUNet2DConditionModel(KUNetConfig.from_dict(dict(theirs.config)))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ours.eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, 8, 16, 24, generator=generator)
    states = torch.randn(2, 7, 24, generator=generator)
    condition = torch.randn(2, 20, generator=generator)
    timestep = torch.tensor([0.3, -0.9])
    wanted = theirs(sample, timestep, states, timestep_cond=condition).sample
    assert wanted.std() > 0.1
    got = ours(sample, timestep, states, condition)
    torch.testing.assert_close(got, wanted, atol=TOLERANCE, rtol=0)


def test_full_size_has_every_tensor() -> None:
    """Keys, shapes and number of weights of the real model, without its memory."""
    with torch.device("meta"):
        theirs = diffusers.UNet2DConditionModel(**K_UNET)
        ours = KUNet2DConditionModel(KUNetConfig.from_dict(K_UNET))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items()
    }
    assert ours.multiple == 8


def test_the_files_first_name_for_an_activation_is_read() -> None:
    old = {key: value for key, value in K_UNET.items() if key != "timestep_post_act"}
    assert KUNetConfig.from_dict({**old, "timestep_act_2": "gelu"}) == KUNetConfig.from_dict(K_UNET)


def test_it_is_told_from_other_unets() -> None:
    assert is_k_unet(K_UNET)
    assert not is_k_unet({"down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"]})
    assert not is_k_unet({})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"up_block_types": ["KUpBlock2D"] * 4}, "up_block_types"),
        ({"block_out_channels": [32, 32, 64, 128]}, "block_out_channels"),
        ({"block_out_channels": [32, 48, 64, 64]}, "block_out_channels"),
        ({"norm_num_groups": 32}, "norm_num_groups"),
        ({"act_fn": "silu"}, "act_fn"),
        ({"time_cond_proj_dim": None}, "time_cond_proj_dim"),
        ({"class_embed_type": "timestep"}, "class_embed_type"),
    ],
)
def test_what_is_not_implemented_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KUNetConfig.from_dict({**SMALL, **changes})
    assert caught.value.field == field


@pytest.mark.parametrize("size", [(12, 16), (8, 16)])
def test_latents_that_do_not_halve_are_named(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        ours = KUNet2DConditionModel(KUNetConfig.from_dict(SMALL))
    with pytest.raises(ValueError, match=r"sample: .* multiples of 8, not that itself"):
        ours(torch.zeros(1, 8, *size), torch.zeros(1), torch.zeros(1, 7, 24), torch.zeros(1, 20))
