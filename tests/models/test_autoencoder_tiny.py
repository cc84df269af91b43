"""The tiny autoencoder against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.autoencoder_tiny import AutoencoderTiny, AutoencoderTinyConfig
from ldm.models.config import ConfigError

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: some forty convolutions' roundings on results of size 1

SMALL: dict[str, Any] = {
    "encoder_block_out_channels": (16,) * 3,
    "decoder_block_out_channels": (16,) * 3,
    "num_encoder_blocks": (1, 2, 1),
    "num_decoder_blocks": (2, 1, 1),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "taesd": {},
    "another activation, scale and latents": {
        "act_fn": "gelu",
        "latent_channels": 8,
        "scaling_factor": 1.5,
    },
}


def _pair(
    randomise: Randomise, settings: dict[str, Any]
) -> tuple[AutoencoderTiny, diffusers.AutoencoderTiny]:
    theirs = diffusers.AutoencoderTiny(**{**SMALL, **settings})
    randomise(theirs)
    ours = AutoencoderTiny(AutoencoderTinyConfig.from_dict(dict(theirs.config)))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.eval().requires_grad_(False), theirs


@pytest.mark.parametrize("name", CONFIGS)
def test_encodes_and_decodes_as_diffusers(name: str, randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS[name])
    scale = theirs.config.scaling_factor
    generator = torch.Generator().manual_seed(4)
    images = torch.rand(2, 3, 16, 24, generator=generator) * 2 - 1
    wanted = theirs.encode(images).latents * scale
    assert wanted.std() > 0.01
    torch.testing.assert_close(ours.encode(images), wanted, atol=TOLERANCE, rtol=0)

    # Beyond 3 as well, where decoded latents are squeezed.
    latents = 4 * torch.randn(2, ours.latent_channels, 4, 6, generator=generator)
    wanted = theirs.decode(latents / scale).sample
    assert wanted.std() > 0.01
    torch.testing.assert_close(ours.decode(latents), wanted, atol=TOLERANCE, rtol=0)
    assert (ours.factor, ours.latent_channels) == (4, theirs.config.latent_channels)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"upsampling_scaling_factor": 4}, "upsampling_scaling_factor"),
        ({"upsample_fn": "bilinear"}, "upsample_fn"),
        ({"num_decoder_blocks": [1, 2]}, "num_decoder_blocks"),
        ({"encoder_block_out_channels": [16, 32, 32]}, "encoder_block_out_channels"),
        ({"scaling_factor": 0}, "scaling_factor"),
        ({"act_fn": "tanh"}, "act_fn"),
    ],
)
def test_what_is_not_implemented_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AutoencoderTinyConfig.from_dict({**SMALL, **changes})
    assert caught.value.field == field


def test_full_size_has_every_tensor() -> None:
    """Keys and shapes of TAESD and TAESDXL, whose published settings are diffusers' defaults."""
    with torch.device("meta"):
        theirs = diffusers.AutoencoderTiny()
        ours = AutoencoderTiny(AutoencoderTinyConfig.from_dict(dict(theirs.config)))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items()
    }
    assert sum(p.numel() for p in ours.parameters()) == 2_445_063
    assert ours.factor == 8
