"""The markup of the stage: what is shown, what is escaped, and the files behind the links."""

import base64
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from ldm.events import Picture
from ldm.imaging import encode_png
from ldm.recipe import Recipe
from ldm.ui import result, stage

NASTY = "<img src=x onerror=\"alert(1)\"> & 'quotes'"


def picture(prompt: str = "a lake", mask: Image.Image | None = None, **fields: object) -> Picture:
    recipe = Recipe(
        prompt,
        num_inference_steps=4,
        guidance_scale=3,
        width=64,
        height=64,
        seed=7,
        task="text_to_image" if mask is None else "inpaint",
    )
    image = Image.new("RGB", (64, 64), "teal")
    png = encode_png(image, {"recipe": recipe.to_json()})
    return Picture(image, png, recipe, None if mask is None else 3, mask)


@pytest.fixture
def component() -> gr.HTML:
    return gr.HTML()


def test_captions_are_text_never_markup(component: gr.HTML) -> None:
    shown = result.finished_stage([picture(NASTY)], component)
    assert "<img src=x" not in shown
    assert "&lt;img src=x onerror=" in shown
    assert NASTY not in stage.status_line(NASTY)


def test_the_link_leads_to_the_very_bytes(component: gr.HTML) -> None:
    one = picture()
    shown = result.finished_stage([one], component)
    link = re.search(r'href="gradio_api/file=([^"]+)" download="([^"]+)"', shown)
    assert link is not None
    assert Path(link[1]).read_bytes() == one.png
    assert link[2] == "a-lake-seed7.png"
    assert component.temp_files == {link[1]}  # so that Gradio deletes it in time
    assert 'alt="a lake (seed 7)"' in shown


def test_previews_are_small_and_no_files() -> None:
    shown = stage.preview_stage([Image.new("RGB", (1024, 512), "red")])
    data = re.search(r'src="data:image/jpeg;base64,([^"]+)"', shown)
    assert data is not None
    small = Image.open(BytesIO(base64.b64decode(data[1])))
    assert small.size == (512, 256)
    assert "--w:1024;--h:512" in shown
    assert "file=" not in shown


def test_the_recipe_shows_what_its_task_uses(component: gr.HTML) -> None:
    plain = result.finished_stage([picture()], component)
    assert "Steps</span></dt><dd>4</dd>" in plain
    assert "Strength</span></dt>" not in plain
    masked = result.finished_stage([picture(mask=Image.new("L", (64, 64), 255))], component)
    assert "Strength</span></dt>" in masked
    assert "Soft edge</span></dt>" in masked


def test_a_variation_says_what_it_was_varied_by(component: gr.HTML) -> None:
    plain = result.finished_stage([picture()], component)
    assert 'data-do="vary"' in plain
    assert "Variation</span>" not in plain
    recipe = replace(picture().recipe, variation_seed=12, variation_strength=0.3)
    varied = result.finished_stage([replace(picture(), recipe=recipe)], component)
    assert "varied by 12" in varied
    assert 'Variation</span></dt><dd><span data-figure="0.3">' in varied
    assert 'data-do="vary"' not in varied
    assert result.file_name(recipe).endswith("-seed7-var12.png")


def test_what_changed_outside_is_the_number_that_was_measured(component: gr.HTML) -> None:
    shown = result.finished_stage([picture(mask=Image.new("L", (64, 64), 255))], component)
    assert 'data-changed="3"' in shown
    assert "Changed outside the mask: 3 pixels" in shown
    assert "data-changed" not in result.finished_stage([picture()], component)


def test_the_tint_is_where_the_mask_is() -> None:
    grey = Image.new("RGB", (4, 4), "grey")
    mask = Image.new("L", (4, 4), 0)
    mask.paste(255, (0, 0, 2, 4))
    shown = stage.tinted(grey, mask)
    assert shown.crop((2, 0, 4, 4)).tobytes() == grey.crop((2, 0, 4, 4)).tobytes()
    assert shown.getpixel((0, 0)) != grey.getpixel((0, 0))


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (8, 3)])
def test_columns(count: int, columns: int) -> None:
    assert f"--columns:{columns}" in stage.waiting_stage(64, 64, count)


def test_a_file_name_is_plain_whatever_the_caption() -> None:
    name = result.file_name(picture("../../Étang & <b> " + "long " * 50).recipe)
    assert re.fullmatch(r"[a-z0-9-]+\.png", name)
    assert len(name) <= 90
    assert result.file_name(picture("湖").recipe) == "picture-seed7.png"


def test_the_recipe_names_what_decided_the_picture_and_leaves_figures_to_the_page() -> None:
    recipe = picture().recipe
    assert not {"strength", "variation_seed", "cache_interval"} & result.shown_fields(recipe).keys()
    fast = replace(recipe, cache_interval=3, guidance_end=0.8)
    assert result.shown_fields(fast).keys() - result.shown_fields(recipe).keys() == {
        "cache_interval",
        "guidance_end",
    }
    assert '<dd><span data-figure="0.8">0.8</span></dd>' in result.rows_of(fast)
