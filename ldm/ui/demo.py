"""The page: a heading and the tabs on one engine. Builds; nothing is computed here."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

import gradio as gr
from gradio.components import Component

from ldm.engine import Engine
from ldm.ui.api import build_api
from ldm.ui.courier import Desk, build_courier
from ldm.ui.form import Form, Output, Updates
from ldm.ui.grid import build_grid
from ldm.ui.handlers import Show, recover, show, visitor_of
from ldm.ui.history import build_history
from ldm.ui.how_it_works.arrival import connect_arrival
from ldm.ui.how_it_works.asked import build_asked
from ldm.ui.how_it_works.tab import build_how_it_works
from ldm.ui.inpainting import build_inpainting
from ldm.ui.jobs import Jobs
from ldm.ui.leaving import connect_leaving
from ldm.ui.settings import PROJECT
from ldm.ui.sketch_to_image import build_sketch_to_image
from ldm.ui.text_to_image import build_text_to_image
from ldm.ui.texts import attributes, plain, say
from ldm.ui.upscale import build_upscale

ICON = PROJECT / "assets" / "icon.png"
# Seconds: how often old files are looked for, and how old one may get.
CACHE_SWEEP = (60, 600)
MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="21.5" cy="10" r="4"/>'
    '<path d="M3 25 12 11l6 9 3.5-5L29 25Z"/></svg>'
)


def _heading() -> str:
    """Title, and what concerns the whole page: larger text, forgetting what is kept."""
    large = (
        f'<button type="button" data-do="large" aria-pressed="false">{say("large_text")}</button>'
    )
    help_text = attributes({"title": "start_afresh_info"})
    afresh = f'<button type="button" data-do="afresh"{help_text}>{say("start_afresh")}</button>'
    return (
        f"<header>{MARK}<h1>{say('title')}</h1><p>{say('tagline')}</p>"
        f"<div>{large}{afresh}</div></header>"
    )


def _keep_forms(demo: gr.Blocks, forms: list[Form]) -> None:
    """What is typed stays in the visitor's browser, and is there again after a reload."""
    for form in forms:
        kept = form.kept()
        gr.on(
            [component.change for component in kept],
            None,
            kept,
            None,
            js=f"(...values) => window.ldmForms?.keep('{form.tab}', values)",
            show_progress="hidden",
            api_visibility="private",
        )
        demo.load(
            None,
            kept,
            kept,
            js=f"(...values) => window.ldmForms.take('{form.tab}', values)",
            show_progress="hidden",
            api_visibility="private",
        )


def _find_again(
    demo: gr.Blocks,
    tabs: gr.Tabs,
    jobs: Jobs,
    visit: gr.Textbox,
    shows: Mapping[str, Show],
    outputs: Sequence[Output],
) -> None:
    """A visitor who comes back finds the run they left, and its tab."""

    async def find(secret: str, request: gr.Request) -> AsyncGenerator[Updates, None]:
        visitor = visitor_of(secret, request.session_hash)
        found = jobs.latest(visitor)
        # To yield nothing would empty the outputs.
        yield {tabs: gr.Tabs(selected=found[0]) if found else gr.skip()}
        async with aclosing(recover(shows, jobs, visitor)) as shown:
            async for updates in shown:
                yield updates

    # Not the server's to answer: a run begun before it had would not be the visitor's.
    demo.load(
        None,
        None,
        visit,
        js="() => window.ldmArrive()",
        show_progress="hidden",
        api_visibility="private",
    )
    again = gr.Button(visible="hidden", elem_id="ldm-again")
    gr.on(
        [demo.load, again.click],
        find,
        visit,
        [tabs, *outputs],
        js="() => window.ldmVisit()",
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )


def _share_hidden_progress(demo: gr.Blocks, unseen: Component) -> None:
    """Have one component stand for all outputs of the events that show no progress.

    With every message of any run Gradio's page looks up each component that has ever had a
    progress, hidden or not, in the tree of all: a picture of eight steps kept the browser's main
    thread busy for 2.4 s, and does for 1.2 with this (Zen 3).
    """
    for event in demo.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = [unseen]


def build_demo(engine: Engine, clip: str = "", classes: int = 0) -> gr.Blocks:
    """The page for `engine`; launch it with the theme, style and script named in this package.

    clip: a CLIP model's folder or Hub id, where whoever runs the app names one. classes: how many
    walls of school classes it keeps at once.
    """
    jobs = Jobs()
    with gr.Blocks(
        title=plain("title"), analytics_enabled=False, delete_cache=CACHE_SWEEP, fill_width=True
    ) as demo:
        gr.HTML(_heading(), apply_default_css=False, elem_classes="ldm-header")
        notice = gr.HTML("", apply_default_css=False, elem_id="ldm-notice")
        visit = gr.Textbox("", visible=False)
        with gr.Tabs(elem_classes="ldm-tabs") as tabs:
            text = build_text_to_image(engine, jobs, visit)
            sketch = build_sketch_to_image(engine, jobs, visit)
            inpaint = build_inpainting(engine, jobs, visit)
            upscale = build_upscale(engine, jobs, visit)
            grid, show_grid = build_grid(engine, jobs, visit)
            build_history()
            how_it_works = build_how_it_works(engine, clip, classes)
        build_asked(how_it_works, tabs, jobs, visit)
        connect_arrival(demo, how_it_works, tabs)
        forms = [text, sketch.form, inpaint.form]
        shows: dict[str, Show] = {form.tab: partial(show, form) for form in forms}
        shows |= {upscale.form.tab: upscale.show, grid.tab: show_grid}
        desk = Desk(
            {form.tab: form for form in (*forms, upscale.form)},
            {tab.form.tab: tab.source for tab in (sketch, inpaint, upscale)},
            tabs,
            notice,
        )
        build_courier(engine, desk)
        everywhere = [*forms, upscale.form, grid]
        _keep_forms(demo, everywhere)
        outputs = [component for form in everywhere for component in form.outputs()]
        _find_again(demo, tabs, jobs, visit, shows, outputs)
        connect_leaving(demo)
        build_api(engine)
    _share_hidden_progress(demo, visit)
    return demo
