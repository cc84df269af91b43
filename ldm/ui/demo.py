"""The page: a heading and three tabs on one engine. Builds; nothing is computed here."""

import gradio as gr

from ldm.engine import Engine
from ldm.ui import texts
from ldm.ui.api import build_api
from ldm.ui.handlers import Runs
from ldm.ui.inpainting import build_inpainting
from ldm.ui.settings import PROJECT
from ldm.ui.sketch_to_image import build_sketch_to_image
from ldm.ui.text_to_image import build_text_to_image

STYLE = PROJECT / "assets" / "app.css"
ICON = PROJECT / "assets" / "icon.png"
SCRIPT = PROJECT / "assets" / "app.js"
# Seconds: how often old files are looked for, and how old one may get.
CACHE_SWEEP = (60, 600)
MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="21.5" cy="10" r="4"/>'
    '<path d="M3 25 12 11l6 9 3.5-5L29 25Z"/></svg>'
)


def build_demo(engine: Engine) -> gr.Blocks:
    """The page for `engine`; launch it with the theme, style and script named in this package."""
    runs = Runs()
    with gr.Blocks(
        title=texts.TITLE, analytics_enabled=False, delete_cache=CACHE_SWEEP, fill_width=True
    ) as demo:
        gr.HTML(
            f"<header>{MARK}<h1>{texts.TITLE}</h1><p>{texts.TAGLINE}</p></header>",
            apply_default_css=False,
            elem_classes="ldm-header",
        )
        with gr.Tabs(elem_classes="ldm-tabs"):
            build_text_to_image(engine, runs)
            build_sketch_to_image(engine, runs)
            build_inpainting(engine, runs)
        build_api(engine)
    return demo
