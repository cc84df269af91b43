"""Samplers of the probability-flow ODE that remember: one evaluation a step, higher order.

They own their step and nothing else; see the package for what they are handed. What they remember
starts empty, so that a run may begin at any level.

Those that extrapolate d write their step as Euler's, x0 + sigma_next * d, and a correction: weights
on what older values exceed d by, since the weights of all values add up to the step. These gaps
are not taken from the values, of which float32 keeps too little at a large sigma, but from x0 and
the correction of the step before: there x = x0_before + sigma * d_before + correction, so

    d_before - d = (x0 - x0_before - correction) / sigma.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from ldm.diffusion.samplers.steps import NO_SIGNAL, Noise, Steps

# Adams and Bashforth's weights of the newest value and those before it, for even steps.
ADAMS_BASHFORTH: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def dpmpp_2m(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """DPM-Solver++(2M), multistep of second order: Lu et al., 2211.01095, algorithm 2.

    Their lambda is -log(sigma). The first step has no history and is of first order; so is the
    last if it goes to sigma 0, where h is infinite, or if the run has fewer than 15 steps (the
    authors' `lower_order_final`).
    """
    steps = len(sigmas) - 1
    x0_before, h_before = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist()), start=1):
        x0 = yield x, sigma
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        D = x0
        if x0_before is not None and not (i == steps and (steps < 15 or sigma_next == 0)):
            D = x0 + h / (2 * h_before) * (x0 - x0_before)
        x = sigma_next / sigma * x + (1 - sigma_next / sigma) * D
        x0_before, h_before = x0, h
    return x


def _corrected(x: Tensor, sigma: float, x0: Tensor, past: Sequence[tuple[float, Tensor]]) -> Tensor:
    """UniC's second look at the step that led to sigma, once x0 is known there.

    x: where that step began. past: (sigma, x0) of its beginning, and of the beginning of the one
    before it, if there was one.
    """
    (sigma_from, x0_from), older = past[0], past[1:]
    h = math.log(sigma_from / sigma)
    D = x0_from + (x0 - x0_from) / 2
    if older:
        # b_k = k! h phi_{k+1}(-h) / B(h) of theirs, with B(h) = e^-h - 1 (variant bh2).
        B = math.expm1(-h)
        b_1 = (B / -h - 1) / B
        b_2 = 2 * ((B / -h - 1) / -h - 1 / 2) / B
        r = -math.log(older[0][0] / sigma_from) / h
        rho = (b_2 - b_1) / (r - 1)
        D = x0_from + rho / r * (older[0][1] - x0_from) + (b_1 - rho) * (x0 - x0_from)
    return sigma / sigma_from * x + (1 - sigma / sigma_from) * D


def unipc(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """UniPC-2 for a model that predicts x0: Zhao et al., 2302.04867, algorithms 1 and 2.

    UniP-2 predicts, which is DPM-Solver++(2M)'s step; the evaluation that follows serves the next
    step and, by UniC-2, corrects this one: third order at one evaluation a step. The first step
    and the last are of an order less, as the authors have it.
    """
    steps = len(sigmas) - 1
    begun, past = x, []
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist()), start=1):
        x0 = yield x, sigma
        if past:
            x = _corrected(begun, sigma, x0, past)
        D = x0
        if past and i < steps:
            sigma_before, x0_before = past[0]
            r = math.log(sigma_before / sigma) / math.log(sigma / sigma_next)
            D = x0 + (x0 - x0_before) / (2 * r)
        begun, past = x, [(sigma, x0), *past[:1]]
        x = sigma_next / sigma * x + (1 - sigma_next / sigma) * D
    return x


def _gaps(
    gaps: Sequence[Tensor], x0: Tensor, x0_before: Tensor, correction: Tensor | float, sigma: float
) -> list[Tensor]:
    """What the last values of d, at most three, exceed the present one by, the latest first.

    gaps: the same, as they were one step before; see above for the rest.
    """
    latest = (x0 - x0_before - correction) / sigma
    return [latest, *(gap + latest for gap in gaps[:2])]


def deis(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """DEIS of second order, the polynomial in log sigma: Zhang & Chen, 2204.13902, tAB-DEIS.

    Their rho is sigma. d is integrated as the line in log sigma through its last two values. The
    first step is of first order; so is the last, as in `dpmpp_2m`.
    """
    steps = len(sigmas) - 1
    sigma_before, x0_before, correction = 0.0, None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist()), start=1):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        gaps = [] if x0_before is None else _gaps([], x0, x0_before, correction, sigma)
        correction = 0.0
        if gaps and not (i == steps and (steps < 15 or sigma_next == 0)):
            # The integral of log(s / sigma) ds from sigma to sigma_next, over the line's run.
            integral = sigma_next * (math.log(sigma_next / sigma) - 1) + sigma
            correction = integral / math.log(sigma_before / sigma) * gaps[0]
        x = x0 + sigma_next * d + correction
        sigma_before, x0_before = sigma, x0
    return x


def plms(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Pseudo linear multistep (PNDM with a short start): Liu et al., 2202.09778, eq. 9 and 12.

    Adams and Bashforth's weights for even steps, up to fourth order in timesteps; in sigma, whose
    steps are uneven, second order. It starts with a step of Heun's method instead of the paper's
    three of Runge and Kutta's, so that a run takes one evaluation more than steps; a run of one
    step, and one from NO_SIGNAL or above, does without it.
    """
    steps = len(sigmas) - 1
    gaps: list[Tensor] = []
    x0_before, correction = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist()), start=1):
        x0 = yield x, sigma
        epsilon = (x - x0) / sigma
        if x0_before is not None:
            gaps = _gaps(gaps, x0, x0_before, correction, sigma)
        weights = ADAMS_BASHFORTH[len(gaps)][1:]
        correction = sum(
            (sigma_next - sigma) * weight * gap for weight, gap in zip(weights, gaps, strict=True)
        )
        x = x0 + sigma_next * epsilon + correction
        if i == 1 < steps and sigma < NO_SIGNAL:
            x0_next = yield x, sigma_next
            correction = (sigma - sigma_next) / (2 * sigma_next) * (x0_next - x0)
            x = x + correction
        x0_before = x0
    return x


def _adams_weights(levels: Sequence[float], end: float) -> list[float]:
    """How much each level's value counts in the integral from levels[0] to end of the polynomial
    through all of them, at most four. Two-point Gauss is exact for polynomials up to the third
    degree.
    """
    half = (end - levels[0]) / 2
    points = levels[0] + half + half * np.array([-1, 1]) / math.sqrt(3)
    weights = []
    for level in levels:
        others = np.array([other for other in levels if other != level])
        weights.append(half * ((points[:, None] - others) / (level - others)).prod(axis=1).sum())
    return weights


def lms(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Linear multistep of fourth order: Adams and Bashforth's method for uneven steps.

    d is integrated over sigma as the polynomial through its last four values (Hairer, Norsett &
    Wanner, Solving Ordinary Differential Equations I, section III.5), on the ODE of Karras et al.,
    2206.00364, eq. 1.
    """
    levels: list[float] = []
    gaps: list[Tensor] = []
    x0_before, correction = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        if x0_before is not None:
            gaps = _gaps(gaps, x0, x0_before, correction, sigma)
        levels = [sigma, *levels[:3]]
        weights = _adams_weights(levels, sigma_next)[1:]
        correction = sum(weight * gap for weight, gap in zip(weights, gaps, strict=True))
        x = x0 + sigma_next * d + correction
        x0_before = x0
    return x
