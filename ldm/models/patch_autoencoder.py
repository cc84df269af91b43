"""The embedded model's autoencoder: residual blocks on patches beside a linear shortcut.

An `AutoencoderKL` spends most of its time in normalisation at full resolution. This one folds 4x4
pixels into channels first, so that all its convolutions are wide and at low resolution, which is
what CPUs do well: a 256 x 256 picture decodes several times faster. A linear map from every whole
patch of factor x factor pixels to the latent channels (and back) stands beside the convolutions;
training starts it at the leading principal directions of the pictures' patches, with the
convolutional branch at zero, so that the first step is already as good as PCA.

Latents leave `encode` with zero mean and the scales that `latents_std` sets (`latents_mean`,
`latents_std` of the config); no other module scales them. The module knows nothing of diffusion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.packed import Conv2d

FOLD = 4  # pixels folded into channels on entry; each further level folds by 2


@dataclass(frozen=True)
class PatchAutoencoderConfig:
    """What `vae/config.json` holds. Widths are channels at 1/4, 1/8, ... of the resolution, and the
    factor between pixels and latents is 4 at the first of them, doubled at each further one.
    """

    in_channels: int = 3
    latent_channels: int = 32
    widths: tuple[int, ...] = (128, 192, 256)
    encoder_blocks: tuple[int, ...] = (1, 2, 2)
    decoder_blocks: tuple[int, ...] = (2, 3, 3)
    latents_mean: tuple[float, ...] = (0.0,) * 32
    latents_std: tuple[float, ...] = (1.0,) * 32

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "PatchAutoencoderConfig":
        """Read a parsed config.json. Raises ValueError that names an unknown or ill-sized key."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(key for key in config if key not in known and not key.startswith("_"))
        if unknown:
            raise ValueError(
                f"vae/config.json: got unknown keys {unknown}, allowed: {sorted(known)}"
            )
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in config.items()
            if key in known
        }
        made = cls(**values)
        for name in ("latents_mean", "latents_std"):
            if len(getattr(made, name)) != made.latent_channels:
                raise ValueError(
                    f"vae/config.json: {name}: got {len(getattr(made, name))} numbers, "
                    f"allowed: {made.latent_channels}, one per latent channel"
                )
        for name in ("encoder_blocks", "decoder_blocks"):
            if len(getattr(made, name)) != len(made.widths):
                raise ValueError(
                    f"vae/config.json: {name}: got {len(getattr(made, name))} numbers, "
                    f"allowed: {len(made.widths)}, one per width"
                )
        return made

    @property
    def factor(self) -> int:
        return FOLD * 2 ** (len(self.widths) - 1)


def start_at_zero(convolution: nn.Conv2d) -> None:
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), the last convolution starting at zero.

    There is no normalisation: at these depths the zero start keeps the scale, and norms were the
    costliest part of a training step on a CPU.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1)
        self.conv2 = Conv2d(channels, channels, 3, padding=1)
        start_at_zero(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


def stage(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))


class Encoder(nn.Module):
    def __init__(self, config: PatchAutoencoderConfig) -> None:
        super().__init__()
        widths, factor = config.widths, config.factor
        self.fold_in = Conv2d(config.in_channels * FOLD * FOLD, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(map(stage, widths, config.encoder_blocks))
        self.downs = nn.ModuleList(Conv2d(4 * fine, coarse, 1) for fine, coarse in pairwise(widths))
        self.out = Conv2d(widths[-1], config.latent_channels, 3, padding=1)
        self.linear = Conv2d(config.in_channels, config.latent_channels, factor, stride=factor)

    def forward(self, images: Tensor) -> Tensor:
        h = self.stages[0](self.fold_in(F.pixel_unshuffle(images, FOLD)))  # at H/4, W/4
        for down, blocks in zip(self.downs, self.stages[1:], strict=True):
            h = blocks(down(F.pixel_unshuffle(h, 2)))  # half the resolution each time
        return self.linear(images) + self.out(F.silu(h))


class Decoder(nn.Module):
    def __init__(self, config: PatchAutoencoderConfig) -> None:
        super().__init__()
        widths, factor = config.widths[::-1], config.factor
        self.fold_in = Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(map(stage, widths, config.decoder_blocks[::-1]))
        self.ups = nn.ModuleList(Conv2d(coarse, 4 * fine, 1) for coarse, fine in pairwise(widths))
        self.out = Conv2d(widths[-1], config.in_channels * FOLD * FOLD, 3, padding=1)
        self.linear = nn.ConvTranspose2d(
            config.latent_channels, config.in_channels, factor, stride=factor
        )

    def forward(self, latents: Tensor) -> Tensor:
        h = self.stages[0](self.fold_in(latents))
        for up, blocks in zip(self.ups, self.stages[1:], strict=True):
            h = blocks(F.pixel_shuffle(up(h), 2))  # twice the resolution each time
        return self.linear(latents) + F.pixel_shuffle(self.out(F.silu(h)), FOLD)


class PatchAutoencoder(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] to latents (B, C, H/f, W/f) and back.

    H and W must be divisible by the factor f.
    """

    def __init__(self, config: PatchAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        for out in (self.encoder.out, self.decoder.out):
            start_at_zero(out)

    @property
    def factor(self) -> int:
        return self.config.factor

    @property
    def latent_channels(self) -> int:
        return self.config.latent_channels

    def statistic(self, values: Sequence[float], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]

    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Latents (B, C, H/f, W/f).

        Deterministic: there is no posterior to sample, so `generator`, which an `AutoencoderKL`
        takes here, has nothing to do.
        """
        del generator
        raw = self.encoder(images.to(self.encoder.out.weight.dtype))
        mean = self.statistic(self.config.latents_mean, raw)
        return (raw - mean) / self.statistic(self.config.latents_std, raw)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, f h, f w), nominally in [-1, 1] (not clamped)."""
        latents = latents.to(self.decoder.out.weight.dtype)
        mean = self.statistic(self.config.latents_mean, latents)
        return self.decoder(latents * self.statistic(self.config.latents_std, latents) + mean)


def principal_patches(images: Tensor, channels: int, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """The leading principal directions of whole patches, as the linear shortcut's starting weights.

    images: (N, 3, H, W) in [-1, 1]; f the factor. Returns directions (channels, 3, f, f) of unit
    length, the mean patch (3, f, f) and the standard deviation along each direction (channels,),
    in float32.
    """
    size = images.shape[1] * factor**2
    patches = F.unfold(images.float(), factor, stride=factor).transpose(1, 2).reshape(-1, size)
    mean = patches.mean(0)
    covariance = (patches - mean).T @ (patches - mean) / len(patches)
    values, vectors = torch.linalg.eigh(covariance.double())
    leading = vectors.flip(1)[:, :channels].T.float()
    shape = (images.shape[1], factor, factor)
    return (
        leading.reshape(channels, *shape),
        mean.reshape(shape),
        values.flip(0)[:channels].sqrt().float(),
    )


@torch.no_grad()
def start_from_principal_patches(model: PatchAutoencoder, images: Tensor) -> None:
    """Set the linear shortcut so that the untrained model is PCA of the patches of `images`."""
    directions, mean, deviation = principal_patches(images, model.latent_channels, model.factor)
    scale = deviation[:, None, None, None]
    encoder, decoder = model.encoder.linear, model.decoder.linear
    assert encoder.bias is not None and decoder.bias is not None
    encoder.weight.copy_(directions / scale)
    encoder.bias.copy_(-(directions / scale).flatten(1) @ mean.flatten())
    decoder.weight.copy_(directions * scale)
    decoder.bias.copy_(mean.mean((1, 2)))
