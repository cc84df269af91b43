"""Samplers against diffusers' scheduler classes, driven with the same stand-in for a model.

Tolerance of the runs: 2e-5 of the largest value, at every step, in the variance-preserving form
where values are near 1. Both sides do some hundred float32 operations (6e-8 each), and the
reference takes its sigmas from float32 betas, where 1 - beta is off by up to 3e-8 a timestep.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler
from torch import Tensor

from ldm.diffusion.denoiser import scale_input, to_x0
from ldm.diffusion.samplers import SAMPLERS, initial
from ldm.diffusion.schedule import NoiseSchedule, truncated

TOLERANCE = 2e-5
REFERENCES: dict[str, Any] = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler_ancestral": EulerAncestralDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}
VARIANCE_PRESERVING = ("ddim", "dpmpp_2m")  # the form of x in these two of the five classes
STABLE_DIFFUSION: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}
Model = Callable[[Tensor, Tensor], Tensor]
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def reference(sampler: str, config: dict[str, Any]) -> Any:
    """diffusers' scheduler, given those settings of the config that its class has."""
    cls = REFERENCES[sampler]
    known = inspect.signature(cls.__init__).parameters
    return cls(**{key: value for key, value in config.items() if key in known})


def preserved(x: Tensor, sigma: float) -> Tensor:
    return x / math.sqrt(1 + sigma**2)


def reference_run(
    sampler: str, scheduler: Any, noise: Tensor, model: Model, start: int = 0, seed: int = 0
) -> list[Tensor]:
    """Every x after the first, in the variance-preserving form; from step `start` on."""
    generator = torch.Generator().manual_seed(seed)
    first = start * scheduler.order
    preserving = sampler in VARIANCE_PRESERVING
    if not preserving or start:
        scheduler.set_begin_index(first)
    extra = {"generator": generator} if sampler == "euler_ancestral" else {}
    x = noise if preserving else noise * (1 + scheduler.sigmas[first] ** 2) ** 0.5
    visited = []
    for i, t in enumerate(scheduler.timesteps[first:], start=first):
        told = t.float()
        if sampler == "dpmpp_2m" and scheduler.config.use_karras_sigmas:
            # This class alone rounds the timestep between two trained ones; ours never does.
            logs = torch.log((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod) / 2
            told = torch.tensor(scheduler._sigma_to_t(scheduler.sigmas[i].numpy(), logs.numpy()))
        output = model(scheduler.scale_model_input(x, t), told.expand(len(x)))
        x = scheduler.step(output, t, x, **extra).prev_sample
        if preserving:
            visited.append(x)
        else:
            visited.append(preserved(x, scheduler.sigmas[i + 1].item()))
    return visited


def assert_close(ours: list[tuple[Tensor, float]], theirs: list[Tensor], tolerance: float) -> None:
    assert len(ours) - 1 == len(theirs)
    for i, ((x, sigma), expected) in enumerate(zip(ours[1:], theirs, strict=True)):
        error = (preserved(x, sigma) - expected).abs().max() / expected.abs().max()
        assert error < tolerance, f"step {i + 1} of {len(theirs)}, sigma {sigma:.4g}"


def our_run(
    run: Any,
    sampler: str,
    schedule: NoiseSchedule,
    sigmas: Tensor,
    noise: Tensor,
    model: Model,
    seed: int = 0,
) -> list[tuple[Tensor, float]]:
    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, dtype=torch.float64)
        output = model(scale_input(x, levels), schedule.timestep(levels))
        return to_x0(output, x, levels, schedule.prediction_type)

    generator = torch.Generator().manual_seed(seed)
    return run(sampler, initial(noise, sigmas), sigmas, denoise, generator)


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(7))


CASES = [
    (sampler, spacing)
    for sampler in REFERENCES
    for spacing in ("leading", "linspace", "trailing", None)
    # This class takes its next timestep to be t - 1000 // n, which linspace does not give. That
    # case is held to the paper's equation instead, below.
    if (sampler, spacing) != ("ddim", "linspace")
]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("sampler", "spacing"), CASES)
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
@pytest.mark.parametrize("sampler", list(REFERENCES))
def test_runs_on_other_betas_equal_the_reference(
    sampler: str, betas: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    # v and leading: the cosine schedule ends near sigma 20,000, where epsilon says nothing about
    # x0, and where Euler's form in the reference loses digits (see zero terminal SNR below).
    config = {
        **STABLE_DIFFUSION,
        "beta_schedule": betas,
        "prediction_type": "v_prediction",
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


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m"])
def test_karras_runs_equal_the_reference(
    sampler: str, spacing: str, run: Any, fake_model: Model, noise: Tensor
) -> None:
    config = {**STABLE_DIFFUSION, "timestep_spacing": spacing, "use_karras_sigmas": True}
    scheduler = reference(sampler, config)
    schedule = NoiseSchedule.from_config(config)
    for steps in (1, 10, 25):
        scheduler.set_timesteps(steps)
        sigmas = schedule.sigmas(steps, "karras", grid=SAMPLERS[sampler].grid)
        assert_close(
            our_run(run, sampler, schedule, sigmas, noise, fake_model),
            reference_run(sampler, scheduler, noise, fake_model),
            TOLERANCE,
        )


@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
@pytest.mark.parametrize("sampler", list(REFERENCES))
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
    if sampler == "ddim":  # has no begin index: it goes by the timestep alone
        scheduler.timesteps, start = scheduler.timesteps[start:], 0
    assert_close(
        our_run(run, sampler, schedule, sigmas, noise, fake_model),
        reference_run(sampler, scheduler, noise, fake_model, start),
        TOLERANCE,
    )


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("sampler", ["ddim", "euler", "euler_ancestral", "dpmpp_2m"])
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
    if sampler == "ddim":
        # This class stays at 0 where the three others put 2^-24; the difference is 2^-12 of x.
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
@pytest.mark.parametrize("name", ["uniform", "karras"])
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
    assert len(visited) - 1 == 6 * per_step - (per_step - 1)  # the step to 0 takes one


def test_only_the_ancestral_sampler_draws_noise_and_from_the_generator_given(
    run: Any, noise: Tensor
) -> None:
    sigmas = NoiseSchedule.from_config(STABLE_DIFFUSION).sigmas(6)

    def final(sampler: str, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return run(sampler, noise, sigmas, lambda x, sigma: x / (1 + sigma**2), generator)[-1][0]

    before = torch.get_rng_state()
    for sampler in SAMPLERS:
        assert torch.equal(final(sampler, 1), final(sampler, 1))
        assert torch.equal(final(sampler, 1), final(sampler, 2)) == (sampler != "euler_ancestral")
    assert torch.equal(torch.get_rng_state(), before)
