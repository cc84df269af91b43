"""Panel 8, *Forward and back*: noising a picture, one-step guesses, the loss by level, strength."""

from dataclasses import replace

import gradio as gr
import torch
from PIL import Image

from ldm import imaging
from ldm.explain.latents import shown_noised
from ldm.explain.questions import errors_by_level
from ldm.pipeline import encode_picture
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots, texts
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    build_opened,
    chart,
    conclude,
    connect_button,
    introduce,
)
from ldm.ui.how_it_works.visuals import Shown, facts, heading, number, pictures

NAME = "both_ways"
LEVELS = 12  # of the loss curve
SEED = 0  # of the noise that is added


def picture_for(scene: Scene, opened: object) -> Image.Image:
    """The visitor's own picture at the run's size, or the run's."""
    recipe = scene.recording.recipe
    if isinstance(opened, Image.Image):
        return imaging.fit(opened, recipe.width, recipe.height)
    return scene.recording.picture


def build_both_ways(hooks: Hooks, opened: gr.State) -> Panel:
    introduce(NAME)
    build_opened(opened)
    level = gr.Slider(
        0,
        999,
        value=400,
        step=1,
        label=texts.NOISE_LEVEL,
        info=texts.NOISE_INFO,
        elem_id="how-noise-level",
        buttons=[],
    )
    both, numbers = area("both-pictures"), area("both-figures")
    gr.HTML(heading(texts.LOSS), apply_default_css=False)
    loss = chart("both-loss")
    with gr.Row(elem_classes="how-row"):
        back = gr.Button(texts.BACK, elem_id="how-back")
    drawn_back = area("both-back")
    conclude(NAME)

    def sigma_at(scene: Scene) -> tuple[int, float]:
        trained = scene.lab.checkpoint(scene.recording).noise_schedule.trained_sigmas
        timestep = min(max(int(scene.values[level] or 0), 0), len(trained) - 1)
        return timestep, float(trained[timestep])

    def draw(scene: Scene) -> Updates:
        run, lab = scene.recording, scene.lab
        checkpoint, image = lab.checkpoint(run), picture_for(scene, scene.values[opened])
        trained = checkpoint.noise_schedule.trained_sigmas
        timestep, sigma = sigma_at(scene)
        marks = [round(i * (len(trained) - 1) / (LEVELS - 1)) for i in range(LEVELS)]
        with lab.asking():
            latents = encode_picture(checkpoint, image)
            losses, guesses = errors_by_level(
                checkpoint, run, latents, [float(trained[t]) for t in marks] + [sigma], SEED
            )
        noisy = shown_noised(latents, sigma, SEED)
        seen, guess = lab.pictures_of(run, torch.cat([noisy, guesses[-1:]]))
        items = (
            Shown(image, texts.ORIGINAL, texts.ORIGINAL, "", "picture"),
            Shown(
                seen,
                texts.NOISED,
                texts.NOISED,
                texts.signal_share(number(100 / (1 + sigma**2))),
                "latents",
            ),
            Shown(guess, texts.GUESS, texts.GUESS, "", "picture"),
        )
        name = "mean squared error of the noise"
        rows = [
            {"timestep": t, name: value, "is": "loss"}
            for t, value in zip(marks, losses, strict=False)
        ]
        return {
            both: pictures(items, least=200),
            numbers: facts(
                (
                    ("timestep", str(timestep)),
                    ("σ", number(sigma)),
                    (texts.ERROR_HERE, number(losses[-1])),
                )
            ),
            loss: plots.lines(rows, "timestep", name, "is", {"loss": plots.ERROR}, timestep),
        }

    async def draw_back(scene: Scene, visitor: str) -> str:
        run, lab = scene.recording, scene.lab
        _, sigma = sigma_at(scene)
        image = picture_for(scene, scene.values[opened])
        # Strength is a share of the steps: as many as lie at or below this level.
        left = int((run.sigmas[:-1] <= sigma).sum())
        if left == 0:
            raise LabError(texts.TOO_LITTLE)
        count = len(run.sigmas) - 1
        recipe = replace(
            run.recipe,
            task="image_to_image",
            strength=max(0.01, min(1.0, left / count)),
            init_image="",
            mask="",
        )
        picture = await lab.draw(recipe, visitor, None, image)
        items = (
            Shown(image, texts.ORIGINAL, texts.ORIGINAL, "", "picture"),
            Shown(
                picture.image,
                texts.BACK_DONE,
                texts.BACK_DONE,
                texts.strength_is(recipe.strength, left),
                "picture",
            ),
        )
        return pictures(items, least=220)

    connect_button(back, drawn_back, hooks, (level, opened), draw_back)
    return Panel(NAME, draw, (level, opened), (both, numbers, loss), results=(drawn_back,))
