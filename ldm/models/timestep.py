"""Numbers as features: how a network is told a timestep, a size or a guidance scale.

Knows nothing of what the numbers mean.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.packed import Linear


def sinusoids(timesteps: Tensor, dim: int, flip_sin_to_cos: bool, freq_shift: float) -> Tensor:
    """Sinusoidal embedding (Ho et al. 2020, after Vaswani et al. 2017, section 3.5).

    Args:
        timesteps: (B,), fractions allowed.
        dim: width of the result.
        flip_sin_to_cos: cosines first.
        freq_shift: 0 lets the slowest frequency stay above 1/10000, 1 reaches it.

    Returns:
        (B, dim) float32.
    """
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps.float()[:, None] * torch.exp(-math.log(10000) * steps / (half - freq_shift))
    parts = (angles.cos(), angles.sin()) if flip_sin_to_cos else (angles.sin(), angles.cos())
    return F.pad(torch.cat(parts, dim=-1), (0, dim % 2))


class TimestepEmbedding(nn.Module):
    """Two linear layers from the sinusoids to the embedding every residual block reads.

    ``condition_dim``: features of a condition that is added to the sinusoids first.
    """

    def __init__(self, dim: int, embedding_dim: int, condition_dim: int | None = None) -> None:
        super().__init__()
        self.linear_1 = Linear(dim, embedding_dim)
        self.linear_2 = Linear(embedding_dim, embedding_dim)
        if condition_dim is not None:
            self.cond_proj = Linear(condition_dim, dim, bias=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        if condition is not None:
            x = x + self.cond_proj(condition)
        return self.linear_2(F.silu(self.linear_1(x)))
