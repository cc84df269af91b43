"""Samplers of the probability-flow ODE that look at one step only.

They own their step and nothing else; see the package for what they are handed.
"""

import math
from itertools import pairwise

from torch import Tensor

from ldm.diffusion.samplers.steps import NO_SIGNAL, Noise, Steps


def ddim(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """DDIM with eta 0: Song, Meng & Ermon, 2010.02502, eq. 12, divided by sqrt(alpha).

    In this form the step is Euler's (their section 4.3); the levels differ, see `Grid`.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        epsilon = (x - x0) / sigma
        x = x0 + sigma_next * epsilon
    return x


def euler(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Euler's method on dx/dsigma = (x - x0) / sigma.

    Karras et al., 2206.00364, algorithm 1 without its correction (lines 6 to 8).
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        x = x0 + sigma_next * d
    return x


def heun(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Heun's method, second order: Karras et al., 2206.00364, algorithm 1.

    Two evaluations a step; one for a last step to sigma 0, and for one from NO_SIGNAL or above.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        x = x0 + sigma_next * d
        if sigma_next > 0 and sigma < NO_SIGNAL:
            x0_next = yield x, sigma_next
            # Line 8 is x + (sigma_next - sigma) * (d' - d) / 2 from here, and d' - d, two large
            # and nearly equal numbers, is (x0 - x0_next) / sigma_next.
            x = x + (sigma - sigma_next) / (2 * sigma_next) * (x0_next - x0)
    return x


def dpm2(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """DPM-Solver-2, second order: Lu et al., 2206.00927, algorithm 1, with r = 1/2.

    The midpoint method, its midpoint being that of log sigma. Two evaluations a step; one for a
    last step to sigma 0, and for one from NO_SIGNAL or above.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        x = x0 + sigma_next * d
        if sigma_next > 0 and sigma < NO_SIGNAL:
            sigma_mid = math.sqrt(sigma * sigma_next)
            x0_mid = yield x0 + sigma_mid * d, sigma_mid
            # (sigma_next - sigma) * (d_mid - d) from here, with d_mid - d as in Heun's method.
            x = x + (sigma_next - sigma) / sigma_mid * (x0 - x0_mid)
    return x
