"""Pictures are kept in the visitor's own browser: listed, used again, sent, saved and deleted."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Leaving, OpenPage
from tests.e2e.tab import Tab, recipe_in

pytestmark = pytest.mark.e2e


def draw_two(page: Page) -> list[bytes]:
    tab = Tab(page, "text_to_image").open()
    drawn = []
    for caption in ("a lake at dawn", "a snowy village at night"):
        tab.prompt.fill(caption)
        drawn.append(tab.draw())
    return drawn


def test_pictures_stay_in_this_browser_with_their_recipes(
    open_page: OpenPage, leaving: Leaving
) -> None:
    page = open_page()
    drawn = draw_two(page)
    with leaving(page):
        page.reload()  # they outlast the page, and what is found again is not kept twice
        Tab(page, "text_to_image").found_again()
    page.get_by_role("tab", name="History").click()
    kept = page.locator(".ldm-kept li")
    expect(kept).to_have_count(2)
    first = recipe_in(drawn[1])
    expect(kept.first.locator("img")).to_have_attribute(
        "alt", f"{first.prompt} (seed {first.seed})"
    )

    with page.expect_download() as saving:
        page.get_by_role("button", name="Download all").click()
    with zipfile.ZipFile(BytesIO(Path(saving.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        assert sorted(map(archive.read, archive.namelist())) == sorted(drawn)

    kept.nth(1).get_by_role("button", name="Use recipe").click()
    tab = Tab(page, "text_to_image")
    expect(tab.prompt).to_have_value("a lake at dawn")
    tab.unfold()
    expect(tab.part("seed").locator("input")).to_have_value(str(recipe_in(drawn[0]).seed))

    page.get_by_role("tab", name="History").click()
    kept.nth(0).get_by_role("button", name="Inpainting").click()
    easel = page.locator("#inpaint-easel .ldm-easel")
    expect(easel).to_have_attribute("data-picture", "true")
    expect(Tab(page, "inpaint").prompt).to_have_value("a snowy village at night")

    page.get_by_role("tab", name="History").click()
    kept.nth(0).get_by_role("button", name="Delete").click()
    expect(kept).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete all").click()
    expect(page.locator(".ldm-none")).to_be_visible()
    expect(page.get_by_role("button", name="Download all")).to_be_hidden()

    other = open_page(visitor=1)
    other.get_by_role("tab", name="History").click()
    expect(other.locator(".ldm-none")).to_be_visible()


def test_nothing_is_kept_where_that_is_not_wanted(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("tab", name="History").click()
    page.get_by_label("Keep my pictures here").uncheck()
    tab = Tab(page, "text_to_image").open()
    tab.draw()
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".ldm-kept li")).to_have_count(0)


def test_a_result_goes_on_to_the_next_tab(page: Page) -> None:
    text = Tab(page, "text_to_image").open()
    text.prompt.fill("a lake at dawn")
    text.draw()
    text.part("stage").get_by_role("button", name="Sketch to image").click()
    sketch = Tab(page, "image_to_image")
    expect(sketch.part("easel").locator(".ldm-easel")).to_have_attribute("data-picture", "true")
    expect(sketch.prompt).to_have_value("a lake at dawn")
    sketch.draw()
    compare = sketch.part("stage").get_by_role("button", name="Before and after")
    compare.click()
    expect(compare).to_have_attribute("aria-pressed", "true")
    slider = sketch.part("stage").get_by_role("slider", name="How much of the result is shown")
    slider.press("Home")
    frame = sketch.part("stage").locator(".ldm-frame")
    assert frame.evaluate("frame => frame.style.getPropertyValue('--cut')") == "0%"
    expect(frame.locator(".ldm-before")).to_be_visible()
