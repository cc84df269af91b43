"""The autoencoder of the first latent diffusion models: ``VQModel``.

Its decoder knows only latents that stand in a codebook; what it is given is first replaced by
the nearest of those (van den Oord et al., 1711.00937, section 3.1). Owns the scale of its
latents, as :mod:`ldm.models.vae` does. Knows nothing of noise or of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.models.config import AutoencoderKLConfig, ConfigError
from ldm.models.vae import Decoder, Encoder, check_images, check_latents

# Where the file is silent. `scaling_factor` is not diffusers' 0.18215 then: files without the key
# are older than it (CompVis/ldm-celebahq-256), and those models were trained on unscaled latents.
_ABSENT: Mapping[str, object] = {
    "latent_channels": 3,
    "scaling_factor": 1.0,
    "force_upcast": False,
}
# Keys that only this class has, with the only value implemented.
_FIXED: Mapping[str, object] = {"norm_type": "group", "lookup_from_codebook": False}


@dataclass(frozen=True)
class VQModelConfig:
    """A ``VQModel``: levels as in an ``AutoencoderKL``, and a codebook between the two halves."""

    levels: AutoencoderKLConfig
    num_vq_embeddings: int
    vq_embed_dim: int  # channels of the latents

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> VQModelConfig:
        """Read the contents of ``vqvae/config.json``.

        Absent keys mean what diffusers means, but for ``scaling_factor``, which is 1 then.

        Raises:
            ConfigError: as :meth:`AutoencoderKLConfig.from_dict`.
        """
        shared = {**_ABSENT, **values}
        for key, only in _FIXED.items():
            if shared.pop(key, only) != only:
                raise ConfigError(key, values[key], f"{only!r} alone (the rest is not supported)")
        codes = shared.pop("num_vq_embeddings", 256)
        dim = shared.pop("vq_embed_dim", None)
        levels = AutoencoderKLConfig.from_dict(shared)
        counts = {
            "num_vq_embeddings": codes,
            "vq_embed_dim": levels.latent_channels if dim is None else dim,
        }
        whole: list[int] = []
        for key, got in counts.items():
            if not isinstance(got, int) or isinstance(got, bool) or got < 1:
                raise ConfigError(key, got, "a whole number of at least 1")
            whole.append(got)
        return cls(levels, *whole)


class VectorQuantizer(nn.Module):
    """Every latent becomes the nearest entry of the codebook."""

    def __init__(self, entries: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(entries, channels)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        cells = latents.movedim(1, -1)
        # In float32: in half precision two of thousands of entries may seem equally near.
        distances = torch.cdist(cells.flatten(0, 2).float(), self.embedding.weight.float())
        nearest = self.embedding(distances.argmin(1))
        return nearest.view(cells.shape).movedim(-1, 1)


class VQModel(nn.Module):
    """Images to latents and back, by way of a codebook.

    Attributes:
        factor: pixels to a latent, along each side.
        latent_channels: channels of a latent.
    """

    def __init__(self, config: VQModelConfig) -> None:
        super().__init__()
        self.config = config
        levels, dim = config.levels, config.vq_embed_dim
        self.factor = 2 ** (len(levels.block_out_channels) - 1)
        self.latent_channels = dim
        self.encoder = Encoder(levels, levels.latent_channels)
        self.quant_conv = nn.Conv2d(levels.latent_channels, dim, kernel_size=1)
        self.quantize = VectorQuantizer(config.num_vq_embeddings, dim)
        self.post_quant_conv = nn.Conv2d(dim, levels.latent_channels, kernel_size=1)
        self.decoder = Decoder(levels)

    def encode(self, images: Tensor) -> Tensor:
        """Images to latents of the scale the U-Net knows, not yet those of the codebook.

        Args:
            images: (B, in_channels, H, W) in [-1, 1], H and W divisible by ``factor``.

        Returns:
            (B, latent_channels, H / factor, W / factor) in the dtype of the weights.

        Raises:
            ValueError: another shape.
        """
        check_images(images, self.config.levels.in_channels, self.factor)
        latents = self.quant_conv(self.encoder(images.to(self.quant_conv.weight.dtype)))
        return (latents - self.config.levels.shift_factor) * self.config.levels.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Latents of the scale the U-Net knows to images.

        Args:
            latents: (B, latent_channels, h, w).

        Returns:
            (B, out_channels, h * factor, w * factor), about [-1, 1] (not clamped), in the
            dtype of the weights.

        Raises:
            ValueError: another shape.
        """
        check_latents(latents, self.latent_channels)
        levels = self.config.levels
        latents = latents / levels.scaling_factor + levels.shift_factor
        quantised = self.quantize(latents.to(self.quant_conv.weight.dtype))
        return self.decoder(self.post_quant_conv(quantised))
