"""Schedules other than uniform: against diffusers' classes and its tables, and the formulas."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_utils import AysSchedules

from ldm.diffusion.ramps import (
    ALIGNED_STEPS,
    RAMPS,
    SCHEDULES,
    AlignedTo,
    Span,
    symmetric_beta_quantile,
)
from ldm.diffusion.samplers import SAMPLERS
from ldm.diffusion.schedule import NoiseSchedule
from tests.diffusion.reference_runs import SCIPY, STABLE_DIFFUSION

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
CLASSES = {"euler": EulerDiscreteScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}
BETAS = {key: STABLE_DIFFUSION[key] for key in ("beta_schedule", "beta_start", "beta_end")}
# Quantiles of Beta(0.6, 0.6), as scipy.special.betaincinv 1.17.1 gives them.
BETA_TABLE = {
    0.0: 0.0,
    0.001: 1.855873851745199e-05,
    0.01: 0.0008612388215429059,
    0.1: 0.03958440558878085,
    0.25: 0.17568037865269498,
    0.5: 0.5,
    0.75: 0.824319621347305,
    0.9: 0.9604155944112192,
    1.0: 1.0,
}


def schedule_of(**settings: Any) -> NoiseSchedule:
    return NoiseSchedule.from_config({**STABLE_DIFFUSION, **settings})


def test_every_schedule_has_a_title() -> None:
    assert list(SCHEDULES) == ["uniform", *RAMPS]


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize(
    ("name", "snr"),
    [*product(("karras", "exponential"), (False, True)), *([("beta", False)] if SCIPY else [])],
)
@pytest.mark.parametrize("sampler", list(CLASSES))
def test_sigmas_equal_the_reference(sampler: str, name: str, snr: bool, spacing: str) -> None:
    settings = {"rescale_betas_zero_snr": snr, "timestep_spacing": spacing, "steps_offset": 1}
    scheduler = CLASSES[sampler](**BETAS, **settings, **{f"use_{name}_sigmas": True})
    schedule = schedule_of(**settings)
    for steps in (1, 2, 7, 20, 50, 150):
        scheduler.set_timesteps(steps)
        found = schedule.sigmas(steps, name, grid=SAMPLERS[sampler].grid)
        # 5e-4: near the terminal level the reference rescales in float32, see test_schedule.py.
        np.testing.assert_allclose(found, scheduler.sigmas, rtol=5e-4 if snr else 2e-5)


@pytest.mark.parametrize("snr", [False, True])
@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_levels_descend_within_what_was_trained(sampler: str, name: str, snr: bool) -> None:
    schedule = schedule_of(rescale_betas_zero_snr=snr, timestep_spacing="trailing")
    trained = schedule.trained_sigmas
    for steps in (1, 2, 3, 10, 33, 999):
        found = schedule.sigmas(steps, name, grid=SAMPLERS[sampler].grid)
        assert found.shape == (steps + 1,) and found.dtype == torch.float64
        assert (found.diff() < 0).all()
        # 1e-12: from the last trained level, give or take a power and a root.
        assert found[0].item() == pytest.approx(trained[-1].item(), rel=1e-12)
        assert found[-2] >= trained[0] * (1 - 1e-12) and found[-1] == 0


def test_karras() -> None:
    """Eq. 5 of 2206.00364, at the value of sigma_max and sigma_min its authors use."""
    found = RAMPS["karras"](Span(80.0, 0.002, torch.tensor([0.002, 80.0])), 18)
    root_max, root_min = 80 ** (1 / 7), 0.002 ** (1 / 7)
    expected = [(root_max + i / 17 * (root_min - root_max)) ** 7 for i in range(18)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_exponential_is_even_in_log_sigma() -> None:
    found = RAMPS["exponential"](Span(100.0, 0.01, torch.tensor([0.01, 100.0])), 5)
    np.testing.assert_allclose(found, [100, 10, 1, 0.1, 0.01], rtol=1e-12)


def test_the_beta_distributions_quantiles() -> None:
    """Against scipy's, and for shape 1/2 (the arcsine distribution) sin^2(pi p / 2)."""
    shares = np.array(list(BETA_TABLE))
    found = symmetric_beta_quantile(shares, 0.6)
    np.testing.assert_allclose(found, list(BETA_TABLE.values()), rtol=1e-13, atol=0)
    even = np.linspace(0, 1, 101)
    np.testing.assert_allclose(
        symmetric_beta_quantile(even, 0.5), np.sin(np.pi / 2 * even) ** 2, rtol=1e-12, atol=1e-17
    )


def test_beta_places_sigmas_by_those_quantiles() -> None:
    found = RAMPS["beta"](Span(14.0, 2.0, torch.tensor([2.0, 14.0])), 5)
    expected = [2 + 12 * BETA_TABLE[share] for share in (1.0, 0.75, 0.5, 0.25, 0.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_beta_places_timesteps_where_the_last_level_is_pure_noise() -> None:
    """As the paper does. diffusers places sigmas there too: 19 of 20 above 50, all noise."""
    schedule = schedule_of(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    found = schedule.sigmas(5, "beta", grid=SAMPLERS["dpmpp_2m"].grid)
    wanted = [999 * BETA_TABLE[share] for share in (1.0, 0.75, 0.5, 0.25, 0.0)]
    log_sigmas = np.log(schedule.trained_sigmas)
    np.testing.assert_allclose(
        np.log(found[:-1]), np.interp(wanted, np.arange(1000), log_sigmas), rtol=1e-9, atol=1e-12
    )


FAMILIES: list[tuple[AlignedTo, str]] = [("sd1", "StableDiffusion"), ("sdxl", "StableDiffusionXL")]


@pytest.mark.parametrize(("family", "table"), FAMILIES)
def test_ays_in_ten_steps_is_the_table_in_diffusers(family: AlignedTo, table: str) -> None:
    schedule = replace(schedule_of(), aligned_to=family)
    for sampler in ("euler", "dpmpp_2m", "ddim"):
        found = schedule.sigmas(10, "ays", grid=SAMPLERS[sampler].grid)
        timesteps = schedule.timestep(found[:-1])
        assert timesteps.tolist() == AysSchedules[f"{table}Timesteps"]
    # Its sigmas are not quite those of its timesteps, which are whole: 0.6 of one is allowed.
    sigmas = torch.tensor(AysSchedules[f"{table}Sigmas"][:-1])
    assert (schedule.timestep(sigmas) - timesteps).abs().max() < 0.6
    assert ALIGNED_STEPS[family][-1] == 0


@pytest.mark.parametrize("steps", [1, 3, 7, 20, 37])
@pytest.mark.parametrize(("family", "table"), FAMILIES)
def test_ays_between_ten_steps(family: AlignedTo, table: str, steps: int) -> None:
    """Log sigma is linear from each level to the next, and the last of n + 1 makes way for 0."""
    schedule = replace(schedule_of(), aligned_to=family)
    trained = schedule.trained_sigmas.numpy()
    ten = trained[[*AysSchedules[f"{table}Timesteps"], 0]]
    expected = []
    for i in range(steps):
        whole, part = divmod(10 * i, steps)
        expected.append(ten[whole] ** (1 - part / steps) * ten[whole + 1] ** (part / steps))
    found = schedule.sigmas(steps, "ays")
    np.testing.assert_allclose(found[:-1], expected, rtol=1e-12)
    assert found[-1] == 0


def test_ays_on_other_numbers_of_timesteps() -> None:
    """The table counts a thousand; a model with fewer has its share of them."""
    schedule = schedule_of(num_train_timesteps=112)
    timesteps = schedule.timestep(schedule.sigmas(10, "ays")[:-1])
    expected = [t * 111 / 999 for t in AysSchedules["StableDiffusionTimesteps"]]
    np.testing.assert_allclose(timesteps, expected, atol=1e-3)


@pytest.mark.parametrize("steps", [1, 3, 9, 27, 37, 111, 333])
def test_sgm_uniform_equals_the_reference_where_nothing_is_rounded(steps: int) -> None:
    """DPMSolverMultistepScheduler's linspace is the same but for whole timesteps: 999 / n is."""
    scheduler = DPMSolverMultistepScheduler(**BETAS, timestep_spacing="linspace")
    scheduler.set_timesteps(steps)
    for sampler in ("euler", "dpmpp_2m", "ddim"):
        found = schedule_of(set_alpha_to_one=True).sigmas(
            steps, "sgm_uniform", grid=SAMPLERS[sampler].grid
        )
        np.testing.assert_allclose(found, scheduler.sigmas, rtol=2e-5)


@pytest.mark.parametrize("snr", [False, True])
def test_sgm_uniform_takes_even_steps_of_the_timestep(snr: bool) -> None:
    schedule = schedule_of(rescale_betas_zero_snr=snr)
    timesteps = schedule.timestep(schedule.sigmas(7, "sgm_uniform")[:-1])
    np.testing.assert_allclose(timesteps, [999 * (7 - i) / 7 for i in range(7)], atol=1e-3)
