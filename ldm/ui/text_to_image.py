"""The tab *Text to image*: a caption, and a picture of it."""

import random

import gradio as gr

from ldm.engine import Engine
from ldm.ui.chance import left_to_chance
from ldm.ui.controls import (
    build_buttons,
    build_examples,
    build_prompt,
    build_settings,
    build_stage,
)
from ldm.ui.form import Form, Problems, Values, read_recipe
from ldm.ui.handlers import connect
from ldm.ui.jobs import Jobs, Request
from ldm.ui.texts import TEXT_EXAMPLES, label
from ldm.ui.tokens import build_tokens, connect_tokens

TAB = "text_to_image"


def _link(text: str, name: str) -> gr.Button:
    return gr.Button(label(text), size="sm", elem_id=f"{TAB}-{name}", elem_classes="ldm-link")


def _connect_examples(examples: list[gr.Button], prompt: gr.Textbox, engine: Engine) -> None:
    """A press takes a caption; where a model says what it can draw, another brings other captions,
    in which words are used as in its training.
    """
    for button in examples:
        button.click(fn=None, inputs=button, outputs=prompt, js="(caption) => caption")
    known = filter(None, map(engine.captions, engine.names()))
    ideas = next((captions.examples for captions in known), ())
    if len(ideas) < len(examples):
        return
    _link("other_ideas", "ideas").click(
        lambda: random.Random().sample(ideas, len(examples)),
        None,
        examples,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )


def _connect_chance(prompt: gr.Textbox) -> None:
    """A press leaves to the seed what the caption leaves open."""
    _link("leave_to_chance", "chance").click(
        left_to_chance,
        prompt,
        prompt,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def build_text_to_image(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> Form:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    with gr.Tab(label("text_tab"), id=TAB), gr.Column(elem_classes="ldm-tab ldm-two"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, "prompt", TEXT_EXAMPLES[0])
            tokens = build_tokens(TAB, engine, TEXT_EXAMPLES[0])
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            examples = build_examples(TEXT_EXAMPLES)
            with gr.Row(elem_classes="ldm-links"):
                _connect_examples(examples, prompt, engine)
                _connect_chance(prompt)
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
    )

    def read(values: Values) -> list[Request]:
        return [Request(read_recipe(form, values))]

    connect_tokens(tokens, prompt, choices.model)
    connect(form, engine, jobs, visit, read)
    return form
