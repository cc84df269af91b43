"""The whole tree: what it offers to others, and that it needs nothing from the network."""

import re

import gradio as gr
import pytest

from ldm.ui.demo import SCRIPT, STYLE, build_demo
from ldm.ui.easel import SCRIPT as EASEL
from ldm.ui.inpainting import PICTURES
from ldm.ui.sketch_to_image import SKETCHES
from ldm.ui.theme import Calm
from tests.ui.conftest import ScriptedEngine


@pytest.fixture
def demo(engine: ScriptedEngine) -> gr.Blocks:
    return build_demo(engine)


def test_three_endpoints_are_public_and_nothing_else(demo: gr.Blocks) -> None:
    public = {
        fn.api_name for fn in demo.fns.values() if fn.api_visibility == "public" and fn.api_name
    }
    assert public == {"text_to_image", "image_to_image", "inpaint"}


def test_no_handler_waits_for_another(demo: gr.Blocks) -> None:
    """The engine queues; a limit of Gradio's would make visitors wait for one another's runs."""
    queued = [fn for fn in demo.fns.values() if fn.queue is not False and fn.fn is not None]
    assert queued
    assert all(fn.concurrency_limit is None for fn in queued)


def test_the_model_can_be_chosen_where_there_are_two(demo: gr.Blocks) -> None:
    models = [b for b in demo.blocks.values() if isinstance(b, gr.Dropdown) and b.label == "Model"]
    assert len(models) == 3
    assert all(model.visible for model in models)


def test_nothing_is_fetched_from_elsewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT, EASEL)]
    own = "http://www.w3.org/2000/svg"  # a name, not an address
    for text in [*texts, Calm()._get_theme_css()]:
        assert not re.findall(r"https?://|@import", text.replace(own, ""))
    assert not Calm()._stylesheets


def test_examples_are_there() -> None:
    for example in (*SKETCHES, *PICTURES):
        assert example.picture.is_file()
    assert all(example.strokes and example.strokes.is_file() for example in PICTURES)
