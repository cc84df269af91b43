"""Samplers against diffusers' scheduler classes, driven with the same stand-in for a model.

Tolerance of the runs: 2e-5 of the largest value, at every step, in the variance-preserving form
where values are near 1. Both sides do some hundred float32 operations (6e-8 each), and the
reference takes its sigmas from float32 betas, where 1 - beta is off by up to 3e-8 a timestep.
"""

import inspect
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from ldm.diffusion.ramps import SCHEDULES
from ldm.diffusion.samplers import SAMPLERS
from ldm.diffusion.schedule import NoiseSchedule, truncated
from tests.diffusion.reference_runs import (
    REFERENCES,
    SCIPY,
    STABLE_DIFFUSION,
    Model,
    assert_close,
    our_run,
    preserved,
    reference,
    reference_run,
)

TOLERANCE = 2e-5
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(7))


# Those with no class, and where they are tested instead.
WITHOUT_REFERENCE = {
    "dpmpp_2s_ancestral": "step by step in test_sampler_steps.py",
    **(
        {} if SCIPY else {"lms": "by its integrals in test_sampler_steps.py; the class needs scipy"}
    ),
}


def test_every_sampler_has_a_reference() -> None:
    assert REFERENCES.keys() | WITHOUT_REFERENCE.keys() == SAMPLERS.keys()
    assert not REFERENCES.keys() & WITHOUT_REFERENCE.keys()


# DDIM's and PNDM's classes take their next timestep to be t - 1000 // n, which linspace does not
# give. For DDIM that case is held to the paper's equation instead, below.
CASES = [
    (sampler, spacing, prediction)
    for sampler in REFERENCES
    for spacing in ("leading", "linspace", "trailing", None)
    for prediction in ("epsilon", "v_prediction")
    if (sampler, spacing) not in (("ddim", "linspace"), ("plms", "linspace"))
    # PNDM's class combines a v model's outputs of several timesteps as they are; the paper, and
    # ours, what they say of epsilon.
    if (sampler, prediction) != ("plms", "v_prediction")
]


@pytest.mark.parametrize(("sampler", "spacing", "prediction"), CASES)
def test_runs_equal_the_reference(
    sampler: str, spacing: str | None, prediction: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    config = {**STABLE_DIFFUSION, "prediction_type": prediction}
    if spacing:  # None: what each class does where the checkpoint is silent
        config["timestep_spacing"] = spacing
    scheduler = reference(sampler, config)
    schedule = NoiseSchedule.from_config(config)
    for steps in (1, 8, 20):
        scheduler.set_timesteps(steps)
        sigmas = schedule.sigmas(steps, grid=SAMPLERS[sampler].grid)
        assert_close(
            our_run(run, sampler, schedule, sigmas, noise, fake_model),
            reference_run(sampler, scheduler, noise, fake_model),
            TOLERANCE,
        )


@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
# TCD counts in Stable Diffusion's timesteps whatever the betas, see there.
@pytest.mark.parametrize("sampler", [name for name in REFERENCES if name != "tcd"])
def test_runs_on_other_betas_equal_the_reference(
    sampler: str, betas: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    # v and leading: the cosine schedule ends near sigma 20,000, where epsilon says nothing about
    # x0, and where Euler's form in the reference loses digits (see zero terminal SNR below).
    config = {
        **STABLE_DIFFUSION,
        "beta_schedule": betas,
        "prediction_type": "epsilon" if sampler == "plms" else "v_prediction",
        "timestep_spacing": "leading",
    }
    scheduler = reference(sampler, config)
    scheduler.set_timesteps(10)
    schedule = NoiseSchedule.from_config(config)
    sigmas = schedule.sigmas(10, grid=SAMPLERS[sampler].grid)
    assert_close(
        our_run(run, sampler, schedule, sigmas, noise, fake_model),
        reference_run(sampler, scheduler, noise, fake_model),
        TOLERANCE,
    )


SCHEDULED = [
    (sampler, name)
    for sampler in REFERENCES
    for name in ("karras", "exponential", *(("beta",) if SCIPY else ()))
    if f"use_{name}_sigmas" in inspect.signature(REFERENCES[sampler].cls).parameters
    # These round the timesteps of Karras's levels, and of those alone.
    if name != "karras" or sampler not in ("dpm2", "dpm2_ancestral")
]


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize(("sampler", "name"), SCHEDULED)
def test_runs_on_other_schedules_equal_the_reference(
    sampler: str, name: str, spacing: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    config = {**STABLE_DIFFUSION, "timestep_spacing": spacing, f"use_{name}_sigmas": True}
    scheduler = reference(sampler, config)
    schedule = NoiseSchedule.from_config(config)
    # In one step the class of DEIS goes nowhere: its last level is a copy of the only one.
    for steps in (2 if sampler == "deis" else 1, 10, 25):
        scheduler.set_timesteps(steps)
        sigmas = schedule.sigmas(steps, name, grid=SAMPLERS[sampler].grid)
        assert_close(
            our_run(run, sampler, schedule, sigmas, noise, fake_model),
            reference_run(sampler, scheduler, noise, fake_model),
            TOLERANCE,
        )


STARTS = [
    (sampler, strength)
    for sampler in REFERENCES
    for strength in (0.3, 0.75, 1.0)
    # PNDM's class counts evaluations from the run's first, and that of LMS takes weights for a
    # history it has not: neither can begin later.
    if sampler not in ("plms", "lms")
    # Six steps of twenty. To a sampler that is a run of six, which ends in lower orders; the
    # classes go by the twenty.
    if (sampler, strength) not in (("dpmpp_3m_sde", 0.3), ("deis", 0.3))
]


@pytest.mark.parametrize(("sampler", "strength"), STARTS)
def test_runs_from_a_picture_equal_the_reference(
    sampler: str, strength: float, run: Any, fake_model: Model, noise: Tensor
) -> None:
    """A run of the last steps only: no sampler counts on having seen the first."""
    config = {**STABLE_DIFFUSION, "timestep_spacing": "leading"}
    scheduler = reference(sampler, config)
    scheduler.set_timesteps(20)
    schedule = NoiseSchedule.from_config(config)
    sigmas = truncated(schedule.sigmas(20, grid=SAMPLERS[sampler].grid), strength)
    start = 20 - int(20 * strength)
    if not REFERENCES[sampler].begins:
        scheduler.timesteps, start = scheduler.timesteps[start:], 0
    assert_close(
        our_run(run, sampler, schedule, sigmas, noise, fake_model),
        reference_run(sampler, scheduler, noise, fake_model, start),
        TOLERANCE,
    )


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize(
    "sampler",
    [
        "ddpm",
        "ddim",
        "euler",
        "euler_ancestral",
        "dpmpp_2m",
        "dpmpp_2m_sde",
        "dpmpp_3m_sde",
        "unipc",
        "lcm",
    ],
)
def test_zero_terminal_snr_runs_equal_the_reference(
    sampler: str, steps: int, run: Any, fake_model: Model, noise: Tensor
) -> None:
    config = {
        **STABLE_DIFFUSION,
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
        "prediction_type": "v_prediction",
    }
    scheduler = reference(sampler, config)
    if sampler in ("ddpm", "ddim", "lcm"):
        # These stay at 0 where the other classes put 2^-24; the difference is 2^-12 of x.
        scheduler.alphas_cumprod[-1] = 2**-24
    schedule = NoiseSchedule.from_config(config)
    scheduler.set_timesteps(steps)
    sigmas = schedule.sigmas(steps, grid=SAMPLERS[sampler].grid)
    assert sigmas[0] == pytest.approx(4096, rel=1e-6)
    tolerance = TOLERANCE
    if sampler in ("euler", "euler_ancestral"):
        # The reference subtracts float32 numbers below 16384 = 4 * 4096 in its first step, 0.001
        # apart, to get to the size of the next sigma, or of x0. Ours does not, as
        # test_float32_is_enough_from_zero_terminal_snr shows.
        tolerance += 2e-3 / max(sigmas[1].item(), 1)
    assert_close(
        our_run(run, sampler, schedule, sigmas, noise, fake_model),
        reference_run(sampler, scheduler, noise, fake_model),
        tolerance,
    )


@pytest.mark.parametrize("steps", [10, 20])
def test_dpmpp_2m_ending_above_zero_equals_the_reference(
    steps: int, run: Any, fake_model: Model, noise: Tensor
) -> None:
    """The one case where the number of steps decides on the order of the last."""
    config = {**STABLE_DIFFUSION, "final_sigmas_type": "sigma_min"}
    scheduler = reference("dpmpp_2m", config)
    scheduler.set_timesteps(steps)
    schedule = NoiseSchedule.from_config(config)
    sigmas = schedule.sigmas(steps, grid=SAMPLERS["dpmpp_2m"].grid)
    assert sigmas[-1] == schedule.trained_sigmas[0]
    assert_close(
        our_run(run, "dpmpp_2m", schedule, sigmas, noise, fake_model),
        reference_run("dpmpp_2m", scheduler, noise, fake_model),
        TOLERANCE,
    )


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
@pytest.mark.parametrize("to_one", [True, False])
def test_ddim_equals_equation_12_of_its_paper(
    spacing: str, to_one: bool, run: Any, fake_model: Model, noise: Tensor
) -> None:
    """Song et al., 2010.02502, with sigma_t = 0, in float64, along diffusers' timesteps."""
    config = {**STABLE_DIFFUSION, "timestep_spacing": spacing, "set_alpha_to_one": to_one}
    scheduler = reference("ddim", config)
    scheduler.set_timesteps(13)
    timesteps = scheduler.timesteps.tolist()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, dim=0)
    last = 1.0 if to_one else alphas[0].item()

    x, expected = noise.double(), []
    for t, a in zip(timesteps, [*alphas[timesteps[1:]].tolist(), last], strict=True):
        epsilon = fake_model(x, torch.full((2,), t))
        x0 = (x - (1 - alphas[t]) ** 0.5 * epsilon) / alphas[t] ** 0.5
        x = a**0.5 * x0 + (1 - a) ** 0.5 * epsilon
        expected.append(x.float())

    schedule = NoiseSchedule.from_config(config)
    sigmas = schedule.sigmas(13, grid=SAMPLERS["ddim"].grid)
    # 1e-5: float32 in the model and in x, exact levels on both sides.
    assert_close(our_run(run, "ddim", schedule, sigmas, noise, fake_model), expected, 1e-5)


@pytest.mark.parametrize("steps", [1, 5, 20])
@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_float32_is_enough_from_zero_terminal_snr(
    sampler: str, name: str, steps: int, run: Any, fake_model: Model, noise: Tensor
) -> None:
    """From sigma 4096, every step in float32 against the same run in float64.

    Tolerance 1e-5, a hundred roundings of float32: the stand-in model passes on what it is given
    and each step adds its own. x + (sigma_next - sigma) * d, as the papers write it, is off by
    more than ten times that (last lines).
    """
    config = {
        **STABLE_DIFFUSION,
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
        "prediction_type": "v_prediction",
    }
    schedule = NoiseSchedule.from_config(config)
    sigmas = schedule.sigmas(steps, name, grid=SAMPLERS[sampler].grid)
    single = our_run(run, sampler, schedule, sigmas, noise, fake_model)
    double = our_run(run, sampler, schedule, sigmas, noise.double(), fake_model)
    assert single[-1][0].dtype == torch.float32
    assert_close(single, [preserved(x, sigma) for x, sigma in double[1:]], 1e-5)

    if sampler == "euler" and steps == 1:
        x, (x0, _) = single[0][0], double[1]
        as_written = x + (x - x0.float()) / sigmas[0].item() * (0 - sigmas[0].item())
        assert (as_written - x0).abs().max() / x0.abs().max() > 1e-4


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_evaluations_per_step(sampler: str, run: Any) -> None:
    sigmas = NoiseSchedule.from_config(STABLE_DIFFUSION).sigmas(6)
    visited = run(sampler, torch.zeros(1), sigmas, lambda x, sigma: x, torch.Generator())
    per_step = SAMPLERS[sampler].evaluations_per_step
    expected = 6 * per_step - (per_step - 1)  # the step to 0 takes one
    if sampler == "plms":
        expected += 1  # its first step takes two
    assert len(visited) - 1 == expected


@pytest.mark.parametrize("name", ["uniform", "karras"])
@pytest.mark.parametrize("snr", [False, True])
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_progress_shows_in_the_sigmas_asked_about(
    sampler: str, snr: bool, name: str, run: Any
) -> None:
    """Within a step they lie between its levels or are the next: the levels strictly above are
    the steps done, one more at a time.
    """
    schedule = NoiseSchedule.from_config({**STABLE_DIFFUSION, "rescale_betas_zero_snr": snr})
    sigmas = schedule.sigmas(9, name, spacing="trailing", grid=SAMPLERS[sampler].grid)
    visited = run(sampler, torch.zeros(1), sigmas, lambda x, sigma: x / 2, torch.Generator())
    done = [int((sigmas[:-1] > sigma).sum()) for _, sigma in visited[:-1]]
    assert done[0] == 0 and done[-1] == 8
    assert {later - earlier for earlier, later in pairwise(done)} <= {0, 1}


DRAWING = {name for name, entry in REFERENCES.items() if entry.draws} | {"dpmpp_2s_ancestral"}


def test_noise_is_drawn_where_it_should_and_from_the_generator_given(
    run: Any, noise: Tensor
) -> None:
    sigmas = NoiseSchedule.from_config(STABLE_DIFFUSION).sigmas(6)

    def final(sampler: str, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return run(sampler, noise, sigmas, lambda x, sigma: x / (1 + sigma**2), generator)[-1][0]

    before = torch.get_rng_state()
    for sampler in SAMPLERS:
        assert torch.equal(final(sampler, 1), final(sampler, 1))
        assert torch.equal(final(sampler, 1), final(sampler, 2)) == (sampler not in DRAWING)
    assert torch.equal(torch.get_rng_state(), before)
