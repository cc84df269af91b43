"""What the page itself adds to the engine's time."""

from statistics import median

import pytest
from playwright.sync_api import Page

from tests.e2e.tab import Tab

pytestmark = pytest.mark.e2e

RUNS = 5
PAGE_MS = 250
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


def test_the_page_adds_little_to_the_engines_time(page: Page) -> None:
    """At most 250 ms in the middle of five runs.

    A tenth of the engine's own time is allowed besides: on a machine that is busy with other work
    the page waits for the processor as the engine does.
    """
    tab = Tab(page, "text_to_image").open()
    tab.set("num_inference_steps", 8)
    tab.draw()  # the first run also fills caches
    times = []
    for _ in range(RUNS):
        times.append(page.evaluate(DRAW))
        page.wait_for_function("!document.querySelector('#text_to_image-generate').disabled")
    engine = median(drawing for _, drawing in times)
    added = median(whole - drawing for whole, drawing in times)
    print(f"the page adds {added:.0f} ms to {engine:.0f} ms")
    assert added < PAGE_MS + engine / 10
