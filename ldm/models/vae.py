"""The autoencoder of Stable Diffusion: ``AutoencoderKL``.

Owns the scale of its latents: what :meth:`AutoencoderKL.encode` gives and
:meth:`AutoencoderKL.decode` takes has the scale the U-Net was trained at, and no other module
multiplies or divides. Knows nothing of noise or of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ldm.models import tiling
from ldm.models.allocation import give_back_memory
from ldm.models.config import AutoencoderKLConfig
from ldm.models.group_norm import GroupNorm
from ldm.models.layers import (
    Downsample2D,
    ResnetBlock2D,
    Upsample2D,
    attention,
    silu,
    to_map,
    to_rows,
)
from ldm.models.packed import Conv2d, Linear, added

Step = Callable[[Tensor], Tensor]

EPS = 1e-6  # of every normalisation in this model
# Bytes of a map from which on a decoder gives back what is free before it works on it: what smaller
# maps left is too small for it, and would stay beside it. Of 512 x 512 pixels in bfloat16 the first
# decoding took 0.44 GB more than the weights in place of 0.91, in the same time (Zen 4).
_LARGE = 1 << 25


def check_images(images: Tensor, channels: int, factor: int) -> None:
    """ValueError unless images are (B, channels, H, W) with H and W divisible by factor."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != channels or shape[2] % factor or shape[3] % factor:
        raise ValueError(
            f"images: got {shape}, allowed: (B, {channels}, H, W) "
            f"with H and W divisible by {factor}"
        )


def check_latents(latents: Tensor, channels: int) -> None:
    """ValueError unless latents are (B, channels, h, w)."""
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise ValueError(f"latents: got {tuple(latents.shape)}, allowed: (B, {channels}, h, w)")


class SpatialAttention(nn.Module):
    """Self-attention over all pixels of a feature map, added to it.

    Attributes:
        score_bytes: see :func:`ldm.models.layers.attention`; None is no limit.
    """

    def __init__(self, channels: int, groups: int, heads: int = 1, eps: float = EPS) -> None:
        super().__init__()
        self.heads = heads
        self.score_bytes: int | None = None
        self.group_norm = GroupNorm(groups, channels, eps=eps)
        self.to_q = Linear(channels, channels)
        self.to_k = Linear(channels, channels)
        self.to_v = Linear(channels, channels)
        # A list, because the files count an (empty) dropout as to_out.1.
        self.to_out = nn.ModuleList([Linear(channels, channels)])

    def _split(self, h: Tensor) -> Tensor:
        return h.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, H * W, head size)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        h = to_rows(self.group_norm(x))
        q, k, v = (self._split(project(h)) for project in (self.to_q, self.to_k, self.to_v))
        h = attention(q, k, v, score_bytes=self.score_bytes)
        h = self.to_out[0](h.transpose(1, 2).flatten(2))
        return added(to_map(h, height, width), x)


class UNetMidBlock2D(nn.Module):
    """Residual block, attention, residual block, at the lowest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels, channels, None, groups, EPS) for _ in range(2)
        )
        self.attentions = nn.ModuleList([SpatialAttention(channels, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class DownEncoderBlock2D(nn.Module):
    """Residual blocks, then half the resolution unless this is the lowest level."""

    def __init__(
        self, channels: int, out_channels: int, layers: int, groups: int, downsample: bool
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels if i == 0 else out_channels, out_channels, None, groups, EPS)
            for i in range(layers)
        )
        self.downsamplers = (
            nn.ModuleList([Downsample2D(out_channels, padding=0)]) if downsample else None
        )

    def steps(self, tile: int | None) -> Iterator[Step]:
        """One after another, so that whoever calls them holds no map longer than it is needed."""
        for resnet in self.resnets:
            assert isinstance(resnet, ResnetBlock2D)
            yield partial(tiling.resnet, resnet, tile=tile)
        for downsampler in self.downsamplers or ():
            assert isinstance(downsampler, Downsample2D)
            yield partial(tiling.downsample, downsampler, tile=tile)


class UpDecoderBlock2D(nn.Module):
    """Residual blocks, then twice the resolution unless this is the highest level."""

    def __init__(
        self, channels: int, out_channels: int, layers: int, groups: int, upsample: bool
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels if i == 0 else out_channels, out_channels, None, groups, EPS)
            for i in range(layers)
        )
        self.upsamplers = nn.ModuleList([Upsample2D(out_channels)]) if upsample else None

    def steps(self, tile: int | None) -> Iterator[Step]:
        """As the encoder's."""
        for resnet in self.resnets:
            assert isinstance(resnet, ResnetBlock2D)
            yield partial(tiling.resnet, resnet, tile=tile)
        for upsampler in self.upsamplers or ():
            assert isinstance(upsampler, Upsample2D)
            yield partial(tiling.upsample, upsampler, tile=tile)


class Encoder(nn.Module):
    """(B, in_channels, H, W) -> (B, out_channels, H/f, W/f): in `AutoencoderKL` mean and log
    variance of the latents.

    Attributes:
        tile: side of the tiles in which larger maps are worked on (see `tiling`); None: they are
            worked on whole, as those of the lowest resolution always are.
    """

    def __init__(self, config: AutoencoderKLConfig, out_channels: int) -> None:
        super().__init__()
        channels, groups = config.block_out_channels, config.norm_num_groups
        last = len(channels) - 1
        self.tile: int | None = None
        self.conv_in = Conv2d(config.in_channels, channels[0], kernel_size=3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownEncoderBlock2D(
                channels[max(i - 1, 0)], out, config.layers_per_block, groups, downsample=i < last
            )
            for i, out in enumerate(channels)
        )
        self.mid_block = UNetMidBlock2D(channels[-1], groups)
        self.conv_norm_out = GroupNorm(groups, channels[-1], eps=EPS)
        self.conv_out = Conv2d(channels[-1], out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = tiling.convolve(self.conv_in, x, self.tile)
        for block in self.down_blocks:
            assert isinstance(block, DownEncoderBlock2D)
            for step in block.steps(self.tile):
                x = step(x)
        x = self.mid_block(x)
        return self.conv_out(silu(self.conv_norm_out(x)))


class Decoder(nn.Module):
    """(B, latent_channels, h, w) -> (B, out_channels, h * f, w * f).

    Attributes:
        tile: as the encoder's.
    """

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        channels, groups = config.block_out_channels[::-1], config.norm_num_groups
        last = len(channels) - 1
        self.tile: int | None = None
        self.conv_in = Conv2d(config.latent_channels, channels[0], kernel_size=3, padding=1)
        self.mid_block = UNetMidBlock2D(channels[0], groups)
        self.up_blocks = nn.ModuleList(
            UpDecoderBlock2D(
                channels[max(i - 1, 0)], out, config.layers_per_block + 1, groups, upsample=i < last
            )
            for i, out in enumerate(channels)
        )
        self.conv_norm_out = GroupNorm(groups, channels[-1], eps=EPS)
        self.conv_out = Conv2d(channels[-1], config.out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            assert isinstance(block, UpDecoderBlock2D)
            for step in block.steps(self.tile):
                if x.device.type == "cpu" and x.nbytes >= _LARGE:
                    give_back_memory()
                x = step(x)
        return tiling.finish(self.conv_norm_out, self.conv_out, x, self.tile)


class AutoencoderKL(nn.Module):
    """Images to latents and back (Kingma & Welling 2013; Rombach et al. 2022, section 3.1).

    Attributes:
        factor: pixels to a latent, along each side.
        latent_channels: channels of a latent.
    """

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        self.config = config
        self.factor = 2 ** (len(config.block_out_channels) - 1)
        self.latent_channels = config.latent_channels
        moments = 2 * config.latent_channels
        self.encoder = Encoder(config, moments)
        self.decoder = Decoder(config)
        self.quant_conv = Conv2d(moments, moments, kernel_size=1)
        self.post_quant_conv = Conv2d(config.latent_channels, config.latent_channels, kernel_size=1)
        if not config.use_quant_conv:
            self.quant_conv = None
        if not config.use_post_quant_conv:
            self.post_quant_conv = None

    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images to latents of the scale the U-Net knows.

        Args:
            images: (B, in_channels, H, W) in [-1, 1], H and W divisible by ``factor``.
            generator: on the CPU; draws from the posterior. None takes its mode.

        Returns:
            (B, latent_channels, H / factor, W / factor) in the dtype of the weights.

        Raises:
            ValueError: another shape.
        """
        check_images(images, self.config.in_channels, self.factor)
        moments = self.encoder(images.to(self.encoder.conv_in.weight.dtype))
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        latents, log_variance = moments.chunk(2, dim=1)
        if generator is not None:
            # The bounds are those of training; beyond them the exponential overflows float16.
            deviation = (0.5 * log_variance.clamp(-30.0, 20.0)).exp()
            noise = torch.randn(latents.shape, generator=generator)
            latents = latents + deviation * noise.to(latents)
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
        latents = latents.to(self.decoder.conv_in.weight.dtype)
        if self.post_quant_conv is not None:
            latents = self.post_quant_conv(latents)
        return self.decoder(latents)
