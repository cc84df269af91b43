"""The tab *How it works* as a visitor meets it: one run, nine panels, more drawings."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ldm.ui.texts import PANELS, plain
from tests.e2e.conftest import OpenPage
from tests.e2e.tab import RUN_MS, Tab, type_number

pytestmark = pytest.mark.e2e

# What each panel shows first, and how many of it at least: pictures, and a sentence where the last
# one says what it lacks.
SHOWN = {
    "noise": ("#how-noise-three img", 3),
    "latents": ("#how-latents-bench img", 3),
    "words": ("#how-words-positions img", 1),
    "looks": ("#how-looks-tiles img", 8),
    "network": ("#how-network-features img", 10),
    "time": ("#how-time-waves img", 2),
    "guidance": ("#how-guidance-sum img", 6),
    "both_ways": ("#how-both-pictures img", 3),
    "matching": ("#how-matching-pictures .how-said", 1),
}


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator("#how_it_works-generate")).to_be_visible()


def explain(page: Page, caption: str) -> None:
    """Draw the caption in a few steps and wait until the first panel speaks of it."""
    open_tab(page)
    page.locator("#how_it_works-prompt textarea").fill(caption)
    steps = page.locator("#how_it_works-steps input[type=number]")
    if not steps.is_visible():
        page.locator(".ldm-settings:visible > button").click()
    type_number(steps, 6)
    page.locator("#how_it_works-generate").click()
    status = page.locator("#how_it_works-status .ldm-status > p").first
    expect(status).to_have_text(re.compile("6 steps recorded"), timeout=RUN_MS)
    expect(page.locator("#how-noise-three img").first).to_be_visible(timeout=RUN_MS)


def panel(page: Page, name: str) -> None:
    page.get_by_role("tab", name=plain(f"panel_{name}_title"), exact=True).click()


def source(image: Locator) -> str:
    return image.get_attribute("src") or ""


def test_all_panels_speak_of_one_run(page: Page) -> None:
    explain(page, "a lighthouse by the sea at sunset")
    for name, (selector, least) in SHOWN.items():
        panel(page, name)
        found = page.locator(selector)
        expect(found.nth(least - 1)).to_be_visible(timeout=RUN_MS)
        assert page.locator(".how-panel .ldm-problem:visible").count() == 0
    expect(page.locator("#how-matching-pictures")).to_contain_text("LDM_CLIP")
    more = page.locator(".how-more:visible")  # nothing is asked for that cannot be done
    expect(more).to_contain_text("Cosine")
    expect(more).not_to_contain_text("Try this")


def test_the_step_slider_moves_the_open_panel(page: Page) -> None:
    explain(page, "a tent on a hill at night")
    line = page.locator("#how_it_works-step-line")
    expect(line).to_contain_text("Step 2 of 6")
    before = source(page.locator("#how-noise-three img").first)
    page.locator("#how-noise-film button").nth(5).click()
    expect(line).to_contain_text("Step 6 of 6")
    expect(page.locator("#how-noise-three img").first).not_to_have_attribute("src", before)
    expect(page.locator("#how-noise-film button").nth(5)).to_have_attribute("aria-pressed", "true")


def test_a_word_is_pressed_and_drawn_louder(page: Page) -> None:
    explain(page, "a red boat on a lake")
    panel(page, "looks")
    lake = page.locator("#how-looks-caption button", has_text="lake")
    lake.click()
    expect(lake).to_have_attribute("aria-pressed", "true", timeout=RUN_MS)
    expect(page.locator("#how-looks-large figcaption")).to_contain_text("lake")
    page.locator("#how-looks-again").click()
    expect(page.locator("#how-looks-redrawn figcaption").last).to_contain_text(
        "(lake:1.5)", timeout=RUN_MS
    )


def test_a_block_is_pressed_by_keyboard_and_a_part_switched_off(page: Page) -> None:
    explain(page, "a windmill in a field")
    panel(page, "network")
    first = page.locator("#how-network-plan g").first
    expect(first).to_be_visible(timeout=RUN_MS)
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#how-network-features h3").first).to_contain_text("in:", timeout=RUN_MS)
    page.locator("#how-switch-off-again").click()
    expect(page.locator("#how-network-broken img").nth(1)).to_be_visible(timeout=RUN_MS)


def test_a_picture_of_another_tab_is_explained(page: Page) -> None:
    tab = Tab(page, "text_to_image").open()
    tab.prompt.fill("a cabin by a lake at dawn")
    tab.set("num_inference_steps", 5)
    tab.draw()
    page.get_by_role("button", name="Explain this picture").first.click()
    status = page.locator("#how_it_works-status .ldm-status > p").first
    expect(status).to_have_text(re.compile("5 steps recorded"), timeout=RUN_MS)
    prompt = page.locator("#how_it_works-prompt textarea")
    expect(prompt).to_have_value("a cabin by a lake at dawn")
    expect(page.locator("#how-noise-three img").first).to_be_visible(timeout=RUN_MS)


def test_before_a_run_the_panels_say_so(page: Page) -> None:
    open_tab(page)
    panel(page, "guidance")
    expect(page.locator("#how-guidance-sum")).to_contain_text("No run yet")


def test_an_empty_caption_is_refused_in_words(page: Page) -> None:
    open_tab(page)
    page.locator("#how_it_works-prompt textarea").fill(" ")
    page.locator("#how_it_works-generate").click()
    problem = page.locator("#how_it_works-status [data-kind=problem] p").first
    expect(problem).to_contain_text("Caption")


def test_two_visitors_see_their_own_runs(open_page: OpenPage) -> None:
    first, second = open_page(0), open_page(1)
    explain(first, "a snowy village at night")
    explain(second, "a beach with palms")
    for page, word in ((first, "village"), (second, "palms")):
        panel(page, "looks")
        expect(page.locator("#how-looks-caption")).to_contain_text(word, timeout=RUN_MS)


def test_the_panels_speak_the_browsers_language(browser: Browser, app_url: str) -> None:
    german = PANELS["de"]
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(app_url)
    page.get_by_role("tab", name=german["how_tab"]).click()
    go = page.get_by_role("button", name=german["how_draw"])
    page.locator(".ldm-settings:visible > button").click()
    type_number(page.locator("#how_it_works-steps input[type=number]"), 6)
    go.click()
    expect(page.locator("#how-noise-three img").first).to_be_visible(timeout=RUN_MS)
    status = page.locator("#how_it_works-status .ldm-status > p").first
    expect(status).to_have_text(re.compile(r"^Gezeichnet in [\d,]+ s, 6 Schritte aufgezeichnet"))
    line = page.locator("#how_it_works-step-line")
    expect(line).to_contain_text(re.compile(r"Schritt 2 von 6: Rauschpegel σ = \d+,\d"))
    first = page.locator(".how-panel:visible")
    expect(first.locator("h2")).to_have_text(german["panel_noise_question"])
    expect(first.locator(".how-facts dd").first).to_have_text(re.compile(r"^\d+,\d+$"))
    ticks = first.locator(".how-chart text")
    expect(ticks.filter(has_text=re.compile(r"^\d,\d+$"))).not_to_have_count(0)
    expect(ticks.filter(has_text=re.compile(r"\d\.\d"))).to_have_count(0)
    first.locator(".how-chart path[aria-label]").last.hover()
    expect(page.locator("#vg-tooltip-element")).to_have_text(re.compile(r"^6: \d,\d+$"))
    expect(page.locator(".vega-actions")).to_have_count(0)  # Vega's menu has English words
    expect(page.locator("#how-few")).to_have_text(german["panel_noise_few"])
    expect(first.locator("details [data-say-markup]")).to_contain_text("Das Modell bekommt z =")
    assert first.locator("details sub").count() == 4  # three of x, one of the logarithm
    # What is pressed, chosen from a list, drawn as SVG, and named by another text.
    page.get_by_role("tab", name=german["panel_network_title"], exact=True).click()
    heading = page.locator("#how-network-features h3").first
    expect(heading).to_have_text("Mitte: was der Block ausgibt", timeout=RUN_MS)
    down = page.locator("#how-network-plan g").nth(1)
    expect(down).to_have_attribute("aria-label", re.compile(r"^↓ hinab 1: \d+ Kanäle bei"))
    expect(down.locator("text.name")).to_have_text("↓ hinab 1")
    page.locator("#how-switch-off input").click()
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("Alle Wörter, überall")
    expect(options.filter(has_text="Die Abkürzung: Eingang → ↑")).not_to_have_count(0)
    expect(options.last).to_contain_text(re.compile(r"Die Abkürzung: ↓ \d → ↑ 1"))
    assert "__i18n__" not in page.content().split("<body")[1].split("<script")[0]
    context.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: OpenPage) -> None:
    page = open_page(phone=True)
    explain(page, "a lake at dawn")
    for name in ("noise", "looks", "guidance"):
        panel(page, name)
        expect(page.locator(SHOWN[name][0]).first).to_be_visible(timeout=RUN_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
