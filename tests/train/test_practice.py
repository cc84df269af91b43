"""Drawings of what is known worst are learned from more often."""

import pytest
import torch
from torch import Tensor

from ldm.train.practice import SHARES, Practice
from ldm.train.scenes import BACKGROUNDS, CELLS, PLACES, labels

GROUND = labels().index("lake")
ONE, OTHER, *_ = (
    index for index, name in enumerate(labels()) if name not in PLACES and name not in BACKGROUNDS
)


def cells(*things: int) -> Tensor:
    """A lake with these things in it, a column each."""
    shown = torch.full((CELLS, CELLS), GROUND)
    for column, thing in enumerate(things):
        shown[:, column] = thing
    return shown


@pytest.fixture
def practice() -> Practice:
    return Practice(torch.stack([cells(), cells(ONE), cells(OTHER), cells(ONE, OTHER)]))


def seen(practice: Practice, one: float, other: float, times: int) -> None:
    names = torch.stack([cells(ONE, OTHER)] * 2)
    errors = torch.full(names.shape, 9.0)  # of the ground, which is of no account
    errors[names == ONE], errors[names == OTHER] = one, other
    for _ in range(times):
        practice.saw(names, errors)


def test_at_first_a_thing_is_a_thing(practice: Practice) -> None:
    assert practice.weights().tolist() == [2, 2, 2, 2]


def test_errors_count_against_their_mean(practice: Practice) -> None:
    seen(practice, 0.3, 0.1, times=500)  # their mean is 0.2
    torch.testing.assert_close(practice.weights(), torch.tensor([2, 2.5, 1.5, 2]))
    seen(practice, 30.0, 10.0, times=1)
    torch.testing.assert_close(practice.weights(), torch.tensor([2, 2.5, 1.5, 2]))


def test_no_thing_takes_everything_and_none_is_forgotten(practice: Practice) -> None:
    practice.errors[ONE], practice.errors[OTHER] = 1000.0, 0.0
    low, high = SHARES
    assert practice.weights().tolist() == [2, 1 + high, 1 + low, 1 + (low + high) / 2]


def test_a_picture_of_nothing_teaches_nothing(practice: Practice) -> None:
    practice.saw(cells()[None], torch.ones(1, CELLS, CELLS))
    assert practice.weights().tolist() == [2, 2, 2, 2]


def test_drawings_are_chosen_in_proportion(practice: Practice) -> None:
    practice.errors[ONE], practice.errors[OTHER] = 4.0, 0.5
    chosen = practice.choose(8000, torch.Generator().manual_seed(0))
    shares = torch.bincount(chosen, minlength=4) / 8000
    # One standard deviation of the largest share is 0.0054.
    torch.testing.assert_close(shares, torch.tensor([2, 5, 1.5, 3.25]) / 11.75, atol=0.02, rtol=0)
    assert torch.equal(chosen, practice.choose(8000, torch.Generator().manual_seed(0)))
