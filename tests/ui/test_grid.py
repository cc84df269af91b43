"""The grid: values as written, the recipes of its cells, its sheet, and a run of it."""

import asyncio
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from ldm.recipe import Recipe, RecipeError
from ldm.ui.grid import Cells, build_grid
from ldm.ui.grid_axes import MOST_CELLS, SETTINGS, Axis, cells_of, read_axis
from ldm.ui.grid_sheet import draw_sheet
from ldm.ui.jobs import Jobs
from tests.ui.conftest import ScriptedEngine

RECIPE = Recipe(
    "a lake", num_inference_steps=4, guidance_scale=3, width=64, height=64, seed=9, num_images=3
)


@pytest.mark.parametrize(
    ("field", "text", "values"),
    [
        ("num_inference_steps", "8, 16,24", (8, 16, 24)),
        ("num_inference_steps", "8, 8, ,16\n24", (8, 16, 24)),
        ("guidance_scale", "1, 3.5", (1.0, 3.5)),
        ("cache_interval", "1, 3", (1, 3)),
        ("sampler", "DDIM, euler a, unipc", ("ddim", "euler_ancestral", "unipc")),
        ("schedule", "Karras", ("karras",)),
        ("prompt", "a lake, at dawn\n\na wood", ("a lake, at dawn", "a wood")),
    ],
)
def test_values_are_read(field: str, text: str, values: tuple[Any, ...]) -> None:
    assert read_axis({"field": field, "values": text}) == Axis(field, values)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("num_inference_steps", "8.5"),
        ("guidance_scale", "much"),
        ("sampler", "none of these"),
        ("seed", " , "),
        ("width", "64"),
    ],
)
def test_other_values_are_refused(field: str, text: str) -> None:
    with pytest.raises(RecipeError):
        read_axis({"field": field, "values": text})


@pytest.mark.parametrize("field", [name for name, values in SETTINGS.items() if values])
def test_every_setting_begins_with_values_that_can_be_drawn(field: str) -> None:
    axis = read_axis({"field": field, "values": SETTINGS[field]})
    assert len(cells_of(RECIPE, axis, Axis("", ()))) == len(axis.values) > 1


def test_nothing_chosen_is_one_cell() -> None:
    nothing = read_axis({"field": "", "values": "1, 2"})
    assert nothing.labels() == [""]
    assert [cell.seed for cell in cells_of(RECIPE, nothing, read_axis(None))] == [9]


def test_cells_stand_row_by_row_one_picture_each() -> None:
    across, down = Axis("seed", (1, 2)), Axis("guidance_scale", (1.0, 4.5))
    cells = cells_of(RECIPE, across, down)
    assert [(cell.guidance_scale, cell.seed) for cell in cells] == [
        (1.0, 1),
        (1.0, 2),
        (4.5, 1),
        (4.5, 2),
    ]
    assert {cell.num_images for cell in cells} == {1}
    assert down.labels() == ["1", "4.5"]


def test_what_cannot_be_a_grid_is_refused() -> None:
    seeds = Axis("seed", tuple(range(MOST_CELLS + 1)))
    with pytest.raises(RecipeError, match=f"at most {MOST_CELLS}"):
        cells_of(RECIPE, seeds, Axis("", ()))
    with pytest.raises(RecipeError, match="another setting"):
        cells_of(RECIPE, Axis("seed", (1,)), Axis("seed", (2,)))
    with pytest.raises(RecipeError, match="num_inference_steps"):
        cells_of(RECIPE, Axis("num_inference_steps", (0,)), Axis("", ()))


def test_the_sheet_shows_every_picture_in_its_place() -> None:
    colours = ["red", "lime", "blue", "yellow"]
    sheet = draw_sheet([Image.new("RGB", (64, 48), c) for c in colours], ["1", "2"], ["ж", "b"])
    pixels = np.asarray(sheet)
    centres = {}
    for colour in colours:
        found = (pixels == Image.new("RGB", (1, 1), colour).getpixel((0, 0))).all(axis=2)
        assert found.sum() == 64 * 48, colour
        ys, xs = np.nonzero(found)
        centres[colour] = (xs.mean(), ys.mean())
    assert centres["red"][0] < centres["lime"][0] and centres["red"][1] < centres["blue"][1]
    assert draw_sheet([Image.new("RGB", (900, 90)), None], ["1", "2"], [""]).width < 700


def test_a_grid_goes_to_the_engine_at_once_and_a_failed_cell_says_so(
    engine: ScriptedEngine,
) -> None:
    jobs = Jobs()
    with gr.Blocks():
        form, show = build_grid(engine, jobs, gr.Textbox())
    across, down = Axis("seed", (1, 2, 3)), Axis("", ())
    wanted = [
        Cells(recipe=cell, across=across, down=down) for cell in cells_of(RECIPE, across, down)
    ]

    async def play() -> dict[Any, Any]:
        page: dict[Any, Any] = {}
        async for updates in show(jobs.start(engine, ("ann", "grid"), wanted)):
            page |= updates
        return page

    page = asyncio.run(asyncio.wait_for(play(), 10))
    stage = page[form.stage]
    assert stage.count("<figure") == 3
    assert 'data-state="done"' in stage and "ldm-sheet" in stage
    assert [recipe.seed for recipe in engine.asked] == [1, 2, 3]
    engine.error = ZeroDivisionError()
    failed = asyncio.run(asyncio.wait_for(play(), 10))[form.stage]
    assert failed.count("ldm-problem") == 3
