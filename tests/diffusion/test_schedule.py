"""Betas against the papers' formulas; timesteps and sigmas against diffusers' scheduler classes."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler

from ldm.diffusion.samplers import SAMPLERS
from ldm.diffusion.schedule import NoiseSchedule, Spacing, truncated

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STABLE_DIFFUSION: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
}
SPACINGS: list[Spacing] = ["leading", "linspace", "trailing"]
CLASSES = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}


def schedule_of(**settings: Any) -> NoiseSchedule:
    return NoiseSchedule.from_config({**STABLE_DIFFUSION, **settings})


# --- betas ---


def test_linear_betas() -> None:
    """Ho et al.: from 1e-4 to 0.02 in T = 1000; diffusers' default where a config is silent."""
    survived, expected = 1.0, []
    for t in range(1000):
        survived *= 1 - (1e-4 + (0.02 - 1e-4) * t / 999)
        expected.append(survived)
    # 1e-12: a thousand float64 products.
    np.testing.assert_allclose(NoiseSchedule.from_config({}).alphas_cumprod, expected, rtol=1e-12)


def test_scaled_linear_betas_have_stable_diffusions_sigmas() -> None:
    """The range every Stable Diffusion tool lists: 0.0292 to 14.6146."""
    sigmas = schedule_of().trained_sigmas
    assert len(sigmas) == 1000
    assert sigmas[0].item() == pytest.approx(0.0292, abs=5e-5)
    assert sigmas[-1].item() == pytest.approx(14.6146, abs=5e-5)


def test_cosine_betas() -> None:
    """Nichol & Dhariwal, eq. 17: alphas_cumprod is f(t) / f(0) until a beta would pass 0.999."""

    def f(t: float) -> float:
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    found = schedule_of(beta_schedule="squaredcos_cap_v2").alphas_cumprod.tolist()
    expected = [f(t) / f(0) for t in range(1, 1000)]
    np.testing.assert_allclose(found[:999], expected, rtol=1e-9)
    assert found[999] == pytest.approx(found[998] * 0.001, rel=1e-9)


def test_trained_betas() -> None:
    schedule = NoiseSchedule.from_config({"trained_betas": [0.1, 0.2, 0.5]})
    np.testing.assert_allclose(schedule.alphas_cumprod, [0.9, 0.72, 0.36], rtol=1e-15)


def test_zero_terminal_snr() -> None:
    """Lin et al., algorithm 1: sqrt(alphas_cumprod) keeps its first value and shifts to 0."""
    before = schedule_of().alphas_cumprod.sqrt().tolist()
    after = schedule_of(rescale_betas_zero_snr=True).alphas_cumprod
    first, last = before[0], before[-1]
    expected = [((a - last) * first / (first - last)) ** 2 for a in before]
    np.testing.assert_allclose(after[:-1], expected[:-1], rtol=1e-12)
    assert after[-1].item() == 2**-24
    assert schedule_of(rescale_betas_zero_snr=True).trained_sigmas[-1].item() == pytest.approx(4096)


# --- levels ---


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", list(CLASSES))
def test_timesteps_equal_the_reference(sampler: str, spacing: Spacing, offset: int) -> None:
    """1 to 1000 steps: the same timesteps, or a refusal where the reference's are no run."""
    scheduler = CLASSES[sampler](**STABLE_DIFFUSION, timestep_spacing=spacing, steps_offset=offset)
    schedule = schedule_of(timestep_spacing=spacing, steps_offset=offset)
    grid, refused = SAMPLERS[sampler].grid, []
    for steps in [*range(1, 151), *range(151, 998, 11), 998, 999, 1000]:
        scheduler.set_timesteps(steps)
        expected = scheduler.timesteps.float()
        if spacing == "trailing":
            # Rounding gives the reference one more timestep, -1, for some numbers of steps.
            expected = expected[:steps]
        if expected[0] > 999 or (expected.diff() >= 0).any():
            refused.append(steps)
            with pytest.raises(ValueError, match=f"num_inference_steps: got {steps}, allowed:"):
                schedule.sigmas(steps, grid=grid)
            continue
        sigmas = schedule.sigmas(steps, grid=grid)
        assert len(sigmas) == steps + 1
        found = schedule.timestep(sigmas[:-1])
        # Between two timesteps sigma is interpolated, by the reference too, and `timestep` goes
        # back in log sigma: equal on the grid, some thousandths off between.
        whole = expected == expected.round()
        assert torch.equal(found[whole], expected[whole])
        assert ((found - expected).abs() < 0.04).all()
    # Room for n timesteps, for one more where intervals are counted, and for the offset.
    needed = (sampler == "dpmpp_2m" and spacing != "trailing") + (spacing == "leading" and offset)
    assert refused == [998, 999, 1000][3 - needed :]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("snr", [False, True])
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_sigmas_equal_the_reference(sampler: str, snr: bool, spacing: Spacing) -> None:
    settings = {"rescale_betas_zero_snr": snr, "timestep_spacing": spacing, "steps_offset": 1}
    scheduler = CLASSES[sampler](**STABLE_DIFFUSION, **settings)
    schedule = schedule_of(**settings)
    for steps in (1, 2, 7, 20, 50, 150):
        scheduler.set_timesteps(steps)
        found = schedule.sigmas(steps, grid=SAMPLERS[sampler].grid)
        assert found.dtype == torch.float64
        assert (found.diff() < 0).all()
        # 5e-4: near the terminal level the reference rescales in float32, and takes the
        # difference of two roots known to 6e-8 when they are 1e-4 apart.
        np.testing.assert_allclose(found, scheduler.sigmas, rtol=5e-4 if snr else 2e-5)


@pytest.mark.parametrize("settings", [{}, {"original_inference_steps": 100}])
@pytest.mark.parametrize("sampler", ["lcm", "tcd"])
def test_distilled_timesteps_equal_the_reference(sampler: str, settings: dict[str, Any]) -> None:
    """Whatever the spacing; and no more steps than the model was distilled from."""
    scheduler = LCMScheduler(**STABLE_DIFFUSION, **settings)
    most = settings.get("original_inference_steps", 50)
    for spacing in SPACINGS:
        schedule = schedule_of(**settings, timestep_spacing=spacing)
        for steps in range(1, most + 1):
            scheduler.set_timesteps(steps)
            sigmas = schedule.sigmas(steps, grid=SAMPLERS[sampler].grid)
            assert torch.equal(schedule.timestep(sigmas[:-1]), scheduler.timesteps.float())
        with pytest.raises(ValueError, match=f"num_inference_steps: got .*, allowed: 1 to {most}"):
            schedule.sigmas(most + 1, grid=SAMPLERS[sampler].grid)


@pytest.mark.parametrize("strength", [0.09, 0.3, 0.58, 0.75, 1.0])
def test_distilled_timesteps_from_a_picture_equal_the_reference(strength: float) -> None:
    """As many steps as asked for, however low they start."""
    scheduler, schedule = LCMScheduler(**STABLE_DIFFUSION), schedule_of()
    grid = SAMPLERS["lcm"].grid
    for steps in range(1, int(50 * strength) + 1):
        scheduler.set_timesteps(steps, strength=strength)
        sigmas = schedule.sigmas(steps, grid=grid, strength=strength)
        assert torch.equal(schedule.timestep(sigmas[:-1]), scheduler.timesteps.float())
    assert schedule.least_strength(steps, grid) == steps / 50
    if strength < 1:
        with pytest.raises(ValueError, match=r"strength: got .*, allowed: .* to 1 at"):
            schedule.sigmas(steps + 1, grid=grid, strength=strength)


def test_the_last_level() -> None:
    """set_alpha_to_one speaks to DDIM and PNDM, final_sigmas_type to most others, and DDPM, DEIS,
    LCM and TCD are as their classes in diffusers are.
    """
    first = schedule_of().trained_sigmas[0].item()

    def last(sampler: str, **settings: Any) -> float:
        return schedule_of(**settings).sigmas(10, grid=SAMPLERS[sampler].grid)[-1].item()

    assert last("ddim") == last("euler") == last("plms") == 0
    assert last("ddim", set_alpha_to_one=False) == last("plms", set_alpha_to_one=False) == first
    assert last("plms", _class_name="PNDMScheduler") == first
    assert last("euler", set_alpha_to_one=False) == 0
    assert last("ddim", final_sigmas_type="sigma_min") == 0
    assert last("dpmpp_2m", final_sigmas_type="sigma_min") == first
    for settings in ({}, {"set_alpha_to_one": False, "final_sigmas_type": "sigma_min"}):
        assert last("ddpm", **settings) == last("lcm", **settings) == 0
        assert last("deis", **settings) == last("tcd", **settings) == first


def test_spacing_comes_from_the_call_then_the_checkpoint_then_the_sampler() -> None:
    def first_timestep(schedule: NoiseSchedule, spacing: Spacing | None, sampler: str) -> float:
        sigmas = schedule.sigmas(10, spacing=spacing, grid=SAMPLERS[sampler].grid)
        return schedule.timestep(sigmas[:1]).item()

    silent, leading = schedule_of(), schedule_of(timestep_spacing="leading")
    assert first_timestep(silent, None, "ddim") == 900
    assert first_timestep(silent, None, "euler") == 999
    assert first_timestep(leading, None, "euler") == 900
    assert first_timestep(leading, "trailing", "euler") == 999


# --- timestep(sigma) ---


@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("snr", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_timestep_is_exact_on_the_grid(betas: str, snr: bool, dtype: torch.dtype) -> None:
    schedule = schedule_of(beta_schedule=betas, rescale_betas_zero_snr=snr)
    found = schedule.timestep(schedule.trained_sigmas.to(dtype))
    assert torch.equal(found, torch.arange(1000, dtype=torch.float32))


def test_timestep_between_levels_and_beyond() -> None:
    schedule = schedule_of()
    s = schedule.trained_sigmas
    between = torch.stack([s[400] ** 0.75 * s[401] ** 0.25, s[0] / 2, s[-1] * 2, s[0] * 0])
    found = schedule.timestep(between)
    torch.testing.assert_close(found, torch.tensor([400.25, 0, 999, 0]), rtol=0, atol=1e-3)


# --- image to image ---


@pytest.mark.parametrize("steps", [1, 20, 50])
def test_truncated_keeps_the_steps_the_reference_pipeline_keeps(steps: int) -> None:
    sigmas = schedule_of().sigmas(steps)
    for strength in np.linspace(0.01, 1, 100).tolist():
        kept = min(int(steps * strength), steps)
        if kept == 0:
            with pytest.raises(ValueError, match="strength: got"):
                truncated(sigmas, strength)
        else:
            assert torch.equal(truncated(sigmas, strength), sigmas[-kept - 1 :])
            assert torch.equal(schedule_of().sigmas(steps, strength=strength), sigmas[-kept - 1 :])


@pytest.mark.parametrize("strength", [0.0, -0.5, 1.5, math.nan, math.inf])
def test_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"strength: got .*, allowed: 0\.05 to 1 at 20 steps"):
        truncated(schedule_of().sigmas(20), strength)


# --- the x2 latent upscaler's ---


def test_log_linear_levels_equal_diffusers() -> None:
    """Of diffusers' n + 2 numbers its pipeline uses n + 1, and ends at the first trained sigma."""
    scheduler = EulerDiscreteScheduler(**STABLE_DIFFUSION, interpolation_type="log_linear")
    scheduler.set_timesteps(20)
    levels = schedule_of(interpolation_type="log_linear").sigmas(20)
    assert len(levels) == 21
    # 1e-4: of 1 - a, 0.00085 at the first timestep, diffusers' float32 keeps four digits.
    np.testing.assert_allclose(levels, scheduler.sigmas[:21].numpy(), rtol=1e-4)


def test_a_preconditioned_model_is_told_a_quarter_of_log_sigma() -> None:
    """Karras et al., table 1: c_noise."""
    schedule = replace(schedule_of(), prediction_type="preconditioned")
    told = schedule.timestep(torch.tensor([14.6, 1.0, 0.03]))
    assert told.tolist() == pytest.approx([math.log(s) / 4 for s in (14.6, 1.0, 0.03)], abs=1e-6)


def test_the_first_name_of_a_prediction_type_is_read() -> None:
    assert schedule_of(prediction_type="original_sample").prediction_type == "sample"


# --- reading and refusing ---


@pytest.mark.parametrize("steps", [0, -1, 1001, 20.0, "20", None])
def test_steps_out_of_range_are_refused(steps: Any) -> None:
    with pytest.raises(ValueError, match=r"num_inference_steps: got .*, allowed: 1 to 1000"):
        schedule_of().sigmas(steps)


def test_more_steps_than_timesteps_are_refused() -> None:
    schedule = schedule_of(num_train_timesteps=50)
    for spacing in SPACINGS:
        assert len(schedule.sigmas(50, spacing=spacing)) == 51
    for spacing in ("leading", "trailing"):
        with pytest.raises(ValueError, match="num_inference_steps: got 60, allowed: fewer"):
            schedule.sigmas(60, spacing=spacing)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="schedule: got 'spiral', allowed: uniform, karras"):
        schedule_of().sigmas(10, "spiral")
    with pytest.raises(ValueError, match="spacing: got 'odd', allowed: leading"):
        schedule_of().sigmas(10, spacing=json.loads('"odd"'))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta_schedule": "sigmoid"}, "beta_schedule: got 'sigmoid', allowed: 'linear', "),
        ({"prediction_type": "flow_prediction"}, "prediction_type: got 'flow_prediction'"),
        ({"timestep_spacing": "log"}, "timestep_spacing: got 'log', allowed: None, 'leading'"),
        ({"final_sigmas_type": "one"}, "final_sigmas_type: got 'one', allowed: 'zero'"),
        ({"thresholding": True}, "thresholding: got True, allowed: False"),
        ({"interpolation_type": "cubic"}, "interpolation_type: got 'cubic'"),
        ({"prediction_type": "preconditioned"}, "prediction_type: got 'preconditioned'"),
        ({"sigma_max": 700.0}, "sigma_max: got 700.0, allowed: None"),
        ({"num_train_timesteps": "1000"}, "num_train_timesteps: got '1000', allowed: 2 to"),
        ({"num_train_timesteps": 99.5}, "num_train_timesteps: got 99.5, allowed: whole"),
        ({"beta_end": math.nan}, "beta_end: got nan, allowed: 0 to 1"),
        ({"beta_end": 1.0}, "alphas_cumprod: got .* allowed: descending between 1 and 0"),
        ({"beta_start": 0, "beta_end": 0}, "alphas_cumprod: got 1 to 1, allowed: descending"),
        ({"original_inference_steps": 0}, "original_inference_steps: got 0, allowed: 1 to 1000"),
        ({"steps_offset": 1000}, "steps_offset: got 1000, allowed: 0 to 999"),
        ({"steps_offset": True}, "steps_offset: got True, allowed: 0 to 999"),
        ({"trained_betas": "many"}, "trained_betas: got 'many', allowed: a list of numbers"),
        ({"trained_betas": [0.1, math.nan]}, "alphas_cumprod: got 0.9 to nan"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule_of(**settings)


def test_a_saved_scheduler_config_is_read(tmp_path: Any) -> None:
    """Whatever diffusers writes beside what we read, it changes nothing here."""
    for cls in CLASSES.values():
        cls(**STABLE_DIFFUSION, prediction_type="v_prediction", steps_offset=1).save_pretrained(
            tmp_path
        )
        config = json.loads((tmp_path / "scheduler_config.json").read_text())
        schedule = NoiseSchedule.from_config(config)
        assert schedule.prediction_type == "v_prediction"
        assert schedule.timestep_spacing == config["timestep_spacing"]
        assert schedule.steps_offset == 1
        assert torch.equal(schedule.alphas_cumprod, schedule_of().alphas_cumprod)
