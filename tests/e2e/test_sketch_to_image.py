"""From a drawing to a picture: drawn with the mouse, undone, filled, opened from a file."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from ldm.imaging import pixel_digest
from tests.e2e.tab import RUN_MS, Tab, recipe_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def tab(page: Page) -> Tab:
    return Tab(page, "image_to_image").open()


def painted_share(tab: Tab) -> float:
    alpha = Image.open(BytesIO(tab.strokes())).getchannel("A")
    return sum(alpha.histogram()[128:]) / (alpha.width * alpha.height)


def test_a_drawing_becomes_a_picture(tab: Tab) -> None:
    tab.prompt.fill("a lake surrounded by mountains at dawn")
    easel = tab.part("easel")
    easel.get_by_role("button", name="Water blue").click()
    easel.get_by_role("button", name="Very broad").click()
    tab.stroke((0.1, 0.8), (0.5, 0.75), (0.9, 0.8))
    png = tab.draw()
    recipe = recipe_in(png)
    assert recipe.task == "image_to_image"
    assert recipe.init_image, "the drawing's fingerprint belongs in the recipe"
    easel.get_by_role("button", name="Sunset orange").click()
    tab.stroke((0.1, 0.2), (0.9, 0.2))
    again = tab.draw()
    assert recipe_in(again).init_image != recipe.init_image


def test_tools_change_the_sheet(tab: Tab) -> None:
    easel = tab.part("easel")
    undo = easel.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    tab.stroke((0.2, 0.5), (0.8, 0.5))
    line = painted_share(tab)
    assert 0.005 < line < 0.1
    easel.get_by_role("button", name="Fill an area").click()
    tab.stroke((0.5, 0.2))
    assert painted_share(tab) > 0.9
    undo.click()
    assert painted_share(tab) == line
    easel.get_by_role("button", name="Redo").click()
    assert painted_share(tab) > 0.9
    easel.get_by_role("button", name="Eraser").click()
    easel.get_by_role("button", name="Very broad").click()
    tab.stroke((0.1, 0.9), (0.9, 0.9))
    assert painted_share(tab) < 0.95
    easel.get_by_role("button", name="Clear the drawing").click()
    assert painted_share(tab) == 0


def test_strength_is_said_in_words(tab: Tab) -> None:
    words = tab.page.locator(".block.ldm-words:visible")
    tab.set("strength", 0.2)
    expect(words).to_contain_text("almost as it is")
    tab.set("strength", 0.95)
    expect(words).to_contain_text("Hardly looks")


def test_an_opened_picture_is_used_and_its_shape_chosen(tab: Tab) -> None:
    tab.prompt.fill("a village at sunset")
    photo = Image.linear_gradient("L").convert("RGB").resize((400, 240))
    data = BytesIO()
    photo.save(data, "PNG")
    tab.open_picture("photo.png", data.getvalue())
    expect(tab.part("note")).to_contain_text("400 × 240")
    recipe = recipe_in(tab.draw())
    assert recipe.init_image == pixel_digest(photo)  # the picture itself, not a copy off the page
    assert recipe.width >= recipe.height
    tab.part("easel-new").click()
    expect(tab.part("note")).not_to_contain_text("400 × 240")


def test_examples_bring_a_caption_and_a_picture(tab: Tab) -> None:
    tab.page.locator(".ldm-chip:visible").first.click()
    expect(tab.prompt).not_to_have_value("")
    expect(tab.part("easel").locator(".ldm-easel")).to_have_attribute("data-picture", "true")
    tab.draw()


def test_live_mode_redraws_as_the_pen_lifts(tab: Tab) -> None:
    tab.prompt.fill("a lake at dawn")
    tab.part("live").locator("input").check()
    tab.stroke((0.1, 0.7), (0.9, 0.7))  # nobody presses Generate
    expect(tab.stage("done")).to_be_visible(timeout=RUN_MS)
    first = recipe_in(tab.download()).init_image
    tab.stroke((0.1, 0.3), (0.9, 0.3))
    tab.stroke((0.2, 0.2), (0.8, 0.2))  # the run of the stroke before gives way
    again = tab.part("stage").locator(f"[data-state=done] figure:not([data-recipe*='{first}'])")
    expect(again).to_be_visible(timeout=RUN_MS)
    expect(tab.status).to_have_text(re.compile("^Done in "), timeout=RUN_MS)
    expect(tab.generate).to_be_enabled()


def test_the_noised_start_is_shown(tab: Tab) -> None:
    tab.prompt.fill("a lake at dawn")
    tab.part("start").click()
    expect(tab.problem).to_contain_text("Picture")  # nothing is drawn yet
    tab.stroke((0.1, 0.5), (0.9, 0.5))
    view = tab.part("start-view").locator("img")
    shown = []
    for strength in (0.3, 0.9):
        tab.set("strength", strength)
        before = view.get_attribute("src") if view.count() else ""
        tab.part("start").click()
        expect(view).not_to_have_attribute("src", before or "")
        shown.append(view.get_attribute("src"))
    assert all(shown) and shown[0] != shown[1]


def test_a_layer_leaves_the_other_as_it_is(tab: Tab) -> None:
    easel = tab.part("easel")
    tab.stroke((0.1, 0.5), (0.9, 0.5))
    back = painted_share(tab)
    easel.get_by_role("button", name="Front layer").click()
    tab.stroke((0.1, 0.2), (0.9, 0.2))
    assert painted_share(tab) > back
    easel.get_by_role("button", name="Eraser").click()
    easel.get_by_role("button", name="Very broad").click()
    tab.stroke((0.05, 0.2), (0.95, 0.2))
    tab.stroke((0.05, 0.5), (0.95, 0.5))  # over the back layer's line
    assert painted_share(tab) == back
