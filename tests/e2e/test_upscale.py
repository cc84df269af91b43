"""A picture made twice as large in tiles, by a model that is not made for it."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.tab import RUN_MS, Tab, recipe_in

pytestmark = pytest.mark.e2e


def test_a_picture_is_enlarged_in_tiles(page: Page) -> None:
    tab = Tab(page, "upscale").open()
    tab.generate.click()
    expect(tab.problem).to_contain_text("Picture")
    picture = Image.linear_gradient("L").convert("RGB").resize((128, 96))
    data = BytesIO()
    picture.save(data, "PNG")
    tab.open_picture("small.png", data.getvalue())
    expect(tab.part("note")).to_contain_text("128 × 96")
    tab.generate.click()
    expect(tab.stage("done")).to_be_visible(timeout=RUN_MS)
    png = tab.download()
    large = Image.open(BytesIO(png))
    assert large.size == (256, 192)
    recipe = recipe_in(png)
    assert (recipe.task, recipe.width, recipe.height) == ("upscale", 256, 192)
    # It is still the same picture: dark above, light below.
    rows = np.asarray(large.convert("L"), dtype=float).mean(axis=1)
    assert rows[-24:].mean() - rows[:24].mean() > 120
