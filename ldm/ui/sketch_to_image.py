"""The tab *Sketch to image*: a drawing or a picture of the visitor's, and what it becomes."""

from dataclasses import dataclass, replace

import gradio as gr
from PIL import Image

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.imaging import ImageError
from ldm.pipeline import check, check_pictures
from ldm.recipe import RecipeError
from ldm.ui.controls import (
    build_buttons,
    build_examples,
    build_prompt,
    build_settings,
    build_stage,
    build_strength,
)
from ldm.ui.easel import read_strokes
from ldm.ui.form import Form, Missing, Problems, Updates, Values, read_recipe
from ldm.ui.handlers import connect, refused
from ldm.ui.jobs import Jobs, Request
from ldm.ui.picture_input import (
    EXAMPLES,
    FIELD,
    Example,
    PictureInput,
    build_picture_input,
    connect_examples,
    connect_picture_input,
)
from ldm.ui.stage import data_url
from ldm.ui.start_view import noised_start
from ldm.ui.texts import SKETCH_STRENGTHS, attributes, label, say
from ldm.ui.tokens import build_tokens, connect_tokens

TAB = "image_to_image"
STRENGTH = 0.7
SKETCHES = (
    Example(
        "a man boating on a lake surrounded by mountains at twilight",
        EXAMPLES / "sketch-boating.png",
        0.7,
    ),
    Example("a small island with palm trees at sunset", EXAMPLES / "sketch-island.png", 0.7),
    Example("a lighthouse by the sea on a clear day", EXAMPLES / "sketch-lighthouse.png", 0.7),
)


@dataclass(frozen=True)
class SketchTab:
    """The tab's form and its easel."""

    form: Form
    source: PictureInput


def drawn(picture: Image.Image | None, strokes: Image.Image | None) -> Image.Image:
    """What the visitor sees on the easel: strokes over the picture, or over white paper.

    Raises `Missing` where there is neither.
    """
    if strokes is None:
        if picture is None:
            raise Missing(FIELD, "empty_sketch")
        return picture
    under = picture or Image.new("RGB", strokes.size, "white")
    over = strokes.resize(under.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(under.convert("RGBA"), over).convert("RGB")


def start_markup(image: Image.Image) -> str:
    """The noised start as the page shows it."""
    alt = attributes({"alt": "start_alt"})
    return (
        f'<div class="ldm-start"><img src="{data_url(image)}"{alt}><p>{say("start_note")}</p></div>'
    )


def build_sketch_to_image(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> SketchTab:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    with gr.Tab(label("sketch_tab"), id=TAB), gr.Column(elem_classes="ldm-tab ldm-three"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, "sketch_prompt")
            tokens = build_tokens(TAB, engine, "")
        with gr.Column(elem_classes="ldm-source"):
            source = build_picture_input(TAB, masking=False, size=native)
        with gr.Column(elem_classes="ldm-go"):
            strength, _ = build_strength(TAB, STRENGTH, SKETCH_STRENGTHS)
            start = gr.Button(
                label("show_start"), size="sm", elem_id=f"{TAB}-start", elem_classes="ldm-quiet"
            )
            start_shown = gr.HTML("", elem_id=f"{TAB}-start-view")
            live = gr.Checkbox(
                False, label=label("live"), info=label("live_info"), elem_id=f"{TAB}-live"
            )
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
        others=(source.canvas, source.picture, live),
    )

    def read(values: Values) -> list[Request]:
        strokes = read_strokes(values[source.canvas], FIELD)
        return [Request(read_recipe(form, values), drawn(values[source.picture], strokes))]

    def show_start(values: Values) -> Updates:
        try:
            (request,) = read(values)
            recipe = check_pictures(request.recipe, request.init_image, None)
            checkpoint = engine.checkpoint(recipe.model)
            check(recipe, checkpoint, engine.max_pixels(recipe.model))
        except (RecipeError, ImageError, CheckpointError) as error:
            return refused(form, error)
        assert request.init_image is not None
        image = noised_start(checkpoint, replace(recipe, num_images=1), request.init_image)
        return {start_shown: start_markup(image), **form.problems.clear()}

    gr.on(
        start.click,
        show_start,
        form.inputs(),
        [*form.outputs(), start_shown],
        preprocess=False,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    connect_tokens(tokens, prompt, choices.model)
    connect_picture_input(form, source, engine)
    connect_examples(form, source, engine, SKETCHES, examples)
    connect(form, engine, jobs, visit, read, also=[source.canvas.submit])
    return SketchTab(form, source)
