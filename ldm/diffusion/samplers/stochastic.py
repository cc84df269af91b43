"""Samplers that add fresh noise at every step and never settle: ancestral ones, and SDE solvers.

They own their step and nothing else; see the package for what they are handed.
"""

import math
from itertools import pairwise

from torch import Tensor

from ldm.diffusion.samplers.steps import NO_SIGNAL, Noise, Steps

# --- ancestral: each step goes below the next level and adds noise to come back to it ---


def _split(sigma: float, sigma_next: float) -> tuple[float, float]:
    """The next level's variance as what remains of the old noise (sigma_down^2) and what is new.

    Song et al., 2011.13456, appendix F (ancestral sampling of their SMLD models).
    """
    sigma_down = sigma_next**2 / sigma
    return sigma_down, math.sqrt(sigma_next**2 - sigma_down**2)


def ddpm(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """DDPM: Ho et al., 2006.11239, algorithm 2, with their smaller variance (eq. 7).

    Divided by sqrt(alpha), its posterior's mean and deviation are those of `euler_ancestral`; the
    levels differ, see `Grid`.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        epsilon = (x - x0) / sigma
        kept, new = _split(sigma, sigma_next)
        x = x0 + kept * epsilon
        if new > 0:
            x = x + new * noise()
    return x


def euler_ancestral(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Ancestral sampling by Euler's method: Song et al., 2011.13456, appendix F."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        sigma_down, sigma_up = _split(sigma, sigma_next)
        x = x0 + sigma_down * d
        if sigma_up > 0:
            x = x + sigma_up * noise()
    return x


def dpm2_ancestral(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Ancestral sampling whose way down is a step of DPM-Solver-2: Lu et al., 2206.00927, alg. 1.

    The middle of log sigma and log sigma_down, sigma_next^2 / sigma, is sigma_next itself. Two
    evaluations a step; one for a last step to sigma 0, and for one from NO_SIGNAL or above.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        sigma_down, sigma_up = _split(sigma, sigma_next)
        x = x0 + sigma_down * d
        if sigma_next > 0 and sigma < NO_SIGNAL:
            x0_mid = yield x0 + sigma_next * d, sigma_next
            # (sigma_down - sigma) * (d_mid - d) from here, with d_mid - d as in Heun's method.
            x = x + (sigma_down - sigma) / sigma_next * (x0 - x0_mid)
        if sigma_up > 0:
            x = x + sigma_up * noise()
    return x


def dpmpp_2s_ancestral(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Ancestral sampling whose way down is DPM-Solver++(2S): Lu et al., 2211.01095, alg. 1.

    With r = 1/2 only the x0 of the middle counts, which is sigma_next as in `dpm2_ancestral`. Two
    evaluations a step; one for a last step to sigma 0.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        sigma_down, sigma_up = _split(sigma, sigma_next)
        if sigma_next > 0:
            x0 = yield sigma_next / sigma * x + (1 - sigma_next / sigma) * x0, sigma_next
        x = sigma_down / sigma * x + (1 - sigma_down / sigma) * x0
        if sigma_up > 0:
            x = x + sigma_up * noise()
    return x


# --- SDE solvers: the reverse-time SDE, its noise integrated exactly ---


def _order(highest: int, known: int, left: int, steps: int, h: float) -> int:
    """The order of a step that knows `known` x0 and is the first of the `left` that are left.

    One for a step to sigma 0, where h is infinite, and for one that goes nowhere; ever lower at
    the end of a run of fewer than 15 (the authors' `lower_order_final`).
    """
    if h in (0, math.inf):
        return 1
    return min(highest, known, left if steps < 15 else highest)


def dpmpp_2m_sde(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """SDE-DPM-Solver++(2M), multistep of second order: Lu et al., 2211.01095.

    `dpmpp_2m` for the SDE: x0 counts 1 - e^-2h, and the noise that decays is made up for.
    """
    steps = len(sigmas) - 1
    x0_before, h_before = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist())):
        x0 = yield x, sigma
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        D = x0
        if x0_before is not None and _order(2, i + 1, steps - i, steps, h) == 2:
            D = x0 + h / (2 * h_before) * (x0 - x0_before)
        kept = (sigma_next / sigma) ** 2  # e^-2h
        x = kept * x + (1 - kept) * D
        if sigma_next > 0:
            x = x + sigma_next * math.sqrt(1 - kept) * noise()
        x0_before, h_before = x0, h
    return x


def dpmpp_3m_sde(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """SDE-DPM-Solver++(3M): the SDE of Lu et al., 2211.01095, from the last three x0.

    Slope and bend of x0 over lambda are weighted as in the authors' multistep code and in every
    program known for this sampler. phi_3 is the weight of the second derivative, and the bend is
    half of that: less error than `dpmpp_2m_sde`, but of second order like it. The second step knows
    two x0 only and is that sampler's.
    """
    steps = len(sigmas) - 1
    past: list[tuple[float, Tensor]] = []  # (h, x0) of the steps before, the last one first
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist())):
        x0 = yield x, sigma
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        kept = (sigma_next / sigma) ** 2  # e^-2h
        order = _order(3, i + 1, steps - i, steps, h)
        x = kept * x + (1 - kept) * x0
        if order == 2:
            x = x + (1 - kept) * h / (2 * past[0][0]) * (x0 - past[0][1])
        elif order == 3:
            (h_1, x0_1), (h_2, x0_2) = past
            slope, slope_before = (x0 - x0_1) / h_1, (x0_1 - x0_2) / h_2
            bend = (slope - slope_before) / (h_1 + h_2)
            phi_2 = 1 - (1 - kept) / (2 * h)
            phi_3 = phi_2 / (2 * h) - 1 / 2
            x = x + phi_2 * h * (slope + h_1 * bend) - phi_3 * h**2 * bend
        if sigma_next > 0:
            x = x + sigma_next * math.sqrt(1 - kept) * noise()
        past = [(h, x0), *past[:1]]
    return x
