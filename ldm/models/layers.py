"""The parts every network here is built of: attention, transformers, residual blocks.

Owns the maths of attention (:func:`attention`), with a form that is fast on a CPU. Leaves take
plain numbers; configurations stop at the top classes. Knows nothing of diffusion, files or dtypes'
choice: everything runs in the dtype of its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.enlarging import Enlarger
from ldm.models.group_norm import GroupNorm
from ldm.models.merging import Merged
from ldm.models.packed import Conv2d, GatedLinear, Linear, added

KeysValues = tuple[Tensor, Tensor]  # both (B, heads, L, head size)


# --- attention ----------------------------------------------------------------------------


# Measured on Zen 5 (avx512_bf16, no AMX), torch 2.13, the written-out form against
# F.scaled_dot_product_attention's flash kernel, in bfloat16:
# - forward alone, 2 threads: 1.7 to 1.9 times faster for 4,096 x 4,096 (head size 40), 2.3 to 2.8
#   for 64 to 1,024 tokens, 1.2 for 4,096 x 77, 3.5 in the autoencoder (4,096 x 4,096, head size
#   512). Its scores are rounded to 8 bits, the kernel's are not: its relative error is 0.007
#   rather than 0.002. The embedded U-Net in bfloat16 is 0.0050 off float32 with either.
# - forward and backward, one thread: 4 to 9 times faster for 64 tokens or a caption's 40 keys at
#   any size up to 256 tokens, 2 to 3 times for 256 x 256 and for 40 keys beyond, 1 to 2 for
#   1,024 x 1,024, 0.75 for 4,096 x 4,096.
# In float32 both take the same within a third up to 256 tokens, beyond that it takes twice as long.
# With AMX (Xeon, 2 threads, bfloat16, forward alone) it is the other way round: the kernel is 2.2
# to 4.5 times faster for 16 to 256 tokens, 1.5 for 1,024 x 1,024 (head size 80), 2.6 for 4,096 x
# 4,096 (40), 1.1 for 4,096 x 77, 1.7 in the autoencoder.
# Scores held at once (more are worked through in parts), in bytes: they stay in the caches.
_SCORE_BYTES = 4 << 20
# Products with values whose features are no multiple of so many (head size 40: Stable Diffusion
# 1.x) take half as long again as with zeros beside them (Zen 4).
_LANES = 16


@cache
def _has_amx() -> bool:
    return torch.cpu.get_capabilities().get("amx_bf16", False)


def _mixed(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The formula itself, for (heads, queries, head size)."""
    unread = q.new_empty(1, 1, 1)
    return torch.bmm(torch.baddbmm(unread, q, k.mT, beta=0, alpha=scale).softmax(-1), v)


def _attention_written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    batch, heads, queries, size = q.shape
    wide = F.pad(v, (0, -size % _LANES)) if size % _LANES else v
    q, k, v = (each.reshape(batch * heads, -1, each.shape[3]) for each in (q, k, wide))
    of_query = k.shape[1] * k.element_size()
    cells = max(1, _SCORE_BYTES // of_query)
    rows = max(1, _SCORE_BYTES // (queries * of_query))
    if rows >= len(q):
        mixed = _mixed(q, k, v, size**-0.5)
    else:  # several heads at once, or parts of one: in both cases in order, when laid end to end
        groups = zip(*(each.split(rows) for each in (q, k, v)), strict=True)
        made = [
            _mixed(part, k_rows, v_rows, size**-0.5).flatten(0, 1)
            for q_rows, k_rows, v_rows in groups
            for part in q_rows.split(cells, dim=1)
        ]
        mixed = torch.cat(made)
    return mixed[..., :size].view(batch, heads, queries, size)


def attention(
    q: Tensor, k: Tensor, v: Tensor, upcast: bool = False, score_bytes: int | None = None
) -> Tensor:
    """Softmax attention (Vaswani et al. 2017, eq. 1), scaled by the root of the head size.

    Args:
        q: (B, heads, N, head size).
        k, v: (B, heads, L, head size).
        upcast: the scores may leave the range of float16 (Stable Diffusion 2's do).
        score_bytes: the most that the scores may take where a kernel holds all of them; the queries
            are then worked through in parts, which changes nothing but the order of additions.

    Returns:
        (B, heads, N, head size).
    """
    if score_bytes is not None:
        rows = max(1, score_bytes // (q.shape[0] * q.shape[1] * k.shape[2] * q.element_size()))
        if rows < q.shape[2]:
            parts = (attention(part, k, v, upcast) for part in q.split(rows, dim=2))
            return torch.cat(list(parts), dim=2)
    if upcast and q.device.type == "mps":  # the kernels of cuda and cpu add in float32
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        trains = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
        fits = q.shape[2] * k.shape[2] * q.element_size() <= _SCORE_BYTES
        written_out = fits if trains else not _has_amx()
        if written_out:
            return _attention_written_out(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


@dataclass(frozen=True, eq=False)
class Context:
    """What the cross-attention layers look at.

    Keys and values depend on the context alone, not on the step: who denoises many steps with
    one context may project it once (:meth:`UNet2DConditionModel.project`).

    Guidance tells one picture two captions. Until a layer looks at them both would be the same, so
    the picture may be given once: its rows become as many as the context's in the first layer that
    looks (:meth:`spread`).
    """

    states: Tensor  # (B, L, D)
    projected: Mapping[nn.Module, KeysValues] = field(default_factory=dict)
    token_merging_ratio: float = 0.0  # of the picture's tokens, in the layers that are for it
    again: Tensor | None = None  # (B - n,) which of n rows come a second time, after all of them

    def spread(self, x: Tensor) -> Tensor:
        """(B or n, ...) -> (B, ...)."""
        if self.again is None or len(x) == len(self.states):
            return x
        second = x if len(self.again) == len(x) else x[self.again]
        return torch.cat([x, second])


class Attention(nn.Module):
    """Multi-head attention over itself, or over a context of ``context_dim`` features.

    Attributes:
        score_bytes: see :func:`attention`; None is no limit.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        head_size: int,
        context_dim: int | None,
        upcast: bool,
    ) -> None:
        super().__init__()
        inner = heads * head_size
        self.heads = heads
        self.upcast = upcast
        self.score_bytes: int | None = None
        self.is_cross = context_dim is not None
        self.to_q = Linear(dim, inner, bias=False)
        self.to_k = Linear(context_dim or dim, inner, bias=False)
        self.to_v = Linear(context_dim or dim, inner, bias=False)
        # A list, because the files count an (empty) dropout as to_out.1.
        self.to_out = nn.ModuleList([Linear(inner, dim)])

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, head size)

    def keys_values(self, states: Tensor) -> KeysValues:
        """Keys and values of (B, L, D) states."""
        return self._split(self.to_k(states)), self._split(self.to_v(states))

    def forward(self, x: Tensor, context: Context, residual: Tensor | None = None) -> Tensor:
        """(B, N, dim) -> (B, N, dim), added to `residual` if that is given; (B, ...) of fewer rows
        too, where it looks at the context.
        """
        q = self.to_q(x)
        if not self.is_cross:
            k, v = self.keys_values(x)
        else:
            known = context.projected.get(self)
            k, v = known or self.keys_values(context.states)
            q = context.spread(q)
            residual = None if residual is None else context.spread(residual)
        mixed = attention(self._split(q), k, v, self.upcast, self.score_bytes)
        mixed = mixed.transpose(1, 2).flatten(2)
        out = self.to_out[0]
        assert isinstance(out, Linear)
        return out(mixed) if residual is None else out.plus(mixed, residual)


# --- transformer --------------------------------------------------------------------------


def silu(x: Tensor) -> Tensor:
    """The activation, in the memory of what it is given unless gradients are wanted."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class GEGLU(nn.Module):
    """Gated linear unit with GELU, under the name that files have for it."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = GatedLinear(dim, inner)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


# Gates and what they let through between the layers of a feed-forward network, in bytes, if it is
# worked through in parts: more does not stay in a CPU's caches.
_INNER_BYTES = 8 << 20


class FeedForward(nn.Module):
    """Two linear layers, four times as wide in between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # Index 1 is a dropout in the files' numbering; it has no weights.
        self.net = nn.Sequential(GEGLU(dim, 4 * dim), nn.Identity(), Linear(4 * dim, dim))

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(B, N, dim) -> (B, N, dim), added to `residual`."""
        gated, _, out = self.net
        assert isinstance(out, Linear)
        share = _INNER_BYTES // (8 * x.shape[2] * x.element_size())
        if x.device.type != "cpu" or torch.is_grad_enabled() or x.shape[:2].numel() <= share:
            return out.plus(gated(x), residual)
        rows, residuals = (each.flatten(0, 1).split(share) for each in (x, residual))
        made = [out.plus(gated(row), old) for row, old in zip(rows, residuals, strict=True)]
        return torch.cat(made).view_as(x)


@dataclass(frozen=True)
class TransformerShape:
    """What the transformers of one level of a U-Net have in common."""

    heads: int
    depth: int  # transformer blocks in each
    context_dim: int
    groups: int
    linear_projection: bool
    only_cross_attention: bool
    upcast: bool
    merges: bool = False  # whether its self-attention merges tokens, where that is asked for


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention, feed-forward: each normalised first, each added."""

    def __init__(self, dim: int, head_size: int, shape: TransformerShape) -> None:
        super().__init__()
        first = shape.context_dim if shape.only_cross_attention else None
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, shape.heads, head_size, first, shape.upcast)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = Attention(dim, shape.heads, head_size, shape.context_dim, shape.upcast)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)
        self.merges = shape.merges

    def forward(self, x: Tensor, context: Context, size: tuple[int, int]) -> Tensor:
        """(B, height * width, dim) -> the same; size: (height, width)."""
        asked = self.norm1(x)
        if self.merges and context.token_merging_ratio:
            merged = Merged(asked, size, context.token_merging_ratio)
            x = added(merged.spread(self.attn1(merged.tokens, context)), x)
        else:
            x = self.attn1(asked, context, x)
        x = self.attn2(self.norm2(x), context, x)
        return self.ff(self.norm3(x), x)


def to_rows(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H * W, C): a view, if channels_last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(rows: Tensor, height: int, width: int) -> Tensor:
    """(B, height * width, C) -> (B, C, height, width), a view."""
    return rows.unflatten(1, (height, width)).permute(0, 3, 1, 2)


class Transformer2DModel(nn.Module):
    """Transformer blocks over the pixels of a feature map, added to it."""

    def __init__(self, channels: int, shape: TransformerShape) -> None:
        super().__init__()
        head_size = channels // shape.heads
        inner = shape.heads * head_size
        self.norm = GroupNorm(shape.groups, channels, eps=1e-6)
        self.linear_projection = shape.linear_projection
        if shape.linear_projection:
            self.proj_in: Linear | Conv2d = Linear(channels, inner)
            self.proj_out: Linear | Conv2d = Linear(inner, channels)
        else:
            self.proj_in = Conv2d(channels, inner, kernel_size=1)
            self.proj_out = Conv2d(inner, channels, kernel_size=1)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(inner, head_size, shape) for _ in range(shape.depth)
        )

    def forward(self, x: Tensor, context: Context) -> Tensor:
        height, width = x.shape[2:]
        h = self.norm(x)
        h = self.proj_in(to_rows(h)) if self.linear_projection else to_rows(self.proj_in(h))
        for block in self.transformer_blocks:
            h = block(h, context, (height, width))
        x = context.spread(x)  # as the blocks have spread h, by now at the latest
        if self.linear_projection:
            return to_map(self.proj_out.plus(h, to_rows(x)), height, width)
        return self.proj_out.plus(to_map(h, height, width), x)


# --- convolutions -------------------------------------------------------------------------


class ResnetBlock2D(nn.Module):
    """Two normalised 3x3 convolutions, the embedding of the time added between them.

    ``embedding_dim`` None leaves the embedding out (autoencoders).
    """

    def __init__(
        self, channels: int, out_channels: int, embedding_dim: int | None, groups: int, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, channels, eps=eps)
        self.conv1 = Conv2d(channels, out_channels, kernel_size=3, padding=1)
        if embedding_dim is not None:
            self.time_emb_proj = Linear(embedding_dim, out_channels)
        self.norm2 = GroupNorm(groups, out_channels, eps=eps)
        self.conv2 = Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
        self.conv_shortcut = (
            Conv2d(channels, out_channels, kernel_size=1) if channels != out_channels else None
        )

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """``embedding``: (B or more, embedding_dim), its activation already applied; the rows of
        ``x`` are the first of them.
        """
        h = self.conv1(silu(self.norm1(x)))
        if embedding is not None:
            h = added(h, self.time_emb_proj(embedding[: len(x)])[:, :, None, None])
        h = silu(self.norm2(h))
        if self.conv_shortcut is None:
            return self.conv2.plus(h, x)
        h = self.conv2(h)  # what it was made of goes: maps of an autoencoder are large
        return self.conv_shortcut.plus(x, h)


class Downsample2D(nn.Module):
    """Half the height and width, by a strided 3x3 convolution.

    ``padding`` 0 pads one row below and one column at the right only, as the autoencoders do.
    """

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.conv = Conv2d(channels, channels, kernel_size=3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.padding == 0 else x)


class Upsample2D(nn.Module):
    """Nearest neighbours, then a 3x3 convolution. Twice the size, or the ``size`` given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, kernel_size=3, padding=1)
        self.enlarger = Enlarger()

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        twice = (2 * x.shape[2], 2 * x.shape[3])
        target = size or twice
        if target == twice and self.conv.is_packed():
            return self.enlarger(self.conv, x)
        return self.conv(F.interpolate(x, size=target, mode="nearest"))
