"""Samplers: how to get from noise to a picture along a list of noise levels.

A sampler is a generator. It yields (x, sigma), is sent the denoised x0 for them, and returns the
final x. It owns its step and nothing else: not the model, not what the model predicts, not
guidance, not where the levels come from. One run is

    steps = SAMPLERS["heun"].function(x, sigmas, noise)
    try:
        x, sigma = next(steps)
        while True:
            x, sigma = steps.send(denoise(x, sigma))
    except StopIteration as stop:
        x = stop.value

x: any shape, float32, in the form x = x0 + sigma * epsilon. sigmas: (n + 1,) descending, from
`NoiseSchedule.sigmas`. noise(): a fresh standard normal of x's shape.

A step starts from x0 and adds what noise remains, x0 + sigma_next * d, where the papers write
x + (sigma_next - sigma) * d. The two are equal, but from the sigma of 4096 where a
zero-terminal-SNR schedule starts, the papers' form would subtract float32 numbers of some 10,000
to find an x0 near 1, and keep three of its seven digits.

To add one: write the function, and its line in SAMPLERS.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from ldm.diffusion.schedule import CONTINUOUS, INTERVALS, TRAINED, Grid

Noise = Callable[[], Tensor]
Steps = Generator[tuple[Tensor, float], Tensor, Tensor]
# Above this sigma a millionth of the input's variance is signal: the terminal level of a
# zero-terminal-SNR schedule. From there uniform levels fall to 1/200 in one step, and Heun's
# correction, which takes d for linear between the two, would overshoot a hundredfold.
NO_SIGNAL = 1000.0


def initial(noise: Tensor, sigmas: Tensor) -> Tensor:
    """x at the first level of a run from nothing: noise * sqrt(1 + sigmas[0]^2).

    In the variance-preserving form this is the noise itself, as DDIM and DPM-Solver start.
    """
    return noise * math.sqrt(1 + sigmas[0].item() ** 2)


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


def euler_ancestral(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Ancestral sampling: each step goes below the next level and adds noise to come back to it.

    Song et al., 2011.13456, appendix F (ancestral sampling of their SMLD models). Of the next
    level's variance, sigma_down^2 is what remains of the old noise and sigma_up^2 is new.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x0 = yield x, sigma
        d = (x - x0) / sigma
        sigma_down = sigma_next**2 / sigma
        sigma_up = math.sqrt(sigma_next**2 - sigma_down**2)
        x = x0 + sigma_down * d
        if sigma_up > 0:
            x = x + sigma_up * noise()
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


@dataclass(frozen=True)
class Sampler:
    """A sampler, its name for people, what a step costs, and the levels it is meant for."""

    function: Callable[[Tensor, Tensor, Noise], Steps]
    title: str
    evaluations_per_step: int
    grid: Grid


SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(ddim, "DDIM", 1, TRAINED),
    "euler": Sampler(euler, "Euler", 1, CONTINUOUS),
    "euler_ancestral": Sampler(euler_ancestral, "Euler a", 1, CONTINUOUS),
    "heun": Sampler(heun, "Heun", 2, CONTINUOUS),
    "dpmpp_2m": Sampler(dpmpp_2m, "DPM++ 2M", 1, INTERVALS),
}
