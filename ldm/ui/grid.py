"""The tab *Grid*: one caption over two chosen settings, every cell drawn together.

All cells go to the engine at once, which draws them in shared batches; each is a request of its
own and keeps its own recipe.
"""

import html
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from ldm.engine import Engine
from ldm.events import Loading, Picture, Progress, Queued, Result
from ldm.imaging import encode_png
from ldm.recipe import Recipe
from ldm.ui import texts
from ldm.ui.controls import build_buttons, build_prompt, build_settings
from ldm.ui.form import Form, Problems, Updates, Values, read_recipe
from ldm.ui.grid_axes import MOST_CELLS, SETTINGS, Axis, cells_of, read_axis
from ldm.ui.grid_sheet import draw_sheet
from ldm.ui.handlers import Show, connect, failure, waiting_line
from ldm.ui.jobs import Job, Jobs, Request
from ldm.ui.result import keep_file, picture_data, picture_file
from ldm.ui.script import part
from ldm.ui.stage import alt_text, frame, status_line
from ldm.ui.texts import TEXT_EXAMPLES, label, say

TAB = "grid"
EVERY = 0.7  # seconds between two views of an unfinished table
STARTS = ("num_inference_steps", "guidance_scale")


@dataclass(frozen=True, kw_only=True)
class Cells(Request):
    """A cell's request, and the grid that it belongs to."""

    across: Axis
    down: Axis


def _axis_markup(key: str) -> str:
    """Native controls: the setting, and its values."""
    options = "".join(
        f'<option value="{name}" data-values="{html.escape(values)}" '
        f'data-say="{"caption" if name == "prompt" else name}">'
        f"{texts.plain('caption' if name == 'prompt' else name)}</option>"
        for name, values in SETTINGS.items()
    )
    nothing = texts.plain("grid_none")
    none = f'<option value="" data-values="" data-say="grid_none">{nothing}</option>'
    return (
        f'<fieldset class="ldm-axis"><legend>{say(key)}</legend>'
        f"<label>{say('grid_setting')}<select>{options}{none}</select></label>"
        f'<label><span class="ldm-commas">{say("grid_values")}</span>'
        f'<span class="ldm-lines">{say("grid_captions")}</span>'
        f'<textarea rows="2" spellcheck="false"></textarea></label></fieldset>'
    )


def _build_axis(name: str, setting: str) -> gr.HTML:
    return gr.HTML(
        value={"field": setting, "values": SETTINGS[setting]},
        html_template=_axis_markup(f"grid_{name}"),
        js_on_load=part("grid"),
        apply_default_css=False,
        elem_id=f"{TAB}-{name}",
    )


@dataclass
class _Table:
    """What is known of each cell so far."""

    recipes: Sequence[Recipe]
    across: Axis
    down: Axis
    pictures: dict[int, Picture] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)

    def _cell(self, index: int) -> str:
        if index in self.failures:
            return f'<p class="ldm-problem">{texts.markup(self.failures[index])}</p>'
        if index not in self.pictures:
            return '<div class="ldm-frame"></div>'
        picture, url = self.pictures[index], self.files[index]
        shown = frame(url, alt_text(picture.recipe))
        use = f'<button type="button" data-do="use">{say("history_use")}</button>'
        use += f' <button type="button" data-do="explain">{say("explain")}</button>'
        return f"<figure{picture_data(picture)}>{shown}{picture_file(picture, url)}{use}</figure>"

    def markup(self, state: str, below: str = "") -> str:
        columns = self.across.labels()
        head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in columns)
        rows = ""
        for row, text in enumerate(self.down.labels()):
            cells = range(row * len(columns), (row + 1) * len(columns))
            inside = "".join(f"<td>{self._cell(index)}</td>" for index in cells)
            rows += f'<tr><th scope="row">{html.escape(text)}</th>{inside}</tr>'
        named = ((self.down, "↓"), (self.across, "→"))
        corner = "<br>".join(
            f"{texts.field_name(axis.field)} {arrow}" for axis, arrow in named if axis.field
        )
        first = self.recipes[0]
        return (
            f'<div class="ldm-stage ldm-grid" data-state="{state}" style="--w:{first.width};'
            f'--h:{first.height}"><div class="ldm-scroll" tabindex="0"><table><thead><tr>'
            f"<td>{corner}</td>{head}</tr></thead><tbody>{rows}</tbody></table></div>{below}</div>"
        )

    def words(self) -> texts.Markup:
        return say("grid_progress", done=len(self.pictures), cells=len(self.recipes))

    def status(self) -> str:
        return status_line(self.words(), sum(self.steps.values()) / len(self.recipes))

    def sheet(self, component: gr.HTML) -> str:
        """The link to the whole sheet."""
        pictures = [self.pictures.get(index) for index in range(len(self.recipes))]
        images = [picture and picture.image for picture in pictures]
        whole = draw_sheet(images, self.across.labels(), self.down.labels())
        recipes = json.dumps([json.loads(recipe.to_json()) for recipe in self.recipes])
        png = encode_png(whole, {"grid": recipes})
        path = save_bytes_to_cache(png, "grid.png", component.GRADIO_CACHE)
        component.temp_files.add(path)
        url = html.escape(f"gradio_api/file={path}")
        link = f'<a class="ldm-sheet" href="{url}" download="grid.png">{say("grid_download")}</a>'
        return f'<p class="ldm-actions">{link}</p>'


async def show_grid(form: Form, job: Job) -> AsyncGenerator[Updates, None]:
    """Everything the page shows of a grid, from now to its last cell."""
    first = job.requests[0]
    assert isinstance(first, Cells)
    table = _Table([request.recipe for request in job.requests], first.across, first.down)
    running = form.running(first.recipe)
    yield {**running, form.stage: table.markup("drawing")}
    seconds, shown_at = 0.0, 0.0
    async with aclosing(job.watch()) as news:
        async for events in news:
            updates: Updates = {}
            for index, event in events:
                match event:
                    case Exception():
                        table.failures[index] = failure(event)
                        updates[form.stage] = table.markup("drawing")
                    case Loading() | Queued() if not table.steps:
                        updates[form.status] = waiting_line(event, first.recipe.model)
                    case Progress(step, steps, _):
                        table.steps[index] = step / steps
                        updates[form.status] = table.status()
                    case Result(pictures, spent):
                        seconds = max(seconds, spent)
                        table.pictures[index], table.steps[index] = pictures[0], 1.0
                        table.files[index] = keep_file(pictures[0], form.stage)
                        if time.monotonic() - shown_at < EVERY:
                            continue  # cells of one batch end together; the table is large
                        shown_at = time.monotonic()
                        updates |= {
                            form.stage: table.markup("drawing"),
                            form.status: table.status(),
                        }
            if updates:
                yield updates
    if job.superseded:
        yield {form.generate: gr.update(interactive=True)}
        return
    complete = len(table.pictures) + len(table.failures) == len(table.recipes)
    line = say("done", seconds=round(seconds, 1)) if complete else table.words()
    below = table.sheet(form.stage) if table.pictures else ""
    yield {
        **form.ready(status_line(line)),
        form.stage: table.markup("done" if complete else "stopped", below),
    }


def build_grid(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> tuple[Form, Show]:
    """The tab's components and what its buttons do."""
    with gr.Tab(label("grid_tab"), id=TAB), gr.Column(elem_classes="ldm-tab ldm-two"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, "grid_prompt", TEXT_EXAMPLES[0])
            across = _build_axis("across", STARTS[1])
            down = _build_axis("down", STARTS[0])
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture ldm-wide"):
            status = gr.HTML(status_line(say("ready")), elem_id=f"{TAB}-status")
            note = say("grid_empty", most=MOST_CELLS)
            empty = f'<div class="ldm-stage ldm-grid" data-state="empty"><p>{note}</p></div>'
            stage = gr.HTML(empty, apply_default_css=False, elem_id=f"{TAB}-stage")
        with gr.Column(elem_classes="ldm-more"):
            choices = build_settings(TAB, engine)
    form = Form(
        tab=TAB,
        fields={"prompt": prompt, **choices.fields},
        size=choices.size,
        randomise=choices.randomise,
        generate=generate,
        stop=stop,
        status=status,
        stage=stage,
        problems=Problems(prompt_problem, None, choices.problem),
        others=(across, down),
    )

    def read(values: Values) -> list[Request]:
        columns, rows = read_axis(values[across]), read_axis(values[down])
        recipe = read_recipe(form, values, "text_to_image")
        cells = cells_of(recipe, columns, rows)
        return [Cells(recipe=cell, across=columns, down=rows) for cell in cells]

    return form, connect(form, engine, jobs, visit, read, partial(show_grid, form))
