"""What is lost and found again: a reload, a dropped connection, what was typed, the back button."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Leaving, OpenPage
from tests.e2e.tab import RUN_MS, Tab, recipe_in

pytestmark = pytest.mark.e2e


def test_a_reload_finds_the_run_and_its_result(open_page: OpenPage, leaving: Leaving) -> None:
    page = open_page()
    tab = Tab(page, "image_to_image").open()
    tab.prompt.fill("a lake at dawn")
    tab.stroke((0.1, 0.5), (0.9, 0.5))
    tab.set("num_inference_steps", 40)
    tab.start()
    expect(tab.status).to_have_text(re.compile("^Step "), timeout=RUN_MS)
    with leaving(page):
        page.reload()
        expect(tab.generate).to_be_visible()  # its tab is open again
    assert recipe_in(tab.finish()).prompt == "a lake at dawn"
    seed = tab.part("stage").locator(".ldm-seed b").inner_text()
    with leaving(page):
        page.reload()
        expect(tab.part("stage").locator(".ldm-seed b")).to_have_text(seed)
    expect(tab.prompt).to_have_value("a lake at dawn")

    other = open_page(visitor=1)
    expect(Tab(other, "text_to_image").status).to_have_text("Ready")
    expect(other.locator("[data-state=done]")).to_have_count(0)


def test_a_dropped_connection_misses_nothing(open_page: OpenPage) -> None:
    page = open_page(failing=True)
    tab = Tab(page, "text_to_image").open()
    tab.set("num_inference_steps", 30)
    tab.start()
    expect(tab.status).to_have_text(re.compile("^Step "), timeout=RUN_MS)
    page.context.set_offline(True)
    try:
        page.wait_for_function("!navigator.onLine")
    finally:
        page.context.set_offline(False)
    tab.finish()


def test_a_run_begun_before_the_server_has_answered_is_found_again(
    open_page: OpenPage, leaving: Leaving
) -> None:
    """A busy server answers what the page asks of itself, with no button pressed, only later."""
    page = open_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.post_data_json["trigger_id"] == 0:  # the page itself
            held.append(route)
        else:
            route.continue_()

    page.route("**/queue/join*", hold)
    try:
        with leaving(page), page.expect_request("**/queue/join*"):
            page.reload()
        tab = Tab(page, "text_to_image").open()
        tab.draw()
        assert held
        seed = tab.part("stage").locator(".ldm-seed b").inner_text()
    finally:
        page.unroute("**/queue/join*")
    with leaving(page):
        page.reload()
        expect(tab.part("stage").locator(".ldm-seed b")).to_have_text(seed)


def test_what_was_typed_is_there_after_a_reload_and_can_be_forgotten(
    page: Page, leaving: Leaving
) -> None:
    tab = Tab(page, "text_to_image").open()
    first = tab.prompt.input_value()
    tab.prompt.fill("a tower in the fog")
    tab.set("num_inference_steps", 13)
    with leaving(page):
        page.reload()
        expect(tab.prompt).to_have_value("a tower in the fog")
    tab.unfold()
    steps = tab.part("num_inference_steps").locator("input[type=number]")
    expect(steps).to_have_value("13")
    with leaving(page):
        page.get_by_role("button", name="Start afresh").click()
        expect(tab.prompt).to_have_value(first)


def test_the_back_button_leads_back_to_the_work(page: Page, leaving: Leaving) -> None:
    tab = Tab(page, "text_to_image").open()
    tab.prompt.fill("a tower in the fog")
    tab.draw()
    seed = tab.part("stage").locator(".ldm-seed b").inner_text()
    with leaving(page):
        page.goto("about:blank")
        page.go_back()
        expect(tab.prompt).to_have_value("a tower in the fog")
    expect(tab.part("stage").locator(".ldm-seed b")).to_have_text(seed)
