"""A lesson on the page: the row of eight, the open question, and the sheet at its end.

Owns what a press does and what a question opens: its panel, the step, the panel's own controls.
What is measured, and how it reads, is others' affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm.ui.form import Updates, Values
from ldm.ui.how_it_works.lab import TO_DRAW, Lab, LabError
from ldm.ui.how_it_works.lessons import markup
from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.how_it_works.lessons.walk import (
    ANSWER_CHARACTERS,
    Answer,
    Progress,
    Question,
    begun,
    written,
)
from ldm.ui.how_it_works.lessons.worksheet import worksheet
from ldm.ui.how_it_works.panel import Hooks, Panel, area, pressed, scene_of, words_of
from ldm.ui.how_it_works.visuals import problem, said
from ldm.ui.texts import label, say


@dataclass(frozen=True)
class Card:
    """The components of the lessons. progress: a `Progress`, or None while no lesson is open."""

    progress: gr.State
    menu: gr.HTML
    box: gr.Column
    question: gr.HTML
    choices: gr.HTML
    why: gr.Textbox
    reveal: gr.Button
    back: gr.Button
    on: gr.Button
    leave: gr.Button
    found: gr.HTML
    own: gr.Textbox
    sheet: gr.HTML

    def parts(self) -> list[Any]:
        """What `shown` sets."""
        buttons = [self.reveal, self.back, self.on, self.leave]
        places = [self.question, self.choices, self.why, self.found, self.own, self.sheet]
        return [self.progress, self.menu, self.box, *places, *buttons]

    def waiting(self, busy: bool, progress: Progress) -> Updates:
        """The buttons while something is measured, when the question must stay, and afterwards."""
        return {
            self.reveal: gr.update(interactive=not busy),
            self.on: gr.update(interactive=not busy),
            self.back: gr.update(interactive=not busy and progress.at > 0),
            self.leave: gr.update(interactive=not busy),
        }

    def shown(self, lab: Lab, progress: Progress | None, key: str, alone: bool) -> Updates:
        """The card for this progress. key: of the visitor's run, "" before one; alone: a link
        opened this lesson, and it is not left.
        """
        fixed = {
            self.progress: progress,
            self.box: gr.update(visible=progress is not None),
            self.menu: markup.menu(progress.lesson if progress else "", alone),
        }
        if progress is None:
            return fixed
        lesson = LESSONS[progress.lesson]
        fixed |= {
            self.back: gr.update(interactive=progress.at > 0),
            self.leave: gr.update(visible=not alone, interactive=True),
            self.own: gr.update(visible=progress.done),
            self.why: gr.update(visible=not progress.done),
            self.reveal: gr.update(visible=not progress.done),
            self.on: gr.update(visible=not progress.done, interactive=True, variant="secondary"),
        }
        if progress.done:
            return {
                **fixed,
                self.question: markup.end(lesson, progress),
                self.choices: "",
                self.found: "",
                self.sheet: worksheet(lesson, progress, lab.shelf.get(progress.key)),
            }
        answer = progress.answers[progress.at]
        measured = answer.found is not None
        earlier = progress.key not in ("", key)
        note = said(say("lesson_changed_run")) if earlier else ""
        return {
            **fixed,
            self.question: note + markup.asked(lesson, progress, bool(key)),
            self.choices: markup.choices(lesson, progress),
            self.why: gr.update(visible=True, value=answer.why, interactive=not measured),
            self.reveal: gr.update(visible=not measured, interactive=True),
            self.on: gr.update(
                visible=True, interactive=True, variant="primary" if measured else "secondary"
            ),
            self.found: markup.found(lesson.name, progress.at, answer),
            self.sheet: "",
        }


def build_card() -> Card:
    """The lessons' place in the tab being built."""
    with gr.Column(elem_classes="how-lessons"):
        menu = area("lessons-menu")
        with gr.Column(visible=False, elem_classes="how-lesson", elem_id="how-lesson") as box:
            question, choices = area("lesson-question"), area("lesson-choices")
            why = gr.Textbox(
                "",
                label=label("lesson_because"),
                max_length=ANSWER_CHARACTERS,
                lines=1,
                max_lines=4,
                elem_id="how-lesson-why",
            )
            found = area("lesson-found")
            own = gr.Textbox(
                "",
                label=label("lesson_own"),
                max_length=ANSWER_CHARACTERS,
                lines=3,
                visible=False,
                interactive=True,
                elem_id="how-lesson-own",
            )
            with gr.Row(elem_classes="how-row"):
                reveal = gr.Button(
                    label("lesson_reveal"), variant="primary", elem_id="how-lesson-reveal"
                )
                on = gr.Button(label("lesson_next"), elem_id="how-lesson-next")
                back = gr.Button(label("lesson_back"), elem_id="how-lesson-back")
                leave = gr.Button(label("lesson_leave"), elem_id="how-lesson-leave")
            sheet = gr.HTML(
                "",
                apply_default_css=False,
                elem_id="how-lesson-sheet",
            )
    menu.value = markup.menu("")
    progress = gr.State(None)
    return Card(
        progress, menu, box, question, choices, why, reveal, back, on, leave, found, own, sheet
    )


@dataclass(frozen=True)
class Places:
    """What a question opens: the panels' tabs, which of them is open, and their controls."""

    tabs: gr.Tabs
    active: gr.State
    panels: Sequence[Panel]

    def _controls(self) -> dict[str, Component]:
        found = [c for panel in self.panels for c in (*panel.inputs, *panel.controls)]
        return {str(c.elem_id).removeprefix("how-"): c for c in found}

    def outputs(self, hooks: Hooks) -> list[Any]:
        names = {n for each in LESSONS.values() for q in each.questions for n in q.sets}
        controls = self._controls()
        return [self.tabs, self.active, hooks.step, *(controls[name] for name in sorted(names))]

    def opened(self, question: Question, hooks: Hooks, key: str) -> Updates:
        """The question's panel, at its step, its controls set."""
        controls = self._controls()
        found: Updates = {controls[name]: value for name, value in question.sets.items()}
        found |= {self.tabs: gr.Tabs(selected=question.panel), self.active: question.panel}
        run = hooks.lab.shelf.get(key) if key else None
        if run is not None and question.at is not None:
            found[hooks.step] = 1 + round(question.at * (len(run.frames) - 1))
        return found


def connect_card(card: Card, hooks: Hooks, places: Places) -> None:
    """Within the Blocks being built, after the panels."""
    lab, key, state = hooks.lab, hooks.key, card.progress
    base: set[Component] = {key, state, hooks.terms}

    def show(values: Values, progress: Progress | None) -> Updates:
        return card.shown(lab, progress, values[key], values[hooks.terms].alone)

    def turned(values: Values, progress: Progress) -> Updates:
        """Another question: the card, and what it opens."""
        found = show(values, progress)
        if not progress.done:
            question = LESSONS[progress.lesson].questions[progress.at]
            found |= places.opened(question, hooks, values[key])
        return found

    def begin(values: dict[Component, Any], event: gr.EventData) -> Updates:
        lesson = LESSONS.get(pressed(event))
        if lesson is None or values[hooks.terms].alone:
            return gr.skip()
        return turned(values, begun(lesson))

    def choose(values: dict[Component, Any], event: gr.EventData) -> Updates:
        progress: Progress | None = values[state]
        if progress is None or progress.done or progress.answers[progress.at].found:
            return gr.skip()
        answer = Answer(int(pressed(event)), written(values[card.why]))
        return show(values, progress.answered(answer))

    def move(values: dict[Component, Any], by: int) -> Updates:
        progress: Progress | None = values[state]
        if progress is None:
            return gr.skip()
        at = min(max(progress.at + by, 0), len(progress.answers))
        return turned(values, replace(progress, at=at))

    def forward(values: dict[Component, Any]) -> Updates:
        return move(values, 1)

    def backward(values: dict[Component, Any]) -> Updates:
        return move(values, -1)

    def chosen_in(progress: Progress | None) -> bool:
        """Whether there is a prediction to measure."""
        return (
            progress is not None
            and not progress.done
            and progress.answers[progress.at].choice is not None
        )

    def hold(values: dict[Component, Any]) -> Updates:
        """Before something is measured. An event of its own: the last that a generator yields is
        shown once more when it ends, over whatever the visitor has opened by then.
        """
        progress: Progress | None = values[state]
        if progress is None or progress.done:
            return gr.skip()
        if not chosen_in(progress):
            return {card.found: problem(say("lesson_choose_first"))}
        return {card.found: said(say("how_working")), **card.waiting(True, progress)}

    async def measure(values: dict[Component, Any], request: gr.Request) -> Updates:
        progress: Progress | None = values[state]
        if progress is None or not chosen_in(progress):
            return gr.skip()
        answer = progress.answers[progress.at]
        try:
            question = LESSONS[progress.lesson].questions[progress.at]
            scene = scene_of(hooks, values)
            found = await question.find(scene, request.session_hash or "")
        except Exception as error:
            if isinstance(error, LabError) and not values[key]:
                error = LabError(say("lessons_draw_first", button=TO_DRAW))
            return {card.found: problem(words_of(error)), **card.waiting(False, progress)}
        known = Answer(answer.choice, written(values[card.why]), found)
        shown = show(values, replace(progress.answered(known), key=values[key]))
        return {**card.waiting(False, progress), **shown}

    def close(values: dict[Component, Any]) -> Updates:
        return show(values, None)

    def again(values: dict[Component, Any]) -> Updates:
        """The same question, after a new run."""
        progress: Progress | None = values[state]
        return gr.skip() if progress is None else turned(values, progress)

    everything = [*card.parts(), *places.outputs(hooks)]
    gr.on(
        card.menu.select,
        begin,
        inputs=base,
        outputs=everything,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        card.choices.select,
        choose,
        inputs={*base, card.why},
        outputs=card.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    held = gr.on(
        card.reveal.click,
        hold,
        inputs=base,
        outputs=card.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    held.then(
        measure,
        inputs={*base, *hooks.places(), card.why},
        outputs=card.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    for button, act in ((card.on, forward), (card.back, backward)):
        gr.on(
            button.click,
            act,
            inputs=base,
            outputs=everything,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
    gr.on(
        card.leave.click,
        close,
        inputs=base,
        outputs=card.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        key.change,
        again,
        inputs=base,
        outputs=everything,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
