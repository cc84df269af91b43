"""Panel 1, *Noise to picture*: the latents, the noise found in them, the clean picture, by step."""

from dataclasses import replace
from io import BytesIO

import gradio as gr
import torch
from torch import Tensor

from ldm.explain import colours
from ldm.explain.measures import decibels, signal_to_noise
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots, texts
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    connect_button,
    introduce,
    pressed_step,
    thumbnail,
)
from ldm.ui.how_it_works.visuals import (
    Shown,
    data_uri,
    facts,
    heading,
    number,
    pictures,
    said,
    strip,
    sum_of,
)

NAME = "noise"
CHANNELS = 8  # shown of the latents, where there are more
LATENT_LIMIT = 3.0  # standard deviations; latents have about 1
FEW_STEPS = (1, 2, 4)
FRAME_MS, LAST_MS = 120, 1600


def channels(latents: Tensor, kind: str, what: str, most: int = CHANNELS) -> str:
    """The channels of (C, h, w), or the first of many, as signed maps."""
    return pictures(
        (
            Shown(
                colours.signed(channel, LATENT_LIMIT),
                f"{what}, channel {index + 1}: blue below zero, orange above",
                note=f"channel {index + 1}",
                kind=kind,
            )
            for index, channel in enumerate(latents[:most])
        ),
        least=72,
    )


def three(scene: Scene) -> str:
    """What goes in is so much of the clean picture and so much noise; channels below each."""
    frame, lab = scene.frame, scene.lab
    given, noise = lab.pictures_of(scene.recording, torch.stack([frame.latents, frame.noise]))
    clean = lab.film(scene.recording)[scene.step]
    whole = (1 + frame.sigma**2) ** 0.5
    shown = (
        Shown(given, texts.GIVEN_ALT, texts.GIVEN, "", "latents"),
        Shown(clean, texts.CLEAN_ALT, texts.CLEAN, "", "picture"),
        Shown(noise, texts.NOISE_ALT, texts.NOISE, "", "noise"),
    )
    signs = (f"= {number(1 / whole, 2)} ×", f"+ {number(frame.sigma / whole, 2)} ×")
    maps = "".join(
        channels(latents, kind, what)
        for latents, kind, what in (
            (frame.latents, "latents", texts.GIVEN),
            (frame.x0, "picture", texts.CLEAN),
            (frame.noise, "noise", texts.NOISE),
        )
    )
    return sum_of(shown, signs) + f'<div class="how-three">{maps}</div>'


def figures(scene: Scene) -> str:
    frame, run = scene.frame, scene.recording
    ratio = signal_to_noise(frame.sigma)
    return facts(
        (
            ("noise level σ", number(frame.sigma)),
            ("signal : noise", f"{number(decibels(ratio))} dB"),
            (
                "noise in what is given",
                f"{number(100 * frame.sigma**2 / (1 + frame.sigma**2))} % of the variance",
            ),
            ("length of this step", number(run.moved[frame.index])),
        )
    )


def film_strip(scene: Scene) -> str:
    film = scene.lab.film(scene.recording)
    return strip(
        (
            Shown(
                thumbnail(image, 144),
                f"expected picture at step {index + 1}",
                note=str(index + 1),
                kind="picture",
                choice=index + 1,
                chosen=index == scene.step,
            )
            for index, image in enumerate(film)
        ),
        "The expected picture at every step",
    )


def curves(scene: Scene) -> tuple[object, object]:
    """Signal to noise, and the length of each step."""
    run, now = scene.recording, scene.frame.index + 1
    ratio = [
        {
            "step": i + 1,
            "signal to noise (dB)": round(decibels(signal_to_noise(sigma)), 3),
            "is": "signal to noise",
        }
        for i, sigma in enumerate(run.asked)
    ]
    moved = [{"step": i + 1, "step length": length} for i, length in enumerate(run.moved)]
    return (
        plots.lines(
            ratio, "step", "signal to noise (dB)", "is", {"signal to noise": plots.PICTURE}, now
        ),
        plots.bars(moved, "step", "step length", plots.LATENTS, now, height=240),
    )


def animation(scene: Scene) -> str:
    """The film as an animated picture to look at and to keep."""
    frames = [*scene.lab.film(scene.recording), scene.recording.picture]
    data = BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        data,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=80,
    )
    url = data_uri(data.getvalue(), "image/webp")
    return (
        f'<figure class="how-film" data-kind="picture"><img src="{url}" alt="{texts.FILM_ALT}">'
        f'<figcaption><a href="{url}" download="noise-to-picture.webp">{texts.SAVE_FILM}</a>'
        "</figcaption></figure>"
    )


def build_noise(hooks: Hooks) -> Panel:
    introduce(NAME)
    numbers = area("noise-figures")
    three_pictures = area("noise-three")
    gr.HTML(heading(texts.FILM_STRIP), apply_default_css=False)
    film = area("noise-film")
    with gr.Row(elem_classes="how-charts"):
        ratio, moved = chart("noise-ratio"), chart("noise-moved")
    with gr.Row(elem_classes="how-row"):
        few = gr.Button(texts.FEW_STEPS, elem_id="how-few")
        animate = gr.Button(texts.ANIMATE, elem_id="how-animate")
    few_pictures, animated = area("noise-few"), area("noise-animation")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        ratio_chart, moved_chart = curves(scene)
        return {
            numbers: figures(scene),
            three_pictures: three(scene),
            film: film_strip(scene),
            ratio: ratio_chart,
            moved: moved_chart,
        }

    async def compare(scene: Scene, visitor: str) -> str:
        run = scene.recording
        counts = [count for count in FEW_STEPS if count < run.recipe.num_inference_steps]
        recipes = [replace(run.recipe, num_inference_steps=count) for count in counts]
        drawn = await scene.lab.variations(run, recipes, visitor)
        items = [
            Shown(each.image, f"drawn in {count} steps", texts.steps(count), kind="picture")
            for count, each in zip(counts, drawn, strict=True)
        ]
        last = Shown(
            run.picture, "your picture", texts.steps(run.recipe.num_inference_steps), kind="picture"
        )
        return said(texts.SAME_NOISE) + pictures([*items, last])

    async def play(scene: Scene, visitor: str) -> str:
        return animation(scene)

    connect_button(few, few_pictures, hooks, (), compare)
    connect_button(animate, animated, hooks, (), play)
    film.select(
        pressed_step,
        None,
        hooks.step,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Panel(
        NAME,
        draw,
        (),
        (three_pictures, numbers, film, ratio, moved),
        results=(few_pictures, animated),
    )
