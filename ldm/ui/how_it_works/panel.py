"""A panel: its components, what it reads and how it is drawn for a recording at a step.

Owns the frame that all nine share: what stands above and below the pictures, and what becomes of
something that cannot be shown. Does not know any panel's content.
"""

import html
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from ldm.explain.recording import Frame, Recording
from ldm.imaging import ImageError, open_image
from ldm.models.apart import apart
from ldm.recipe import RecipeError
from ldm.ui.failures import known_failure
from ldm.ui.form import Updates, Values, plain_words
from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.how_it_works.lab import Lab, LabError
from ldm.ui.how_it_works.terms import Terms
from ldm.ui.how_it_works.visuals import CHOOSE, heading, problem, said
from ldm.ui.texts import label, say, say_formulas

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scene:
    """What a panel is drawn from: the visitor's recording, the step that is looked at, and what
    the panel's own controls say.
    """

    lab: Lab
    recording: Recording
    step: int  # of the frames, from 0
    values: Values
    terms: Terms

    @property
    def frame(self) -> Frame:
        return self.recording.frames[self.step]


Draw = Callable[[Scene], Updates]


@dataclass(frozen=True)
class Panel:
    """One of the nine.

    name: in the page's ids. inputs: whose change draws it anew; outputs: what `draw` fills, a
    problem the first of them. results: where its buttons show more, emptied when a new run comes.
    fresh: what a new run sets of `inputs` and of the other `controls`. follows_step: whether the
    step changes what it shows.
    """

    name: str
    draw: Draw
    inputs: tuple[Component, ...]
    outputs: tuple[Component, ...]
    results: tuple[gr.HTML, ...] = ()
    fresh: Draw | None = None
    controls: tuple[Component, ...] = ()
    follows_step: bool = True
    slow: bool = False


@dataclass(frozen=True)
class Hooks:
    """What a panel's own buttons need of the tab: whose run it is, at which step, and under which
    terms of a teacher's link.
    """

    lab: Lab
    key: gr.State
    step: gr.Slider
    terms: gr.State

    def places(self) -> set[Component]:
        """What `scene_of` reads."""
        return {self.key, self.step, self.terms}


def area(name: str) -> gr.HTML:
    """A place for pictures in a panel; what is pressed in it fires `select`."""
    return gr.HTML(
        "",
        js_on_load=CHOOSE,
        apply_default_css=False,
        elem_id=f"how-{name}",
        elem_classes="how-area",
    )


def chart(name: str) -> gr.Plot:
    return gr.Plot(
        show_label=False, container=False, elem_id=f"how-{name}", elem_classes="how-chart"
    )


def entitle(key: str, note: str = "") -> None:
    """A heading, by the text's name; note: the name of what it needs saying."""
    gr.HTML(heading(say(key), say(note) if note else ""), apply_default_css=False)


def introduce(name: str) -> None:
    """The panel's question and its answer in a few sentences."""
    gr.HTML(
        f'<div class="how-lead"><h2>{say(f"panel_{name}_question")}</h2>'
        f"<p>{say(f'panel_{name}_lead')}</p></div>",
        apply_default_css=False,
    )


def conclude(name: str, works: bool = True) -> None:
    """What to try, where the panel works, and the formula with its sources, folded."""
    panel = PANELS[name]
    tries = "".join(
        f"<li>{say(f'panel_{name}_try_{number}')}</li>" for number in range(1, panel.tries + 1)
    )
    asked = f"<h3>{say('how_try')}</h3><ul>{tries}</ul>" if works else ""
    sources = "".join(
        f'<li><a href="{url}" target="_blank" rel="noopener">{html.escape(title)}</a></li>'
        for title, url in panel.sources
    )
    gr.HTML(
        f'<aside class="how-more">{asked}'
        f"<details><summary>{say('how_maths')}</summary>"
        f"<p>{say_formulas(f'panel_{name}_maths')}</p><ul>{sources}</ul></details></aside>",
        apply_default_css=False,
    )


def words_of(error: Exception) -> str:
    """What became of a wish, for a person; what nobody expected goes to the log."""
    if isinstance(error, (RecipeError, ImageError)):
        return plain_words(error)
    if isinstance(error, LabError):
        return error.words
    words = known_failure(error)
    if words is None:
        log.exception("a panel failed", exc_info=error)
        return say("how_went_wrong")
    return words


def drawn(panel: Panel, scene: Scene) -> Updates:
    """The panel's updates; a panel that cannot be drawn says so in its first place."""
    try:
        return apart(partial(panel.draw, scene))
    except Exception as error:
        return {panel.outputs[0]: problem(words_of(error))}


Answer = Callable[[Scene, str], Awaitable[str]]


def connect_button(
    button: gr.Button, output: gr.HTML, hooks: Hooks, inputs: Sequence[Component], answer: Answer
) -> None:
    """A press draws more pictures: `answer`, told the scene and the visitor's name, gives what
    `output` shows.
    """

    async def press(
        values: dict[Component, Any], request: gr.Request
    ) -> AsyncGenerator[Updates, None]:
        yield {output: said(say("how_drawing")), button: gr.update(interactive=False)}
        try:
            scene = scene_of(hooks, values)
            shown = await answer(scene, request.session_hash or "")
        except Exception as error:
            shown = problem(words_of(error))
        yield {output: shown, button: gr.update(interactive=True)}

    gr.on(
        button.click,
        press,
        inputs={*hooks.places(), *inputs},
        outputs=[output, button],
        concurrency_limit=None,
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
    )


def connect_place(
    place: gr.HTML, output: gr.HTML, hooks: Hooks, answer: Callable[[Scene, float, float], str]
) -> None:
    """A press in `place` fills `output`; answer is told where, across and down in 0..1."""

    def press(values: dict[Component, Any], event: gr.EventData) -> Updates:
        told = event._data  # pyright: ignore[reportPrivateUsage]
        across, down = (min(max(float(told[name]), 0.0), 1.0) for name in ("across", "down"))
        try:
            return {output: apart(partial(answer, scene_of(hooks, values), across, down))}
        except Exception as error:
            return {output: problem(words_of(error))}

    gr.on(
        place.select,
        press,
        inputs=hooks.places(),
        outputs=[output],
        concurrency_limit=None,
        trigger_mode="always_last",
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
    )


def scene_of(hooks: Hooks, values: Values) -> Scene:
    """Raises LabError where there is no run to show."""
    recording = hooks.lab.recording(values[hooks.key])
    step = values[hooks.step]
    last = len(recording.frames)
    step = min(max(int(step), 1), last) if isinstance(step, int | float) else last
    return Scene(hooks.lab, recording, step - 1, values, values[hooks.terms])


def build_opened(opened: gr.State) -> None:
    """Two buttons that say which picture the panels on pictures take: one's own or the run's."""
    with gr.Row(elem_classes="how-row"):
        upload = gr.UploadButton(
            str(label("how_open_picture")), file_types=["image"], size="sm", elem_id="how-open"
        )
        back = gr.Button(label("how_use_run"), size="sm", elem_id="how-use-run")
    message = gr.HTML("", elem_classes="ldm-slot")

    def take(path: str | None) -> Updates:
        if path is None:
            return gr.skip()
        try:
            return {opened: open_image(path, "init_image").image, message: ""}
        except ImageError as error:
            return {message: problem(words_of(error))}

    upload.upload(
        take,
        upload,
        [opened, message],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    back.click(
        lambda: (None, ""),
        None,
        [opened, message],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )


def pressed(event: gr.EventData) -> str:
    """Which choice was pressed in an `area`."""
    return str(event._data["choice"])  # pyright: ignore[reportPrivateUsage]


def pressed_step(event: gr.EventData) -> int:
    return int(pressed(event))


def thumbnail(image: Image.Image, side: int = 192) -> Image.Image:
    """A smaller copy, for strips."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small
