"""The blocks of the denoising U-Net: a level's residual blocks and transformers, down and up.

Owns what a level does with its skips, and which of the first level's layers run where the deep
levels are spared. Does not know how many levels there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.models.layers import (
    Context,
    Downsample2D,
    ResnetBlock2D,
    Transformer2DModel,
    TransformerShape,
    Upsample2D,
)


@dataclass(frozen=True)
class ResnetShape:
    """What all residual blocks of one U-Net have in common."""

    embedding_dim: int
    groups: int
    eps: float

    def build(self, channels: int, out_channels: int) -> ResnetBlock2D:
        return ResnetBlock2D(channels, out_channels, self.embedding_dim, self.groups, self.eps)


@dataclass(eq=False)
class DeepFeatures:
    """What the levels below the first put out, kept by one call and taken by a later one.

    From step to step they change far less than the first level's (DeepCache, Ma et al. 2023, arXiv
    2312.00858). features: (B, C, h, w); None asks a call to run all levels and leave theirs here.
    """

    features: Tensor | None = None


# Residual blocks of the first level that run where the deep levels are spared: so many on the way
# down, and one more on the way up. The paper's branch 1.
SHALLOW_LAYERS = 1


class DownBlock2D(nn.Module):
    """Residual blocks, then half the resolution (``downsample_padding`` None: unchanged)."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        layers: int,
        resnet: ResnetShape,
        downsample_padding: int | None,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            resnet.build(channels if i == 0 else out_channels, out_channels) for i in range(layers)
        )
        self.downsamplers = (
            nn.ModuleList([Downsample2D(out_channels, downsample_padding)])
            if downsample_padding is not None
            else None
        )

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.resnets[i](x, embedding)

    def forward(
        self, x: Tensor, embedding: Tensor, context: Context
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns the result, and the skips that the way up will take."""
        skips: list[Tensor] = []
        for i in range(len(self.resnets)):
            x = self.layer(i, x, embedding, context)
            skips.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x, skips


class CrossAttnDownBlock2D(DownBlock2D):
    """:class:`DownBlock2D` with a transformer after each residual block: `transformers`."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        resnet: ResnetShape,
        transformers: Sequence[TransformerShape],
        downsample_padding: int | None,
    ) -> None:
        super().__init__(channels, out_channels, len(transformers), resnet, downsample_padding)
        self.attentions = nn.ModuleList(
            Transformer2DModel(out_channels, transformer) for transformer in transformers
        )

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.attentions[i](self.resnets[i](x, embedding), context)


class UNetMidBlock2DCrossAttn(nn.Module):
    """Residual block, transformer, residual block, at the lowest resolution."""

    def __init__(self, channels: int, resnet: ResnetShape, transformer: TransformerShape) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnet.build(channels, channels) for _ in range(2))
        self.attentions = nn.ModuleList([Transformer2DModel(channels, transformer)])

    def forward(self, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        x = self.resnets[0](x, embedding)
        x = self.attentions[0](x, context)
        return self.resnets[1](x, embedding)


class UpBlock2D(nn.Module):
    """Residual blocks, each fed a skip as well, then twice the resolution.

    ``skip_channels``: channels of those skips, in the order they are taken.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        skip_channels: list[int],
        resnet: ResnetShape,
        upsample: bool,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            resnet.build((channels if i == 0 else out_channels) + skip, out_channels)
            for i, skip in enumerate(skip_channels)
        )
        self.upsamplers = nn.ModuleList([Upsample2D(out_channels)]) if upsample else None

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.resnets[i](x, embedding)

    def forward(
        self,
        x: Tensor,
        skips: list[Tensor],
        embedding: Tensor,
        context: Context,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """Takes its skips off the end of ``skips``; the one left there gives the new size.

        With ``deep`` features only the last layers run, on these in the place of ``x``.
        """
        last_part = len(self.resnets) - 1 - SHALLOW_LAYERS
        first = 0
        if deep is not None and deep.features is not None:
            first, x = last_part, deep.features
        for i in range(first, len(self.resnets)):
            if deep is not None and i == last_part:
                deep.features = context.spread(x)
            skip = skips.pop()
            if len(skip) < len(x):  # it was made before a layer looked at the context
                skip = context.spread(skip)
            x = self.layer(i, torch.cat([x, skip], dim=1), embedding, context)
        if self.upsamplers is not None:
            height, width = skips[-1].shape[2:]
            x = self.upsamplers[0](x, (height, width))
        return x


class CrossAttnUpBlock2D(UpBlock2D):
    """:class:`UpBlock2D` with a transformer after each residual block: `transformers`."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        skip_channels: list[int],
        resnet: ResnetShape,
        transformers: Sequence[TransformerShape],
        upsample: bool,
    ) -> None:
        super().__init__(channels, out_channels, skip_channels, resnet, upsample)
        self.attentions = nn.ModuleList(
            Transformer2DModel(out_channels, transformer) for transformer in transformers
        )

    def layer(self, i: int, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        return self.attentions[i](self.resnets[i](x, embedding), context)
