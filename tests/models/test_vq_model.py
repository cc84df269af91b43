"""The autoencoder with a codebook against diffusers' class, with the same small random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from ldm.models.config import ConfigError
from ldm.models.vq_model import VQModel, VQModelConfig

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: a hundred layers' roundings on results of size 1

SMALL: dict[str, Any] = {
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "norm_num_groups": 8,
    "num_vq_embeddings": 40,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "the first latent diffusion models": {},
    "narrower codes than latents": {"latent_channels": 6, "vq_embed_dim": 4, "scaling_factor": 0.5},
}


def _pair(randomise: Randomise, settings: dict[str, Any]) -> tuple[VQModel, diffusers.VQModel]:
    theirs = diffusers.VQModel(**{**SMALL, **settings})
    randomise(theirs)
    nn.init.normal_(theirs.quantize.embedding.weight, generator=torch.Generator().manual_seed(1))
    ours = VQModel(VQModelConfig.from_dict(dict(theirs.config)))
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

    latents = torch.randn(2, ours.latent_channels, 4, 6, generator=generator)
    wanted = theirs.decode(latents / scale).sample
    assert wanted.std() > 0.01
    torch.testing.assert_close(ours.decode(latents), wanted, atol=TOLERANCE, rtol=0)
    assert ours.factor == 4


def test_every_latent_becomes_its_nearest_code(randomise: Randomise) -> None:
    """Against all distances worked out one by one."""
    ours, _ = _pair(randomise, {})
    codes = ours.quantize.embedding.weight
    latents = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(7))
    got = ours.quantize(latents)
    for row in range(2):
        for column in range(3):
            cell = latents[0, :, row, column]
            nearest = min(codes, key=lambda code: float((code - cell).square().sum()))
            assert torch.equal(got[0, :, row, column], nearest)


def test_an_absent_scale_is_one() -> None:
    """Those files are older than the key, and their models were trained on unscaled latents."""
    assert VQModelConfig.from_dict(SMALL).levels.scaling_factor == 1.0
    assert VQModelConfig.from_dict({**SMALL, "scaling_factor": 0.2}).levels.scaling_factor == 0.2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"norm_type": "spatial"}, "norm_type"),
        ({"lookup_from_codebook": True}, "lookup_from_codebook"),
        ({"num_vq_embeddings": 0}, "num_vq_embeddings"),
        ({"vq_embed_dim": 2.5}, "vq_embed_dim"),
        ({"norm_num_groups": 5}, "norm_num_groups"),
    ],
)
def test_what_is_not_implemented_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        VQModelConfig.from_dict({**SMALL, **changes})
    assert caught.value.field == field


def test_full_size_has_every_tensor() -> None:
    """Keys and shapes of the f4 model with 8192 codes, without its memory: the published
    configuration of CompVis/ldm-celebahq-256, and what ldm-super-resolution-4x-openimages names.
    """
    published = {
        "block_out_channels": (128, 256, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "layers_per_block": 2,
        "num_vq_embeddings": 8192,
        "sample_size": 256,
    }
    with torch.device("meta"):
        theirs = diffusers.VQModel(**published)
        ours = VQModel(VQModelConfig.from_dict(published))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items()
    }
    assert sum(p.numel() for p in ours.parameters()) == 55_322_782
