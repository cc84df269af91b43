"""The U-Net without a caption against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import ConfigError
from ldm.models.unet_2d import UNet2DConfig, UNet2DModel

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: a few hundred layers' roundings on results of size 1

SMALL: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": 8,
    "norm_num_groups": 8,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "unconditional": {},
    "super-resolution": {
        "in_channels": 6,
        "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    },
    "one head of all channels, other embeddings": {
        "attention_head_dim": None,
        "layers_per_block": 1,
        "downsample_padding": 0,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "norm_eps": 1e-3,
    },
    "no middle": {"mid_block_type": None},
}


def _pair(
    randomise: Randomise, settings: dict[str, Any]
) -> tuple[UNet2DModel, diffusers.UNet2DModel]:
    theirs = diffusers.UNet2DModel(**{**SMALL, **settings})
    randomise(theirs)
    ours = UNet2DModel(UNet2DConfig.from_dict(dict(theirs.config)))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.eval().requires_grad_(False), theirs


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_diffusers(name: str, randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS[name])
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, ours.config.in_channels, 8, 12, generator=generator)
    timestep = torch.tensor([3.0, 771.5])
    wanted = theirs(sample, timestep).sample
    assert wanted.std() > 0.1
    torch.testing.assert_close(ours(sample, timestep), wanted, atol=TOLERANCE, rtol=0)


def test_sizes_that_do_not_halve_evenly_are_kept(randomise: Randomise) -> None:
    """diffusers' class fails here; ours follows the skips, as its U-Net for captions does."""
    ours, _ = _pair(randomise, {})
    assert ours(torch.zeros(1, 3, 9, 7), torch.zeros(1)).shape == (1, 3, 9, 7)


@pytest.mark.parametrize(
    ("sample", "timestep", "message"),
    [
        (torch.zeros(2, 4, 8, 8), torch.zeros(2), "sample: .*3, h, w"),
        (torch.zeros(2, 3, 8, 8), torch.zeros(1), r"timestep: .*\(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    sample: torch.Tensor, timestep: torch.Tensor, message: str, randomise: Randomise
) -> None:
    ours, _ = _pair(randomise, {})
    with pytest.raises(ValueError, match=message):
        ours(sample, timestep)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"down_block_types": ["ResnetDownsampleBlock2D"] * 3}, "down_block_types"),
        ({"up_block_types": ["UpBlock2D"] * 2}, "up_block_types"),
        ({"num_class_embeds": 10}, "num_class_embeds"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type"),
        ({"attention_head_dim": 7}, "attention_head_dim"),
        ({"resnet_time_scale_shift": "scale_shift"}, "resnet_time_scale_shift"),
    ],
)
def test_what_is_not_implemented_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        UNet2DConfig.from_dict({**SMALL, **changes})
    assert caught.value.field == field


# From the published unet/config.json of each model.
PUBLISHED: dict[str, dict[str, Any]] = {
    "ldm-celebahq-256": {
        "block_out_channels": (224, 448, 672, 896),
        "attention_head_dim": 32,
        "sample_size": 64,
    },
    "ldm-super-resolution-4x-openimages": {
        "block_out_channels": (160, 320, 320, 640),
        "down_block_types": (*("DownBlock2D",) * 3, "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", *("UpBlock2D",) * 3),
        "attention_head_dim": 32,
        "in_channels": 6,
        "sample_size": 64,
    },
}


PARAMETERS = {
    "ldm-celebahq-256": 274_056_163,
    "ldm-super-resolution-4x-openimages": 113_622_563,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_has_every_tensor(name: str) -> None:
    with torch.device("meta"):
        theirs = diffusers.UNet2DModel(**PUBLISHED[name])
        ours = UNet2DModel(UNet2DConfig.from_dict(PUBLISHED[name]))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items()
    }
    assert sum(p.numel() for p in ours.parameters()) == PARAMETERS[name]
