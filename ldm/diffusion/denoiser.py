"""What a model's raw output means: epsilon, v or x0, decided here and nowhere else.

Owns the conversions between the three, and the scale at which a model wants its input. Knows
neither the model that made the output, nor guidance, nor the sampler that uses the result.

One convention for every sampler: x = x0 + sigma * epsilon with epsilon standard normal (the
variance-exploding form of Karras et al., 2206.00364). A model trained on the variance-preserving
x_vp = sqrt(a) x0 + sqrt(1 - a) epsilon, a = 1 / (sigma^2 + 1), is given x / sqrt(sigma^2 + 1),
which is the same tensor.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction", "sample", "preconditioned"]
PREDICTION_TYPES: tuple[PredictionType, ...] = get_args(PredictionType)


def _per_row(sigma: Tensor, x: Tensor) -> Tensor:
    """sigma (B,) -> (B, 1, 1, 1), or as many ones as x has dimensions after its first."""
    if sigma.shape != x.shape[:1]:
        raise ValueError(
            f"sigma: got shape {tuple(sigma.shape)}, allowed: {tuple(x.shape[:1])}, one per row"
        )
    return sigma.to(x.dtype).to(x.device).reshape(-1, *[1] * (x.ndim - 1))


def scale_input(x: Tensor, sigma: Tensor) -> Tensor:
    """The variance-preserving tensor a model is fed: x / sqrt(sigma^2 + 1).

    x: (B, ...), sigma: (B,), each row its own. Also turns a finished x that still carries
    sigma > 0 (see `NoiseSchedule.set_alpha_to_one`) into the latents to decode; at sigma 0 it
    changes nothing. c_in of Karras et al., 2206.00364, table 1, column VP.
    """
    s = _per_row(sigma, x)
    return x / torch.sqrt(s**2 + 1)


def to_x0(output: Tensor, x: Tensor, sigma: Tensor, prediction_type: PredictionType) -> Tensor:
    """The clean latents that `output` stands for, in x's dtype.

    output, x: (B, ...); sigma: (B,), each row its own. With a = 1 / (sigma^2 + 1):

    - epsilon (Ho et al., 2006.11239): x0 = x - sigma * output. At a sigma of thousands x0 drowns
      in rounding; a zero-terminal-SNR model predicts v or x0 for that reason.
    - v_prediction (Salimans & Ho, 2202.00512, appendix D): v = sqrt(a) epsilon - sqrt(1 - a) x0,
      so x0 = sqrt(a) x_vp - sqrt(1 - a) v.
    - sample: the output is x0.
    - preconditioned (Karras et al., 2206.00364, eq. 7 and table 1, with data of variance 1):
      x0 = c_skip x + c_out output, c_skip = a and c_out = sqrt(1 - a): the negative of v.

    ValueError for another prediction_type or a sigma of another length.
    """
    s, output = _per_row(sigma, x), output.to(x.dtype)
    if prediction_type == "epsilon":
        return x - s * output
    if prediction_type == "v_prediction":
        return x / (s**2 + 1) - output * (s / torch.sqrt(s**2 + 1))
    if prediction_type == "sample":
        return output
    if prediction_type == "preconditioned":
        return x / (s**2 + 1) + output * (s / torch.sqrt(s**2 + 1))
    allowed = ", ".join(PREDICTION_TYPES)
    raise ValueError(f"prediction_type: got {prediction_type!r}, allowed: {allowed}")


def to_epsilon(x: Tensor, x0: Tensor, sigma: Tensor) -> Tensor:
    """The noise in x, given its clean latents: (x - x0) / sigma, sigma (B,) above 0."""
    return (x - x0) / _per_row(sigma, x)
