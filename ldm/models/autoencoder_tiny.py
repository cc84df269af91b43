"""The tiny autoencoders TAESD and TAESDXL: ``AutoencoderTiny``.

Distilled from Stable Diffusion's autoencoders (Boer Bohan, github.com/madebyollin/taesd): they
speak the same latents, and decode them in a fraction of the time with less detail. Good for
previews, or in place of the large one. Knows nothing of diffusion or of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.models.config import ConfigError, Reader
from ldm.models.vae import check_images, check_latents

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
}
REACH = 3.0  # decoded latents are squeezed to stay within it

# Keys of config.json that concern storing latents as bytes, or say again what others say.
_SILENT = frozenset({"block_out_channels", "force_upcast", "latent_magnitude", "latent_shift"})


@dataclass(frozen=True)
class AutoencoderTinyConfig:
    """An ``AutoencoderTiny``; lists have one value a level, in the order of the layers."""

    in_channels: int
    out_channels: int
    latent_channels: int
    encoder_block_out_channels: tuple[int, ...]
    decoder_block_out_channels: tuple[int, ...]
    num_encoder_blocks: tuple[int, ...]
    num_decoder_blocks: tuple[int, ...]
    act_fn: str
    scaling_factor: float
    shift_factor: float

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> AutoencoderTinyConfig:
        """Read the contents of ``config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: a value out of range, lists of different lengths, or a key that asks
                for something that is not implemented.
        """
        read = Reader(values)
        config = cls(
            in_channels=read.integer("in_channels", 3),
            out_channels=read.integer("out_channels", 3),
            latent_channels=read.integer("latent_channels", 4),
            encoder_block_out_channels=read.integers("encoder_block_out_channels", (64,) * 4),
            decoder_block_out_channels=read.integers("decoder_block_out_channels", (64,) * 4),
            num_encoder_blocks=read.integers("num_encoder_blocks", (1, 3, 3, 3)),
            num_decoder_blocks=read.integers("num_decoder_blocks", (3, 3, 3, 1)),
            act_fn=read.choice("act_fn", "relu", ACTIVATIONS),
            scaling_factor=read.number("scaling_factor", 1.0),
            shift_factor=read.number("shift_factor", 0.0),
        )
        # Halving is what the encoder's strides do: another factor would not meet them again.
        read.finish({"upsample_fn": "nearest", "upsampling_scaling_factor": 2}, _SILENT)
        levels = len(config.encoder_block_out_channels)
        for key in ("decoder_block_out_channels", "num_encoder_blocks", "num_decoder_blocks"):
            if len(getattr(config, key)) != levels:
                raise ConfigError(key, getattr(config, key), f"{levels} whole numbers, one a level")
        for key in ("encoder_block_out_channels", "decoder_block_out_channels"):
            # Nothing between two levels changes the number of channels.
            if len(set(getattr(config, key))) != 1:
                raise ConfigError(key, getattr(config, key), "the same number for every level")
        if config.scaling_factor <= 0:
            raise ConfigError("scaling_factor", config.scaling_factor, "a number above 0")
        return config


class AutoencoderTinyBlock(nn.Module):
    """relu(x + three convolutions of x)."""

    def __init__(self, channels: int, act_fn: str) -> None:
        super().__init__()
        activation = ACTIVATIONS[act_fn]
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            activation(),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            activation(),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class EncoderTiny(nn.Module):
    """(B, in_channels, H, W) in [-1, 1] -> (B, latent_channels, H / f, W / f)."""

    def __init__(self, config: AutoencoderTinyConfig) -> None:
        super().__init__()
        channels = config.encoder_block_out_channels[0]
        layers: list[nn.Module] = []
        for level, blocks in enumerate(config.num_encoder_blocks):
            layers.append(
                nn.Conv2d(config.in_channels, channels, kernel_size=3, padding=1)
                if level == 0
                else nn.Conv2d(channels, channels, kernel_size=3, padding=1, stride=2, bias=False)
            )
            layers += [AutoencoderTinyBlock(channels, config.act_fn) for _ in range(blocks)]
        layers.append(nn.Conv2d(channels, config.latent_channels, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x + 1) / 2)  # trained on pictures from 0 to 1


class DecoderTiny(nn.Module):
    """(B, latent_channels, h, w) -> (B, out_channels, h * f, w * f), about [-1, 1]."""

    def __init__(self, config: AutoencoderTinyConfig) -> None:
        super().__init__()
        channels = config.decoder_block_out_channels[0]
        layers: list[nn.Module] = [
            nn.Conv2d(config.latent_channels, channels, kernel_size=3, padding=1),
            ACTIVATIONS[config.act_fn](),
        ]
        last = len(config.num_decoder_blocks) - 1
        for level, blocks in enumerate(config.num_decoder_blocks):
            layers += [AutoencoderTinyBlock(channels, config.act_fn) for _ in range(blocks)]
            if level < last:
                layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
                layers.append(nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False))
        layers.append(nn.Conv2d(channels, config.out_channels, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(torch.tanh(x / REACH) * REACH) * 2 - 1


class AutoencoderTiny(nn.Module):
    """Images to latents and back, quickly.

    Attributes:
        factor: pixels to a latent, along each side.
        latent_channels: channels of a latent.
    """

    def __init__(self, config: AutoencoderTinyConfig) -> None:
        super().__init__()
        self.config = config
        self.factor = 2 ** (len(config.num_encoder_blocks) - 1)
        self.latent_channels = config.latent_channels
        self.encoder = EncoderTiny(config)
        self.decoder = DecoderTiny(config)

    def encode(self, images: Tensor) -> Tensor:
        """Images to latents of the scale the U-Net knows.

        Args:
            images: (B, in_channels, H, W) in [-1, 1], H and W divisible by ``factor``.

        Returns:
            (B, latent_channels, H / factor, W / factor) in the dtype of the weights.

        Raises:
            ValueError: another shape.
        """
        check_images(images, self.config.in_channels, self.factor)
        latents = self.encoder(images.to(next(self.parameters()).dtype))
        return (latents - self.config.shift_factor) * self.config.scaling_factor

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
        latents = latents / self.config.scaling_factor + self.config.shift_factor
        return self.decoder(latents.to(next(self.parameters()).dtype))
