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
from ldm.ui.how_it_works import plots
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
    entitle,
    introduce,
)
from ldm.ui.how_it_works.visuals import facts, number, pictures, titled
from ldm.ui.texts import Text, label, say, steps_in_words

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
        label=label("panel_both_ways_level"),
        info=label("panel_both_ways_level_info"),
        elem_id="how-noise-level",
        buttons=[],
    )
    both, numbers = area("both-pictures"), area("both-figures")
    entitle("panel_both_ways_loss", "panel_both_ways_loss_note")
    loss = chart("both-loss")
    with gr.Row(elem_classes="how-row"):
        back = gr.Button(label("panel_both_ways_back"), elem_id="how-back")
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
            titled(image, Text("how_original"), kind="picture"),
            titled(
                seen,
                Text("panel_both_ways_noised"),
                say("panel_both_ways_signal", percent=number(100 / (1 + sigma**2))),
                "latents",
            ),
            titled(guess, Text("panel_both_ways_guess"), kind="picture"),
        )
        points = [*zip(marks, losses, strict=False)]  # the last loss is that of this level
        return {
            both: pictures(items, least=200),
            numbers: facts(
                (
                    (say("how_timestep"), str(timestep)),
                    ("σ", number(sigma)),
                    (say("panel_both_ways_error_here"), number(losses[-1])),
                )
            ),
            loss: plots.lines(points, plots.ERROR, timestep),
        }

    async def draw_back(scene: Scene, visitor: str) -> str:
        run, lab = scene.recording, scene.lab
        _, sigma = sigma_at(scene)
        image = picture_for(scene, scene.values[opened])
        # Strength is a share of the steps: as many as lie at or below this level.
        left = int((run.sigmas[:-1] <= sigma).sum())
        if left == 0:
            raise LabError(say("panel_both_ways_too_little"))
        count = len(run.sigmas) - 1
        recipe = replace(
            run.recipe,
            task="image_to_image",
            strength=max(0.01, min(1.0, left / count)),
            init_image="",
            mask="",
        )
        picture = await lab.draw(recipe, visitor, None, image)
        note = say(
            "panel_both_ways_strength",
            strength=round(recipe.strength, 2),
            steps=steps_in_words(left),
        )
        items = (
            titled(image, Text("how_original"), kind="picture"),
            titled(picture.image, Text("panel_both_ways_back_done"), note, "picture"),
        )
        return pictures(items, least=220)

    connect_button(back, drawn_back, hooks, (level, opened), draw_back)
    return Panel(NAME, draw, (level, opened), (both, numbers, loss), results=(drawn_back,))
