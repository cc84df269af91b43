"""Puts values into a tab's form: those of a recipe, of an example, of what was sent from elsewhere.

It does *not* know where they come from; what a form does not hold is passed over.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ldm.engine import Engine
from ldm.ui.form import CUSTOM, Form, Output, Updates, size_value
from ldm.ui.texts import size_title


def size_choices(engine: Engine, model: str) -> list[tuple[str, str]]:
    """The model's presets, and the choice of one's own."""
    sizes = engine.defaults(model).sizes
    return [*((size_title(*size), size_value(*size)) for size in sizes), ("… × …", CUSTOM)]


def nearest_size(engine: Engine, model: str, size: tuple[int, int]) -> tuple[int, int]:
    """The model's preset whose shape is nearest to that of a picture of `size`."""
    shape = size[0] / size[1]

    def distance(preset: tuple[int, int]) -> float:
        ratio = preset[0] / preset[1] / shape
        return max(ratio, 1 / ratio)

    return min(engine.defaults(model).sizes, key=distance)


def fill_size(form: Form, engine: Engine, model: str, size: tuple[int, int]) -> Updates:
    """Choose `size` as the model's preset where it is one, else as one's own."""
    choices = size_choices(engine, model)
    preset = size_value(*size)
    known = any(value == preset for _, value in choices)
    chosen = preset if known else CUSTOM
    return {
        form.size.preset: gr.update(choices=choices, value=chosen),
        form.size.width: size[0],
        form.size.height: size[1],
        form.size.own: gr.update(visible=not known),
    }


def fill(form: Form, engine: Engine, fields: Mapping[str, Any]) -> Updates:
    """The page with every field that is given; a given seed is kept for the next run."""
    updates: Updates = {
        form.fields[name]: value for name, value in fields.items() if name in form.fields
    }
    if form.detail is not None and "padding_mask_crop" in fields:
        updates |= form.detail.filled(fields["padding_mask_crop"])
    if "seed" in fields:
        updates[form.randomise] = False
    if "width" in fields and "height" in fields:
        model = fields.get("model", engine.names()[0])
        updates |= fill_size(form, engine, model, (fields["width"], fields["height"]))
    return updates


def fillable(form: Form) -> list[Output]:
    """The components that `fill` can set."""
    detail = () if form.detail is None else (form.detail.chosen, form.detail.padding)
    return [*form.fields.values(), form.randomise, *form.size.parts(), form.size.own, *detail]
