"""The whole tree: what it offers to others, and that it needs nothing from the network."""

import inspect
import re
from pathlib import Path

import gradio as gr
import pytest
from gradio.route_utils import delete_files_created_by_app

from ldm.ui.demo import build_demo
from ldm.ui.inpainting import PICTURES
from ldm.ui.script import FOLDER, PARTS, STYLES, page_script
from ldm.ui.sketch_to_image import SKETCHES
from ldm.ui.theme import Calm
from tests.ui.conftest import ScriptedEngine


@pytest.fixture
def demo(engine: ScriptedEngine) -> gr.Blocks:
    return build_demo(engine)


def test_four_endpoints_are_public_and_nothing_else(demo: gr.Blocks) -> None:
    public = {
        fn.api_name for fn in demo.fns.values() if fn.api_visibility == "public" and fn.api_name
    }
    assert public == {"text_to_image", "image_to_image", "inpaint", "upscale"}


def test_every_argument_of_an_endpoint_is_explained(demo: gr.Blocks) -> None:
    """Other programs, and tools that models call, know an argument by its sentence alone."""
    public = [fn.fn for fn in demo.fns.values() if fn.api_visibility == "public" and fn.api_name]
    for endpoint in public:
        assert endpoint is not None
        names = set(inspect.signature(endpoint).parameters) - {"request"}
        explained = set(re.findall(r"^    (\w+): \S", inspect.getdoc(endpoint) or "", re.MULTILINE))
        assert explained == names


def test_no_handler_waits_for_another(demo: gr.Blocks) -> None:
    """The engine queues; a limit of Gradio's would make visitors wait for one another's runs."""
    leaving = {fn for fn in demo.fns.values() for _, event in fn.targets if event == "unload"}
    asked = set(demo.fns.values()) - leaving
    queued = [fn for fn in asked if fn.queue is not False and fn.fn is not None]
    assert queued
    assert all(fn.concurrency_limit is None for fn in queued)


def test_hidden_progress_costs_the_browser_one_component(demo: gr.Blocks) -> None:
    """Gradio's page would look all outputs up at every message of any run."""
    config = demo.get_config_file()["dependencies"]
    hidden = [event for event in config if event["show_progress"] == "hidden"]
    assert len(hidden) > 40
    (standing,) = {tuple(event["show_progress_on"]) for event in hidden}
    assert len(standing) == 1


def test_the_model_can_be_chosen_where_there_are_two(demo: gr.Blocks) -> None:
    models = [
        b
        for b in demo.blocks.values()
        if isinstance(b, gr.Dropdown) and str(b.elem_id).endswith("-model")
    ]
    assert len(models) == 6
    assert all(model.visible for model in models)


def test_pictures_of_the_page_itself_outlast_the_results(demo: gr.Blocks) -> None:
    """Files that the page made are deleted when they are old; here at once, by Gradio's own way."""
    icons = [b.icon["path"] for b in demo.blocks.values() if isinstance(b, gr.Button) and b.icon]
    assert len(icons) == len(SKETCHES) + len(PICTURES)
    delete_files_created_by_app(demo, age=None)
    assert all(Path(icon).is_file() for icon in icons)


def test_nothing_is_fetched_from_elsewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.iterdir()]
    own = "http://www.w3.org/2000/svg"  # a name, not an address
    for text in [*texts, Calm()._get_theme_css()]:
        assert not re.findall(r"https?://|@import", text.replace(own, ""))
    assert not Calm()._stylesheets


def test_every_script_and_style_is_used() -> None:
    of_components = {"easel", "tokens", "courier", "grid", "loras"}
    assert {path.stem for path in FOLDER.glob("*.js")} == {*PARTS, *of_components}
    assert {path for path in FOLDER.glob("*.css")} == set(STYLES)
    assert page_script().startswith("() => {")


def test_examples_are_there() -> None:
    for example in (*SKETCHES, *PICTURES):
        assert example.picture.is_file()
    assert all(example.strokes and example.strokes.is_file() for example in PICTURES)
