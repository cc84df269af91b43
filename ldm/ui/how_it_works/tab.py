"""The tab itself: the caption that is drawn and recorded, the one step slider, the nine panels.

Owns when a panel is drawn: the open one alone, when the run, the step or its own controls change.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from ldm.engine import Engine
from ldm.events import Preview, Progress, Queued, Result
from ldm.explain.measures import decibels, signal_to_noise
from ldm.explain.recording import Recorder, Recording
from ldm.models.apart import apart
from ldm.recipe import Recipe
from ldm.ui.form import Updates, Values
from ldm.ui.how_it_works.asking import TAB, Asking, build_asking
from ldm.ui.how_it_works.both_ways import build_both_ways
from ldm.ui.how_it_works.caption import build_words
from ldm.ui.how_it_works.classes import Classes
from ldm.ui.how_it_works.clock import build_time
from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.how_it_works.guidance import build_guidance
from ldm.ui.how_it_works.lab import Lab, LabError
from ldm.ui.how_it_works.latent_space import build_latents
from ldm.ui.how_it_works.lessons.card import Card, Places, build_card, connect_card
from ldm.ui.how_it_works.looking import build_looks
from ldm.ui.how_it_works.matching import build_matching
from ldm.ui.how_it_works.network import build_network
from ldm.ui.how_it_works.noise import build_noise
from ldm.ui.how_it_works.panel import Hooks, Panel, drawn, scene_of, words_of
from ldm.ui.how_it_works.teacher import build_teacher, connect_teacher
from ldm.ui.how_it_works.terms import Terms
from ldm.ui.how_it_works.visuals import Shown, named, number, pictures, said
from ldm.ui.how_it_works.wall import WallParts, build_wall, connect_wall
from ldm.ui.stage import alt_text, status_line
from ldm.ui.texts import Markup, joined, label, queued, say, step_of

FIRST = "noise"


@dataclass(frozen=True)
class HowItWorks:
    """The tab's parts. `explain` draws a recipe with a recording and opens the panels on it; who
    calls it from elsewhere gives `outputs` to its event, and selects the tab `TAB`.
    """

    hooks: Hooks
    asking: Asking
    card: Card
    places: Places
    wall: WallParts
    classes: Classes
    go: gr.Button
    status: gr.HTML
    result: gr.HTML
    panels: tuple[Panel, ...]

    @property
    def lab(self) -> Lab:
        return self.hooks.lab

    @property
    def key(self) -> gr.State:
        return self.hooks.key

    @property
    def step(self) -> gr.Slider:
        return self.hooks.step

    @property
    def outputs(self) -> list[Component]:
        fixed = [self.key, self.step, self.go, self.status, self.result]
        changed = [c for p in self.panels for c in (*p.results, *p.inputs, *p.controls)]
        return list(dict.fromkeys([*fixed, *changed]))

    def _fresh(self, scene_values: Values, recording: Recording, step: int) -> Updates:
        """What a new run sets in every panel."""
        found: Updates = {}
        values = {**scene_values, self.step: step, self.hooks.terms: Terms()}
        for panel in self.panels:
            found |= {place: "" for place in panel.results}
            if panel.fresh is not None:
                scene = scene_of(self.hooks, values)
                try:
                    found |= panel.fresh(scene)
                except LabError:
                    continue  # the panel says so itself, when it is opened
        return found

    async def explain(
        self, recipe: Recipe, given: Sequence[Image.Image], visitor: str, before: str = ""
    ) -> AsyncGenerator[Updates, None]:
        """What the tab shows while a recipe is drawn and recorded, and once it is.

        given: the picture, and the mask, of the recipe's task; before: the key of the recording
        that this one takes the place of.
        """
        alone = recipe.for_image(0)
        yield {
            self.status: status_line(say("starting"), 0),
            self.go: gr.update(interactive=False),
        }
        try:
            await asyncio.to_thread(self.lab.check_explainable, alone.model)
            recorder = Recorder()
            stream = self.lab.engine.stream(alone, *given, visitor=visitor, watcher=recorder)
            async with aclosing(stream) as events:
                async for event in events:
                    match event:
                        case Queued(position, seconds):
                            line = queued(position, seconds)
                            yield {self.status: status_line(line, 0)}
                        case Progress(step, steps, seconds_left):
                            line = step_of(step, steps, seconds_left)
                            yield {self.status: status_line(line, step / steps)}
                        case Preview(images, _):
                            yield {self.result: result_of(images[0], named("preview_alt"))}
                        case Result():
                            opened = partial(self._opened, recorder, event, given, before)
                            yield await asyncio.to_thread(apart, opened)
        except Exception as error:
            yield {
                self.status: status_line(words_of(error), problem=True),
                self.go: gr.update(interactive=True),
            }

    def _opened(
        self, recorder: Recorder, result: Result, given: Sequence[Image.Image], before: str
    ) -> Updates:
        """A finished run, put on the shelf and shown."""
        picture = result.pictures[0]
        checkpoint = self.lab.engine.checkpoint(picture.recipe.model)
        recording = recorder.recording(checkpoint, picture.image, given)
        self.lab.shelf.drop(before)
        key = self.lab.shelf.put(recording)
        count = len(recording.frames)
        step = max(1, round(count / 2.5))
        line = say("how_drawn_in", seconds=round(result.seconds, 1), steps=len(recording.asked))
        if recording.every > 1:
            line = joined(line, " ", say("how_thinned", every=recording.every))
        return {
            self.key: key,
            self.step: gr.update(maximum=max(2, count), value=step, interactive=True),
            self.go: gr.update(interactive=True),
            self.status: status_line(line),
            self.result: result_of(picture.image, alt_text(picture.recipe)),
            **self._fresh({self.key: key}, recording, step),
        }


def result_of(image: Image.Image, alt: Markup) -> str:
    return pictures([Shown(image, alt, kind="picture")], least=200)


def step_words(recording: Recording, step: int) -> str:
    frame = recording.frames[step]
    ratio = number(decibels(signal_to_noise(frame.sigma)))
    return said(
        say(
            "how_step_line",
            step=frame.index + 1,
            of=len(recording.asked),
            sigma=number(frame.sigma),
            ratio=ratio,
        )
    )


def build_how_it_works(engine: Engine, clip: str = "", classes: int = 0) -> HowItWorks:
    """The tab. clip: a CLIP model for the last panel, "" for none; classes: how many school classes
    may have a wall at once.
    """
    lab = Lab(engine)
    with gr.Tab(label("how_tab"), id=TAB), gr.Column(elem_classes="ldm-tab how"):
        key = gr.State("", delete_callback=lab.shelf.drop)
        active, shown, opened = gr.State(FIRST), gr.State(""), gr.State(None)
        terms = gr.State(Terms())
        with gr.Row(elem_classes="how-top"):
            with gr.Column(elem_classes="how-ask"):
                gr.HTML(
                    f'<div class="how-lead"><h2>{say("how_intro_title")}</h2>'
                    f"<p>{say('how_intro')}</p></div>",
                    apply_default_css=False,
                )
                asking, go = build_asking(engine)
                status = gr.HTML(status_line(say("ready")), elem_id=f"{TAB}-status")
                teacher = build_teacher(classes > 0)
            result = gr.HTML(
                f'<div class="how-empty"><p>{say("how_not_yet")}</p></div>',
                apply_default_css=False,
                elem_id=f"{TAB}-result",
                elem_classes="how-result",
            )
        card = build_card()
        with gr.Column(elem_classes="how-clock"):
            step = gr.Slider(
                1,
                20,
                value=1,
                step=1,
                label=label("how_step"),
                info=label("how_step_info"),
                interactive=False,
                elem_id=f"{TAB}-step",
                buttons=[],
            )
            line = gr.HTML("", elem_id=f"{TAB}-step-line")
        hooks = Hooks(lab, key, step, terms)
        build_with_pictures = {
            "latents": build_latents,
            "both_ways": build_both_ways,
        }
        builders = {
            "noise": build_noise,
            "latents": build_latents,
            "words": build_words,
            "looks": build_looks,
            "network": build_network,
            "time": build_time,
            "guidance": build_guidance,
            "both_ways": build_both_ways,
        }
        panels = []
        with gr.Tabs(elem_classes="how-panels", selected=FIRST) as tabs:
            for name in PANELS:
                title = label(f"panel_{name}_title")
                with gr.Tab(title, id=name), gr.Column(elem_classes="how-panel"):
                    if name in build_with_pictures:
                        panels.append(build_with_pictures[name](hooks, opened))
                    elif name == "matching":
                        panels.append(build_matching(hooks, opened, clip))
                    else:
                        panels.append(builders[name](hooks))
        wall = build_wall()
    places, walls = Places(tabs, active, panels), Classes(classes)
    made = HowItWorks(hooks, asking, card, places, wall, walls, go, status, result, tuple(panels))
    _connect(made, tabs, active, shown, line)
    connect_card(card, hooks, places)
    connect_wall(wall, walls, hooks)
    connect_teacher(teacher, asking, engine, walls)
    return made


def _connect(
    made: HowItWorks,
    tabs: gr.Tabs,
    active: gr.State,
    shown: gr.State,
    line: gr.HTML,
) -> None:
    hooks, lab, asking, key, step = made.hooks, made.lab, made.asking, made.key, made.step
    terms = hooks.terms
    names = [*PANELS]
    by_name = {panel.name: panel for panel in made.panels}
    inputs = list(dict.fromkeys(c for panel in made.panels for c in panel.inputs))
    outputs = list(dict.fromkeys(c for panel in made.panels for c in panel.outputs))

    async def start(
        values: dict[Component, Any], request: gr.Request
    ) -> AsyncGenerator[Updates, None]:
        try:
            recipe = asking.recipe(lab.engine, values, values[terms])
        except Exception as error:
            yield {made.status: status_line(words_of(error), problem=True)}
            return
        visitor = request.session_hash or ""
        async with aclosing(made.explain(recipe, (), visitor, values[key])) as updates:
            async for each in updates:
                yield each

    def redraw(values: dict[Component, Any]) -> Iterator[Updates]:
        """The open panel, where anything that it shows has changed."""
        panel = by_name[values[active]]
        given = (values[each] for each in panel.inputs)
        own = [id(each) if isinstance(each, Image.Image) else each for each in given]
        at = values[step] if panel.follows_step else None
        now = repr((values[key], panel.name, at, own))
        try:
            scene = scene_of(hooks, values)
        except LabError as error:
            yield {panel.outputs[0]: said(error.words), shown: ""}
            return
        words: Updates = {line: step_words(scene.recording, scene.step)}
        if now == values[shown]:
            yield words
            return
        if panel.slow:
            yield {**words, panel.outputs[0]: said(say("how_working"))}
        yield {**words, shown: now, **drawn(panel, scene)}

    def chosen(event: gr.SelectData) -> str:
        return names[int(event.index)]  # the title is in the visitor's language

    gr.on(
        made.go.click,
        start,
        inputs={key, terms, *asking.parts()},
        outputs=made.outputs,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    tabs.select(
        chosen,
        None,
        active,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    # Every component that can be an input has this event; the base class does not say so.
    changes = [each.change for each in inputs]  # pyright: ignore[reportAttributeAccessIssue]
    gr.on(
        [key.change, active.change, step.change, *changes],
        redraw,
        inputs={*hooks.places(), active, shown, *inputs},
        outputs=[line, shown, *outputs],
        concurrency_limit=None,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
    )
