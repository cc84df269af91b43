"""What a caption leaves open, left to chance by a press."""

from pathlib import Path

import pytest

from ldm.alternatives import chosen
from ldm.checkpoints.captions import read_captions
from ldm.ui.chance import LIGHT, WEATHER, left_to_chance


@pytest.mark.parametrize(
    ("caption", "added"),
    [
        ("a castle", f" {LIGHT} {WEATHER}"),
        ("a castle by moonlight", f" {WEATHER}"),
        ("a snow-covered village", f" {LIGHT}"),
        ("a foggy harbour at night", ""),
        ("Sunny harbour", ""),
        ("a castle {at dawn|at night} {in the rain|}", ""),
        ("a sundial", f" {LIGHT} {WEATHER}"),
    ],
)
def test_only_what_the_caption_leaves_open_is_added(caption: str, added: str) -> None:
    assert left_to_chance(caption) == caption + added


def test_a_second_press_adds_nothing() -> None:
    once = left_to_chance("a castle")
    assert left_to_chance(once) == once


def test_the_embedded_model_knows_every_word(embedded_model: Path) -> None:
    captions = read_captions(embedded_model)
    assert captions is not None
    assert not captions.unknown(f"{LIGHT} {WEATHER}")
    # A press leaves nothing open, whatever the seed.
    for seed in range(20):
        assert left_to_chance(chosen(f"{LIGHT} {{in the rain|in the snow}}", seed)).count("{") == 0
