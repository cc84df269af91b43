"""Every panel of *How it works* on a real run of a small model, without a browser."""

import asyncio
import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import altair as alt
import gradio as gr
import pytest
import torch
from gradio.blocks import Block
from PIL import Image

from ldm.engine import Engine
from ldm.recipe import Recipe
from ldm.ui.how_it_works.caption import swapped
from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.looking import weighted_caption
from ldm.ui.how_it_works.panel import Panel, Scene, drawn, scene_of
from ldm.ui.how_it_works.tab import HowItWorks, build_how_it_works
from ldm.ui.how_it_works.visuals import number
from ldm.ui.texts import plain

RECIPE = Recipe(
    "a lake, at dawn",
    model="small",
    num_inference_steps=3,
    guidance_scale=3.0,
    sampler="ddim",
    width=64,
    height=64,
)


@pytest.fixture(scope="module")
def engine(small_stable_diffusion_folder: Path) -> Iterator[Engine]:
    with Engine(
        {"small": small_stable_diffusion_folder}, torch.device("cpu"), torch.float32
    ) as made:
        yield made


@pytest.fixture(scope="module")
def page(engine: Engine) -> tuple[gr.Blocks, HowItWorks]:
    with gr.Blocks() as blocks, gr.Tabs():
        tab = build_how_it_works(engine)
    return blocks, tab


async def explained(tab: HowItWorks, recipe: Recipe, *given: Image.Image) -> dict[Block, Any]:
    """What the page holds after a run."""
    found: dict[Block, Any] = {}
    async for updates in tab.explain(recipe, given, "somebody"):
        found |= updates
    return found


@pytest.fixture(scope="module")
def shown(page: tuple[gr.Blocks, HowItWorks]) -> dict[Block, Any]:
    return asyncio.run(explained(page[1], RECIPE))


def values_of(tab: HowItWorks, shown: dict[Block, Any]) -> dict[Any, Any]:
    """What the page would send: what was set, else what a component began with."""

    def plain(value: object) -> object:
        return value["value"] if isinstance(value, dict) and "value" in value else value

    components = [tab.step, tab.key, tab.hooks.terms]
    components += [c for panel in tab.panels for c in (*panel.inputs, *panel.controls)]
    return {c: plain(shown.get(c, getattr(c, "value", None))) for c in components}


def scene(tab: HowItWorks, shown: dict[Block, Any], step: int = 2) -> Scene:
    return scene_of(tab.hooks, {**values_of(tab, shown), tab.step: step})


def panel_of(tab: HowItWorks, name: str) -> Panel:
    return next(panel for panel in tab.panels if panel.name == name)


def test_a_run_is_recorded_and_shown(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    tab = page[1]
    recording = tab.lab.recording(shown[tab.key])
    assert len(recording.frames) == 3
    assert shown[tab.step]["maximum"] == 3
    assert "3 steps recorded" in shown[tab.status]
    assert "<img" in shown[tab.result]


@pytest.mark.parametrize("name", [name for name in PANELS if name != "matching"])
def test_every_panel_is_drawn_at_every_step(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any], name: str
) -> None:
    tab, panel = page[1], panel_of(page[1], name)
    for step in (1, 3):
        found = drawn(panel, scene(tab, shown, step))
        assert found.keys() == set(panel.outputs), found
        for place, value in found.items():
            assert value, f"{place.elem_id} is empty"
            assert "ldm-problem" not in str(value)


def titles_in(spec: object) -> list[object]:
    """The words of a chart's axes, anywhere in its specification: Vega writes the field's name
    where there is no title.
    """
    if isinstance(spec, list):
        return [title for each in spec for title in titles_in(each)]
    if not isinstance(spec, dict):
        return []
    encoding = spec.get("encoding", {})
    axes = [encoding[name] for name in ("x", "y") if "field" in encoding.get(name, {})]
    own = [axis.get("title", axis["field"]) for axis in axes]
    return own + [title for each in spec.values() for title in titles_in(each)]


def test_charts_hold_no_words_since_nobody_could_translate_them(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    specs = [
        value.to_dict()
        for panel in page[1].panels
        for value in drawn(panel, scene(page[1], shown)).values()
        if isinstance(value, alt.TopLevelMixin)
    ]
    assert len(specs) == 8
    for spec in specs:
        titles = titles_in(spec)
        assert titles and set(titles) == {None}


def test_pictures_say_what_they_are(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    for panel in page[1].panels:
        for value in drawn(panel, scene(page[1], shown)).values():
            for image in re.findall(r"<img[^>]*>", str(value)):
                assert re.search(r' alt="', image)


def left_with_points(markup: str) -> list[str]:
    """Figures that the page would leave as English writes them, in texts, their gaps and beside."""
    found: list[str] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            for name, each in value.items():
                if name != "figure":
                    look(each)
        elif isinstance(value, str):
            found.extend(re.findall(r"\d+\.\d+", value))

    for gaps in re.findall(r'data-with="([^"]*)"', markup):
        look(json.loads(html.unescape(gaps)))
    beside = re.sub(r"<(t?span) data-(say|figure)[^>]*>[^<]*</\1>", "", markup)
    look(re.sub("<[^>]*>", " ", beside))
    return found


def test_figures_are_left_to_the_page(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    assert left_with_points('<b>0.5</b><i data-with="{&quot;a&quot;: &quot;1.5&quot;}">') == [
        "1.5",
        "0.5",
    ]
    assert not left_with_points(str(shown))
    figures = 0
    for panel in page[1].panels:
        for value in drawn(panel, scene(page[1], shown)).values():
            if isinstance(value, str):
                assert not left_with_points(value), panel.name
                figures += value.count("data-figure") + value.count("&quot;figure&quot;")
    assert figures > 20
    for button in ("how-sweep-guidance", "how-time-it"):
        assert not left_with_points(str(press(page, shown, button))), button


def test_the_last_panel_says_what_it_needs(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    found = drawn(panel_of(page[1], "matching"), scene(page[1], shown))
    assert "LDM_CLIP" in str(found)


def press(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any], elem_id: str, **set_: object
) -> dict[Block, Any]:
    """What a press of the button shows; set_: fields by the end of their ids."""
    blocks, tab = page
    by_id = {block.elem_id: block for block in blocks.blocks.values()}
    button = by_id[elem_id]
    (event,) = [fn for fn in blocks.fns.values() if (button._id, "click") in fn.targets and fn.fn]
    held = values_of(tab, shown)
    values = {c: held.get(c, getattr(c, "value", None)) for c in event.inputs}
    values |= {by_id[f"how-{name}"]: value for name, value in set_.items()}

    async def pressed() -> dict[Block, Any]:
        found: dict[Block, Any] = {}
        async for updates in event.fn(values, SimpleNamespace(session_hash="somebody")):
            found |= updates
        return found

    return asyncio.run(pressed())


@pytest.mark.parametrize(
    ("button", "fields", "pictures"),
    [
        ("how-few", {}, 3),  # 1, 2 and the run's own 3 steps
        ("how-animate", {}, 1),
        ("how-sweep-guidance", {}, 5),
        ("how-sweep-steps", {}, 5),
        ("how-leave-out-again", {"leave-out": "rain"}, 2),
        ("how-looks-again", {"looks-weight": 1.6}, 2),
        ("how-swap", {"swap-from": "lake", "swap-to": "forest"}, 2),
        ("how-switch-off-again", {"switch-off": "skip:conv_in:up_blocks.1"}, 2),
        ("how-switch-off-again", {"switch-off": "words:"}, 2),
        ("how-compare-samplers", {"other-sampler": "heun"}, 2),
        ("how-back", {"noise-level": 500}, 2),
        ("how-time-it", {}, 0),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_button_draws(
    page: tuple[gr.Blocks, HowItWorks],
    shown: dict[Block, Any],
    button: str,
    fields: dict[str, object],
    pictures: int,
) -> None:
    found = press(page, shown, button, **fields)
    markup = "".join(value for value in found.values() if isinstance(value, str))
    assert "ldm-problem" not in markup, markup
    assert markup.count("<img") == pictures


@pytest.mark.parametrize(
    ("button", "fields", "words"),
    [
        ("how-leave-out-again", {"leave-out": " "}, plain("panel_guidance_nothing")),
        ("how-swap", {"swap-from": "boat", "swap-to": "ship"}, "is not in the caption"),
        ("how-swap", {"swap-from": "lake", "swap-to": ""}, plain("panel_words_nothing")),
        ("how-back", {"noise-level": 0}, plain("panel_both_ways_too_little")),
        ("how-switch-off-again", {"switch-off": "skip:a:b"}, plain("panel_network_nothing")),
    ],
)
def test_a_wish_that_cannot_be_is_answered_in_words(
    page: tuple[gr.Blocks, HowItWorks],
    shown: dict[Block, Any],
    button: str,
    fields: dict[str, object],
    words: str,
) -> None:
    markup = "".join(v for v in press(page, shown, button, **fields).values() if isinstance(v, str))
    assert "ldm-problem" in markup and words in markup


def test_a_run_that_is_no_longer_kept_is_said(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    with pytest.raises(LabError, match="No run yet"):
        tab.lab.recording("")
    with pytest.raises(LabError, match="no longer kept"):
        tab.lab.recording("a key of yesterday")


def test_a_run_of_a_model_since_replaced_is_said(
    page: tuple[gr.Blocks, HowItWorks], shown: dict[Block, Any]
) -> None:
    lab = page[1].lab
    other = lab.shelf.put(replace(lab.recording(shown[page[1].key]), digest="other weights"))
    with pytest.raises(LabError, match="no longer loaded"):
        lab.recording(other)


def test_a_new_run_takes_the_old_ones_place(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    first = asyncio.run(explained(tab, RECIPE))[tab.key]

    async def again() -> None:
        async for _ in tab.explain(RECIPE, (), "somebody", before=first):
            pass

    asyncio.run(again())
    assert tab.lab.shelf.get(first) is None


def test_thirty_students_draw_and_explain_at_once(page: tuple[gr.Blocks, HowItWorks]) -> None:
    """Each finds their own run, under one engine."""
    tab = page[1]

    async def student(seed: int) -> dict[Block, Any]:
        found: dict[Block, Any] = {}
        async for updates in tab.explain(replace(RECIPE, seed=seed), (), f"student {seed}"):
            found |= updates
        return found

    async def everybody() -> list[dict[Block, Any]]:
        return list(await asyncio.gather(*map(student, range(30))))

    shown = asyncio.run(everybody())
    recordings = [tab.lab.recording(each[tab.key]) for each in shown]
    assert [recording.recipe.seed for recording in recordings] == [*range(30)]
    assert all(len(recording.frames) == 3 for recording in recordings)
    for each in shown:
        tab.lab.shelf.drop(each[tab.key])


def test_a_sketch_is_explained_too(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    sketch = Image.new("RGB", (64, 64), "teal")
    shown = asyncio.run(
        explained(tab, replace(RECIPE, task="image_to_image", strength=0.7), sketch)
    )
    recording = tab.lab.recording(shown[tab.key])
    assert len(recording.frames) == 2  # 0.7 of 3 steps
    assert recording.given == (sketch,)
    found = drawn(panel_of(tab, "looks"), scene(tab, shown, 1))
    assert "ldm-problem" not in str(found)
    assert str(press(page, shown, "how-sweep-guidance")).count("<img") == 5


def test_a_painted_part_is_explained_too(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    picture, mask = Image.new("RGB", (64, 64), "teal"), Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    shown = asyncio.run(
        explained(tab, replace(RECIPE, task="inpaint", strength=1.0), picture, mask)
    )
    recording = tab.lab.recording(shown[tab.key])
    assert recording.given == (picture, mask)
    assert all(frame.maps for frame in recording.frames)
    for name in ("looks", "network", "both_ways"):
        assert "ldm-problem" not in str(drawn(panel_of(tab, name), scene(tab, shown, 1)))
    assert str(press(page, shown, "how-looks-again")).count("<img") == 2


def test_without_guidance_there_is_one_prediction(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    shown = asyncio.run(explained(tab, replace(RECIPE, guidance_scale=1.0)))
    found = drawn(panel_of(tab, "guidance"), scene(tab, shown, 1))
    assert "without guidance" in str(found)


def test_where_guidance_rests_the_other_steps_still_show_it(
    page: tuple[gr.Blocks, HowItWorks],
) -> None:
    tab = page[1]
    shown = asyncio.run(explained(tab, replace(RECIPE, guidance_end=0.5)))
    first, last = (
        drawn(panel_of(tab, "guidance"), scene(tab, shown, step)).values() for step in (1, 3)
    )
    assert "Guidance rests" not in str(first) and "Guidance rests" in str(last)
    for found in (first, last):  # the sizes of all steps at which it acts
        assert sum(isinstance(value, alt.TopLevelMixin) for value in found) == 1


def test_runs_with_speed_ups_are_explained(page: tuple[gr.Blocks, HowItWorks]) -> None:
    tab = page[1]
    fast = replace(RECIPE, guidance_start=0.3, cache_interval=2, token_merging_ratio=0.5)
    shown = asyncio.run(explained(tab, fast))
    for panel in tab.panels:
        for step in (1, 2, 3):
            assert "ldm-problem" not in str(drawn(panel, scene(tab, shown, step)))


def test_captions_with_a_swapped_or_louder_word() -> None:
    assert swapped("a lake, lakeside", "lake", "sea") == "a sea, lakeside"
    assert weighted_caption("a lake at dawn", 2, 6, 1.5) == "a (lake:1.5) at dawn"


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (3.14159, 3, "3.14"),
        (0.0612, 3, "0.0612"),
        (12288, 9, "12 288"),
        (1234567.0, 3, "1.23 × 10⁶"),
        (-0.00001, 2, "−1.0 × 10⁻⁵"),
        (float("inf"), 3, "∞"),
        (0.0, 3, "0.00"),
    ],
)
def test_figures_are_written_for_people(value: float, digits: int, written: str) -> None:
    assert number(value, digits) == written
