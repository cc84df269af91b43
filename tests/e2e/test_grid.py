"""One caption over two settings: a labelled table, each cell with its recipe, and its sheet."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.tab import RUN_MS, Tab

pytestmark = pytest.mark.e2e


def test_a_grid_is_drawn_labelled_and_saved(page: Page) -> None:
    tab = Tab(page, "grid").open()
    tab.prompt.fill("a lake at dawn")
    tab.part("down").get_by_role("combobox", name="Setting").select_option(label="Steps")
    tab.part("down").get_by_role("textbox").fill("2, 3")
    tab.part("across").get_by_role("combobox", name="Setting").select_option(label="Caption")
    tab.part("across").get_by_role("textbox").fill("a lake, at dawn\na tower in the fog")
    tab.generate.click()
    stage = tab.stage("done")
    expect(stage).to_be_visible(timeout=RUN_MS)
    assert stage.locator("thead th").all_inner_texts() == ["a lake, at dawn", "a tower in the fog"]
    assert stage.locator("tbody th").all_inner_texts() == ["2", "3"]
    expect(stage.locator("figure img")).to_have_count(4)
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download the sheet").click()
    sheet = Image.open(BytesIO(Path(saving.value.path()).read_bytes()))
    assert "grid" in sheet.info

    stage.get_by_role("button", name="Use recipe").nth(3).click()
    text = Tab(page, "text_to_image")
    expect(text.prompt).to_have_value("a tower in the fog")
    text.unfold()
    expect(text.part("num_inference_steps").locator("input[type=number]")).to_have_value("3")


def test_values_that_cannot_be_are_named(page: Page) -> None:
    tab = Tab(page, "grid").open()
    tab.part("down").get_by_role("textbox").fill("8, many")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Steps: got 'many'")
    tab.part("down").get_by_role("textbox").fill(", ".join(map(str, range(1, 10))))
    tab.generate.click()
    expect(tab.problem).to_contain_text("at most 24")
