"""Repainting a part of a picture: what lies outside the mask keeps every byte."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

from tests.e2e.tab import Tab, drop_file, recipe_in, type_number

pytestmark = pytest.mark.e2e


@pytest.fixture
def tab(page: Page) -> Tab:
    return Tab(page, "inpaint").open()


@pytest.fixture
def picture(tab: Tab) -> Image.Image:
    """A picture of the model's own size, different in every pixel."""
    size = tab.part("size").locator("input").input_value().split()
    shape = (int(size[2]), int(size[0]), 3)
    values = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values)


def as_png(image: Image.Image) -> bytes:
    data = BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_nothing_changes_outside_the_mask(tab: Tab, picture: Image.Image) -> None:
    tab.prompt.fill("a cabin by a lake at sunset")
    tab.open_picture("noise.png", as_png(picture))
    expect(tab.part("note")).to_contain_text("Opened a picture")
    tab.stroke((0.3, 0.3), (0.5, 0.35), (0.45, 0.5))
    expect(tab.part("mask-read")).to_contain_text("The mask as read")
    png = tab.draw()

    result = np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)
    original = np.asarray(picture).astype(int)
    changed = (result != original).any(axis=2)
    # What was painted, grown by the soft edge: computed from the canvas, not by the engine.
    strokes = Image.open(BytesIO(tab.strokes())).getchannel("A").resize(picture.size)
    reach = 2 * (recipe_in(png).mask_feather + 2) + 1
    near = np.asarray(strokes.filter(ImageFilter.MaxFilter(reach))) > 0
    assert changed[near].mean() > 0.3
    assert int(changed[~near].sum()) == 0
    assert (~near).mean() > 0.5, "the mask must leave something to compare"

    line = tab.part("stage").locator("[data-changed]")
    expect(line).to_have_text("Changed outside the mask: 0 pixels")
    expect(line).to_have_attribute("data-changed", "0")


def test_a_new_picture_clears_the_mask(tab: Tab, picture: Image.Image) -> None:
    tab.open_picture("one.png", as_png(picture))
    easel = tab.part("easel").locator(".ldm-easel")
    expect(easel).to_have_attribute("data-picture", "true")
    tab.stroke((0.3, 0.3), (0.6, 0.6))
    expect(easel).to_have_attribute("data-blank", "false")
    tab.open_picture("two.png", as_png(picture.rotate(90)))
    expect(easel).to_have_attribute("data-blank", "true")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Mask")


def test_the_mask_can_be_inverted_and_cleared(tab: Tab, picture: Image.Image) -> None:
    tab.open_picture("one.png", as_png(picture))
    read = tab.part("mask-read")
    expect(read).to_contain_text("No mask yet")
    tab.stroke((0.2, 0.5), (0.8, 0.5))
    expect(read).to_contain_text("soft edge of 4 pixels")
    tab.set("mask_feather", 0)
    expect(read).not_to_contain_text("soft edge")
    tab.page.get_by_role("button", name="Invert the mask").click()
    expect(read).to_contain_text(re.compile(r"(8|9)\d%"))
    tab.page.get_by_role("button", name="Clear the mask").click()
    expect(read).to_contain_text("No mask yet")


def test_examples_bring_a_picture_and_a_mask(tab: Tab) -> None:
    tab.page.locator(".ldm-chip:visible").first.click()
    expect(tab.part("easel").locator(".ldm-easel")).to_have_attribute("data-blank", "false")
    expect(tab.part("mask-read")).to_contain_text("The mask as read")
    tab.draw()
    expect(tab.part("stage").locator("[data-changed='0']")).to_be_visible()


def test_a_mask_from_a_file_is_read_and_shown(tab: Tab, picture: Image.Image) -> None:
    tab.open_picture("one.png", as_png(picture))
    expect(tab.part("note")).to_contain_text("Opened a picture")
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, (0, 0, picture.width // 2, picture.height))
    entry = tab.part("open-mask").locator("input[type=file]")
    if not entry.count():  # Gradio puts the entry beside its button
        entry = tab.part("easel-files").locator("input[type=file]").nth(1)
    entry.set_input_files({"name": "mask.png", "mimeType": "image/png", "buffer": as_png(mask)})
    tab.set("mask_feather", 0)
    expect(tab.part("mask-read")).to_contain_text("50% of the picture")
    painted = np.asarray(Image.open(BytesIO(tab.strokes())).getchannel("A"))
    assert (painted[:, : painted.shape[1] // 2 - 2] > 0).all()
    assert (painted[:, painted.shape[1] // 2 + 2 :] == 0).all()


def test_in_detail_a_large_picture_keeps_its_size_and_its_pixels(tab: Tab) -> None:
    values = np.random.default_rng(8).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    large = Image.fromarray(values)
    tab.prompt.fill("a cabin by a lake at sunset")
    tab.open_picture("large.png", as_png(large))
    detail = tab.part("detail").locator("input")
    expect(detail).to_be_checked()  # a picture much larger than the model draws
    tab.stroke((0.45, 0.45), (0.55, 0.55))
    expect(tab.part("mask-read")).to_contain_text("The mask as read")
    png = tab.draw()
    result = Image.open(BytesIO(png)).convert("RGB")
    assert result.size == large.size
    changed = (np.asarray(result) != values).any(axis=2)
    assert 0.003 < changed.mean() < 0.2
    assert not changed[:100].any() and not changed[-100:].any()
    expect(tab.part("stage").locator("[data-changed='0']")).to_be_visible()
    recipe = recipe_in(png)
    assert recipe.padding_mask_crop == 32 and recipe.width < 640  # what was drawn is the part
    drop_file(tab.page, "again.png", png)
    expect(tab.page.locator(".ldm-notice")).to_contain_text("needs the picture")
    expect(detail).to_be_checked()
    tab.open_picture("large.png", as_png(large))
    expect(tab.part("note")).to_contain_text("Opened a picture")
    tab.stroke((0.45, 0.45), (0.55, 0.55))
    assert recipe_in(tab.draw()).seed == recipe.seed


def test_room_is_added_on_a_side_and_painted(tab: Tab, picture: Image.Image) -> None:
    tab.prompt.fill("mountains at dawn")
    tab.open_picture("one.png", as_png(picture))
    expect(tab.part("note")).to_contain_text("Opened a picture")
    tab.page.get_by_role("button", name="Extend the picture").click()
    for side in ("left", "right"):
        type_number(tab.part(f"margin_{side}").locator("input"), 32)
    tab.part("extend").click()
    wide = picture.width + 64
    expect(tab.part("note")).to_contain_text(f"Now {wide} × {picture.height}")
    tab.set("mask_feather", 0)
    result = np.asarray(Image.open(BytesIO(tab.draw())).convert("RGB"))
    assert result.shape == (picture.height, wide, 3)
    kept = result[:, 32:-32]
    assert (kept == np.asarray(picture)).all()
    assert result[:, :32].std() > 0
