"""The denoising U-Net without a caption: ``UNet2DModel``.

Of the first latent diffusion models: unconditional ones, and super-resolution, where the low
resolution picture comes as further channels of the input. It looks at itself alone. Owns the
order of its blocks; knows nothing of what its output means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.config import PLAIN_DOWN, PLAIN_UP, ConfigError, Reader, check_groups
from ldm.models.group_norm import GroupNorm
from ldm.models.layers import Context, silu
from ldm.models.timestep import TimestepEmbedding, sinusoids
from ldm.models.unet_blocks import DownBlock2D, ResnetShape, UpBlock2D
from ldm.models.vae import SpatialAttention

ATTN_DOWN = "AttnDownBlock2D"
ATTN_UP = "AttnUpBlock2D"
MIDDLE = "UNetMidBlock2D"

# Keys that would change the maths, with the only value implemented.
_FIXED: Mapping[str, object] = {
    "add_attention": True,
    "attn_norm_num_groups": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "downsample_type": "conv",
    "mid_block_scale_factor": 1,
    "num_class_embeds": None,
    "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional",
    "upsample_type": "conv",
}
# A training aid, and what is read with time_embedding_type "learned" alone.
_SILENT = frozenset({"dropout", "num_train_timesteps"})
_NOTHING = Context(torch.empty(0, 0, 0))  # which no block here looks at


@dataclass(frozen=True)
class UNet2DConfig:
    """A ``UNet2DModel``; tuples hold one value a level, first level first."""

    in_channels: int
    out_channels: int
    sample_size: tuple[int, int] | None  # (height, width) of the latents it was trained at
    block_out_channels: tuple[int, ...]
    down_block_types: tuple[str, ...]
    mid_block_type: str | None
    up_block_types: tuple[str, ...]
    layers_per_block: int
    attention_head_dim: int | None  # size of a head; None makes one head of all channels
    norm_num_groups: int
    norm_eps: float
    downsample_padding: int
    flip_sin_to_cos: bool
    freq_shift: float
    time_embedding_dim: int

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> UNet2DConfig:
        """Read the contents of ``unet/config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: a value out of range, lists of different lengths, or a key that asks
                for something that is not implemented.
        """
        read = Reader(values)
        channels = read.integers("block_out_channels", (224, 448, 672, 896))
        down = read.choices(
            "down_block_types", (PLAIN_DOWN, *(ATTN_DOWN,) * 3), (PLAIN_DOWN, ATTN_DOWN)
        )
        up = read.choices("up_block_types", (*(ATTN_UP,) * 3, PLAIN_UP), (PLAIN_UP, ATTN_UP))
        for key, blocks in (("down_block_types", down), ("up_block_types", up)):
            if len(blocks) != len(channels):
                raise ConfigError(key, blocks, f"{len(channels)} names, one a level")
        read.choice("act_fn", "silu", ("silu", "swish"))

        def says_none(key: str) -> bool:
            return key in values and values[key] is None

        config = cls(
            in_channels=read.integer("in_channels", 3),
            out_channels=read.integer("out_channels", 3),
            sample_size=read.size("sample_size"),
            block_out_channels=channels,
            down_block_types=down,
            mid_block_type=None
            if says_none("mid_block_type")
            else read.choice("mid_block_type", MIDDLE, (MIDDLE,)),
            up_block_types=up,
            layers_per_block=read.integer("layers_per_block", 2),
            attention_head_dim=None
            if says_none("attention_head_dim")
            else read.integer("attention_head_dim", 8),
            norm_num_groups=read.integer("norm_num_groups", 32),
            norm_eps=read.number("norm_eps", 1e-5),
            downsample_padding=read.integer("downsample_padding", 1, minimum=0),
            flip_sin_to_cos=read.flag("flip_sin_to_cos", True),
            freq_shift=read.number("freq_shift", 0),
            time_embedding_dim=4 * channels[0]
            if values.get("time_embedding_dim") is None
            else read.integer("time_embedding_dim", 0),
        )
        read.finish(_FIXED, _SILENT)
        check_groups(channels, config.norm_num_groups)
        size = config.attention_head_dim
        if size is not None and any(c % size for c in channels):
            raise ConfigError("attention_head_dim", size, f"a divisor of each of {list(channels)}")
        return config


class AttnDownBlock2D(DownBlock2D):
    """:class:`DownBlock2D` with self-attention after each residual block."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        layers: int,
        resnet: ResnetShape,
        heads: int,
        downsample_padding: int | None,
    ) -> None:
        super().__init__(channels, out_channels, layers, resnet, downsample_padding)
        self.attentions = nn.ModuleList(
            SpatialAttention(out_channels, resnet.groups, heads, resnet.eps) for _ in range(layers)
        )

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.attentions[i](self.resnets[i](x, embedding))


class UNetMidBlock2D(nn.Module):
    """Residual block, self-attention, residual block, at the lowest resolution."""

    def __init__(self, channels: int, resnet: ResnetShape, heads: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnet.build(channels, channels) for _ in range(2))
        self.attentions = nn.ModuleList(
            [SpatialAttention(channels, resnet.groups, heads, resnet.eps)]
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, embedding))
        return self.resnets[1](x, embedding)


class AttnUpBlock2D(UpBlock2D):
    """:class:`UpBlock2D` with self-attention after each residual block."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        skip_channels: list[int],
        resnet: ResnetShape,
        heads: int,
        upsample: bool,
    ) -> None:
        super().__init__(channels, out_channels, skip_channels, resnet, upsample)
        self.attentions = nn.ModuleList(
            SpatialAttention(out_channels, resnet.groups, heads, resnet.eps) for _ in skip_channels
        )

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.attentions[i](self.resnets[i](x, embedding))


class UNet2DModel(nn.Module):
    """Predicts what noise, velocity or picture is in noisy latents (Ho et al., 2006.11239).

    Latents of any height and width are taken: the way up follows the sizes of the skips.
    """

    def __init__(self, config: UNet2DConfig) -> None:
        super().__init__()
        self.config = config
        channels, layers = config.block_out_channels, config.layers_per_block
        levels = len(channels)
        resnet = ResnetShape(config.time_embedding_dim, config.norm_num_groups, config.norm_eps)

        def heads(level: int) -> int:
            return channels[level] // (config.attention_head_dim or channels[level])

        self.conv_in = nn.Conv2d(config.in_channels, channels[0], kernel_size=3, padding=1)
        self.time_embedding = TimestepEmbedding(channels[0], config.time_embedding_dim)

        # Down: the channels of every skip are noted for the way up.
        self.down_blocks = nn.ModuleList()
        skips, width = [channels[0]], channels[0]
        for level, kind in enumerate(config.down_block_types):
            out = channels[level]
            padding = config.downsample_padding if level < levels - 1 else None
            if kind == ATTN_DOWN:
                block: nn.Module = AttnDownBlock2D(
                    width, out, layers, resnet, heads(level), padding
                )
            else:
                block = DownBlock2D(width, out, layers, resnet, padding)
            self.down_blocks.append(block)
            skips += [out] * (layers if padding is None else layers + 1)
            width = out

        self.mid_block = (
            UNetMidBlock2D(width, resnet, heads(levels - 1))
            if config.mid_block_type is not None
            else None
        )

        # Up: the levels backwards, with one residual block more than on the way down.
        self.up_blocks = nn.ModuleList()
        for level, kind in zip(reversed(range(levels)), config.up_block_types, strict=True):
            out = channels[level]
            taken = [skips.pop() for _ in range(layers + 1)]
            if kind == ATTN_UP:
                block = AttnUpBlock2D(width, out, taken, resnet, heads(level), level > 0)
            else:
                block = UpBlock2D(width, out, taken, resnet, level > 0)
            self.up_blocks.append(block)
            width = out

        self.conv_norm_out = GroupNorm(config.norm_num_groups, width, eps=config.norm_eps)
        self.conv_out = nn.Conv2d(width, config.out_channels, kernel_size=3, padding=1)

    def forward(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """Predict.

        Args:
            sample: (B, in_channels, h, w), of any height and width.
            timestep: (B,), one for each row, fractions allowed; 0 to 999 in training's terms.

        Returns:
            (B, out_channels, h, w) in the dtype of ``sample``.

        Raises:
            ValueError: shapes that do not belong together.
        """
        channels, batch = self.config.in_channels, sample.shape[0]
        if sample.ndim != 4 or sample.shape[1] != channels:
            raise ValueError(f"sample: got {tuple(sample.shape)}, allowed: (B, {channels}, h, w)")
        if timestep.shape != (batch,):
            raise ValueError(f"timestep: got {tuple(timestep.shape)}, allowed: ({batch},)")

        width, flip = self.config.block_out_channels[0], self.config.flip_sin_to_cos
        waves = sinusoids(timestep, width, flip, self.config.freq_shift)
        # Each residual block begins by activating it: done once for all of them.
        embedding = F.silu(self.time_embedding(waves.to(sample.dtype)))

        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            x, more = block(x, embedding, _NOTHING)
            skips += more
        if self.mid_block is not None:
            x = self.mid_block(x, embedding)
        for block in self.up_blocks:
            x = block(x, skips, embedding, _NOTHING)
        return self.conv_out(silu(self.conv_norm_out(x)))
