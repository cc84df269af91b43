"""Panel 6, *Time*: the timestep's waves, the noise schedule, two samplers' ways."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import gradio as gr
import torch
from gradio.components import Component

from ldm.diffusion import SAMPLERS
from ldm.explain import colours
from ldm.explain.measures import in_a_plane
from ldm.explain.recording import Recorder
from ldm.models.timestep import sinusoids
from ldm.models.unet import UNet2DConditionModel
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots, texts
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    introduce,
    scene_of,
    words_of,
)
from ldm.ui.how_it_works.visuals import Shown, facts, heading, number, pictures, problem, said

NAME = "time"
ROWS = 96  # of the picture of waves
CURVE = 80  # points of the schedule's line
OTHER = "euler"


def waves(scene: Scene) -> str:
    """The encoding of all timesteps as a picture, and of this one as a band."""
    checkpoint = scene.lab.checkpoint(scene.recording)
    assert isinstance(checkpoint.unet, UNet2DConditionModel)
    config, schedule = checkpoint.unet.config, checkpoint.noise_schedule
    trained = len(schedule.alphas_cumprod)
    timestep = schedule.timestep(torch.tensor([scene.frame.sigma], dtype=torch.float64))
    every = torch.linspace(0, trained - 1, ROWS)
    shape = (config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift)
    table, band = sinusoids(every, *shape), sinusoids(timestep, *shape)
    share = float(timestep) / (trained - 1)
    picture = colours.signed(table, 1.0)
    marked = (
        f'<div class="how-waves" style="--at:{100 * share:.2f}%">'
        + pictures([Shown(picture, texts.WAVES_ALT, kind="noise")], least=260)
        + "</div>"
    )
    row = colours.signed(band.expand(4, -1), 1.0)
    return (
        heading(texts.WAVES)
        + marked
        + heading(texts.THIS_ROW)
        + '<div class="how-band">'
        + pictures([Shown(row, texts.THIS_ROW, kind="noise")], least=260)
        + "</div>"
        + facts(
            (
                ("timestep", f"{number(float(timestep), 4)} of {trained}"),
                ("σ", number(scene.frame.sigma)),
                ("waves", str(table.shape[1])),
            )
        )
    )


def schedule_chart(scene: Scene) -> object:
    """Signal's share of the variance over the timesteps, with the levels that the run asks for."""
    schedule = scene.lab.checkpoint(scene.recording).noise_schedule
    alphas = schedule.alphas_cumprod
    x, y = "timestep", "signal (share of the variance)"
    last = len(alphas) - 1
    places = sorted({round(i * last / (CURVE - 1)) for i in range(CURVE)})
    line = [{x: place, y: round(float(alphas[place]), 5)} for place in places]
    sigmas = torch.tensor(scene.recording.asked, dtype=torch.float64)
    timesteps = schedule.timestep(sigmas).tolist()
    marks = [
        {"step": i + 1, x: round(timestep, 2), y: round(1 / (1 + sigma**2), 5)}
        for i, (timestep, sigma) in enumerate(zip(timesteps, scene.recording.asked, strict=True))
    ]
    return plots.schedule(line, marks, x, y, scene.frame.index + 1)


def build_time(hooks: Hooks) -> Panel:
    introduce(NAME)
    with gr.Row(elem_classes="how-split"):
        encoding = area("time-waves")
        with gr.Column():
            gr.HTML(heading(texts.SCHEDULE_OF), apply_default_css=False)
            levels = chart("time-schedule")
    with gr.Row(elem_classes="how-row how-fields"):
        other = gr.Dropdown(
            [(sampler.title, name) for name, sampler in SAMPLERS.items()],
            value=OTHER,
            label=texts.OTHER_SAMPLER,
            elem_id="how-other-sampler",
            filterable=False,
        )
        compare = gr.Button(texts.COMPARE, elem_id="how-compare-samplers")
    ends, ways = area("time-ends"), chart("time-ways")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        return {encoding: waves(scene), levels: schedule_chart(scene)}

    async def race(
        values: dict[Component, Any], request: gr.Request
    ) -> AsyncGenerator[Updates, None]:
        yield {ends: said(texts.DRAWING), compare: gr.update(interactive=False)}
        shown: Updates
        try:
            scene = scene_of(hooks, values)
            shown = await against(scene, str(values[other]), request.session_hash or "")
        except Exception as error:
            shown = {ends: problem(words_of(error))}
        yield {**shown, compare: gr.update(interactive=True)}

    async def against(scene: Scene, name: str, visitor: str) -> Updates:
        run, recorder = scene.recording, Recorder(with_words=False)
        recipe = replace(run.recipe, sampler=name)
        picture = await scene.lab.draw(recipe, visitor, recorder, *run.given)
        second = recorder.recording(scene.lab.checkpoint(run), picture.image)
        titles = [texts.THIS_RUN, SAMPLERS[name].title]
        tracks = [
            torch.stack([*(frame.latents for frame in each.frames), each.final]).flatten(1)
            for each in (run, second)
        ]
        points, _, _ = in_a_plane(torch.cat(tracks))
        rows, at = [], 0
        for title, track in zip(titles, tracks, strict=True):
            for step in range(len(track)):
                across, down = points[at + step].tolist()
                rows.append({"path": title, "step": step + 1, "across": across, "down": down})
            at += len(track)
        items = (
            Shown(run.picture, "your picture", SAMPLERS[run.recipe.sampler].title, kind="picture"),
            Shown(picture.image, titles[1], titles[1], kind="picture"),
        )
        apart = (tracks[0][-1] - tracks[1][-1]).square().mean().sqrt().item()
        words = facts([("distance of the two ends", number(apart))])
        colours_ = {titles[0]: plots.PICTURE, titles[1]: plots.WORDS}
        return {ends: pictures(items, least=220) + words, ways: plots.paths(rows, colours_)}

    gr.on(
        compare.click,
        race,
        inputs={*hooks.places(), other},
        outputs=[ends, ways, compare],
        concurrency_limit=None,
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Panel(NAME, draw, (), (encoding, levels), results=(ends,))
