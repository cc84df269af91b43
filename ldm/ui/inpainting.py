"""The tab *Inpainting*: a picture, a mask brushed over it, and what appears under the mask."""

from dataclasses import dataclass

import gradio as gr
from PIL import Image

from ldm.engine import Engine
from ldm.imaging import ImageError
from ldm.recipe import CROP_PADDING
from ldm.ui.controls import (
    build_buttons,
    build_examples,
    build_prompt,
    build_settings,
    build_slider,
    build_stage,
    build_strength,
)
from ldm.ui.easel import read_strokes
from ldm.ui.form import Detail, Form, Problems, Updates, Values, read_recipe, within
from ldm.ui.handlers import connect
from ldm.ui.jobs import Jobs, Request
from ldm.ui.masking import mask_view, painted, region_view
from ldm.ui.outpainting import build_margins, connect_margins
from ldm.ui.picture_input import (
    EXAMPLES,
    Example,
    PictureInput,
    build_picture_input,
    connect_examples,
    connect_picture_input,
)
from ldm.ui.texts import INPAINT_STRENGTHS, label, say
from ldm.ui.tokens import build_tokens, connect_tokens

TAB = "inpaint"
STRENGTH = 1.0
FEATHER = 4
PADDING = 32
PICTURES = (
    Example(
        "a man in a red boat",
        EXAMPLES / "inpaint-lake.png",
        1.0,
        EXAMPLES / "inpaint-lake-mask.png",
    ),
    Example(
        "a ship",
        EXAMPLES / "inpaint-sea.png",
        1.0,
        EXAMPLES / "inpaint-sea-mask.png",
    ),
    Example(
        "a fox",
        EXAMPLES / "inpaint-hill.png",
        1.0,
        EXAMPLES / "inpaint-hill-mask.png",
    ),
)


@dataclass(frozen=True)
class InpaintTab:
    """The tab's form and its easel."""

    form: Form
    source: PictureInput


def _build_detail() -> Detail:
    chosen = gr.Checkbox(
        False, label=label("detail"), info=label("detail_info"), elem_id=f"{TAB}-detail"
    )
    padding = gr.Slider(
        CROP_PADDING.minimum,
        CROP_PADDING.maximum,
        PADDING,
        step=CROP_PADDING.step,
        label=label("padding_mask_crop"),
        info=label("padding_mask_crop_info"),
        visible=False,
        elem_id=f"{TAB}-padding_mask_crop",
        buttons=[],
    )
    chosen.change(
        lambda on: gr.update(visible=on),
        chosen,
        padding,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Detail(chosen, padding)


def build_inpainting(engine: Engine, jobs: Jobs, visit: gr.Textbox) -> InpaintTab:
    """The tab's components and what its buttons do."""
    native = engine.defaults(engine.names()[0]).native_size
    with gr.Tab(label("inpaint_tab"), id=TAB), gr.Column(elem_classes="ldm-tab ldm-three"):
        with gr.Column(elem_classes="ldm-ask"):
            prompt, prompt_problem = build_prompt(TAB, "inpaint_prompt")
            tokens = build_tokens(TAB, engine, "")
        with gr.Column(elem_classes="ldm-source"):
            source = build_picture_input(TAB, masking=True, size=native)
            mask_shown = gr.HTML("", elem_id=f"{TAB}-mask-read")
            margins = build_margins(TAB)
        with gr.Column(elem_classes="ldm-go"):
            strength, _ = build_strength(TAB, STRENGTH, INPAINT_STRENGTHS)
            softness = build_slider(TAB, "mask_feather", FEATHER, "feather_info")
            detail = _build_detail()
            generate, stop = build_buttons(TAB)
        with gr.Column(elem_classes="ldm-picture"):
            status, stage = build_stage(TAB, native)
        with gr.Column(elem_classes="ldm-more"):
            examples = build_examples(
                [example.caption for example in PICTURES], [example.picture for example in PICTURES]
            )
            choices = build_settings(TAB, engine)
    form = Form(
        tab=TAB,
        fields={
            "prompt": prompt,
            "strength": strength,
            "mask_feather": softness,
            **choices.fields,
        },
        size=choices.size,
        randomise=choices.randomise,
        generate=generate,
        stop=stop,
        status=status,
        stage=stage,
        problems=Problems(prompt_problem, source.problem, choices.problem),
        detail=detail,
        others=(source.canvas, source.picture),
    )

    def read(values: Values) -> list[Request]:
        strokes = read_strokes(values[source.canvas], "mask")
        recipe = read_recipe(form, values)
        picture, mask = painted(values[source.picture], strokes)
        return [Request(recipe, picture, mask)]

    def show_mask(values: Values) -> str:
        size, edge = form.size.usable(values), values[softness]
        if values[source.picture] is None or size is None or not within("mask_feather", edge):
            return ""  # Generate says what is missing
        try:
            strokes = read_strokes(values[source.canvas], "mask")
            picture, mask = painted(values[source.picture], strokes)
            padding = detail.read(values)
            if not within("padding_mask_crop", padding):
                return mask_view(picture, mask, size, edge)
            return region_view(picture, mask, size, edge, padding)
        except ImageError:
            return f"<p>{say('mask_read_empty')}</p>"

    def suits_detail(picture: Image.Image | None, model: str) -> Updates:
        """A picture much larger than the model draws is worked on in part."""
        if picture is None:
            return {detail.chosen: gr.skip()}
        width, height = engine.defaults(model).native_size
        return {detail.chosen: picture.width * picture.height > 2 * width * height}

    gr.on(
        [
            source.canvas.change,
            softness.change,
            form.size.preset.change,
            detail.chosen.change,
            detail.padding.change,
        ],
        show_mask,
        form.size.parts() | {softness, detail.chosen, detail.padding, *form.others},
        mask_shown,
        preprocess=False,
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )
    source.picture.change(
        suits_detail,
        [source.picture, form.fields["model"]],
        detail.chosen,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    connect_tokens(tokens, prompt, choices.model)
    connect_margins(form, source, margins, engine)
    connect_picture_input(form, source, engine)
    connect_examples(form, source, engine, PICTURES, examples)
    connect(form, engine, jobs, visit, read)
    return InpaintTab(form, source)
