"""The page for everyone: nothing serious for axe-core on any tab, languages, large text."""

from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Leaving, OpenPage
from tests.e2e.tab import RUN_MS, Tab

pytestmark = pytest.mark.e2e

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")
RUN = """async () => {
    const {violations} = await axe.run(document, {resultTypes: ["violations"]});
    const shown = (nodes) => nodes.map(({html}) => html.slice(0, 160));
    return violations.map(({id, impact, nodes}) => ({id, impact, nodes: shown(nodes)}));
}"""


def serious(page: Page) -> list[Any]:
    page.evaluate(AXE)
    return [found for found in page.evaluate(RUN) if found["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(
    open_page: OpenPage, leaving: Leaving, scheme: str
) -> None:
    page = open_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    try:
        with leaving(page):
            page.reload()  # the scheme is read as the page loads
            page.locator("#text_to_image-generate").wait_for(timeout=RUN_MS)
        text = Tab(page, "text_to_image").open()
        text.draw()
        text.part("stage").locator("summary").click()
        tabs = page.get_by_role("tab")
        for index in range(tabs.count()):
            tabs.nth(index).click()
            folded = page.locator(".ldm-fold:visible > button:not(.open)")
            while folded.count():
                folded.first.click()
            name = tabs.nth(index).inner_text()
            assert serious(page) == [], name
    finally:
        page.emulate_media(color_scheme="light")


def test_the_keyboard_alone_makes_a_picture(page: Page) -> None:
    """Tab leads from the caption to Generate, and on to what can be done with the result."""
    tab = Tab(page, "text_to_image").open()
    tab.prompt.focus()
    page.keyboard.press("Tab")
    expect(tab.generate).to_be_focused()
    page.keyboard.press("Enter")
    tab.finish()
    order = page.evaluate(
        """() => [...document.querySelectorAll('#text_to_image-stage :is(a, button, summary)')]
            .filter((e) => e.offsetParent && e.tabIndex >= 0).map((e) => e.innerText)"""
    )
    assert order[:3] == ["Use this seed", "Download PNG", "Variations"]


@pytest.mark.parametrize(
    ("language", "button", "ready", "tab"),
    [
        ("de-AT", "Erzeugen", "Bereit", "Verlauf"),
        ("fr-FR", "Générer", "Prêt", "Historique"),
        ("es-ES", "Generar", "Listo", "Historial"),
        ("ja-JP", "Generate", "Ready", "History"),
    ],
)
def test_the_page_speaks_the_browsers_language(
    browser: Browser, app_url: str, language: str, button: str, ready: str, tab: str
) -> None:
    context = browser.new_context(locale=language)
    page = context.new_page()
    page.goto(app_url)
    expect(page.get_by_role("button", name=button, exact=True).first).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#text_to_image-status .ldm-status > p").first).to_have_text(ready)
    page.get_by_role("tab", name=tab).click()
    assert "__i18n__" not in page.content().split("<body")[1].split("<script")[0]
    context.close()


def test_large_text_is_larger_and_stays(page: Page, leaving: Leaving) -> None:
    heading = page.locator(".ldm-header h1")
    before = heading.bounding_box()
    page.get_by_role("button", name="Large text").click()
    after = heading.bounding_box()
    assert before is not None and after is not None
    assert after["height"] > 1.2 * before["height"]
    with leaving(page):
        page.reload()
        page.locator("#text_to_image-generate").wait_for()
    expect(page.get_by_role("button", name="Large text")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
