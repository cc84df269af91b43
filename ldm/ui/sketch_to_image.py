"""The tab *Sketch to image*: a drawing or a picture of the visitor's, and what it becomes."""

import gradio as gr
from PIL import Image

from ldm.engine import Engine
from ldm.ui import texts
from ldm.ui.controls import (
    build_buttons,
    build_examples,
    build_prompt,
    build_settings,
    build_stage,
    build_strength,
)
from ldm.ui.easel import read_strokes
from ldm.ui.form import Form, Missing, Problems, Values, read_recipe
from ldm.ui.handlers import Request, Runs, connect
from ldm.ui.picture_input import (
    EXAMPLES,
    FIELD,
    Example,
    build_picture_input,
    connect_examples,
    connect_picture_input,
)

TAB = "image_to_image"
STRENGTH = 0.7
SKETCHES = (
    Example(
        "a man boating on a lake surrounded by mountains at twilight",
        EXAMPLES / "sketch-boating.png",
        0.7,
    ),
    Example("a sailboat on the sea at sunset", EXAMPLES / "sketch-sailboat.png", 0.7),
    Example("a lighthouse by the sea on a clear day", EXAMPLES / "sketch-lighthouse.png", 0.7),
)


def drawn(picture: Image.Image | None, strokes: Image.Image | None) -> Image.Image:
    """What the visitor sees on the easel: strokes over the picture, or over white paper.

    Raises `Missing` where there is neither.
    """
    if strokes is None:
        if picture is None:
            raise Missing(FIELD, texts.EMPTY_SKETCH)
        return picture
    under = picture or Image.new("RGB", strokes.size, "white")
    over = strokes.resize(under.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(under.convert("RGBA"), over).convert("RGB")


def build_sketch_to_image(engine: Engine, runs: Runs) -> Form:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    with gr.Tab(texts.SKETCH_TAB, id=TAB), gr.Column(elem_classes="ldm-tab ldm-three"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, texts.SKETCH_PROMPT)
        with gr.Column(elem_classes="ldm-source"):
            source = build_picture_input(TAB, masking=False, size=native)
        with gr.Column(elem_classes="ldm-go"):
            strength, _ = build_strength(TAB, STRENGTH, texts.SKETCH_STRENGTH_WORDS)
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            examples = build_examples(
                [example.caption for example in SKETCHES], [example.picture for example in SKETCHES]
            )
            choices = build_settings(TAB, engine)
    form = Form(
        tab=TAB,
        fields={"prompt": prompt, "strength": strength, **choices.fields},
        size=choices.size,
        randomise=choices.randomise,
        generate=generate,
        stop=stop,
        status=status,
        stage=stage,
        problems=Problems(prompt_problem, source.problem, choices.problem),
        others=(source.canvas, source.picture),
    )

    def read(values: Values) -> Request:
        strokes = read_strokes(values[source.canvas], FIELD)
        return Request(read_recipe(form, values), drawn(values[source.picture], strokes))

    connect_picture_input(form, source, engine)
    connect_examples(form, source, engine, SKETCHES, examples)
    connect(form, engine, runs, read)
    return form
