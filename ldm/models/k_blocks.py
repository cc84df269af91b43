"""The parts of a U-Net of K-blocks: normalisation led by the embedding, attention, filters.

After Crowson's k-diffusion. Leaves take plain numbers; the configuration and the order of things
stand in :mod:`ldm.models.k_unet`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.layers import attention, to_map, to_rows
from ldm.models.packed import Conv2d, Linear

GROUP_SIZE = 32  # channels that are normalised together


class AdaGroupNorm(nn.Module):
    """Group normalisation whose scale and shift come from the embedding."""

    def __init__(self, embedding_dim: int, channels: int, eps: float) -> None:
        super().__init__()
        self.groups, self.eps = channels // GROUP_SIZE, eps
        self.linear = Linear(embedding_dim, 2 * channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.linear(embedding)[:, :, None, None].chunk(2, dim=1)
        return F.group_norm(x, self.groups, eps=self.eps) * (1 + scale) + shift


class KResnetBlock2D(nn.Module):
    """Two 3x3 convolutions, the embedding in the normalisation before each."""

    def __init__(
        self, channels: int, middle: int, out_channels: int, embedding_dim: int, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = AdaGroupNorm(embedding_dim, channels, eps)
        self.conv1 = Conv2d(channels, middle, kernel_size=3, padding=1)
        self.norm2 = AdaGroupNorm(embedding_dim, middle, eps)
        self.conv2 = Conv2d(middle, out_channels, kernel_size=3, padding=1)
        self.conv_shortcut = (
            Conv2d(channels, out_channels, kernel_size=1, bias=False)
            if channels != out_channels
            else None
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.gelu(self.norm1(x, embedding)))
        h = self.conv2(F.gelu(self.norm2(h, embedding)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class KAttention(nn.Module):
    """Multi-head attention of pixels over themselves, or over a normalised context."""

    def __init__(self, channels: int, heads: int, context_dim: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.norm_cross = nn.LayerNorm(context_dim) if context_dim is not None else None
        self.to_q = Linear(channels, channels)
        self.to_k = Linear(context_dim or channels, channels)
        self.to_v = Linear(context_dim or channels, channels)
        # A list, because the files count an (empty) dropout as to_out.1.
        self.to_out = nn.ModuleList([Linear(channels, channels)])

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, head size)

    def forward(self, x: Tensor, states: Tensor) -> Tensor:
        """x (B, C, h, w), states (B, L, D) -> (B, C, h, w)."""
        height, width = x.shape[2:]
        pixels = to_rows(x)
        seen = pixels if self.norm_cross is None else self.norm_cross(states)
        q, k, v = self.to_q(pixels), self.to_k(seen), self.to_v(seen)
        mixed = attention(self._split(q), self._split(k), self._split(v))
        out = self.to_out[0](mixed.transpose(1, 2).flatten(2))
        return to_map(out, height, width)


class KAttentionBlock(nn.Module):
    """Self-attention (at the lowest level alone), then cross-attention, each added."""

    def __init__(
        self,
        channels: int,
        head_size: int,
        context_dim: int,
        embedding_dim: int,
        looks_at_itself: bool,
    ) -> None:
        super().__init__()
        eps, heads = 1e-5, channels // head_size
        self.looks_at_itself = looks_at_itself
        if looks_at_itself:
            self.norm1 = AdaGroupNorm(embedding_dim, channels, eps)
            self.attn1 = KAttention(channels, heads, None)
        self.norm2 = AdaGroupNorm(embedding_dim, channels, eps)
        self.attn2 = KAttention(channels, heads, context_dim)

    def forward(self, x: Tensor, embedding: Tensor, states: Tensor) -> Tensor:
        if self.looks_at_itself:
            x = x + self.attn1(self.norm1(x, embedding), states)
        return x + self.attn2(self.norm2(x, embedding), states)


def _kernel(channels: int, like: Tensor) -> Tensor:
    """(C, 1, 4, 4): the filter 1 3 3 1 in both directions, with a sum of 1."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype) / 8
    return (line[:, None] * line).expand(channels, 1, 4, 4)


def k_downsample(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, h / 2, w / 2)."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, _kernel(x.shape[1], x), stride=2, groups=x.shape[1])


def k_upsample(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 2 * h, 2 * w)."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    kernel = 4 * _kernel(x.shape[1], x)  # three zeros stand behind every pixel
    return F.conv_transpose2d(padded, kernel, stride=2, padding=3, groups=x.shape[1])


class FourierFeatures(nn.Module):
    """Cosines and sines of a number at random, stored frequencies (Tancik et al., 2006.10739)."""

    def __init__(self, dim: int, flip_sin_to_cos: bool) -> None:
        super().__init__()
        self.flip = flip_sin_to_cos
        self.weight = nn.Parameter(torch.randn(dim // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B,) -> (B, dim) float32."""
        angles = 2 * math.pi * x.float()[:, None] * self.weight.float()
        parts = (angles.cos(), angles.sin()) if self.flip else (angles.sin(), angles.cos())
        return torch.cat(parts, dim=-1)


class ConditionedEmbedding(nn.Module):
    """From the Fourier features and a vector to the embedding that every block reads."""

    def __init__(self, dim: int, condition_dim: int) -> None:
        super().__init__()
        self.cond_proj = Linear(condition_dim, dim, bias=False)
        self.linear_1 = Linear(dim, dim)
        self.linear_2 = Linear(dim, dim)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        h = self.linear_1(features + self.cond_proj(condition))
        return F.gelu(self.linear_2(F.gelu(h)))
