"""For teachers: a link that opens a lesson with the settings that stand above, and, where the host
keeps class walls, a second link with the key of a new class.

Owns the fold and what it makes. What a link says, `terms` knows; what becomes of it, `arrival`.
"""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm.engine import Engine
from ldm.recipe import LIMITS, RecipeError
from ldm.ui.form import Updates
from ldm.ui.how_it_works.asking import Asking
from ldm.ui.how_it_works.classes import Classes
from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.how_it_works.panel import words_of
from ldm.ui.how_it_works.terms import SETTINGS, Terms, read_terms
from ldm.ui.how_it_works.visuals import problem
from ldm.ui.texts import label, say

# The key stands behind "#": browsers do not send that part of an address with their requests.
KEY = "key="
FREE = ("caption", "seed")


@dataclass(frozen=True)
class TeacherParts:
    """What a teacher chooses for a link."""

    lesson: gr.Dropdown
    free: gr.CheckboxGroup
    max_steps: gr.Number
    max_size: gr.Number
    with_wall: gr.Checkbox
    make: gr.Button
    links: gr.HTML

    def parts(self) -> list[Component]:
        return [self.lesson, self.free, self.max_steps, self.max_size, self.with_wall]


def _link(key: str, query: str, secret: str = "") -> str:
    address = html.escape(f"?{query}{f'#{KEY}{secret}' if secret else ''}")
    return (
        f'<p class="how-link"><b>{say(key)}</b><a href="{address}" target="_blank" rel="noopener">'
        f'{address}</a><button type="button" data-do="lesson-link">{say("teacher_copy")}</button>'
        "</p>"
    )


def build_teacher(classes_kept: bool) -> TeacherParts:
    """The fold, in the tab being built. classes_kept: whether the host keeps class walls."""
    with gr.Accordion(
        label("teacher_fold"), open=False, elem_classes="ldm-fold", elem_id="how-for"
    ):
        gr.HTML(f'<p class="how-said">{say("teacher_info")}</p>', apply_default_css=False)
        with gr.Row(elem_classes="how-row how-fields"):
            lesson = gr.Dropdown(
                [(label(f"lesson_{name}"), name) for name in LESSONS],
                value=next(iter(LESSONS)),
                label=label("teacher_lesson"),
                filterable=False,
                elem_id="how-teacher-lesson",
            )
            max_steps = gr.Number(
                20,
                label=label("teacher_max_steps"),
                precision=0,
                elem_id="how-teacher-steps",
            )
            max_size = gr.Number(
                0,
                label=label("teacher_max_size"),
                info=label("teacher_max_size_info"),
                precision=0,
                elem_id="how-teacher-size",
            )
        free = gr.CheckboxGroup(
            [(label(f"teacher_{name}"), name) for name in SETTINGS],
            value=[*FREE],
            label=label("teacher_free"),
            elem_id="how-teacher-free",
        )
        with_wall = gr.Checkbox(
            False,
            label=label("teacher_wall"),
            info=label("teacher_wall_info"),
            visible=classes_kept,
            elem_id="how-teacher-wall",
        )
        with gr.Row(elem_classes="how-row"):
            make = gr.Button(label("teacher_make"), elem_id="how-teacher-make")
        links = gr.HTML("", apply_default_css=False, elem_id="how-teacher-links")
    return TeacherParts(lesson, free, max_steps, max_size, with_wall, make, links)


def _cap(name: str, field: str, value: object) -> int | None:
    """A cap as it was typed; 0 or nothing is none."""
    if not value:
        return None
    limit = LIMITS[field]
    if not isinstance(value, int | float) or not limit.minimum <= value <= limit.maximum:
        raise RecipeError(name, value, f"{limit}, or 0 for none")
    return int(value)


def connect_teacher(
    teacher: TeacherParts, asking: Asking, engine: Engine, classes: Classes
) -> None:
    """Within the Blocks being built."""

    def make(values: dict[Component, Any]) -> Updates:
        try:
            recipe = asking.recipe(engine, values, Terms())
            wanted = Terms(
                lesson=values[teacher.lesson],
                settings={own: getattr(recipe, own) for own in SETTINGS.values()},
                free=tuple(values[teacher.free]),
                max_steps=_cap("max_steps", "num_inference_steps", values[teacher.max_steps]),
                max_size=_cap("max_size", "width", values[teacher.max_size]),
            )
            read_terms(engine, wanted.query())  # as a student's page will
            if not values[teacher.with_wall]:
                return {teacher.links: _link("teacher_link", wanted.query())}
            code, key = classes.open()
            query = f"{wanted.query()}&class={code}"
            return {
                teacher.links: _link("teacher_link", query)
                + _link("teacher_own_link", query, key)
                + f"<p>{say('teacher_own_info')}</p>"
            }
        except Exception as error:
            return {teacher.links: problem(words_of(error))}

    gr.on(
        teacher.make.click,
        make,
        inputs={*teacher.parts(), *asking.parts()},
        outputs=[teacher.links],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
