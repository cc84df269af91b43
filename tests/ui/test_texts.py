"""Sentences that depend on numbers."""

import pytest

from ldm.recipe import LIMITS
from ldm.ui import texts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "almost done"),
        (1.2, "about 1 s left"),
        (89, "about 89 s left"),
        (130, "about 2 min left"),
    ],
)
def test_time_left(seconds: float, words: str) -> None:
    assert texts.time_left(seconds) == words


def test_step_of() -> None:
    assert texts.step_of(3, 20, 4.0) == "Step 3 of 20, about 4 s left"
    assert texts.step_of(20, 20, 0.0) == "Step 20 of 20"
    assert texts.step_of(3, 20, None) == "Step 3 of 20"


def test_queued() -> None:
    assert texts.queued(0, 3.0) == "Starting"
    assert texts.queued(2, None) == "Waiting, 2 before you"
    assert texts.queued(2, 12.0) == "Waiting, 2 before you, about 12 s"


@pytest.mark.parametrize("words", [texts.SKETCH_STRENGTH_WORDS, texts.INPAINT_STRENGTH_WORDS])
def test_every_strength_has_words(words: tuple[tuple[float, str], ...]) -> None:
    said = [texts.strength_in_words(step / 100, words) for step in range(1, 101)]
    assert said == sorted(said, key=[text for _, text in words].index)  # in their order
    assert set(said) == {text for _, text in words}


def test_every_number_of_a_recipe_has_a_name() -> None:
    assert set(LIMITS) <= set(texts.FIELDS)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.004, "less than 1%"), (0.5, "50%"), (0.998, "more than 99%"), (1.0, "100%")],
)
def test_mask_read(share: float, words: str) -> None:
    assert words in texts.mask_read(share, 4)
    assert "soft edge of 4" in texts.mask_read(share, 4)
    assert "soft edge" not in texts.mask_read(share, 0)
