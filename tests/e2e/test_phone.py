"""The page on a phone: one column, nothing to scroll sideways, drawing by touch."""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.tab import TITLES, Tab

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("width", [360, 390])
def test_no_sideways_scroll_and_the_picture_below_the_buttons(
    open_page: OpenPage, width: int
) -> None:
    page = open_page(phone=True)
    page.set_viewport_size(ViewportSize(width=width, height=844))
    for name in TITLES:
        tab = Tab(page, name).open()
        tab.unfold()
        scroll = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert max(scroll) <= width, name
        button, picture = tab.generate.bounding_box(), tab.part("stage").bounding_box()
        assert button is not None and picture is not None
        below = picture["y"] - button["y"] - button["height"]
        assert 0 < below < 80, name
        assert picture["width"] > 0.85 * width, name


def test_touch_draws(open_page: OpenPage) -> None:
    page = open_page(phone=True)
    tab = Tab(page, "image_to_image").open()
    canvas = tab.part("easel").locator("canvas.strokes")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(tab.part("easel").locator(".ldm-easel")).to_have_attribute("data-blank", "false")
