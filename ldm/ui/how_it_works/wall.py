"""A class's wall in the tab: a student may post, everyone of the class looks, the teacher clears.

Owns the components and what a press does. What is kept, and for whom, `classes` says.
"""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm.ui.form import Updates, Values
from ldm.ui.how_it_works.classes import IDLE_SECONDS, POSTS_EACH, ClassError, Classes, Post
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import Hooks, area, pressed, words_of
from ldm.ui.how_it_works.visuals import data_uri, problem, said
from ldm.ui.texts import attributes, label, say

LOOK_SECONDS = 4
CLEAR = "clear"


@dataclass(frozen=True)
class WallParts:
    """The wall's components. teacher: the key of the teacher's link, "" for a student."""

    box: gr.Column
    pictures: gr.HTML
    post: gr.Button
    message: gr.HTML
    teacher: gr.State
    seen: gr.State
    timer: gr.Timer

    def parts(self) -> list[Any]:
        return [self.box, self.pictures, self.message, self.teacher, self.seen, self.timer]

    def arrived(self, classes: Classes, code: str, key: str) -> Updates:
        """The wall for whom a link with this code and key has brought; hidden without a code."""
        if not code:
            return {self.box: gr.update(visible=False), self.timer: gr.Timer(active=False)}
        opened: Updates = {self.box: gr.update(visible=True), self.teacher: key}
        try:
            shown = self.shown(classes, code, key)
        except ClassError as error:
            return {**opened, self.message: problem(error.words)}
        return {
            **opened,
            **shown,
            self.timer: gr.Timer(LOOK_SECONDS, active=True),
            self.message: "",
        }

    def shown(self, classes: Classes, code: str, key: str) -> Updates:
        """The pictures as they hang. Raises ClassError for a class that has ended."""
        wall = classes.wall(code)
        teaches = bool(key) and classes.is_teacher(code, key)
        return {self.pictures: hung(wall.posts, teaches), self.seen: wall.version}


def _hung(post: Post, teaches: bool) -> str:
    caption = html.escape(post.caption)
    remove = ""
    if teaches:
        name = attributes({"aria-label": "wall_remove", "title": "wall_remove"})
        remove = f'<button type="button" data-choice="{post.number}"{name}>×</button>'
    url = data_uri(post.jpeg, "image/jpeg")
    return (
        f'<figure data-kind="picture"><img src="{url}" alt="{caption}">'
        f"<figcaption><b>{caption}</b></figcaption>{remove}</figure>"
    )


def hung(posts: tuple[Post, ...], teaches: bool) -> str:
    """The wall's pictures, the newest first; for a teacher, with what takes them down."""
    if not posts:
        return said(say("wall_empty"))
    clear = (
        f'<p class="how-clear"><button type="button" data-choice="{CLEAR}">{say("wall_clear")}'
        "</button></p>"
        if teaches
        else ""
    )
    pictures = "".join(_hung(post, teaches) for post in reversed(posts))
    return f'{clear}<div class="how-wall">{pictures}</div>'


def build_wall() -> WallParts:
    """The wall's place in the tab being built."""
    hours = IDLE_SECONDS // 3600
    with gr.Column(visible=False, elem_classes="how-class", elem_id="how-class") as box:
        gr.HTML(
            f'<div class="how-heading"><h3>{say("wall_heading")}</h3></div>',
            apply_default_css=False,
        )
        with gr.Row(elem_classes="how-row"):
            post = gr.Button(label("wall_post"), elem_id="how-wall-post")
            gr.HTML(
                f'<p class="how-privacy">{say("wall_privacy", hours=hours, each=POSTS_EACH)}</p>',
                apply_default_css=False,
            )
        message = gr.HTML("", elem_classes="ldm-slot", elem_id="how-wall-message")
        pictures = area("wall")
    return WallParts(
        box,
        pictures,
        post,
        message,
        gr.State(""),
        gr.State(-1),
        gr.Timer(LOOK_SECONDS, active=False),
    )


def connect_wall(wall: WallParts, classes: Classes, hooks: Hooks) -> None:
    """Within the Blocks being built."""
    base: set[Component] = {hooks.terms, wall.teacher, wall.seen}

    def look(values: Values) -> Updates:
        return wall.shown(classes, values[hooks.terms].code, values[wall.teacher])

    def post(values: dict[Component, Any], request: gr.Request) -> Updates:
        try:
            run = hooks.lab.recording(values[hooks.key])
            if run.recipe.task != "text_to_image":
                raise LabError(say("wall_text_only"))
            code = values[hooks.terms].code
            classes.post(code, request.session_hash or "", run.picture, run.recipe.prompt)
            return {**look(values), wall.message: said(say("wall_posted"))}
        except Exception as error:
            return {wall.message: problem(words_of(error))}

    def take_down(values: dict[Component, Any], event: gr.EventData) -> Updates:
        code, key, which = values[hooks.terms].code, values[wall.teacher], pressed(event)
        try:
            if which == CLEAR:
                classes.clear(code, key)
            elif which.isdigit():
                classes.remove(code, key, int(which))
            return {**look(values), wall.message: ""}
        except Exception as error:
            return {wall.message: problem(words_of(error))}

    def refresh(values: dict[Component, Any]) -> Updates:
        """What has changed since the last look; where nothing has, nothing is sent."""
        try:
            code = values[hooks.terms].code
            same = classes.wall(code).version == values[wall.seen]
            return gr.skip() if same else look(values)
        except ClassError as error:
            return {wall.message: problem(error.words), wall.timer: gr.Timer(active=False)}

    gr.on(
        wall.post.click,
        post,
        inputs={*base, hooks.key},
        outputs=wall.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        wall.pictures.select,
        take_down,
        inputs=base,
        outputs=wall.parts(),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        wall.timer.tick,
        refresh,
        inputs=base,
        outputs=wall.parts(),
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
