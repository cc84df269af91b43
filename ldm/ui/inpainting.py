"""The tab *Inpainting*: a picture, a mask brushed over it, and what appears under the mask."""

import html

import gradio as gr
import numpy as np
from PIL import Image

from ldm.engine import Engine
from ldm.imaging import ImageError, feather, fit, fit_mask, mask_from_layers
from ldm.recipe import LIMITS
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
from ldm.ui.form import Form, Missing, Problems, Values, read_recipe, within
from ldm.ui.handlers import Request, Runs, connect
from ldm.ui.picture_input import (
    EXAMPLES,
    FIELD,
    Example,
    build_picture_input,
    connect_examples,
    connect_picture_input,
)
from ldm.ui.stage import data_url, tinted

TAB = "inpaint"
STRENGTH = 1.0
FEATHER = 4
SHOWN_SIDE = 256  # pixels of the small view of the mask
PICTURES = (
    Example(
        "a man boating on a lake surrounded by mountains on a clear day",
        EXAMPLES / "inpaint-lake.png",
        1.0,
        EXAMPLES / "inpaint-lake-mask.png",
    ),
    Example(
        "a sailboat on the sea at sunset",
        EXAMPLES / "inpaint-sea.png",
        1.0,
        EXAMPLES / "inpaint-sea-mask.png",
    ),
    Example(
        "a big tree on a green hill at dawn",
        EXAMPLES / "inpaint-hill.png",
        1.0,
        EXAMPLES / "inpaint-hill-mask.png",
    ),
)


def painted(
    picture: Image.Image | None, strokes: Image.Image | None
) -> tuple[Image.Image, Image.Image]:
    """The picture and the mask over it (L, white where to repaint), as the engine takes them.

    Raises `Missing` for whichever is not there.
    """
    if picture is None:
        raise Missing(FIELD, texts.NO_PICTURE)
    if strokes is None:
        raise Missing("mask", texts.EMPTY_MASK)
    # The sheet is the whole picture by making; rounding must not make it another shape.
    over = strokes.resize(picture.size, Image.Resampling.BILINEAR)
    return picture, mask_from_layers([over], picture.size)


def mask_view(picture: Image.Image, mask: Image.Image, size: tuple[int, int], edge: int) -> str:
    """The mask as the engine will use it, over the picture as it will be cropped."""
    soft = feather(fit_mask(mask, *size), edge)
    shown = tinted(fit(picture, *size), soft)
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    share = float((np.asarray(soft) > 0).mean())
    line = html.escape(texts.mask_read(share, edge))
    return f'<div class="ldm-mask"><img src="{data_url(shown)}" alt=""><p>{line}</p></div>'


def build_inpainting(engine: Engine, runs: Runs) -> Form:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    with gr.Tab(texts.INPAINT_TAB, id=TAB), gr.Column(elem_classes="ldm-tab ldm-three"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, texts.INPAINT_PROMPT)
        with gr.Column(elem_classes="ldm-source"):
            source = build_picture_input(TAB, masking=True, size=native)
            mask_shown = gr.HTML("", elem_id=f"{TAB}-mask-read")
        with gr.Column(elem_classes="ldm-go"):
            strength, _ = build_strength(TAB, STRENGTH, texts.INPAINT_STRENGTH_WORDS)
            limit = LIMITS["mask_feather"]
            softness = gr.Slider(
                limit.minimum,
                limit.maximum,
                FEATHER,
                step=limit.step,
                label=texts.FEATHER,
                info=texts.FEATHER_INFO,
                elem_id=f"{TAB}-mask_feather",
                buttons=[],
            )
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            examples = build_examples(
                [example.caption for example in PICTURES], [example.picture for example in PICTURES]
            )
            choices = build_settings(TAB, engine)
    fields = {"prompt": prompt, "strength": strength, "mask_feather": softness, **choices.fields}
    form = Form(
        tab=TAB,
        fields=fields,
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
        strokes = read_strokes(values[source.canvas], "mask")
        return Request(read_recipe(form, values), *painted(values[source.picture], strokes))

    def show_mask(values: Values) -> str:
        size, edge = form.size.usable(values), values[softness]
        if values[source.picture] is None or size is None or not within("mask_feather", edge):
            return ""  # Generate says what is missing
        try:
            strokes = read_strokes(values[source.canvas], "mask")
            picture, mask = painted(values[source.picture], strokes)
            return mask_view(picture, mask, size, edge)
        except ImageError:
            return f"<p>{texts.MASK_READ_EMPTY}</p>"

    gr.on(
        [source.canvas.change, softness.change, form.size.preset.change],
        show_mask,
        form.size.parts() | {source.canvas, source.picture, softness},
        mask_shown,
        preprocess=False,
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )
    connect_picture_input(form, source, engine)
    connect_examples(form, source, engine, PICTURES, examples)
    connect(form, engine, runs, read)
    return form
