"""Panel 1, *Noise to picture*: the latents, the noise found in them, the clean picture, by step."""

from dataclasses import replace
from io import BytesIO

import gradio as gr
import torch
from torch import Tensor

from ldm.explain import colours
from ldm.explain.measures import decibels, signal_to_noise
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    connect_button,
    entitle,
    introduce,
    pressed_step,
    thumbnail,
)
from ldm.ui.how_it_works.visuals import (
    Shown,
    data_uri,
    facts,
    named,
    number,
    pictures,
    said,
    strip,
    sum_of,
    titled,
)
from ldm.ui.texts import Figure, Text, filled, label, say, steps_in_words

NAME = "noise"
CHANNELS = 8  # shown of the latents, where there are more
LATENT_LIMIT = 3.0  # standard deviations; latents have about 1
FEW_STEPS = (1, 2, 4)
FRAME_MS, LAST_MS = 120, 1600


def channels(latents: Tensor, kind: str, what: str, most: int = CHANNELS) -> str:
    """The channels of (C, h, w), or the first of many, as signed maps. what: the text that says
    what they are of.
    """
    return pictures(
        (
            Shown(
                colours.signed(channel, LATENT_LIMIT),
                named("how_channel_alt", what=Text(what), number=number),
                note=say("how_channel", number=number),
                kind=kind,
            )
            for number, channel in enumerate(latents[:most], 1)
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
        Shown(given, named("panel_noise_given_alt"), say("panel_noise_given"), kind="latents"),
        Shown(clean, named("panel_noise_clean_alt"), say("panel_noise_clean"), kind="picture"),
        Shown(noise, named("panel_noise_found_alt"), say("panel_noise_found"), kind="noise"),
    )
    shares = (f"= {number(1 / whole, 2)} ×", f"+ {number(frame.sigma / whole, 2)} ×")
    maps = "".join(
        channels(latents, kind, what)
        for latents, kind, what in (
            (frame.latents, "latents", "panel_noise_given"),
            (frame.x0, "picture", "panel_noise_clean"),
            (frame.noise, "noise", "panel_noise_found"),
        )
    )
    return sum_of(shown, [*map(Figure, shares)]) + f'<div class="how-three">{maps}</div>'


def figures(scene: Scene) -> str:
    frame, run = scene.frame, scene.recording
    ratio = signal_to_noise(frame.sigma)
    share = number(100 * frame.sigma**2 / (1 + frame.sigma**2))
    return facts(
        (
            (say("panel_noise_sigma"), number(frame.sigma)),
            (say("panel_noise_ratio"), Figure(f"{number(decibels(ratio))} dB")),
            (say("panel_noise_share"), say("panel_noise_of_variance", percent=share)),
            (say("panel_noise_length"), number(run.moved[frame.index])),
        )
    )


def film_strip(scene: Scene) -> str:
    film = scene.lab.film(scene.recording)
    return strip(
        (
            Shown(
                thumbnail(image, 144),
                named("panel_noise_expected_at", step=index + 1),
                note=str(index + 1),
                kind="picture",
                choice=index + 1,
                chosen=index == scene.step,
            )
            for index, image in enumerate(film)
        ),
        "panel_noise_film",
    )


def curves(scene: Scene) -> tuple[object, object]:
    """Signal to noise, and the length of each step."""
    run, now = scene.recording, scene.frame.index + 1
    ratio = [decibels(signal_to_noise(sigma)) for sigma in run.asked]
    return (
        plots.lines([*enumerate(ratio, 1)], plots.PICTURE, now),
        plots.bars(enumerate(run.moved, 1), plots.LATENTS, now, height=240),
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
        f'<figure class="how-film" data-kind="picture"><img src="{url}"'
        f"{named('panel_noise_film_alt')}><figcaption>"
        f'<a href="{url}" download="noise-to-picture.webp">{say("panel_noise_save")}</a>'
        "</figcaption></figure>"
    )


def build_noise(hooks: Hooks) -> Panel:
    introduce(NAME)
    numbers = area("noise-figures")
    three_pictures = area("noise-three")
    entitle("panel_noise_film")
    film = area("noise-film")
    with gr.Row(elem_classes="how-charts"):
        with gr.Column():
            entitle("panel_noise_ratio_chart")
            ratio = chart("noise-ratio")
        with gr.Column():
            entitle("panel_noise_length_chart")
            moved = chart("noise-moved")
    with gr.Row(elem_classes="how-row"):
        few = gr.Button(label("panel_noise_few"), elem_id="how-few")
        animate = gr.Button(label("panel_noise_play"), elem_id="how-animate")
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
            titled(each.image, steps_in_words(count), kind="picture")
            for count, each in zip(counts, drawn, strict=True)
        ]
        own = filled(steps_in_words(run.recipe.num_inference_steps))
        last = Shown(run.picture, named("how_yours"), own, kind="picture")
        return said(say("panel_noise_same")) + pictures([*items, last])

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
