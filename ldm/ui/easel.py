"""The easel: the canvas a visitor sketches on or paints a mask on.

Owns the canvas component (its script: `assets/page/easel.js`) and reading what comes back from it.
Gradio's own ImageEditor is not used: tried on 6.31, a mask set from an example lies beside its
picture, it needs WebGL, and a file it cannot decode fails without a word.

The picture underneath stays on the server, exactly as it was opened; only strokes travel.
It does *not* know what the strokes are for.
"""

import base64
import binascii
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import gradio as gr
from PIL import Image, UnidentifiedImageError

from ldm.imaging import ImageError
from ldm.ui.script import part
from ldm.ui.stage import data_url
from ldm.ui.texts import attributes, say

STROKES_HEAD = "data:image/png;base64,"
MASK_COLOUR = "#d64060"  # as the page's script paints masks
MAX_STROKES_CHARACTERS = 12_000_000
SHOWN_QUALITY = 92
MIN_SHEET_SIDE = 512  # pixels of the longer side: smooth lines from here on
MAX_SHEET_SIDE = 1024
COLOURS = (
    ("#9cc8e8", "sky_blue"),
    ("#2f6f9f", "water_blue"),
    ("#1d2b4f", "night_blue"),
    ("#f0a35c", "sunset_orange"),
    ("#e9d5a1", "sand"),
    ("#7a5a3c", "earth_brown"),
    ("#7fae54", "meadow_green"),
    ("#2f5d3a", "forest_green"),
    ("#8b8f96", "stone_grey"),
    ("#ffffff", "white"),
    ("#22262b", "black"),
)
SIZES = ("size_fine", "size_medium", "size_broad", "size_very_broad")
ICONS = {
    "brush": "M4 20c3 0 5-1 5-4a2.5 2.5 0 0 0-5 0c0 2-1 3-1 3s0 1 1 1Zm6-5L20 4l-9 12",
    "fill": "M4 12l7-7 7 7-7 7-7-7Zm0 0h14m2 3c1 2 1.6 3 1.6 4a1.6 1.6 0 0 1-3.2 0c0-1 .6-2 1.6-4Z",
    "eraser": "m8 19-4-4 9-9 6 6-7 7H8Zm0 0h12M9.5 9.5l6 6",
    "undo": "M8 5 4 9l4 4M4 9h9a6 6 0 0 1 0 12h-3",
    "redo": "m16 5 4 4-4 4m4-4h-9a6 6 0 0 0 0 12h3",
    "invert": "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 0v16",
    "clear": "M5 7h14M10 7V4h4v3m-8 0 1 13h10l1-13",
}


def _icon(name: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[name]}"/></svg>'


def _named(key: str) -> str:
    return attributes({"title": key, "aria-label": key})


def _button(action: str, key: str, pressed: bool | None = None) -> str:
    state = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
    return f'<button type="button" data-do="{action}"{_named(key)}{state}>{_icon(action)}</button>'


def _group(kind: str, key: str, inside: str) -> str:
    named = attributes({"aria-label": key})
    return f'<div class="{kind}" role="group"{named}>{inside}</div>'


def _colours() -> str:
    swatches = "".join(
        f'<button type="button" data-colour="{value}"{_named(key)} '
        f'aria-pressed="{str(not index).lower()}" style="--colour:{value}"></button>'
        for index, (value, key) in enumerate(COLOURS)
    )
    named = _named("own_colour")
    picker = f'<label class="own"{named}><input type="color"{named}></label>'
    return _group("colours", "colours", swatches + picker)


def _sizes() -> str:
    sizes = "".join(
        f'<button type="button" data-size="{index}"{_named(key)} '
        f'aria-pressed="{str(index == 1).lower()}"><i></i></button>'
        for index, key in enumerate(SIZES)
    )
    return _group("sizes", "brush_size", sizes)


def _layers() -> str:
    """Two layers: what is drawn on one leaves the other as it is."""
    choices = "".join(
        f'<button type="button" data-layer="{index}" aria-pressed="{str(not index).lower()}">'
        f"{say(key)}</button>"
        for index, key in enumerate(("layer_back", "layer_front"))
    )
    return _group("layers", "layer", choices)


def _markup(masking: bool) -> str:
    tools = _button("brush", "brush", True)
    tools += "" if masking else _button("fill", "fill", False)
    tools += _button("eraser", "eraser", False)
    history = _button("undo", "undo") + _button("redo", "redo")
    history += _button("invert", "invert") if masking else ""
    history += _button("clear", "clear_mask" if masking else "clear_sketch")
    heading = "mask_title" if masking else "sketch_title"
    named = attributes({"aria-label": "mask_canvas" if masking else "sketch_canvas"})
    hint = "drop_here" if masking else "draw_here"
    below = "" if masking else _colours() + _layers()
    return (
        f'<div class="ldm-easel" data-masking="{str(masking).lower()}"><h2>{say(heading)}</h2>'
        f'<div class="sheet"><canvas class="picture"></canvas>'
        f'<canvas class="strokes" role="img" tabindex="0"{named}></canvas>'
        f'<p class="hint">{say(hint)}</p></div>'
        f'<div class="tools">{_group("instruments", "tools", tools)}{_sizes()}'
        f"{_group('history', 'history_tools', history)}</div>{below}</div>"
    )


def sheet_size(width: int, height: int) -> tuple[int, int]:
    """Pixels of the sheet for a picture of this size: the same shape, neither coarse nor heavy.

    Small pictures get a whole multiple of their size, so that a mask painted on the sheet comes
    back to the picture's own pixels; large ones are shown reduced.
    """
    longer = max(width, height)
    if longer > MAX_SHEET_SIDE:
        return (
            max(1, round(width * MAX_SHEET_SIDE / longer)),
            max(1, round(height * MAX_SHEET_SIDE / longer)),
        )
    times = -(-MIN_SHEET_SIDE // longer)
    return width * times, height * times


def clean_sheet(width: int, height: int) -> dict[str, Any]:
    """The easel's value for a blank sheet of this many pixels."""
    return {"width": width, "height": height, "picture": "", "strokes": ""}


def sheet_over(picture: Image.Image, strokes: Image.Image | None = None) -> dict[str, Any]:
    """The easel's value with `picture` underneath, and `strokes` (RGBA, the same shape) on it."""
    width, height = size = sheet_size(*picture.size)
    shown = picture.copy()
    shown.thumbnail(size)
    value = {**clean_sheet(width, height), "picture": data_url(shown, SHOWN_QUALITY)}
    if strokes is not None:
        data = BytesIO()
        strokes.resize(size, Image.Resampling.NEAREST).save(data, "PNG")
        value["strokes"] = STROKES_HEAD + base64.b64encode(data.getvalue()).decode()
    return value


def read_strokes(value: Mapping[str, Any] | None, field: str) -> Image.Image | None:
    """The strokes that came back, RGBA, transparent where nothing was drawn; None for none.

    Raises `ImageError` for anything but the PNG that the easel sends.
    """
    text = (value or {}).get("strokes", "")
    if not text:
        return None
    allowed = "what the canvas on the page sends (a PNG)"
    if not isinstance(text, str) or len(text) > MAX_STROKES_CHARACTERS:
        raise ImageError(field, "strokes of an unknown kind", allowed)
    try:
        data = base64.b64decode(text.removeprefix(STROKES_HEAD), validate=True)
        image = Image.open(BytesIO(data), formats=("PNG",))
        if max(image.size) > 4096:
            raise ImageError(field, f"strokes of {image.size} pixels", "at most 4096 a side")
        image = image.convert("RGBA")
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ImageError(field, "strokes that cannot be read", allowed) from error
    return image if image.getchannel("A").getextrema()[1] else None


def build_easel(elem_id: str, masking: bool, width: int, height: int) -> gr.HTML:
    """The canvas with its tools; `.change` fires when a stroke is finished, not while it runs."""
    return gr.HTML(
        value=clean_sheet(width, height),
        html_template=_markup(masking),
        js_on_load=part("easel"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="ldm-easel-block",
    )
