"""The tab *Upscale*: a picture made two or four times as large."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import gradio as gr

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.events import Picture, Progress, Queued, Result
from ldm.imaging import ImageError
from ldm.recipe import RecipeError
from ldm.ui import texts
from ldm.ui.controls import (
    build_buttons,
    build_prompt,
    build_settings,
    build_slider,
    build_stage,
    build_strength,
)
from ldm.ui.enlarging import (
    FACTORS,
    TileRequest,
    enlarges,
    one_request,
    put_together,
    tiled_requests,
)
from ldm.ui.form import Form, Missing, Problems, Updates, Values, read_recipe
from ldm.ui.handlers import Show, refused, visitor_of
from ldm.ui.jobs import Job, Jobs, Request
from ldm.ui.picture_input import FIELD, PictureInput, build_picture_input, connect_picture_input
from ldm.ui.result import finished_stage
from ldm.ui.stage import empty_stage, status_line, waiting_stage
from ldm.ui.texts import SKETCH_STRENGTHS, label, say

TAB = "upscale"
STRENGTH = 0.15  # beyond this, each tile begins to be a picture of its own


@dataclass(frozen=True)
class UpscaleTab:
    """The tab's form, its picture, and how it shows a job."""

    form: Form
    source: PictureInput
    show: Show


async def show_upscale(form: Form, job: Job) -> AsyncGenerator[Updates, None]:
    """Everything the page shows of an enlargement, from now to the whole picture."""
    first = job.requests[0]
    recipe = first.recipe
    width, height = first.size if isinstance(first, TileRequest) else (recipe.width, recipe.height)
    waiting = waiting_stage(width, height, 1)
    yield {**form.running(recipe.seed), form.stage: waiting}
    drawn: dict[int, Picture] = {}
    share: dict[int, float] = {}
    seconds = 0.0
    async with aclosing(job.watch()) as news:
        async for index, event in news:
            match event:
                case Exception():
                    job.switch.set()  # one tile that fails leaves a hole
                    yield refused(form, event) | {form.stage: empty_stage(width, height)}
                    return
                case Queued(position, wait) if not share:
                    yield {form.status: status_line(texts.queued(position, wait), 0)}
                case Progress(step, steps, _):
                    share[index] = step / steps
                    line = say("upscale_progress", done=len(drawn), tiles=len(job.requests))
                    done = sum(share.values()) / len(job.requests)
                    yield {form.status: status_line(line, done)}
                case Result(pictures, spent):
                    drawn[index], seconds = pictures[0], max(seconds, spent)
    if job.superseded:
        yield {form.generate: gr.update(interactive=True)}
        return
    if len(drawn) < len(job.requests):
        line = say("upscale_progress", done=len(drawn), tiles=len(job.requests))
        yield {**form.ready(status_line(line)), form.stage: empty_stage(width, height)}
        return
    tiles = [request for request in job.requests if isinstance(request, TileRequest)]
    whole = await asyncio.to_thread(put_together, tiles, drawn) if tiles else drawn[0]
    before = first.init_image if first.before is None else first.before
    line = status_line(say("done", seconds=round(seconds, 1)))
    yield {form.stage: finished_stage([whole], form.stage, before), **form.ready(line)}


def build_upscale(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> UpscaleTab:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
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
                elem_id=f"{TAB}-factor",
            )
            gr.HTML(f"<p>{say('upscale_info')}</p>", elem_classes="ldm-note")
            strength, _ = build_strength(TAB, STRENGTH, SKETCH_STRENGTHS)
            noise = build_slider(TAB, "noise_level", 20, "noise_level_info")
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            choices = build_settings(TAB, engine)
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

    def read(values: Values) -> list[Request]:
        picture = values[source.picture]
        if picture is None:
            raise Missing(FIELD, "no_picture")
        recipe = read_recipe(form, values, "image_to_image")
        if enlarges(engine, recipe.model):
            return one_request(engine, recipe, picture)
        if values[factor] not in FACTORS:
            raise RecipeError("upscale_factor", values[factor], "2 or 4")
        return tiled_requests(engine, recipe, picture, values[factor])

    async def enlarge(values: Values, request: gr.Request) -> AsyncIterator[Updates]:
        try:
            wanted = await asyncio.to_thread(read, values)
        except (RecipeError, ImageError, CheckpointError) as error:
            yield refused(form, error)
            return
        visitor = visitor_of(values[visit], request.session_hash)
        async with aclosing(show_upscale(form, jobs.start(engine, (visitor, TAB), wanted))) as news:
            async for updates in news:
                yield updates

    async def stop_it(secret: str, request: gr.Request) -> None:
        jobs.stop((visitor_of(secret, request.session_hash), TAB))

    gr.on(
        generate.click,
        enlarge,
        {*form.inputs(), visit},
        form.outputs(),
        concurrency_limit=None,
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(stop_it, visit, queue=False, show_progress="hidden", api_visibility="private")
    connect_picture_input(form, source, engine)
    return UpscaleTab(form, source, lambda job: show_upscale(form, job))
