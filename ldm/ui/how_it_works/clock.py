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
from ldm.ui.how_it_works import plots
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    entitle,
    introduce,
    scene_of,
    words_of,
)
from ldm.ui.how_it_works.visuals import (
    Shown,
    facts,
    heading,
    named,
    number,
    pictures,
    problem,
    said,
)
from ldm.ui.texts import label, say

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
        + pictures([Shown(picture, named("panel_time_waves_alt"), kind="noise")], least=260)
        + "</div>"
    )
    row = colours.signed(band.expand(4, -1), 1.0)
    return (
        heading(say("panel_time_waves"))
        + marked
        + heading(say("panel_time_row"))
        + '<div class="how-band">'
        + pictures([Shown(row, named("panel_time_row"), kind="noise")], least=260)
        + "</div>"
        + facts(
            (
                (
                    say("how_timestep"),
                    say("panel_time_of", timestep=number(float(timestep), 4), trained=trained),
                ),
                ("σ", number(scene.frame.sigma)),
                (say("panel_time_wave_count"), str(table.shape[1])),
            )
        )
    )


def schedule_chart(scene: Scene) -> object:
    """Signal's share of the variance over the timesteps, with the levels that the run asks for."""
    schedule = scene.lab.checkpoint(scene.recording).noise_schedule
    alphas = schedule.alphas_cumprod
    last = len(alphas) - 1
    places = sorted({round(i * last / (CURVE - 1)) for i in range(CURVE)})
    line = [(place, round(float(alphas[place]), 5)) for place in places]
    sigmas = torch.tensor(scene.recording.asked, dtype=torch.float64)
    timesteps = schedule.timestep(sigmas).tolist()
    marks = [
        (round(timestep, 2), round(1 / (1 + sigma**2), 5))
        for timestep, sigma in zip(timesteps, scene.recording.asked, strict=True)
    ]
    return plots.schedule(line, marks, scene.frame.index + 1)


def build_time(hooks: Hooks) -> Panel:
    introduce(NAME)
    with gr.Row(elem_classes="how-split"):
        encoding = area("time-waves")
        with gr.Column():
            entitle("panel_time_schedule", "panel_time_schedule_note")
            levels = chart("time-schedule")
    with gr.Row(elem_classes="how-row how-fields"):
        other = gr.Dropdown(
            [(sampler.title, name) for name, sampler in SAMPLERS.items()],
            value=OTHER,
            label=label("panel_time_other"),
            elem_id="how-other-sampler",
            filterable=False,
        )
        compare = gr.Button(label("panel_time_compare"), elem_id="how-compare-samplers")
    ends, ways = area("time-ends"), chart("time-ways")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        return {encoding: waves(scene), levels: schedule_chart(scene)}

    async def race(
        values: dict[Component, Any], request: gr.Request
    ) -> AsyncGenerator[Updates, None]:
        yield {ends: said(say("how_drawing")), compare: gr.update(interactive=False)}
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
        own, other_title = (SAMPLERS[each].title for each in (run.recipe.sampler, name))
        titles = [own, other_title if other_title != own else f"{own} (2)"]
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
            Shown(run.picture, named("how_yours"), titles[0], kind="picture"),
            Shown(picture.image, titles[1], titles[1], kind="picture"),
        )
        apart = (tracks[0][-1] - tracks[1][-1]).square().mean().sqrt().item()
        words = facts([(say("panel_time_distance"), number(apart))])
        words += heading(say("panel_time_ways"))
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
