"""Classifier-free guidance: one output out of the conditional and the unconditional one.

Owns the formula and its rescaling. Does not know what the outputs mean (epsilon, v or x0: the
formula is the same for each), nor which model made them.
"""

import torch
from torch import Tensor


def _per_row(values: Tensor, rows: Tensor) -> Tensor:
    """values (B,) -> (B, 1, 1, 1), or as many ones as rows has dimensions after its first."""
    if values.shape != rows.shape[:1]:
        raise ValueError(
            f"guidance: got shape {tuple(values.shape)}, "
            f"allowed: {tuple(rows.shape[:1])}, one per row"
        )
    return values.to(rows.dtype).to(rows.device).reshape(-1, *[1] * (rows.ndim - 1))


def combine(
    unconditional: Tensor, conditional: Tensor, guidance_scale: Tensor, guidance_rescale: Tensor
) -> Tensor:
    """The guided output, of the same kind (epsilon, v or x0) as the two given.

    unconditional, conditional: (B, ...), float16 and bfloat16 are raised to float32.
    guidance_scale: (B,), 1 is the conditional output, exactly. Ho & Salimans, 2207.12598, eq. 6,
    with their w = guidance_scale - 1.
    guidance_rescale: (B,) in 0..1, 0 is off. Gives back a share of the conditional output's
    standard deviation, which guidance inflates: Lin et al., 2305.08891, eq. 15 and 16.
    """
    wide = torch.promote_types(conditional.dtype, torch.float32)
    conditional, unconditional = conditional.to(wide), unconditional.to(wide)
    scale, rescale = _per_row(guidance_scale, conditional), _per_row(guidance_rescale, conditional)

    # Seen from the conditional side, since u + 1 * (c - u) is not c in floating point.
    guided = conditional + (scale - 1) * (conditional - unconditional)

    each = tuple(range(1, conditional.ndim))
    deviation = conditional.std(dim=each, keepdim=True)
    inflated = guided.std(dim=each, keepdim=True)
    # A constant output has no deviation to give back.
    ratio = torch.where(inflated > 0, deviation / inflated, 1.0)
    return guided * (1 + rescale * (ratio - 1))
