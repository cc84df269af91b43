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

A sigma that is asked about within a step lies between the step's two levels or is the next one, so
that a run's progress shows in it.

A step starts from x0 and adds what noise remains, x0 + sigma_next * d, where the papers write
x + (sigma_next - sigma) * d. The two are equal, but from the sigma of 4096 where a
zero-terminal-SNR schedule starts, the papers' form would subtract float32 numbers of some 10,000
to find an x0 near 1, and keep three of its seven digits.

To add one: write the function in the module of its kind, and its line in SAMPLERS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from ldm.diffusion.samplers.few_step import lcm, tcd
from ldm.diffusion.samplers.multistep import deis, dpmpp_2m, lms, plms, unipc
from ldm.diffusion.samplers.ode import ddim, dpm2, euler, heun
from ldm.diffusion.samplers.steps import NO_SIGNAL, Noise, Steps, initial
from ldm.diffusion.samplers.stochastic import (
    ddpm,
    dpm2_ancestral,
    dpmpp_2m_sde,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    euler_ancestral,
)
from ldm.diffusion.schedule import CONTINUOUS, DISTILLED, INTERVALS, TRAINED, Grid


@dataclass(frozen=True)
class Sampler:
    """A sampler, its name for people, what a step costs, and the levels it is meant for."""

    function: Callable[[Tensor, Tensor, Noise], Steps]
    title: str
    evaluations_per_step: int
    grid: Grid


SAMPLERS: dict[str, Sampler] = {
    "ddpm": Sampler(ddpm, "DDPM", 1, replace(TRAINED, end="zero")),
    "ddim": Sampler(ddim, "DDIM", 1, TRAINED),
    "plms": Sampler(plms, "PLMS", 1, TRAINED),  # and one in all
    "euler": Sampler(euler, "Euler", 1, CONTINUOUS),
    "euler_ancestral": Sampler(euler_ancestral, "Euler a", 1, CONTINUOUS),
    "heun": Sampler(heun, "Heun", 2, CONTINUOUS),
    "lms": Sampler(lms, "LMS", 1, CONTINUOUS),
    "dpm2": Sampler(dpm2, "DPM2", 2, CONTINUOUS),
    "dpm2_ancestral": Sampler(dpm2_ancestral, "DPM2 a", 2, CONTINUOUS),
    "dpmpp_2s_ancestral": Sampler(dpmpp_2s_ancestral, "DPM++ 2S a", 2, CONTINUOUS),
    "dpmpp_2m": Sampler(dpmpp_2m, "DPM++ 2M", 1, INTERVALS),
    "dpmpp_2m_sde": Sampler(dpmpp_2m_sde, "DPM++ 2M SDE", 1, INTERVALS),
    "dpmpp_3m_sde": Sampler(dpmpp_3m_sde, "DPM++ 3M SDE", 1, INTERVALS),
    "unipc": Sampler(unipc, "UniPC", 1, INTERVALS),
    "deis": Sampler(deis, "DEIS", 1, replace(INTERVALS, end="trained")),
    "lcm": Sampler(lcm, "LCM", 1, replace(DISTILLED, end="zero")),
    "tcd": Sampler(tcd, "TCD", 1, DISTILLED),
}

__all__ = ["NO_SIGNAL", "SAMPLERS", "Noise", "Sampler", "Steps", "initial"]
