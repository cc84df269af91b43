"""The autoencoder against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import AutoencoderKLConfig
from ldm.models.vae import AutoencoderKL

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: a hundred layers' roundings on results of size 1

SMALL: dict[str, Any] = {
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 2,
    "norm_num_groups": 8,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "stable diffusion 1 and 2": {},
    "another scale and shift": {"scaling_factor": 0.3611, "shift_factor": 0.1159},
    "no quant convolutions": {"use_quant_conv": False, "use_post_quant_conv": False},
    "more channels": {"latent_channels": 16, "in_channels": 4, "out_channels": 4},
    "one layer, one level": {
        "block_out_channels": (16,),
        "down_block_types": ("DownEncoderBlock2D",),
        "up_block_types": ("UpDecoderBlock2D",),
        "layers_per_block": 1,
    },
}


def _pair(
    randomise: Randomise, settings: dict[str, Any]
) -> tuple[AutoencoderKL, diffusers.AutoencoderKL]:
    theirs = diffusers.AutoencoderKL(**{**SMALL, **settings})
    randomise(theirs)
    ours = AutoencoderKL(AutoencoderKLConfig.from_dict(dict(theirs.config)))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.eval().requires_grad_(False), theirs


def _images(channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(2, channels, 32, 48, generator=generator) * 2 - 1


@pytest.mark.parametrize("name", CONFIGS)
def test_encodes_as_diffusers(name: str, randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS[name])
    images = _images(theirs.config.in_channels)
    shift = theirs.config.shift_factor or 0.0
    posterior = theirs.encode(images).latent_dist

    mode = (posterior.mode() - shift) * theirs.config.scaling_factor
    assert mode.std() > 0.01
    torch.testing.assert_close(ours.encode(images), mode, atol=TOLERANCE, rtol=0)

    drawn = posterior.sample(torch.Generator().manual_seed(5))
    got = ours.encode(images, torch.Generator().manual_seed(5))
    wanted = (drawn - shift) * theirs.config.scaling_factor
    torch.testing.assert_close(got, wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_decodes_as_diffusers(name: str, randomise: Randomise) -> None:
    ours, theirs = _pair(randomise, CONFIGS[name])
    generator = torch.Generator().manual_seed(6)
    latents = torch.randn(2, ours.latent_channels, 4, 6, generator=generator)
    unscaled = latents / theirs.config.scaling_factor + (theirs.config.shift_factor or 0.0)
    wanted = theirs.decode(unscaled).sample
    assert wanted.std() > 0.01
    torch.testing.assert_close(ours.decode(latents), wanted, atol=TOLERANCE, rtol=0)


def test_factor_and_channels_are_what_encode_gives(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, {})
    assert (ours.factor, ours.latent_channels) == (4, 4)
    assert ours.encode(_images()).shape == (2, 4, 32 // 4, 48 // 4)


def test_inputs_are_cast_to_the_weights(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, {})
    ours.to(torch.bfloat16)
    latents = ours.encode(_images())
    assert latents.dtype == torch.bfloat16
    assert ours.decode(latents.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(2, 3, 30, 48), (2, 1, 32, 48), (3, 32, 48)])
def test_pictures_of_another_shape_are_refused(
    shape: tuple[int, ...], randomise: Randomise
) -> None:
    ours, _ = _pair(randomise, {})
    with pytest.raises(ValueError, match=r"images: got .*divisible by 4"):
        ours.encode(torch.zeros(shape))


def test_latents_of_another_shape_are_refused(randomise: Randomise) -> None:
    ours, _ = _pair(randomise, {})
    with pytest.raises(ValueError, match=r"latents: got \(1, 3, 8, 8\), allowed: \(B, 4, h, w\)"):
        ours.decode(torch.zeros(1, 3, 8, 8))


def test_full_size_has_every_tensor() -> None:
    """Keys and shapes of Stable Diffusion's real autoencoder, without its memory."""
    published = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "sample_size": 512,
    }
    with torch.device("meta"):
        theirs = diffusers.AutoencoderKL(**published)
        ours = AutoencoderKL(AutoencoderKLConfig.from_dict(dict(theirs.config)))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items()
    }
    assert sum(p.numel() for p in ours.parameters()) == 83_653_863
    assert ours.factor == 8
