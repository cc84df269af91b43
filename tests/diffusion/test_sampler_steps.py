"""Samplers that no scheduler class of diffusers runs as a whole, against their formulas."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_singlestep import DPMSolverSinglestepScheduler
from torch import Tensor

from ldm.diffusion.samplers import NO_SIGNAL, SAMPLERS, initial
from ldm.diffusion.samplers.multistep import ADAMS_BASHFORTH
from ldm.diffusion.schedule import NoiseSchedule
from tests.diffusion.reference_runs import STABLE_DIFFUSION, Model, our_run, preserved

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(7))


def schedule_of(**settings: Any) -> NoiseSchedule:
    return NoiseSchedule.from_config({**STABLE_DIFFUSION, **settings})


@pytest.mark.parametrize("name", ["uniform", "karras"])
def test_dpmpp_2s_ancestral_takes_the_reference_classs_steps(
    name: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    """Down: DPMSolverSinglestepScheduler's two updates, from one level over the middle of the way
    down. Up: noise of the deviation that is missing. 1e-5: float32 in ours, float64 in theirs.
    """
    schedule = schedule_of()
    sigmas = schedule.sigmas(8, name, grid=SAMPLERS["dpmpp_2s_ancestral"].grid)
    visited = our_run(run, "dpmpp_2s_ancestral", schedule, sigmas, noise, fake_model)
    scheduler = DPMSolverSinglestepScheduler(lower_order_final=True)
    generator = torch.Generator().manual_seed(0)

    def x0_of(x: Tensor, sigma: float) -> Tensor:  # epsilon from x in the preserving form
        told = schedule.timestep(torch.full((2,), sigma, dtype=torch.float64))
        return math.sqrt(1 + sigma**2) * x - sigma * fake_model(x, told)

    expected = [noise.double()]
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x, x0 = expected[-1], x0_of(expected[-1], sigma)
        if sigma_next == 0:
            expected.append(x0)
            continue
        up = math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
        down = math.sqrt(sigma_next**2 - up**2)
        middle = math.exp((math.log(sigma) + math.log(down)) / 2)
        scheduler.sigmas = torch.tensor([sigma, middle, down], dtype=torch.float64)
        scheduler._step_index = 0
        between = scheduler.dpm_solver_first_order_update(x0, sample=x)
        expected.append(between)
        scheduler._step_index = 1
        lower = scheduler.singlestep_dpm_solver_second_order_update(
            [x0, x0_of(between, middle)], sample=x
        )
        fresh = torch.randn(x.shape, generator=generator)
        expected.append(preserved(math.sqrt(1 + down**2) * lower + up * fresh, sigma_next))
    assert len(visited) == len(expected)
    for (x, sigma), theirs in zip(visited, expected, strict=True):
        assert (preserved(x, sigma) - theirs).abs().max() / theirs.abs().max() < 1e-5


@pytest.mark.parametrize("name", ["uniform", "karras"])
def test_lms_integrates_the_polynomial_through_four_slopes(name: str, run: Any) -> None:
    """Each step against numpy's integral of numpy's fit. 1e-9: its Vandermonde matrix."""
    sigmas = schedule_of().sigmas(9, name)
    slopes = {sigma: math.sin(3 * sigma) + 2 for sigma in sigmas[:-1].tolist()}
    x = torch.tensor([5.0], dtype=torch.float64)
    visited = run("lms", x, sigmas, lambda x, sigma: x - sigma * slopes[sigma])
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist())):
        known = sigmas[max(0, i - 3) : i + 1].numpy()
        values = [slopes[level] for level in known]
        # Around sigma, in units of it: large and small levels would not fit otherwise.
        fit = np.polynomial.Polynomial(
            np.polynomial.polynomial.polyfit(known / sigma - 1, values, len(known) - 1)
        ).integ()
        moved = sigma * (fit(sigma_next / sigma - 1) - fit(0))
        assert (visited[i + 1][0] - visited[i][0]).item() == pytest.approx(moved, rel=1e-9)


def test_plms_weights_are_adams_and_bashforths() -> None:
    """k weights integrate polynomials of degree below k from 0 to 1, known at 0, -1, ..., 1 - k."""
    for weights in ADAMS_BASHFORTH:
        for degree in range(len(weights)):
            found = sum(w * (-j) ** degree for j, w in enumerate(weights))
            assert found == pytest.approx(1 / (degree + 1), rel=1e-12)


def test_plms_in_even_steps_of_sigma_is_of_fourth_order_once_it_has_a_history(run: Any) -> None:
    """A cubic slope, known for three steps before: every later step integrates it exactly."""
    sigmas = torch.linspace(2.0, 1.0, 11, dtype=torch.float64)

    def cubic(sigma: float) -> float:
        return 1 + sigma - 2 * sigma**2 + 0.5 * sigma**3

    def integral(sigma: float) -> float:
        return sigma + sigma**2 / 2 - 2 * sigma**3 / 3 + sigma**4 / 8

    x = torch.tensor([3.0], dtype=torch.float64)
    visited = run("plms", x, sigmas, lambda x, sigma: x - sigma * cubic(sigma))
    del visited[1]  # the first of the two at the second level
    for i in range(3, 10):
        moved = (visited[i + 1][0] - visited[i][0]).item()
        expected = integral(sigmas[i + 1].item()) - integral(sigmas[i].item())
        assert moved == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sampler", ["dpm2", "dpm2_ancestral", "plms"])
def test_no_correction_from_where_there_is_no_signal(sampler: str, run: Any) -> None:
    """From sigma 4096 down to 20, a model that changes its mind by 0.1 does so by 0.1."""
    sigmas = torch.tensor([4096.0, 20.0, 0.0], dtype=torch.float64)
    assert sigmas[0] > NO_SIGNAL
    x = torch.tensor([4096.0], dtype=torch.float64)
    visited = run(sampler, x, sigmas, lambda x, sigma: torch.full_like(x, 0.1 * (sigma > 100)))
    kept = 20.0 if sampler != "dpm2_ancestral" else 20.0**2 / 4096
    assert [sigma for _, sigma in visited] == [4096, 20, 0]
    assert visited[1][0].item() == pytest.approx(0.1 + kept * (4096 - 0.1) / 4096)


@pytest.mark.parametrize("steps", [1, 4])
def test_lcm_draws_the_data_in_few_steps_from_a_consistent_model(steps: int, run: Any) -> None:
    """Normal data of mean 0.3, deviation 0.7: the end of the trajectory through x is known.

    100,000 values: the mean is known to 0.002 and the deviation to 0.0016 (one sigma).
    """
    mean, deviation = 0.3, 0.7
    sigmas = schedule_of(rescale_betas_zero_snr=True).sigmas(steps, grid=SAMPLERS["lcm"].grid)

    def consistent(x: Tensor, sigma: float) -> Tensor:
        return mean + deviation / math.sqrt(deviation**2 + sigma**2) * (x - mean)

    generator = torch.Generator().manual_seed(3)
    start = initial(torch.randn(100_000, generator=generator), sigmas)
    final, _ = run("lcm", start, sigmas, consistent, generator)[-1]
    assert final.mean().item() == pytest.approx(mean, abs=0.008)
    assert final.std().item() == pytest.approx(deviation, abs=0.008)


def test_lcm_leaves_out_what_is_below_1e_5() -> None:
    """c_skip and 1 - c_out at timestep 19, with the paper's sigma_data of 0.5 and scaling of 10."""
    lowest = schedule_of().sigmas(50, grid=SAMPLERS["lcm"].grid)[-2:-1]
    scaled = 10 * schedule_of().timestep(lowest).item()
    assert scaled == 190
    assert 0.25 / (scaled**2 + 0.25) < 1e-5
    assert 1 - scaled / math.sqrt(scaled**2 + 0.25) < 1e-5


@pytest.mark.parametrize("snr", [False, True])
def test_tcd_keeps_every_level_whatever_the_betas(snr: bool, run: Any) -> None:
    """Where data is always 0, x is noise: of the deviation of its level, although TCD goes by
    Stable Diffusion's timesteps. 100,000 values know it to 0.22 % (one sigma).
    """
    schedule = schedule_of(beta_schedule="linear", rescale_betas_zero_snr=snr)
    sigmas = schedule.sigmas(8, grid=SAMPLERS["tcd"].grid)
    generator = torch.Generator().manual_seed(3)
    start = sigmas[0].item() * torch.randn(100_000, generator=generator)
    for x, sigma in run("tcd", start, sigmas, lambda x, sigma: torch.zeros_like(x), generator):
        assert x.std().item() == pytest.approx(sigma, rel=0.01)
