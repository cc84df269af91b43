"""The choice of LoRAs with their weights, where the host offers any.

Its value is the recipe's own: pairs of a name and a weight, of those that are switched on.
"""

import html

import gradio as gr

from ldm.engine import Engine
from ldm.ui.script import part
from ldm.ui.texts import attributes, say

WEIGHTS = (-2, 2, 0.05)  # least, most and step of the slider
FIRST = 0.8


def _choice(name: str) -> str:
    least, most, step = WEIGHTS
    safe = html.escape(name)
    named = attributes({"aria-label": "lora_weight"}, name=name)
    return (
        f'<li data-lora="{safe}"><label><input type="checkbox">{safe}</label>'
        f'<input type="range" min="{least}" max="{most}" step="{step}" value="{FIRST}"{named}>'
        f"<output>{FIRST}</output></li>"
    )


def build_lora_picker(tab: str, engine: Engine, model: str) -> gr.HTML:
    """The list; hidden where there is nothing to choose."""
    names = sorted(engine.extras(model).loras)
    items = f"<ul>{''.join(map(_choice, names))}</ul>"
    return gr.HTML(
        value=[],
        html_template=(
            f'<fieldset class="ldm-loras"><legend>{say("loras")}</legend>{items}</fieldset>'
        ),
        js_on_load=part("loras"),
        apply_default_css=False,
        visible=bool(names),
        elem_id=f"{tab}-loras",
    )
