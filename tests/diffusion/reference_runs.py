"""diffusers' scheduler classes beside our samplers: what belongs to what, and whole runs of both.

A run is compared in the variance-preserving form, where values are near 1, at every step.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler
from diffusers.schedulers.scheduling_k_dpm_2_ancestral_discrete import (
    KDPM2AncestralDiscreteScheduler,
)
from diffusers.schedulers.scheduling_k_dpm_2_discrete import KDPM2DiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from diffusers.schedulers.scheduling_tcd import TCDScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from ldm.diffusion.denoiser import scale_input, to_x0
from ldm.diffusion.samplers import initial
from ldm.diffusion.schedule import NoiseSchedule

Model = Callable[[Tensor, Tensor], Tensor]

STABLE_DIFFUSION: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}
# Without it diffusers has neither LMSDiscreteScheduler nor beta sigmas.
SCIPY = find_spec("scipy") is not None


class MendedDPMSolver(DPMSolverMultistepScheduler):
    """diffusers' third SDE step with the sign of one constant put right.

    Its D2 is weighted (1 - e^-2h - 2h) / (2h)^2 - 1/2 where the integral gives + 1/2, as its own
    step for the ODE and every other program have it: - 1/2 leaves D2 a weight of -1 however small
    h becomes, and the method less than first order.
    """

    def multistep_dpm_solver_third_order_update(self, outputs: Any, **arguments: Any) -> Tensor:
        x = super().multistep_dpm_solver_third_order_update(outputs, **arguments)
        i = self.step_index
        t, s0, s1, s2 = (-self.sigmas[j].log() for j in (i + 1, i, i - 1, i - 2))
        first = (outputs[-1] - outputs[-2]) / (s0 - s1)
        second = (outputs[-2] - outputs[-3]) / (s1 - s2)
        alpha, _ = self._sigma_to_alpha_sigma_t(self.sigmas[i + 1])
        return x + alpha * (t - s0) ** 2 * (first - second) / (s0 - s2)


class QuickDPM2(KDPM2DiscreteScheduler):
    """Its constructor works out a thousand steps that nobody takes, a second each time."""

    sigmas = torch.zeros(1)

    def set_timesteps(self, count: int, device: Any = None, trained: int | None = None) -> None:
        if trained is None:
            super().set_timesteps(count)


class QuickDPM2Ancestral(KDPM2AncestralDiscreteScheduler):
    """Likewise."""

    sigmas = torch.zeros(1)

    def set_timesteps(self, count: int, device: Any = None, trained: int | None = None) -> None:
        if trained is None:
            super().set_timesteps(count)


@dataclass(frozen=True)
class Reference:
    """A scheduler class for a sampler.

    preserving: its x has the variance-preserving form. draws: its step takes a generator.
    begins: it is told where to begin; the others go by the timestep alone.
    """

    cls: Any
    preserving: bool
    draws: bool = False
    begins: bool = True
    settings: dict[str, Any] = field(default_factory=dict)


SDE = {"algorithm_type": "sde-dpmsolver++"}
REFERENCES: dict[str, Reference] = {
    "ddpm": Reference(DDPMScheduler, True, draws=True, begins=False),
    "ddim": Reference(DDIMScheduler, True, begins=False),
    "plms": Reference(PNDMScheduler, True, begins=False, settings={"skip_prk_steps": True}),
    "euler": Reference(EulerDiscreteScheduler, False),
    "euler_ancestral": Reference(EulerAncestralDiscreteScheduler, False, draws=True),
    "heun": Reference(HeunDiscreteScheduler, False),
    "dpm2": Reference(QuickDPM2, False),
    "dpm2_ancestral": Reference(QuickDPM2Ancestral, False, draws=True),
    "dpmpp_2m": Reference(DPMSolverMultistepScheduler, True),
    "dpmpp_2m_sde": Reference(DPMSolverMultistepScheduler, True, draws=True, settings=SDE),
    "dpmpp_3m_sde": Reference(
        MendedDPMSolver, True, draws=True, settings={**SDE, "solver_order": 3}
    ),
    "unipc": Reference(UniPCMultistepScheduler, True),
    "deis": Reference(DEISMultistepScheduler, True),
    "lcm": Reference(LCMScheduler, True, draws=True),
    "tcd": Reference(TCDScheduler, True, draws=True),
}
if SCIPY:
    from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteScheduler

    REFERENCES["lms"] = Reference(LMSDiscreteScheduler, False)


def reference(sampler: str, config: dict[str, Any]) -> Any:
    """diffusers' scheduler, given those settings of the config that its class has."""
    entry = REFERENCES[sampler]
    known = inspect.signature(entry.cls).parameters
    kept = {key: value for key, value in config.items() if key in known}
    return entry.cls(**kept, **entry.settings)


def preserved(x: Tensor, sigma: float) -> Tensor:
    return x / math.sqrt(1 + sigma**2)


def _sigma_after(sampler: str, scheduler: Any, i: int) -> float:
    """The level of x after the i-th evaluation, for the classes of the exploding form."""
    between = i % 2 == 0 and i + 1 < len(scheduler.timesteps)
    if sampler == "dpm2" and between:
        return scheduler.sigmas_interpol[i + 1].item()
    if sampler == "dpm2_ancestral" and between:
        return scheduler.sigmas_interpol[i].item()
    return scheduler.sigmas[i + 1].item()


def reference_run(
    sampler: str, scheduler: Any, noise: Tensor, model: Model, start: int = 0, seed: int = 0
) -> list[Tensor]:
    """Every x after the first, in the variance-preserving form; from step `start` on."""
    entry = REFERENCES[sampler]
    config = scheduler.config
    by_sigma = any(config.get(f"use_{name}_sigmas") for name in ("karras", "exponential", "beta"))
    extra = {"generator": torch.Generator().manual_seed(seed)} if entry.draws else {}
    first = start * scheduler.order
    if entry.begins:
        scheduler.set_begin_index(first)
    x = noise if entry.preserving else noise * (1 + scheduler.sigmas[first] ** 2) ** 0.5
    visited = []
    for i, t in enumerate(scheduler.timesteps[first:], start=first):
        told = t.float()
        if entry.preserving and by_sigma:
            # These classes alone round the timestep between two trained ones; ours never does.
            logs = torch.log((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod) / 2
            told = torch.tensor(scheduler._sigma_to_t(scheduler.sigmas[i].numpy(), logs.numpy()))
        output = model(scheduler.scale_model_input(x, t), told.expand(len(x)))
        x = scheduler.step(output, t, x, **extra).prev_sample
        if entry.preserving:
            visited.append(x)
        else:
            visited.append(preserved(x, _sigma_after(sampler, scheduler, i)))
    return visited


def our_run(
    run: Any,
    sampler: str,
    schedule: NoiseSchedule,
    sigmas: Tensor,
    noise: Tensor,
    model: Model,
    seed: int = 0,
) -> list[tuple[Tensor, float]]:
    """Every (x, sigma) that our sampler asks about, and its result with the last sigma."""

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, dtype=torch.float64)
        output = model(scale_input(x, levels), schedule.timestep(levels))
        return to_x0(output, x, levels, schedule.prediction_type)

    generator = torch.Generator().manual_seed(seed)
    return run(sampler, initial(noise, sigmas), sigmas, denoise, generator)


def assert_close(ours: list[tuple[Tensor, float]], theirs: list[Tensor], tolerance: float) -> None:
    """Within `tolerance` of the largest value, at every step."""
    assert len(ours) - 1 == len(theirs)
    for i, ((x, sigma), expected) in enumerate(zip(ours[1:], theirs, strict=True)):
        error = (preserved(x, sigma) - expected).abs().max() / expected.abs().max()
        assert error < tolerance, f"evaluation {i + 1} of {len(theirs)}, sigma {sigma:.4g}"
