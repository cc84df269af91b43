"""Samplers on a problem with a known answer: data that is itself normal.

For x0 of mean m and deviation c, the best denoiser is D(x, sigma) = m + c^2 / (c^2 + sigma^2) *
(x - m), and the probability-flow ODE dx/dsigma = (x - D) / sigma is solved by x - m being
proportional to sqrt(c^2 + sigma^2) (Karras et al., 2206.00364, section 2). Nothing here comes from
another implementation.
"""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from ldm.diffusion.samplers import SAMPLERS, initial
from ldm.diffusion.schedule import NoiseSchedule

MEAN, DEVIATION = 0.3, 0.7
STEPS = (40, 80, 160, 320, 640)


def denoise(x: Tensor, sigma: float) -> Tensor:
    return MEAN + DEVIATION**2 / (DEVIATION**2 + sigma**2) * (x - MEAN)


def solution(x: Tensor, sigma: float, sigma_end: float) -> Tensor:
    growth = math.sqrt((DEVIATION**2 + sigma_end**2) / (DEVIATION**2 + sigma**2))
    return MEAN + growth * (x - MEAN)


def levels(steps: int, eased: bool) -> Tensor:
    """From sigma 10 to 0.1, both within reach of h, in even steps of log sigma.

    eased: the first of them is cut into 12, each twice as long as the one before. A multistep
    method begins at first order, and one such step of a whole h would cost all orders above 2.
    """
    ramp = torch.linspace(1, -1, steps + 1, dtype=torch.float64)
    if eased:
        cuts = 1 + (ramp[1] - 1) * 2.0 ** torch.arange(-12, 0, dtype=torch.float64)
        ramp = torch.cat([ramp[:1], cuts, ramp[1:]])
    return 10**ramp


def assert_order(errors: list[float], order: int) -> None:
    """Twice the steps, 1 / 2^order of the error.

    What is of the next order adds some percent to the ratios; they approach the order.
    """
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert orders[-1] == pytest.approx(order, abs=0.05)
    assert abs(orders[-1] - order) <= abs(orders[0] - order)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        ("ddim", 1),
        ("euler", 1),
        ("heun", 2),
        ("dpm2", 2),
        ("plms", 2),
        ("lms", 4),
        ("dpmpp_2m", 2),
        ("unipc", 3),
        ("deis", 2),
    ],
)
def test_order_of_convergence(sampler: str, order: int, run: Any) -> None:
    x = torch.tensor([12.0, -5.0], dtype=torch.float64)
    # UniPC's last step is of first order and has no corrector: what comes before it is looked at.
    end = -2 if sampler == "unipc" else -1
    errors = []
    for steps in STEPS:
        final, sigma = run(sampler, x, levels(steps, eased=order > 2), denoise)[end]
        errors.append((final - solution(x, 10.0, sigma)).abs().max().item())
    assert_order(errors, order)


def test_order_of_convergence_without_the_noise(run: Any) -> None:
    """The reverse SDE's drift, dx/dlambda = -2 (x - D) with lambda = -log(sigma).

    Normal data would make it too easy: along a path of that drift their D is constant. D is
    cos(lambda) here, which X = (4 cos(lambda) + 2 sin(lambda)) / 5 solves, and more off that path.
    3M is not of third order, see there; it must be better than 2M all the same.
    """

    def solved(sigma: float) -> float:
        return (4 * math.cos(-math.log(sigma)) + 2 * math.sin(-math.log(sigma))) / 5

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return math.cos(-math.log(sigma)) + 0.3 * (x - solved(sigma))

    x = torch.tensor([solved(10.0)], dtype=torch.float64)
    errors: dict[str, list[float]] = {"dpmpp_2m_sde": [], "dpmpp_3m_sde": []}
    for steps in STEPS:
        for sampler, found in errors.items():
            final, sigma = run(sampler, x, levels(steps, eased=False), denoise)[-1]
            found.append(abs(final.item() - solved(sigma)))
    assert_order(errors["dpmpp_2m_sde"], 2)
    for two, three in zip(errors["dpmpp_2m_sde"], errors["dpmpp_3m_sde"], strict=True):
        assert three < 0.3 * two


# The few-step samplers want another model: test_sampler_steps.py.
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ("lcm", "tcd")])
def test_normal_noise_becomes_the_data(sampler: str, run: Any) -> None:
    """200 steps from pure noise give the data's mean and deviation, for every sampler.

    100,000 values: their mean is known to 0.002 and their deviation to 0.0016 (one sigma); 0.02
    leaves room for what 200 steps of a first-order sampler still miss.
    """
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    schedule = NoiseSchedule.from_config({**config, "rescale_betas_zero_snr": True})
    sigmas = schedule.sigmas(200, spacing="trailing", grid=SAMPLERS[sampler].grid)
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(100_000, generator=generator)
    final, _ = run(sampler, initial(noise, sigmas), sigmas, denoise, generator)[-1]
    assert final.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert final.std().item() == pytest.approx(DEVIATION, abs=0.02)


@pytest.mark.parametrize("steps", [5, 10, 20])
def test_heun_is_better_than_euler_from_zero_terminal_snr(steps: int, run: Any) -> None:
    """Its correction of the step from sigma 4096 would make the result several times too large."""
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    schedule = NoiseSchedule.from_config({**config, "rescale_betas_zero_snr": True})
    sigmas = schedule.sigmas(steps, spacing="trailing")
    x = torch.tensor([5000.0], dtype=torch.float64)
    exact = solution(x, sigmas[0].item(), 0.0)
    error = {
        sampler: (run(sampler, x, sigmas, denoise)[-1][0] - exact).abs().item()
        for sampler in ("euler", "heun")
    }
    assert error["heun"] < 0.7 * error["euler"]
