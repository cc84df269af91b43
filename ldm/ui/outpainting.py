"""Room added on the sides of a picture, masked and ready to be painted (outpainting)."""

from dataclasses import dataclass

import gradio as gr
from PIL import Image

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.imaging import ImageError
from ldm.imaging.margins import Margins, extend
from ldm.imaging.region import size_for
from ldm.pipeline import size_step
from ldm.ui.easel import sheet_over
from ldm.ui.failures import model_refused
from ldm.ui.filling import fill_size
from ldm.ui.form import Form, Missing, Updates, Values, plain_words
from ldm.ui.picture_input import FIELD, PictureInput, mask_strokes, picture_outputs
from ldm.ui.texts import label, say

SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class MarginInputs:
    """How many pixels to add on each side, and the button that adds them."""

    sides: dict[str, gr.Number]
    add: gr.Button


def build_margins(tab: str) -> MarginInputs:
    with gr.Accordion(label("extend"), open=False, elem_classes="ldm-fold ldm-extend"):
        gr.HTML(f"<p>{say('extend_info')}</p>", elem_classes="ldm-note")
        with gr.Row(elem_classes="ldm-pair"):
            sides = {
                side: gr.Number(
                    0, label=label(f"margin_{side}"), min_width=60, elem_id=f"{tab}-margin_{side}"
                )
                for side in SIDES
            }
        add = gr.Button(
            label("extend_do"), size="sm", elem_id=f"{tab}-extend", elem_classes="ldm-quiet"
        )
    return MarginInputs(sides, add)


def drawable(
    size: tuple[int, int], native: tuple[int, int], most: int, step: int
) -> tuple[int, int]:
    """The size a picture of `size` is drawn at: its own where the machine can, else a smaller one.

    native: the model's; most: pixels that this machine takes; step: what sides are multiples of.
    """
    rounded = (max(step, round(side / step) * step) for side in size)
    width, height = next(rounded), next(rounded)
    if width * height <= most:
        return width, height
    return size_for((0, 0, *size), native, step)


def connect_margins(form: Form, source: PictureInput, inputs: MarginInputs, engine: Engine) -> None:
    """The button puts the picture with its margins on the easel, the margins masked."""
    model = form.fields["model"]

    def add(values: Values) -> Updates:
        picture: Image.Image | None = values[source.picture]
        try:
            if picture is None:
                raise Missing(FIELD, "no_picture")
            wanted = {side: values[number] for side, number in inputs.sides.items()}
            for side, value in wanted.items():
                if not isinstance(value, int) or isinstance(value, bool):
                    raise ImageError(f"margin_{side}", f"{value}", "a whole number of pixels")
            margins = Margins(**wanted)
            if not margins:
                raise Missing("margin_left", "extend_none")
            extended, mask = extend(picture, margins)
            chosen = values[model]
            step = size_step(engine.checkpoint(chosen))
        except ImageError as error:
            return form.problems.show(form.tab, error.field, plain_words(error))
        except CheckpointError as error:
            return form.problems.show(form.tab, "model", model_refused(error))
        native = engine.defaults(chosen).native_size
        size = drawable(extended.size, native, engine.max_pixels(chosen), step)
        return {
            source.picture: extended,
            source.canvas: sheet_over(extended, mask_strokes(mask)),
            source.note: say("extended", width=extended.width, height=extended.height),
            **fill_size(form, engine, chosen, size),
            **form.problems.clear(),
            **{number: 0 for number in inputs.sides.values()},
        }

    gr.on(
        inputs.add.click,
        add,
        {source.picture, model, *inputs.sides.values()},
        [*picture_outputs(form, source), *inputs.sides.values()],
        preprocess=False,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
