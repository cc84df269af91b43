"""A recipe leaves the page and comes back: by link, by text, by the picture itself."""

import base64
import json
from dataclasses import replace

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from ldm.imaging import encode_png, read_png_text
from ldm.recipe import Recipe
from ldm.ui.form import SPEED_UPS
from tests.e2e.conftest import Leaving, OpenPage
from tests.e2e.tab import RUN_MS, Tab, drop_file, recipe_in

pytestmark = pytest.mark.e2e

A1111 = (
    "a cabin by a lake\nNegative prompt: people\n"
    "Steps: 7, Sampler: Euler a, CFG scale: 3.5, Seed: 77, Size: 128x128, Model: dreamy, "
    "Hires upscale: 2"
)


def png_with(text: dict[str, str]) -> bytes:
    return encode_png(Image.new("RGB", (64, 64), "teal"), text)


@pytest.fixture
def tab(page: Page) -> Tab:
    tab = Tab(page, "text_to_image").open()
    tab.unfold()
    tab.prompt.fill("a lake at dawn")
    return tab


def copied(tab: Tab, what: str) -> str:
    """The text that a copy button puts on the clipboard."""
    tab.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    tab.page.locator(f'[data-do="copy-{what}"]:visible').click()
    tab.page.wait_for_function("window.copied")
    return tab.page.evaluate(
        "() => { const text = window.copied; window.copied = ''; return text; }"
    )


def test_a_link_brings_the_whole_recipe_and_draws_the_same_picture(
    tab: Tab, leaving: Leaving
) -> None:
    png = tab.draw()
    tab.part("stage").locator("summary").click()
    assert copied(tab, "recipe") == recipe_in(png).to_json()
    assert f"Seed: {recipe_in(png).seed}" in copied(tab, "parameters")
    link = copied(tab, "link")
    tab.prompt.fill("something else")
    notice = tab.page.locator(".ldm-notice")
    with leaving(tab.page):
        tab.page.goto(link, wait_until="commit")
        expect(notice).to_contain_text("filled from the recipe", timeout=RUN_MS)
    expect(notice.locator("p")).to_have_count(1)  # no warning
    expect(tab.prompt).to_have_value("a lake at dawn")
    assert "?q=" not in tab.page.url
    assert tab.draw() == png


def test_a_dropped_picture_fills_the_form_and_warns(tab: Tab, leaving: Leaving) -> None:
    png = tab.draw()
    text = read_png_text(png)
    made = json.loads(text["made_with"]) | {"model_hash": "f" * 64}
    with leaving(tab.page):
        tab.page.reload()
        tab.found_again()
    Tab(tab.page, "inpaint").open()
    drop_file(tab.page, "other.png", png_with(text | {"made_with": json.dumps(made)}))
    notice = tab.page.locator(".ldm-notice")
    expect(notice).to_contain_text("The weights of quick differ")
    expect(tab.prompt).to_be_visible()  # the recipe's own tab was opened
    expect(tab.prompt).to_have_value("a lake at dawn")
    tab.unfold()
    expect(tab.part("seed").locator("input")).to_have_value(str(recipe_in(png).seed))
    drop_file(tab.page, "webui.png", png_with({"parameters": A1111}))
    expect(notice).to_contain_text("dreamy")
    expect(notice).to_contain_text("Hires upscale")
    expect(tab.prompt).to_have_value("a cabin by a lake")
    expect(tab.part("num_inference_steps").locator("input[type=number]")).to_have_value("7")
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()


def test_of_recipes_that_come_at_once_the_last_one_stays(tab: Tab) -> None:
    """Even where the answer to an earlier one takes longer."""
    first = recipe_in(tab.draw())
    captions = ["a hill", "a desert", "a river", "an island"]
    for caption in captions:
        recipe = replace(first, prompt=caption)
        drop_file(tab.page, "next.png", png_with({"recipe": recipe.to_json()}))
    expect(tab.prompt).to_have_value(captions[-1])
    tab.page.wait_for_timeout(1500)  # nothing comes after it
    expect(tab.prompt).to_have_value(captions[-1])


def test_a_recipe_sets_the_speed_ups_and_the_next_one_resets_them(tab: Tab) -> None:
    """In their own fold, which is not open yet when the first recipe comes."""
    own = Recipe("a lake", num_inference_steps=5, guidance_scale=3, width=128, height=128)
    fast = replace(
        own, guidance_start=0.2, guidance_end=0.8, cache_interval=3, token_merging_ratio=0.5
    )
    drop_file(tab.page, "fast.png", png_with({"recipe": fast.to_json()}))
    expect(tab.prompt).to_have_value("a lake")
    drawn = recipe_in(tab.draw())
    assert [getattr(drawn, name) for name in SPEED_UPS] == [0.2, 0.8, 3, 0.5]
    tab.page.locator(".ldm-speed-ups:visible > button").click()
    for recipe in (replace(fast, prompt="a hill"), own):
        drop_file(tab.page, "next.png", png_with({"recipe": recipe.to_json()}))
        expect(tab.prompt).to_have_value(recipe.prompt)  # this one has come, not the one before
        for name in SPEED_UPS:
            entry = tab.part(name).locator("input[type=number]")
            expect(entry).to_have_value(f"{getattr(recipe, name):g}")


def test_pasted_parameters_fill_the_form(tab: Tab) -> None:
    tab.prompt.focus()
    tab.page.evaluate(
        """(text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            const options = {clipboardData, bubbles: true, cancelable: true};
            document.activeElement.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        A1111,
    )
    expect(tab.prompt).to_have_value("a cabin by a lake")
    expect(tab.part("negative_prompt").locator("textarea")).to_have_value("people")


def test_one_click_strips_the_recipe(tab: Tab) -> None:
    png = tab.draw()
    with tab.page.expect_download() as saving:
        tab.page.get_by_role("button", name="Without recipe").click()
    stripped = saving.value.path().read_bytes()
    assert read_png_text(png) and not read_png_text(stripped)
    assert b"IDAT" in stripped and stripped.endswith(png[-12:])
    tab.page.get_by_role("button", name="Use this seed").click()
    expect(tab.part("randomise").locator("input")).not_to_be_checked()
    assert tab.draw() == png


def test_a_broken_link_is_told(open_page: OpenPage) -> None:
    page = open_page(query="?q=nonsense")
    expect(page.locator(".ldm-notice")).to_contain_text("No recipe could be read", timeout=RUN_MS)
    whole = json.dumps({"recipe": "{}"}).encode()
    query = base64.urlsafe_b64encode(whole).decode()
    page = open_page(query=f"?q={query}")
    expect(page.locator(".ldm-notice")).to_contain_text("cannot be used", timeout=RUN_MS)
