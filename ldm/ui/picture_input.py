"""The visitor's picture as an input: opened from a file or an example, shown on the easel, kept.

The opened picture stays in this visitor's session on the server, exactly as `open_image` read it;
the easel shows a copy and sends back strokes alone. It does *not* know what becomes of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
from PIL import Image

from ldm.engine import Engine
from ldm.imaging import ImageError, open_image, open_mask
from ldm.ui.easel import MASK_COLOUR, build_easel, clean_sheet, sheet_over, sheet_size
from ldm.ui.filling import fill_size, nearest_size
from ldm.ui.form import Form, Missing, Output, Updates, Values, plain_words
from ldm.ui.phrases import understood
from ldm.ui.settings import PROJECT
from ldm.ui.texts import label, opened, plain

EXAMPLES = PROJECT / "assets" / "examples"
FIELD = "init_image"
KEPT_SIDE = 1536  # pixels: more than is drawn at, and a visitor's session stays light


@dataclass(frozen=True)
class Example:
    """What one button brings: a caption, a picture, and for inpainting a mask (RGBA strokes)."""

    caption: str
    picture: Path
    strength: float
    strokes: Path | None = None


@dataclass(frozen=True)
class PictureInput:
    """The easel, what lies on it, and the line under it."""

    canvas: gr.HTML
    picture: gr.State  # PIL RGB, or None
    open: gr.UploadButton
    mask: gr.UploadButton
    new: gr.Button
    note: gr.HTML
    problem: gr.HTML


def _kept(image: Image.Image, notes: tuple[str, ...]) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture at a size that is worth keeping."""
    if max(image.size) <= KEPT_SIDE:
        return image, notes
    reduced = image.copy()
    reduced.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)
    return reduced, (*notes, plain("note_reduced", width=reduced.width, height=reduced.height))


def picture_outputs(form: Form, source: PictureInput) -> list[Output]:
    """What `picture_updates` and `opened_updates` set."""
    size = [*form.size.parts(), form.size.own]
    return [source.picture, source.canvas, source.note, *size, *form.problems.clear()]


def picture_updates(
    form: Form, source: PictureInput, engine: Engine, model: str, image: Image.Image
) -> Updates:
    """`image` on the easel without strokes, and the model's size of the nearest shape chosen."""
    return {
        source.picture: image,
        source.canvas: sheet_over(image),
        source.note: "",
        **fill_size(form, engine, model, nearest_size(engine, model, image.size)),
        **form.problems.clear(),
    }


def opened_updates(
    form: Form, source: PictureInput, engine: Engine, model: str, path: str | Path
) -> Updates:
    """The picture of a file on the easel; or, beside it, why it cannot be used."""
    try:
        found = open_image(path, FIELD)
    except ImageError as error:
        return form.problems.show(form.tab, FIELD, plain_words(error))
    image, notes = _kept(found.image, found.notes)
    return {
        **picture_updates(form, source, engine, model, image),
        source.note: opened(*found.image.size, understood("; ".join(notes))),
    }


def mask_strokes(mask: Image.Image) -> Image.Image:
    """A mask (L) as the strokes that would have painted it."""
    strokes = Image.new("RGBA", mask.size, MASK_COLOUR)
    strokes.putalpha(mask)
    return strokes


def build_picture_input(tab: str, masking: bool, size: tuple[int, int]) -> PictureInput:
    """The easel with its buttons; a sheet is blank and of the shape `size` at first."""
    canvas = build_easel(f"{tab}-easel", masking, *sheet_size(*size))
    with gr.Row(elem_id=f"{tab}-easel-files", elem_classes="ldm-under"):
        opening = gr.UploadButton(str(label("open_picture")), file_types=["image"], size="sm")
        mask = gr.UploadButton(
            str(label("open_mask")),
            file_types=["image"],
            size="sm",
            visible=masking,
            elem_id=f"{tab}-open-mask",
        )
        new = gr.Button(
            label("new_sheet"), size="sm", visible=not masking, elem_id=f"{tab}-easel-new"
        )
    note = gr.HTML("", elem_classes="ldm-note", elem_id=f"{tab}-note")
    problem = gr.HTML("", elem_classes="ldm-slot")
    return PictureInput(canvas, gr.State(None), opening, mask, new, note, problem)


def connect_picture_input(form: Form, source: PictureInput, engine: Engine) -> None:
    """Opening a file or a mask, a new sheet, and a blank sheet in the shape of the chosen size."""
    model = form.fields["model"]
    sides = form.size.parts()

    def open_file(path: str, chosen_model: str) -> Updates:
        return opened_updates(form, source, engine, chosen_model, path)

    def open_mask_file(path: str, picture: Image.Image | None) -> Updates:
        try:
            if picture is None:
                raise Missing(FIELD, "no_picture")
            mask = open_mask(path, "mask", picture.size)
        except ImageError as error:
            return form.problems.show(form.tab, error.field, plain_words(error))
        return {
            source.canvas: sheet_over(picture, mask_strokes(mask)),
            **form.problems.clear(),
        }

    def blank(values: Values) -> tuple[int, int]:
        """The sheet for the chosen size; Generate says what is wrong with an unusable one."""
        size = form.size.usable(values) or engine.defaults(values[model]).native_size
        return sheet_size(*size)

    def reshape(values: Values) -> Updates:
        now = values[source.canvas]
        size = blank(values)
        if values[source.picture] is not None or size == (now["width"], now["height"]):
            return {source.canvas: gr.skip()}
        return {source.canvas: {**clean_sheet(*size), "strokes": now["strokes"]}}

    def new_sheet(values: Values) -> Updates:
        return {source.canvas: clean_sheet(*blank(values)), source.picture: None, source.note: ""}

    source.open.upload(
        open_file,
        [source.open, model],
        picture_outputs(form, source),
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    source.mask.upload(
        open_mask_file,
        [source.mask, source.picture],
        [source.canvas, *form.problems.clear()],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        source.new.click,
        new_sheet,
        sides | {model},
        [source.canvas, source.picture, source.note],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        [form.size.preset.change, form.size.width.change, form.size.height.change],
        reshape,
        sides | {model, source.canvas, source.picture},
        source.canvas,
        preprocess=False,
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )


def connect_examples(
    form: Form,
    source: PictureInput,
    engine: Engine,
    examples: Sequence[Example],
    buttons: Sequence[gr.Button],
) -> None:
    """Each button brings its example's caption, picture, strength and mask."""
    model, prompt, strength = (form.fields[name] for name in ("model", "prompt", "strength"))

    def bring(example: Example, chosen_model: str) -> Updates:
        image = open_image(example.picture, FIELD).image
        strokes = Image.open(example.strokes).convert("RGBA") if example.strokes else None
        return {
            **picture_updates(form, source, engine, chosen_model, image),
            source.canvas: sheet_over(image, strokes),
            prompt: example.caption,
            strength: example.strength,
        }

    for button, example in zip(buttons, examples, strict=True):
        button.click(
            partial(bring, example),
            model,
            [*picture_outputs(form, source), prompt, strength],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
