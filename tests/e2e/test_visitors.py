"""Two visitors at once: each sees and stops their own work alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.tab import RUN_MS, Tab, recipe_in

pytestmark = pytest.mark.e2e


def test_two_visitors_see_their_own_work_alone(open_page: OpenPage) -> None:
    ann = Tab(open_page(), "text_to_image").open()
    ben = Tab(open_page(visitor=1), "text_to_image").open()
    ann.prompt.fill("a lake at dawn")
    ben.prompt.fill("a city street at night")
    ann.start()
    ben.start()
    for visitor, caption in ((ann, "a lake at dawn"), (ben, "a city street at night")):
        assert recipe_in(visitor.finish()).prompt == caption
        expect(visitor.pictures).to_have_count(1)
        assert (visitor.pictures.get_attribute("alt") or "").startswith(caption)
    assert ann.pictures.get_attribute("src") != ben.pictures.get_attribute("src")
    other = ben.pictures.get_attribute("src")
    assert other is not None and other not in ann.page.content()


def test_stopping_ones_own_run_leaves_the_others_running(open_page: OpenPage) -> None:
    ann = Tab(open_page(), "text_to_image").open()
    ben = Tab(open_page(visitor=1), "text_to_image").open()
    ann.set("num_inference_steps", 150)
    ben.set("num_inference_steps", 12)
    ann.start()
    ben.start()
    for visitor in (ann, ben):
        expect(visitor.status).to_have_text(re.compile("^Step "), timeout=RUN_MS)
    ann.stop.click()
    expect(ann.status).to_have_text(re.compile("^Stopped at step "))
    ben.finish()


def test_one_visitors_two_tabs_stop_apart(open_page: OpenPage) -> None:
    page = open_page()
    text = Tab(page, "text_to_image").open()
    text.set("num_inference_steps", 150)
    text.part("num_images").locator("input").click()
    page.get_by_role("option", name="8").click()  # it must outlast the other tab's run
    text.start()
    expect(text.status).to_have_text(re.compile("^Step "), timeout=RUN_MS)
    sketch = Tab(page, "image_to_image").open()
    sketch.prompt.fill("a lake at dawn")
    sketch.stroke((0.1, 0.5), (0.9, 0.5))
    sketch.draw()
    text.open()
    text.stop.click()
    expect(text.status).to_have_text(re.compile("^Stopped at step "))
