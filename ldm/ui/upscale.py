"""The tab *Upscale*: a picture made two or four times as large."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import gradio as gr

from ldm.engine import Engine
from ldm.events import Loading, Picture, Progress, Queued, Result
from ldm.pipeline.tiled import FACTORS, STRENGTH
from ldm.ui.controls import (
    build_buttons,
    build_prompt,
    build_settings,
    build_slider,
    build_stage,
    build_strength,
)
from ldm.ui.enlarging import TileRequest, enlarges, enlarging, whole_of
from ldm.ui.form import Form, Missing, Problems, Updates, Values, read_recipe
from ldm.ui.handlers import Show, before_of, connect, refused, waiting_line
from ldm.ui.jobs import Job, Jobs, Request
from ldm.ui.picture_input import FIELD, PictureInput, build_picture_input, connect_picture_input
from ldm.ui.result import finished_stage
from ldm.ui.stage import empty_stage, status_line, waiting_stage
from ldm.ui.texts import INPAINT_STRENGTHS, label, say

TAB = "upscale"


@dataclass(frozen=True)
class UpscaleTab:
    """The tab's form, its picture, and how it shows a job."""

    form: Form
    source: PictureInput
    show: Show


async def show_upscale(form: Form, job: Job) -> AsyncGenerator[Updates, None]:
    """Everything the page shows of an enlargement, from now to the whole picture."""
    first = job.requests[0]
    recipe = first.whole if isinstance(first, TileRequest) else first.recipe
    width, height = recipe.width, recipe.height
    yield {**form.running(recipe), form.stage: waiting_stage(width, height, 1)}
    drawn: dict[int, Picture] = {}
    share: dict[int, float] = {}
    seconds = 0.0
    async with aclosing(job.watch()) as news:
        async for events in news:
            updates: Updates = {}
            for index, event in events:
                match event:
                    case Exception():
                        job.switch.set()  # one tile that fails leaves a hole
                        yield refused(form, event) | {form.stage: empty_stage(width, height)}
                        return
                    case Loading() | Queued() if not share:
                        updates[form.status] = waiting_line(event, recipe.model)
                    case Progress(step, steps, _):
                        share[index] = step / steps
                        line = say("upscale_progress", done=len(drawn), tiles=len(job.requests))
                        done = sum(share.values()) / len(job.requests)
                        updates[form.status] = status_line(line, done)
                    case Result(pictures, spent):
                        drawn[index], seconds = pictures[0], max(seconds, spent)
            if updates:
                yield updates
    if job.superseded:
        yield {form.generate: gr.update(interactive=True)}
        return
    if len(drawn) < len(job.requests):
        line = say("upscale_progress", done=len(drawn), tiles=len(job.requests))
        yield {**form.ready(status_line(line)), form.stage: empty_stage(width, height)}
        return
    whole = await asyncio.to_thread(whole_of, job.requests, drawn)
    line = status_line(say("done", seconds=round(seconds, 1)))
    stage = finished_stage([whole], form.stage, before_of(first), seconds)
    yield {form.stage: stage, **form.ready(line)}


def build_upscale(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> UpscaleTab:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    alone = enlarges(engine, engine.names()[0])
    with gr.Tab(label("upscale_tab"), id=TAB), gr.Column(elem_classes="ldm-tab ldm-three"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, "upscale_prompt")
        with gr.Column(elem_classes="ldm-source ldm-only-seen"):
            source = build_picture_input(TAB, masking=True, size=native)
        with gr.Column(elem_classes="ldm-go"):
            factor = gr.Radio(
                [(f"× {each}", each) for each in FACTORS],
                value=FACTORS[0],
                label=label("upscale_factor"),
                visible=not alone,
                elem_id=f"{TAB}-factor",
            )
            gr.HTML(f"<p>{say('upscale_info')}</p>", elem_classes="ldm-note")
            with gr.Column(visible=not alone) as redrawing:
                strength, _ = build_strength(TAB, STRENGTH, INPAINT_STRENGTHS)
            with gr.Column(visible=alone) as inventing:
                noise = build_slider(TAB, "noise_level", 20, "noise_level_info")
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            choices = build_settings(TAB, engine, sized=False)
    form = Form(
        tab=TAB,
        fields={"prompt": prompt, "strength": strength, "noise_level": noise, **choices.fields},
        size=choices.size,
        randomise=choices.randomise,
        generate=generate,
        stop=stop,
        status=status,
        stage=stage,
        problems=Problems(prompt_problem, source.problem, choices.problem),
        others=(source.picture, factor),
    )

    def suit(model: str) -> Updates:
        """What the chosen model can be told."""
        does = model in engine.names() and enlarges(engine, model)  # a kept one may be gone
        return {
            factor: gr.update(visible=not does),
            redrawing: gr.update(visible=not does),
            inventing: gr.update(visible=does),
        }

    choices.model.change(
        suit,
        choices.model,
        [factor, redrawing, inventing],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )

    def read(values: Values) -> list[Request]:
        picture = values[source.picture]
        if picture is None:
            raise Missing(FIELD, "no_picture")
        return [*enlarging(engine, read_recipe(form, values), picture, values[factor])]

    connect_picture_input(form, source, engine)
    show_job = connect(form, engine, jobs, visit, read, partial(show_upscale, form))
    return UpscaleTab(form, source, show_job)
