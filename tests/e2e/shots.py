"""Pictures of every tab, wide and at phone width, light and dark, with results of this engine.

`make shots` runs it; no test does. The pictures go to the folder given, or to assets/shots; without
a folder those that README and docs show are made of them.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from ldm.ui.texts import plain
from tests.e2e.conftest import ARGUMENTS, PHONE, WIDE
from tests.e2e.serving import served
from tests.e2e.tab import RUN_MS, Tab
from tests.e2e.test_how_it_works import SHOWN

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "assets" / "shots"
SEED = 7
DRAWN_MS = 1500
WIDTHS: tuple[ViewportSize, ...] = (WIDE, PHONE)


def _seeded(tab: Tab) -> None:
    tab.unfold()
    tab.part("randomise").locator("input").uncheck()
    tab.set("seed", SEED)
    tab.page.locator(".ldm-settings:visible > button").click()


def draw_text(page: Page) -> None:
    tab = Tab(page, "text_to_image").open()
    _seeded(tab)
    tab.draw()


def draw_from_example(name: str) -> Callable[[Page], None]:
    def draw(page: Page) -> None:
        tab = Tab(page, name).open()
        page.locator(".ldm-chip:visible").first.click()
        expect(tab.part("easel").locator(".ldm-easel")).to_have_attribute("data-picture", "true")
        _seeded(tab)
        tab.draw()

    return draw


def draw_variations(page: Page) -> None:
    """Of the picture that was drawn for the first tab."""
    tab = Tab(page, "text_to_image").open()
    tab.part("stage").get_by_role("button", name="Variations").first.click()
    expect(tab.pictures).to_have_count(4, timeout=RUN_MS)


def enlarge(page: Page) -> None:
    """The first tab's picture, sent on, and shown beside itself as it was."""
    Tab(page, "text_to_image").open().part("stage").get_by_role(
        "button", name="Upscale"
    ).first.click()
    tab = Tab(page, "upscale")
    expect(tab.part("easel").locator(".ldm-easel")).to_have_attribute("data-picture", "true")
    _seeded(tab)
    tab.draw()
    tab.part("stage").get_by_role("button", name="Before and after").click()


def draw_grid(page: Page) -> None:
    page.get_by_role("tab", name="Grid").click()
    tab = Tab(page, "grid")
    _seeded(tab)
    tab.generate.click()
    expect(tab.stage("done")).to_be_visible(timeout=RUN_MS)


def open_history(page: Page) -> None:
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".ldm-kept li").first).to_be_visible()


def explain(panel: str, seen: str) -> Callable[[Page], None]:
    """One panel of How it works; the first one draws the run that all speak of."""

    def show(page: Page) -> None:
        page.get_by_role("tab", name="How it works").click()
        if page.locator("#how_it_works-result img").count() == 0:
            page.locator("#how_it_works-generate").click()
            expect(page.locator("#how-noise-three img").first).to_be_visible(timeout=RUN_MS)
        page.get_by_role("tab", name=plain(f"panel_{panel}_title"), exact=True).click()
        expect(page.locator(seen).first).to_be_visible(timeout=RUN_MS)
        page.wait_for_timeout(DRAWN_MS)  # charts draw themselves after the pictures

    return show


def take_lesson(page: Page) -> None:
    """A lesson's first question, answered, about the run that the panels show."""
    page.get_by_role("tab", name="How it works").click()
    page.locator("#how-lessons-menu button").nth(1).click()
    page.locator("#how-lesson-choices button").first.click()
    page.locator("#how-lesson-reveal").click()
    expect(page.locator("#how-lesson-found .how-verdict")).to_be_visible(timeout=RUN_MS)
    page.wait_for_timeout(DRAWN_MS)


TABS: dict[str, Callable[[Page], None]] = {
    "text": draw_text,
    "sketch": draw_from_example("image_to_image"),
    "inpainting": draw_from_example("inpaint"),
    "upscale": enlarge,
    "variations": draw_variations,
    "grid": draw_grid,
    "history": open_history,
    **{f"how-{name}": explain(name, seen) for name, (seen, _) in SHOWN.items()},
    "how-lesson": take_lesson,
}


def shoot(page: Page, url: str, folder: Path) -> None:
    """One result a tab, seen at every width and in both colour schemes."""
    page.goto(url)
    page.locator("#text_to_image-generate").wait_for()
    for name, draw in TABS.items():
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(WIDE)
        draw(page)
        page.evaluate("document.activeElement.blur()")
        for scheme in ("light", "dark"):
            # Gradio reads the scheme once; the class is what it would set.
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
            for size in WIDTHS:
                page.set_viewport_size(size)
                path = folder / f"{name}-{size['width']}-{scheme}.png"
                page.screenshot(path=path, full_page=True, animations="disabled")
        page.evaluate("document.body.classList.remove('dark')")


def publish(folder: Path) -> None:
    """assets/page.png, and docs/panels with a picture of each panel of How it works."""
    shutil.copy(folder / f"text-{WIDE['width']}-light.png", ROOT / "assets" / "page.png")
    panels = ROOT / "docs" / "panels"
    panels.mkdir(exist_ok=True)
    for name in SHOWN:
        with Image.open(folder / f"how-{name}-{WIDE['width']}-light.png") as shot:
            shot.convert("RGB").reduce(2).save(panels / f"{name}.webp", quality=80, method=6)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    expect.set_options(timeout=RUN_MS)
    with (
        TemporaryDirectory() as files,
        served(ROOT, Path(files)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=own, args=ARGUMENTS)
        shoot(browser.new_page(viewport=WIDE), url, folder)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        main(SHOTS)
        publish(SHOTS)
