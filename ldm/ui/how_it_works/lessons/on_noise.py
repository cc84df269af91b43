"""What the lessons on noise, time and the way back measure."""

from dataclasses import replace
from itertools import pairwise

import torch

from ldm.diffusion import SAMPLERS
from ldm.explain.latents import shown_noised
from ldm.explain.measures import distance, fine_share, psnr
from ldm.explain.questions import errors_by_level
from ldm.models.timestep import sinusoids
from ldm.models.unet import UNet2DConditionModel
from ldm.pipeline import encode_picture
from ldm.ui.how_it_works.lessons.measuring import (
    band,
    by_thirds,
    drawn,
    long_enough,
    percent,
    tensor,
)
from ldm.ui.how_it_works.lessons.walk import Found, picture, side_by_side
from ldm.ui.how_it_works.panel import Scene

BLURRED, GRAINY = 0.7, 1.5  # times the last guess's share of fine detail
ALIKE, NEAR = 30.0, 15.0  # decibels of PSNR: hard to tell apart, and still the same scene
LEVELS = (0.1, 0.5, 0.9)  # shares of the training's timesteps: little, middling, much noise
SEED = 0
KEPT, LOST = 0.3, 0.8  # strengths
EVEN = 1.15  # a ratio below it counts as even


# --- lesson 1: noise ---


def first_guess(scene: Scene) -> Found:
    """How much of the model's own guess, before guidance, is fine detail at the first step, and at
    the last.
    """
    run = scene.recording
    long_enough(run)
    own = torch.stack([run.frames[0].of_prompt, run.frames[-1].of_prompt])
    guesses = scene.lab.pictures_of(run, own)
    first, last = (fine_share(tensor(image)) for image in guesses)
    ratio = first / max(last, 1e-6)
    shown = side_by_side(
        [picture(guesses[0], "lesson_first_guess"), picture(guesses[1], "lesson_last_guess")]
    )
    # In the order of the choices: like the finished one, blurred, full of grain.
    right = (1, 0, 2)[band(ratio, BLURRED, GRAINY)]
    return Found(right, {"first": percent(first), "last": percent(last)}, shown)


def busiest_third(scene: Scene) -> Found:
    """In which third of the run the guess changes most."""
    run = scene.recording
    long_enough(run)
    guesses = [frame.x0 for frame in run.frames]
    changes = [distance(a, b) for a, b in pairwise(guesses)]
    right, gaps = by_thirds(changes)
    film, last = scene.lab.film(run), len(run.frames) - 1
    places = (0, round(last / 3), round(2 * last / 3), last)
    shown = [
        picture(film[i], "lesson_guess_at", "picture", step=run.frames[i].index + 1) for i in places
    ]
    return Found(right, gaps, side_by_side(shown))


def noise_half_way(scene: Scene) -> Found:
    """How much of the variance of what the model is given in the middle step is noise."""
    run = scene.recording
    long_enough(run)
    frame = run.frames[len(run.frames) // 2]
    share = frame.sigma**2 / (1 + frame.sigma**2)
    (given,) = scene.lab.pictures_of(run, frame.latents[None])
    guess = scene.lab.film(run)[len(run.frames) // 2]
    shown = [
        picture(given, "lesson_given_at", "latents", step=frame.index + 1),
        picture(guess, "lesson_guess_at", "picture", step=frame.index + 1),
    ]
    return Found(band(share, 0.4, 0.6), {"percent": percent(share)}, side_by_side(shown))


# --- lesson 6: time ---


def fast_waves(scene: Scene) -> Found:
    """Which waves of the timestep's encoding change most from this step to the next."""
    run, checkpoint = scene.recording, scene.lab.checkpoint(scene.recording)
    long_enough(run)
    assert isinstance(checkpoint.unet, UNet2DConditionModel)
    config = checkpoint.unet.config
    middle = len(run.asked) // 2
    pair = torch.tensor(run.asked[middle - 1 : middle + 1], dtype=torch.float64)
    steps = checkpoint.noise_schedule.timestep(pair)
    shape = (config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift)
    first, second = sinusoids(steps, *shape)
    half = config.block_out_channels[0] // 2
    # Both halves, cosines and sines, go from the fastest wave to the slowest.
    change = (first - second).abs()[: 2 * half].view(2, half).mean(0)
    fast, slow = (float(part.mean()) for part in (change[: half // 4], change[-(half // 4) :]))
    right = (1, 2, 0)[band(fast / max(slow, 1e-9), 1 / EVEN, EVEN)]
    values = {"before": round(float(steps[0])), "after": round(float(steps[1]))}
    return Found(right, {**values, "fast": round(fast, 3), "slow": round(slow, 3)}, "")


def where_it_asks(scene: Scene) -> Found:
    """Whether the sampler asks more often at high or at low noise."""
    run = scene.recording
    long_enough(run)
    schedule = scene.lab.checkpoint(run).noise_schedule
    steps = schedule.timestep(torch.tensor(run.asked, dtype=torch.float64))
    trained = len(schedule.alphas_cumprod) - 1
    high = int((steps > trained / 2).sum())
    low = len(steps) - high
    right = (0, 1, 2)[band(low / max(high, 1), 1 / 1.4, 1.4)]
    return Found(right, {"high": high, "low": low}, "")


async def other_sampler(scene: Scene, visitor: str) -> Found:
    """How alike two samplers' pictures from the same noise are."""
    run = scene.recording
    name = "euler" if run.recipe.sampler != "euler" else "ddim"
    (other,) = await drawn(scene, visitor, replace(run.recipe, sampler=name))
    alike = psnr(tensor(run.picture), tensor(other))
    shown = [
        picture(run.picture, "lesson_by", name=SAMPLERS[run.recipe.sampler].title),
        picture(other, "lesson_by", name=SAMPLERS[name].title),
    ]
    # In the order of the choices: hardly to be told apart, the same scene, another one.
    right = 2 - band(alike, NEAR, ALIKE)
    return Found(right, {"decibels": round(min(alike, 99.0), 1)}, side_by_side(shown))


# --- lesson 8: back ---


def signal_half_way(scene: Scene) -> Found:
    """How much of the variance is still the picture at the middle timestep of the training."""
    run, lab = scene.recording, scene.lab
    checkpoint = lab.checkpoint(run)
    trained = checkpoint.noise_schedule.trained_sigmas
    sigma = float(trained[len(trained) // 2])
    with lab.asking():
        latents = encode_picture(checkpoint, run.picture)
    (noisy,) = lab.pictures_of(run, shown_noised(latents, sigma, SEED))
    share = 1 / (1 + sigma**2)
    shown = [
        picture(run.picture, "lesson_yours"),
        picture(noisy, "lesson_half_noised", "latents"),
    ]
    return Found(band(share, 0.45, 0.55), {"percent": percent(share)}, side_by_side(shown))


def hardest_level(scene: Scene) -> Found:
    """At which noise level the model's answer is furthest off."""
    run, lab = scene.recording, scene.lab
    checkpoint = lab.checkpoint(run)
    trained = checkpoint.noise_schedule.trained_sigmas
    sigmas = [float(trained[round(share * (len(trained) - 1))]) for share in LEVELS]
    with lab.asking():
        latents = encode_picture(checkpoint, run.picture)
        losses, guesses = errors_by_level(checkpoint, run, latents, sigmas, SEED)
    shown = [
        picture(image, text)
        for image, text in zip(
            lab.pictures_of(run, guesses),
            ("lesson_from_little", "lesson_from_middling", "lesson_from_much"),
            strict=True,
        )
    ]
    names = ("little", "middling", "much")
    values = {name: round(loss, 3) for name, loss in zip(names, losses, strict=True)}
    return Found(losses.index(max(losses)), values, side_by_side(shown))


async def kept_of_it(scene: Scene, visitor: str) -> Found:
    """How near the picture is what is drawn back from little noise, and from much."""
    run, lab = scene.recording, scene.lab
    base = replace(run.recipe, task="image_to_image", init_image="", mask="")
    near, far = [
        (await lab.draw(replace(base, strength=strength), visitor, None, run.picture)).image
        for strength in (KEPT, LOST)
    ]
    first, second = (min(psnr(tensor(run.picture), tensor(image)), 99.0) for image in (near, far))
    shown = [
        picture(run.picture, "lesson_yours"),
        picture(near, "lesson_strength", strength=KEPT),
        picture(far, "lesson_strength", strength=LOST),
    ]
    right = (2, 1, 0)[band(first - second, -1.0, 1.0)]
    values = {"little": round(first, 1), "much": round(second, 1)}
    return Found(right, values, side_by_side(shown))
