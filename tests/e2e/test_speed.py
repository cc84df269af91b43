"""The way to a first picture, and what the page itself adds to the engine's time."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Leaving
from tests.e2e.tab import RUN_MS, Tab, recipe_in

pytestmark = pytest.mark.e2e

RUNS = 5
PAGE_MS = 250
SETTLE_MS = 500
# From the click to the loaded picture, and what the engine says drawing took; milliseconds.
DRAW = """() => new Promise((done) => {
    const stage = document.querySelector("#text_to_image-stage");
    let started = false;
    const clicked = performance.now();
    const watcher = new MutationObserver(() => {
        const {state, seconds} = stage.querySelector("[data-state]").dataset;
        if (state !== "done") started = true;
        else if (started) {
            watcher.disconnect();
            const image = stage.querySelector("img");
            const end = () => done([performance.now() - clicked, 1000 * seconds]);
            if (image.complete) end();
            else image.addEventListener("load", end, {once: true});
        }
    });
    watcher.observe(stage, {subtree: true, childList: true, attributes: true});
    document.querySelector("#text_to_image-generate").click();
})"""


def test_a_newcomer_has_a_picture_with_one_action(
    page: Page, embedded_model: Path, leaving: Leaving
) -> None:
    """Of the model that comes with the app, at its own size."""
    tab = Tab(page, "text_to_image").open()
    tab.unfold()
    tab.part("model").locator("input").click()
    page.get_by_role("option", name="Vignette").click()  # of the two, what the app would choose
    own = json.loads((embedded_model / "defaults.json").read_text())
    width, height = own["native_size"]
    expect(tab.part("size").locator("input")).to_have_value(f"{width} × {height}")
    tab.draw()
    page.wait_for_timeout(SETTLE_MS)  # what is typed is kept with a moment's delay
    with leaving(page):
        page.reload()
        expect(tab.prompt).not_to_have_value("")
        expect(tab.part("stage").locator("[data-state=done]")).to_be_visible(timeout=RUN_MS)
    recipe = recipe_in(tab.draw())
    assert (recipe.model, recipe.width, recipe.height) == ("vignette", width, height)


def test_the_page_adds_little_to_the_engines_time(page: Page) -> None:
    """At most 250 ms in the best of five runs, and a third of the engine's own time besides: a
    slow machine's page waits for the processor as the engine does. Not the middle one: a machine
    that stands still in three of five says nothing of the page.
    """
    tab = Tab(page, "text_to_image").open()
    tab.draw()  # the first run also fills caches
    times = []
    for _ in range(RUNS):
        times.append(page.evaluate(DRAW))
        page.wait_for_function("!document.querySelector('#text_to_image-generate').disabled")
    added, engine = min((whole - drawing, drawing) for whole, drawing in times)
    print(f"the page adds {added:.0f} ms to {engine:.0f} ms")
    assert added < PAGE_MS + engine / 3
