"""The noise levels a model was trained at, and those a sampler visits.

Owns betas, timesteps and sigmas, where sigma = sqrt((1 - a) / a) for a = alphas_cumprod. Knows
nothing of models, nor of how a sampler moves from one level to the next.

All of it is computed in float64: it costs nothing, and float32 would lose four digits of
1 - a at the first timesteps.

Schedules other than uniform stand in `ldm.diffusion.ramps`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor

from ldm.diffusion.denoiser import PREDICTION_TYPES, PredictionType
from ldm.diffusion.ramps import RAMPS, SCHEDULES, AlignedTo, Span, exponential

Spacing = Literal["leading", "linspace", "trailing"]
FinalSigma = Literal["zero", "sigma_min"]
Interpolation = Literal["linear", "log_linear"]
End = Literal["alphas", "sigmas", "zero", "trained"]
MAX_STEPS = 1000
# Those that a scheduler_config.json names; of a preconditioned model only its family tells.
STATED_TYPES = tuple(kind for kind in PREDICTION_TYPES if kind != "preconditioned")
# Settings of scheduler_config.json that would change the levels or x0 in a way this engine does
# not have, and the only values with which they change nothing. (`clip_sample` is not among them:
# it bounds pixels to [-1, 1], and latents have no such bound.)
FIXED_SETTINGS: dict[str, object] = {
    "thresholding": False,
    "use_flow_sigmas": False,
    "timestep_type": "discrete",
    "sigma_min": None,
    "sigma_max": None,
}


# --- betas: the variance added by each trained timestep, (T,) ---


def linear_betas(start: float, end: float, count: int) -> Tensor:
    """Ho et al., 2006.11239, section 4."""
    return torch.linspace(start, end, count, dtype=torch.float64)


def scaled_linear_betas(start: float, end: float, count: int) -> Tensor:
    """Linear in sqrt(beta): Rombach et al., 2112.10752 (the released latent diffusion models)."""
    return torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2


def cosine_betas(start: float, end: float, count: int) -> Tensor:
    """Nichol & Dhariwal, 2102.09672, eq. 17; beta is at most 0.999. start and end have no part."""
    t = torch.arange(count + 1, dtype=torch.float64) / count
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


BETA_SCHEDULES: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": linear_betas,
    "scaled_linear": scaled_linear_betas,
    "squaredcos_cap_v2": cosine_betas,
}


def zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """Shift and scale sqrt(alphas_cumprod) so that the last timestep holds nothing but noise.

    Lin et al., 2305.08891, algorithm 1. Their last value is 0, an infinite sigma; 2^-24 (float16's
    smallest number, and what diffusers takes) stands in for it, so that sigma ends near 4096. A
    model cannot tell: of its input, 1 / 4096 is then signal.
    """
    root = alphas_cumprod.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    rescaled = root**2
    rescaled[-1] = 2.0**-24
    return rescaled


# --- levels: the sigmas of a run ---


@dataclass(frozen=True)
class Grid:
    """How a family of samplers places its n levels among the trained timesteps.

    The families' authors counted in different ways, diffusers follows each, and the pictures
    people know came about so. `Sampler.grid` says which a sampler belongs to.

    spacing: where the checkpoint does not name one.
    whole: only at timesteps the model was trained at, so linspace is rounded.
    intervals: n is the number of intervals between n + 1 timesteps, the last of which is dropped
        (trailing spacing excepted); schedules other than uniform then span all trained sigmas,
        otherwise those that the spacing reaches.
    end: the level a run ends at. alphas: as `NoiseSchedule.set_alpha_to_one` says; sigmas: as
        `NoiseSchedule.final_sigmas_type` says; zero; trained: the first trained sigma.
    distilled: only timesteps of `NoiseSchedule.original_inference_steps`, whatever the spacing.
    """

    spacing: Spacing
    whole: bool
    intervals: bool
    end: End
    distilled: bool = False


TRAINED = Grid("leading", whole=True, intervals=False, end="alphas")  # DDIM and its kin
CONTINUOUS = Grid("linspace", whole=False, intervals=False, end="sigmas")  # Karras et al.
INTERVALS = Grid("linspace", whole=True, intervals=True, end="sigmas")  # DPM-Solver and its kin
DISTILLED = Grid("trailing", whole=True, intervals=False, end="trained", distilled=True)  # LCM


def spaced_timesteps(
    trained: int, count: int, spacing: Spacing, steps_offset: int, grid: Grid
) -> np.ndarray:
    """`count` of the timesteps 0..trained - 1, descending, as (count,) float64.

    Lin et al., 2305.08891, table 2. steps_offset is added in leading spacing alone.
    """
    if spacing == "trailing":
        # Rounding lets arange run one further for some counts.
        return np.arange(trained, 0, -trained / count)[:count].round() - 1
    points = count + 1 if grid.intervals else count
    if spacing == "leading":
        ascending = np.arange(points) * float(trained // points) + steps_offset
    else:
        ascending = np.linspace(0, trained - 1, points)
        ascending = ascending.round() if grid.whole else ascending
    return ascending[::-1][:count].copy()


def distilled_timesteps(
    trained: int, original: int, count: int, strength: float = 1.0
) -> np.ndarray:
    """`count` of the `original` timesteps a few-step model was distilled at, as (count,) float64.

    Those are the last of `original` equal parts of the trained ones. Luo et al., 2310.04378, with
    the skipping of their section 4.3. Evenly chosen, from the last on; a run that starts from a
    picture chooses among the lowest int(original * strength), of which there must be `count`.
    """
    k, reached = trained // original, int(original * strength)
    descending = np.arange(reached, 0, -1) * k - 1.0
    return descending[np.linspace(0, reached, count, endpoint=False).astype(int)]


def truncated(sigmas: Tensor, strength: float) -> Tensor:
    """The last int(n * strength) steps of n: where a run that starts from a picture begins.

    sigmas: (n + 1,) -> (int(n * strength) + 1,). strength in 0..1, 1 keeps every step.
    ValueError if no step is left.
    """
    steps = len(sigmas) - 1
    kept = int(steps * strength) if 0 < strength <= 1 else 0
    if kept < 1:
        raise ValueError(
            f"strength: got {strength}, allowed: {1 / steps:.3g} to 1 at {steps} steps"
        )
    return sigmas[steps - kept :]


# --- reading scheduler_config.json ---


def _choice(config: Mapping[str, Any], key: str, default: Any, allowed: tuple[Any, ...]) -> Any:
    value = config.get(key, default)
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"{key}: got {value!r}, allowed: {names}")
    return value


def _number(config: Mapping[str, Any], key: str, default: float, low: float, high: float) -> float:
    value = config.get(key, default)
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{key}: got {value!r}, allowed: {low} to {high}")
    return value


def _whole(config: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    value = _number(config, key, default, low, high)
    if not isinstance(value, int):
        raise ValueError(f"{key}: got {value!r}, allowed: whole numbers from {low} to {high}")
    return value


def _betas(config: Mapping[str, Any]) -> Tensor:
    trained = config.get("trained_betas")
    if trained is not None:
        if not isinstance(trained, list) or not all(type(b) in (int, float) for b in trained):
            raise ValueError(f"trained_betas: got {trained!r:.80}, allowed: a list of numbers")
        return torch.tensor(trained, dtype=torch.float64)
    schedule = _choice(config, "beta_schedule", "linear", tuple(BETA_SCHEDULES))
    count = _whole(config, "num_train_timesteps", 1000, 2, 100_000)
    start = _number(config, "beta_start", 0.0001, 0, 1)
    end = _number(config, "beta_end", 0.02, 0, 1)
    return BETA_SCHEDULES[schedule](start, end, count)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """A model's trained noise levels and the way it wants them visited.

    alphas_cumprod: (T,) float64 within (0, 1), descending: the share of signal in the variance.
    timestep_spacing: None leaves it to the sampler's family.
    set_alpha_to_one: False ends DDIM at the first trained sigma, not at 0: x then carries that
        much noise, and `scale_input` by it gives the latents.
    final_sigmas_type: the same for the other families.
    original_inference_steps: of the teacher, where a few-step model was distilled.
    interpolation_type: log_linear makes the schedule "uniform" one of even steps of log sigma, from
        the last trained sigma to the first, where a run then ends.
    aligned_to: whose levels the schedule "ays" takes. No scheduler_config.json tells; whoever
        knows the model's family may `replace` it.
    """

    alphas_cumprod: Tensor
    prediction_type: PredictionType = "epsilon"
    timestep_spacing: Spacing | None = None
    steps_offset: int = 0
    set_alpha_to_one: bool = True
    final_sigmas_type: FinalSigma = "zero"
    original_inference_steps: int = 50
    interpolation_type: Interpolation = "linear"
    aligned_to: AlignedTo = "sd1"

    def __post_init__(self) -> None:
        a = self.alphas_cumprod
        if a.ndim != 1 or len(a) < 2 or a.dtype != torch.float64:
            raise ValueError(
                f"alphas_cumprod: got {a.dtype} of shape {tuple(a.shape)}, "
                "allowed: float64 of shape (T,), T at least 2"
            )
        if not (a[0] < 1 and a[-1] > 0 and bool((a.diff() < 0).all())):
            raise ValueError(
                f"alphas_cumprod: got {a[0].item():.6g} to {a[-1].item():.6g}, "
                "allowed: descending between 1 and 0, both excluded"
            )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From diffusers' scheduler_config.json; what it leaves out takes diffusers' default.

        ValueError names a setting this engine does not have, what came and what is allowed.
        """
        for key, only in FIXED_SETTINGS.items():
            _choice(config, key, only, (only,))
        alphas_cumprod = (1 - _betas(config)).cumprod(dim=0)
        if _choice(config, "rescale_betas_zero_snr", False, (False, True)):
            alphas_cumprod = zero_terminal_snr(alphas_cumprod)
        trained = len(alphas_cumprod)
        to_one = config.get("_class_name") != "PNDMScheduler"  # the one class with another default
        if config.get("prediction_type") == "original_sample":  # what "sample" was called first
            config = {**config, "prediction_type": "sample"}
        return cls(
            alphas_cumprod=alphas_cumprod,
            prediction_type=_choice(config, "prediction_type", "epsilon", STATED_TYPES),
            timestep_spacing=_choice(config, "timestep_spacing", None, (None, *get_args(Spacing))),
            steps_offset=_whole(config, "steps_offset", 0, 0, trained - 1),
            set_alpha_to_one=_choice(config, "set_alpha_to_one", to_one, (False, True)),
            final_sigmas_type=_choice(config, "final_sigmas_type", "zero", get_args(FinalSigma)),
            original_inference_steps=_whole(
                config, "original_inference_steps", min(50, trained), 1, trained
            ),
            interpolation_type=_choice(
                config, "interpolation_type", "linear", get_args(Interpolation)
            ),
        )

    @cached_property
    def trained_sigmas(self) -> Tensor:
        """(T,) float64, ascending: sigma of timestep 0, 1, ..."""
        return ((1 - self.alphas_cumprod) / self.alphas_cumprod).sqrt()

    def timestep(self, sigma: Tensor) -> Tensor:
        """What a model is told for each sigma: (B,) -> (B,) float32 on sigma's device.

        A preconditioned model a quarter of log sigma (Karras et al., 2206.00364, table 1), others
        the timestep. Between two trained levels by interpolation in log sigma; beyond the first or
        last, that one. To a thousandth of a timestep: a trained sigma gives its own timestep, to
        the bit, even when it comes in float32.
        """
        log_sigma, log_trained = sigma.cpu().double().log(), self.trained_sigmas.log()
        if self.prediction_type == "preconditioned":
            return (log_sigma / 4).float().to(sigma.device)
        timestep = np.interp(log_sigma, log_trained, np.arange(len(log_trained)))
        return torch.from_numpy(timestep).round(decimals=3).float().to(sigma.device)

    def guided_sigmas(self, guidance_start: float, guidance_end: float) -> tuple[float, float]:
        """The noise levels (lowest, highest) between which guidance acts.

        guidance_start, guidance_end: shares of the way from the last trained level to the first,
        in timesteps, so that they mean the same to every sampler. 0 takes in all that is noisier,
        1 all that is cleaner. Kynkäänniemi et al. 2024, 2404.07724, section 3.
        """
        log_trained = self.trained_sigmas.log()
        last = len(log_trained) - 1

        def level(share: float) -> float:
            return math.exp(np.interp((1 - share) * last, np.arange(last + 1), log_trained))

        lowest = 0.0 if guidance_end == 1 else level(guidance_end)
        return lowest, math.inf if guidance_start == 0 else level(guidance_start)

    def least_strength(self, num_inference_steps: int, grid: Grid) -> float:
        """The least share of its levels that a run of so many steps can start from a picture at."""
        if grid.distilled:
            return num_inference_steps / min(
                self.original_inference_steps, len(self.alphas_cumprod)
            )
        return 1 / num_inference_steps

    def _spaced_sigmas(self, count: int, spacing: Spacing, grid: Grid, strength: float) -> Tensor:
        trained = len(self.alphas_cumprod)
        if grid.distilled:
            most = min(self.original_inference_steps, trained)
            if int(most * strength) < count <= most:
                raise ValueError(
                    f"strength: got {strength}, allowed: "
                    f"{self.least_strength(count, grid):.3g} to 1 at {count} steps"
                )
            if count > most:
                raise ValueError(
                    f"num_inference_steps: got {count}, allowed: 1 to {most}, "
                    "the steps that few-step models were distilled from"
                )
            timesteps = distilled_timesteps(trained, most, count, strength)
        else:
            timesteps = spaced_timesteps(trained, count, spacing, self.steps_offset, grid)
        if timesteps[0] >= trained or (np.diff(timesteps) >= 0).any():
            raise ValueError(
                f"num_inference_steps: got {count}, allowed: fewer, {spacing} spacing does not "
                f"find {count} different ones among the {trained} trained timesteps"
            )
        return torch.from_numpy(np.interp(timesteps, np.arange(trained), self.trained_sigmas))

    def sigmas(
        self,
        num_inference_steps: int,
        schedule: str = "uniform",
        spacing: Spacing | None = None,
        grid: Grid = CONTINUOUS,
        strength: float = 1.0,
    ) -> Tensor:
        """The levels of a run: (num_inference_steps + 1,) float64, descending, on the CPU.

        The last is 0, or the first trained sigma where the checkpoint says so. schedule: a key of
        SCHEDULES. spacing: in place of the checkpoint's. grid: that of the sampler to be run.
        strength: where a run that starts from a picture begins. It leaves the last
        int(num_inference_steps * strength) levels; few-step models find all their steps in that
        share of the levels they were distilled at. ValueError: steps outside 1..1000, more than
        there are different timesteps for, or a strength that leaves none.
        """
        levels = self._levels(num_inference_steps, schedule, spacing, grid, strength)
        return levels if grid.distilled else truncated(levels, strength)

    def _levels(
        self, count: int, schedule: str, spacing: Spacing | None, grid: Grid, strength: float
    ) -> Tensor:
        if not isinstance(count, int) or not 1 <= count <= MAX_STEPS:
            raise ValueError(f"num_inference_steps: got {count!r}, allowed: 1 to {MAX_STEPS}")
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule: got {schedule!r}, allowed: {', '.join(SCHEDULES)}")
        spacing = spacing or self.timestep_spacing or grid.spacing
        if spacing not in get_args(Spacing):
            raise ValueError(f"spacing: got {spacing!r}, allowed: {', '.join(get_args(Spacing))}")

        if schedule == "uniform" and self.interpolation_type == "log_linear":
            low, high = self.trained_sigmas[0].item(), self.trained_sigmas[-1].item()
            return exponential(Span(high, low, self.trained_sigmas), count + 1)
        if schedule == "uniform":
            levels = self._spaced_sigmas(count, spacing, grid, strength)
        else:
            reached = self.trained_sigmas.flip(0)
            if not grid.intervals:
                reached = self._spaced_sigmas(count, spacing, grid, strength)
            first, last = reached[0].item(), reached[-1].item()
            levels = RAMPS[schedule](Span(first, last, self.trained_sigmas, self.aligned_to), count)

        to_zero = {
            "alphas": self.set_alpha_to_one,
            "sigmas": self.final_sigmas_type == "zero",
            "zero": True,
            "trained": False,
        }[grid.end]
        final = torch.zeros(1, dtype=torch.float64) if to_zero else self.trained_sigmas[:1]
        return torch.cat([levels, final])
