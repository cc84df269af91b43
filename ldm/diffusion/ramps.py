"""Schedules other than uniform: ways to place n noise levels.

Owns one function a schedule, and their names. Knows neither samplers nor the level a run ends at.

To add one: write the function, its line in RAMPS and its title in SCHEDULES.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

AlignedTo = Literal["sd1", "sdxl"]
PURE_NOISE = 1000.0  # sigmas above stand for infinity: a zero-terminal-SNR model's last is 4096


@dataclass(frozen=True, eq=False)
class Span:
    """Where levels may be placed.

    sigma_max, sigma_min: the first and the last level of schedules that go by sigma.
    trained_sigmas: (T,) float64, ascending: sigma of timestep 0, 1, ... Schedules that go by
        timesteps start at the last of them and stop short of the first.
    aligned_to: a key of ALIGNED_STEPS.
    """

    sigma_max: float
    sigma_min: float
    trained_sigmas: Tensor
    aligned_to: AlignedTo = "sd1"

    def at(self, timesteps: np.ndarray) -> np.ndarray:
        """Sigmas of timesteps; between two trained ones by interpolation in log sigma."""
        log_sigmas = self.trained_sigmas.log().numpy()
        return np.exp(np.interp(timesteps, np.arange(len(log_sigmas)), log_sigmas))


# --- by sigma ---


def karras(span: Span, count: int) -> Tensor:
    """Karras et al., 2206.00364, eq. 5, with their rho of 7: more levels where sigma is small."""
    ramp = torch.linspace(0, 1, count, dtype=torch.float64)
    low, high = span.sigma_min ** (1 / 7), span.sigma_max ** (1 / 7)
    return (high + ramp * (low - high)) ** 7


def exponential(span: Span, count: int) -> Tensor:
    """Even steps of log sigma, those in which DPM-Solver counts: Lu et al., 2206.00927.

    The limit of `karras` for a large rho.
    """
    ramp = torch.linspace(0, 1, count, dtype=torch.float64)
    return span.sigma_max * (span.sigma_min / span.sigma_max) ** ramp


def symmetric_beta_quantile(shares: np.ndarray, shape: float) -> np.ndarray:
    """The x below which each share of the distribution Beta(shape, shape) lies.

    shares: (n,) float64 within 0..1, shape in 0..1, both ends excluded -> (n,) float64, to 1e-15.
    Its distribution function is x^shape * F(shape, 1 - shape; 1 + shape; x) / (shape * B), B =
    Gamma(shape)^2 / Gamma(2 shape) (Abramowitz & Stegun, 6.6.8). The series is summed up to x = 1/2
    only, where each term is less than half the one before; symmetry gives the rest.
    """
    n = np.arange(1, 56)
    series = np.concatenate([[1.0], np.cumprod((n - shape) / n)]) / (shape + np.arange(56))
    scale = math.gamma(2 * shape) / math.gamma(shape) ** 2
    target = np.minimum(shares, 1 - shares)
    low, high = np.zeros_like(target), np.full_like(target, 0.5)
    for _ in range(60):  # bisection, down to 2^-61
        middle = (low + high) / 2
        below = scale * middle**shape * np.polynomial.polynomial.polyval(middle, series) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(shares > 0.5, 1 - low, np.where(shares > 0, high, 0.0))


def beta(span: Span, count: int) -> Tensor:
    """Quantiles of the beta distribution, alpha = beta = 0.6: more levels near both ends.

    After Lee et al., 2407.12173. They place timesteps by it; diffusers, which is followed
    here, places sigmas. That goes where sigma is bounded: of 20 levels up to pure noise all but
    the last would be noise of no picture, so there they are placed as in the paper.
    """
    shares = symmetric_beta_quantile(np.linspace(1, 0, count), 0.6)
    if span.sigma_max > PURE_NOISE:
        return torch.from_numpy(span.at(shares * (len(span.trained_sigmas) - 1)))
    return torch.from_numpy(span.sigma_min + (span.sigma_max - span.sigma_min) * shares)


# --- by timestep ---

# Levels that minimise an upper bound on a ten-step sampler's error, found for each model with its
# own training data: Sabour et al., 2404.14507, as timesteps of 1000 on the authors' page
# (research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html). The last is where a run ends.
ALIGNED_STEPS: dict[AlignedTo, tuple[int, ...]] = {
    "sd1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
    "sdxl": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
}


def align_your_steps(span: Span, count: int) -> Tensor:
    """Sabour et al., 2404.14507: their ten levels, or as many between them as are wanted.

    Between two of theirs log sigma is linear in the step, as on the authors' page.
    """
    last = len(span.trained_sigmas) - 1
    aligned = np.log(span.at(np.array(ALIGNED_STEPS[span.aligned_to]) * last / 999))
    steps = np.linspace(0, len(aligned) - 1, count + 1)[:-1]
    return torch.from_numpy(np.exp(np.interp(steps, np.arange(len(aligned)), aligned)))


def sgm_uniform(span: Span, count: int) -> Tensor:
    """Even steps of the timestep from the last down to 0, which is not among the levels.

    The way Stability AI's generative-models count, whose few-step models expect it. Not rounded
    to whole timesteps, as in the programs that gave it this name.
    """
    last = len(span.trained_sigmas) - 1
    return torch.from_numpy(span.at(np.linspace(last, 0, count + 1)[:-1]))


# Each gives (count,) float64, descending.
RAMPS: dict[str, Callable[[Span, int], Tensor]] = {
    "karras": karras,
    "exponential": exponential,
    "beta": beta,
    "ays": align_your_steps,
    "sgm_uniform": sgm_uniform,
}
SCHEDULES: dict[str, str] = {
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta",
    "ays": "AYS",
    "sgm_uniform": "SGM uniform",
}
