"""Large maps in tiles, and attention's scores in parts: against the whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models import tiling
from ldm.models.config import AutoencoderKLConfig
from ldm.models.layers import Attention, Context, attention
from ldm.models.vae import AutoencoderKL, SpatialAttention
from ldm.models.vq_model import VQModel, VQModelConfig

SMALL = {
    "block_out_channels": [16, 16, 32, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
}
TILE = 12  # pixels, so that maps of every level are larger


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    model = AutoencoderKL(AutoencoderKLConfig.from_dict(SMALL)).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):  # ones and zeros at first, which would hide mistakes
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    return model


@contextmanager
def cut(model: AutoencoderKL | VQModel, tile: int) -> Iterator[None]:
    """Work on large maps in tiles while the block lasts."""
    model.encoder.tile = model.decoder.tile = tile
    try:
        yield
    finally:
        model.encoder.tile = model.decoder.tile = None


# --- the autoencoder ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (72, 40), (104, 136)])
def test_tiles_make_the_same_picture(vae: AutoencoderKL, size: tuple[int, int]) -> None:
    """Every sum is that of the whole, in another order: within a few roundings of float32.

    Sides are not multiples of the tile, and every level of both halves is cut.
    """
    images = random(2, 3, *size).clamp(-1, 1)
    latents = vae.encode(images)
    decoded = vae.decode(latents)
    with cut(vae, TILE):
        torch.testing.assert_close(vae.encode(images), latents, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vae.decode(latents), decoded, atol=1e-5, rtol=1e-5)


def test_channels_last_stays_so_and_is_the_same(vae: AutoencoderKL) -> None:
    last = vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    latents = random(1, 4, 20, 20).contiguous(memory_format=torch.channels_last)
    decoded = last.decode(latents)
    with cut(last, TILE):
        tiled = last.decode(latents)
    assert tiled.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(tiled, decoded, atol=1e-5, rtol=1e-5)


def test_bfloat16_is_as_near_as_bfloat16_can_be(vae: AutoencoderKL) -> None:
    """To the float32 picture no further than the whole in bfloat16 is, but for a tenth."""
    latents = random(1, 4, 24, 24)
    exact = vae.decode(latents)
    half = copy.deepcopy(vae).to(torch.bfloat16)
    whole = half.decode(latents).float()
    with cut(half, TILE):
        tiled = half.decode(latents).float()
    assert not torch.equal(tiled, whole)
    assert (tiled - exact).abs().mean() <= 1.1 * (whole - exact).abs().mean()


def test_large_means_lose_nothing(vae: AutoencoderKL) -> None:
    """A normalisation of values around 1,000 with a spread of 1, as trained autoencoders have."""
    block = vae.decoder.up_blocks[-1].resnets[-1]  # type: ignore[union-attr, index]
    x = 1000 + random(1, 16, 150, 150)
    torch.testing.assert_close(
        tiling.resnet(block, x, TILE),
        block(x),
        atol=1e-3,
        rtol=1e-5,  # type: ignore[arg-type]
    )


def test_no_layer_sees_more_than_a_tile(vae: AutoencoderKL) -> None:
    """But for those of the lowest resolution: that is what tiles are for."""
    seen: list[tuple[int, int]] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append((inputs[0].shape[2], inputs[0].shape[3]))

    outer = [*vae.decoder.up_blocks, vae.decoder.conv_out, vae.encoder.conv_in]
    outer += [*vae.encoder.down_blocks]
    convolutions = [
        part for each in outer for part in each.modules() if isinstance(part, nn.Conv2d)
    ]
    hooks = [part.register_forward_pre_hook(look) for part in convolutions]
    try:
        with cut(vae, TILE):
            vae.decode(vae.encode(random(1, 3, 96, 64)))
    finally:
        for hook in hooks:
            hook.remove()
    # A margin of two on either side; an upsampled tile of half the size has one of its own.
    assert max(max(size) for size in seen) <= TILE + 4


def test_another_kind_of_autoencoder() -> None:
    torch.manual_seed(1)
    config = {**SMALL, "num_vq_embeddings": 32, "vq_embed_dim": 4, "latent_channels": 4}
    vq = VQModel(VQModelConfig.from_dict(config)).eval().requires_grad_(False)
    images = random(1, 3, 120, 96).clamp(-1, 1)
    latents = vq.encode(images)
    decoded = vq.decode(latents)
    with cut(vq, TILE):
        torch.testing.assert_close(vq.encode(images), latents, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vq.decode(latents), decoded, atol=1e-5, rtol=1e-5)


# --- attention ----------------------------------------------------------------------------------


@pytest.mark.parametrize("score_bytes", [1, 4 * 2 * 3 * 7 * 5, 4 * 2 * 3 * 7 * 100])
def test_scores_in_parts(score_bytes: int) -> None:
    """Softmax goes along each query's own row, so parts of the queries are independent."""
    q, k, v = random(2, 3, 33, 8, seed=1), random(2, 3, 7, 8, seed=2), random(2, 3, 7, 8, seed=3)
    scores = (q @ k.mT / 8**0.5).softmax(-1) @ v
    torch.testing.assert_close(attention(q, k, v), scores, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        attention(q, k, v, score_bytes=score_bytes), scores, atol=1e-6, rtol=0
    )


def test_no_part_has_more_scores_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    kernel = F.scaled_dot_product_attention

    def look(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        sizes.append(q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2] * q.element_size())
        return kernel(q, k, v)

    monkeypatch.setattr(F, "scaled_dot_product_attention", look)
    layer = Attention(24, 3, 8, None, upcast=False)
    spatial = SpatialAttention(24, 8)
    layer.score_bytes = spatial.score_bytes = 4096
    layer(random(2, 50, 24), Context(random(2, 5, 24)))
    assert len(sizes) > 1 and max(sizes) <= 4096 and sum(sizes) == 2 * 3 * 50 * 50 * 4
    sizes.clear()
    spatial(random(1, 24, 8, 8))
    assert len(sizes) > 1 and max(sizes) <= 4096 and sum(sizes) == 64 * 64 * 4
