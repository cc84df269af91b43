"""The U-Net of the x2 latent upscaler: a ``UNet2DConditionModel`` made of K-blocks.

Crowson's design (k-diffusion): the embedding of the noise level sets scale and shift of every
normalisation instead of being added, attention has no feed-forward layer, resolution changes by
a fixed filter, and of each level one skip alone reaches the way up. Stored under the same class
name as Stable Diffusion's U-Net, with which it shares little else. Knows nothing of what its
output means, of schedules or of guidance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.models.config import ConfigError, Reader
from ldm.models.k_blocks import (
    GROUP_SIZE,
    ConditionedEmbedding,
    FourierFeatures,
    KAttentionBlock,
    KResnetBlock2D,
    k_downsample,
    k_upsample,
)

# Of the vector that joins the embedding, so many stand for the noise in the latents that are given
# (cosines and sines of its level); the rest are the pooled text.
NOISE_NUMBERS = 128
K_DOWN = "KDownBlock2D"
K_CROSS_DOWN = "KCrossAttnDownBlock2D"
K_UP = "KUpBlock2D"
K_CROSS_UP = "KCrossAttnUpBlock2D"

# Keys that would change the maths, with the only value implemented.
_FIXED: Mapping[str, object] = {
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "mid_block_type": None,
    "norm_num_groups": None,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "projection_class_embeddings_input_dim": None,
    "time_embedding_act_fn": None,
}
# What these blocks do not read, in diffusers neither.
_SILENT = frozenset(
    {
        "addition_embed_type_num_heads",
        "cross_attention_norm",  # of the keys' side it is always there
        "downsample_padding",
        "dropout",
        "dual_cross_attention",
        "freq_shift",
        "mid_block_only_cross_attention",
        "mid_block_scale_factor",
        "only_cross_attention",
        "resnet_out_scale_factor",
        "resnet_skip_time_act",
        "resnet_time_scale_shift",  # scale and shift, whatever it says
        "reverse_transformer_layers_per_block",
        "transformer_layers_per_block",
        "upcast_attention",
        "use_linear_projection",
    }
)


def is_k_unet(values: Mapping[str, object]) -> bool:
    """Whether the contents of ``unet/config.json`` are for a U-Net of K-blocks."""
    blocks = values.get("down_block_types")
    return isinstance(blocks, list | tuple) and bool(blocks) and blocks[0] == K_DOWN


@dataclass(frozen=True)
class KUNetConfig:
    """A U-Net of K-blocks; tuples hold one value a level, first level first."""

    in_channels: int
    out_channels: int
    sample_size: tuple[int, int] | None  # (height, width) of the latents it was trained at
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    attention_head_dim: int  # size of a head: here the key means what it says
    cross_attention_dim: int
    time_cond_proj_dim: int  # of the vector that joins the embedding of the noise level
    time_embedding_dim: int
    conv_in_kernel: int
    conv_out_kernel: int
    flip_sin_to_cos: bool
    norm_eps: float

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> KUNetConfig:
        """Read the contents of ``unet/config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: a value out of range, levels that do not fit together, or a key that
                asks for something that is not implemented.
        """
        values = dict(values)
        if "timestep_act_2" in values:  # its first name, in files of early 2023
            values["timestep_post_act"] = values.pop("timestep_act_2")
        read = Reader(values)
        channels = read.integers("block_out_channels", (320, 640, 1280, 1280))
        # The highest level is plain, all others look at the context.
        crossing = len(channels) - 1
        for key, only in (
            ("down_block_types", (K_DOWN, *(K_CROSS_DOWN,) * crossing)),
            ("up_block_types", (*(K_CROSS_UP,) * crossing, K_UP)),
        ):
            if read.choices(key, (), only) != only:
                raise ConfigError(key, values[key], ", ".join(only))
        read.choice("act_fn", "silu", ("gelu",))
        read.choice("timestep_post_act", "", ("gelu",))
        read.choice("time_embedding_type", "positional", ("fourier",))
        stated = values.get("time_embedding_dim")
        config = cls(
            in_channels=read.integer("in_channels", 4),
            out_channels=read.integer("out_channels", 4),
            sample_size=read.size("sample_size"),
            block_out_channels=channels,
            layers_per_block=read.integer("layers_per_block", 2),
            attention_head_dim=read.integer("attention_head_dim", 8),
            cross_attention_dim=read.integer("cross_attention_dim", 1280),
            time_cond_proj_dim=read.integer("time_cond_proj_dim", 0),
            time_embedding_dim=2 * channels[0]
            if stated is None
            else read.integer("time_embedding_dim", 0),
            conv_in_kernel=read.integer("conv_in_kernel", 3),
            conv_out_kernel=read.integer("conv_out_kernel", 3),
            flip_sin_to_cos=read.flag("flip_sin_to_cos", True),
            norm_eps=read.number("norm_eps", 1e-5),
        )
        read.finish(_FIXED, _SILENT)
        for key, parts in (
            ("group", GROUP_SIZE),
            ("attention_head_dim", config.attention_head_dim),
        ):
            if any(c % parts for c in channels):
                raise ConfigError(
                    "block_out_channels", channels, f"multiples of the {key}, {parts}"
                )
        # The lowest level hands no skip to its way up: what comes there are its own channels.
        if channels[-2:] != (config.time_embedding_dim,) * 2:
            allowed = f"two last levels of {config.time_embedding_dim}, the embedding's size"
            raise ConfigError("block_out_channels", channels, allowed)
        return config


class KBlock2D(nn.Module):
    """Residual blocks, each with an attention block behind it where there is a context.

    widths: the channels going in, those between, those coming out.
    """

    def __init__(
        self, config: KUNetConfig, widths: tuple[int, int, int], cross: bool, lowest: bool
    ) -> None:
        super().__init__()
        (first, middle, last), layers = widths, config.layers_per_block
        dim, eps = config.time_embedding_dim, config.norm_eps
        self.resnets = nn.ModuleList(
            KResnetBlock2D(
                first if i == 0 else middle, middle, last if i == layers - 1 else middle, dim, eps
            )
            for i in range(layers)
        )
        if cross:
            self.attentions = nn.ModuleList(
                KAttentionBlock(
                    last if i == layers - 1 else middle,
                    config.attention_head_dim,
                    config.cross_attention_dim,
                    dim,
                    lowest,
                )
                for i in range(layers)
            )
        self.cross = cross

    def forward(self, x: Tensor, embedding: Tensor, states: Tensor) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, embedding)
            if self.cross:
                x = self.attentions[i](x, embedding, states)
        return x


class KUNet2DConditionModel(nn.Module):
    """Noisy and low-resolution latents, a noise level and a text in; a raw prediction out.

    Attributes:
        multiple: what height and width of the latents must be divisible by.
    """

    def __init__(self, config: KUNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, lowest = config.block_out_channels, len(config.block_out_channels) - 1
        self.multiple = 2**lowest
        self.conv_in = nn.Conv2d(
            config.in_channels,
            channels[0],
            config.conv_in_kernel,
            padding=config.conv_in_kernel // 2,
        )
        self.time_proj = FourierFeatures(config.time_embedding_dim, config.flip_sin_to_cos)
        self.time_embedding = ConditionedEmbedding(
            config.time_embedding_dim, config.time_cond_proj_dim
        )
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for level, out in enumerate(channels):
            before, cross = channels[max(level - 1, 0)], level > 0
            down = KBlock2D(config, (before, out, out), cross, level == lowest)
            self.down_blocks.append(down)
            taken = out if level == lowest else 2 * out
            up = KBlock2D(config, (taken, out, before), cross, level == lowest)
            self.up_blocks.insert(0, up)
        self.conv_out = nn.Conv2d(
            channels[0],
            config.out_channels,
            config.conv_out_kernel,
            padding=config.conv_out_kernel // 2,
        )

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, timestep_cond: Tensor
    ) -> Tensor:
        """Predict.

        Args:
            sample: (B, in_channels, h, w), h and w twice ``multiple``, three times, and so on.
            timestep: (B,), what stands for the noise level: a quarter of its logarithm.
            encoder_hidden_states: (B, L, cross_attention_dim).
            timestep_cond: (B, time_cond_proj_dim).

        Returns:
            (B, out_channels, h, w) in the dtype of ``sample``. The upscaler's last channel is a
            variance, which sampling does not use.

        Raises:
            ValueError: shapes that do not belong together.
        """
        channels, batch, multiple = self.config.in_channels, sample.shape[0], self.multiple
        sides = sample.shape[2:]
        # At the lowest level a pixel has to have a neighbour that it is mirrored to.
        fits = all(side % multiple == 0 and side >= 2 * multiple for side in sides)
        if sample.shape[1:2] != (channels,) or not fits:
            allowed = f"(B, {channels}, h, w), h and w multiples of {multiple}, not that itself"
            raise ValueError(f"sample: got {tuple(sample.shape)}, allowed: {allowed}")
        for name, tensor in (
            ("timestep", timestep),
            ("encoder_hidden_states", encoder_hidden_states),
            ("timestep_cond", timestep_cond),
        ):
            if tensor.shape[0] != batch:
                raise ValueError(f"{name}: got {tuple(tensor.shape)}, allowed: ({batch}, ...)")

        features = self.time_proj(timestep).to(sample.dtype)
        embedding = self.time_embedding(features, timestep_cond)
        x = self.conv_in(sample)
        skips: list[Tensor] = []
        for block in self.down_blocks:
            x = block(x, embedding, encoder_hidden_states)
            if block is not self.down_blocks[-1]:
                skips.append(x)
                x = k_downsample(x)
        for i, block in enumerate(self.up_blocks):
            x = block(
                x if i == 0 else torch.cat([x, skips.pop()], dim=1),
                embedding,
                encoder_hidden_states,
            )
            if i < len(self.up_blocks) - 1:
                x = k_upsample(x)
        return self.conv_out(x)
