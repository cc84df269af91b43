"""What is kept is bounded, and goes when it is told to."""

from dataclasses import dataclass
from typing import cast

from ldm.explain.recording import Recording
from ldm.explain.shelf import Shelf


@dataclass(frozen=True, eq=False)
class Weight:
    """Stands for a recording: the shelf asks it for its bytes alone."""

    nbytes: int


def recording(size: int) -> Recording:
    return cast(Recording, Weight(size))


def test_what_was_looked_at_longest_ago_goes_first() -> None:
    shelf = Shelf(max_bytes=100)
    first, second = shelf.put(recording(40)), shelf.put(recording(40))
    assert shelf.get(first) is not None  # looked at, so the second is now the oldest
    third = shelf.put(recording(40))
    assert shelf.get(second) is None
    assert shelf.get(first) is not None and shelf.get(third) is not None


def test_the_newest_stays_however_large() -> None:
    shelf = Shelf(max_bytes=100)
    shelf.put(recording(60))
    key = shelf.put(recording(500))
    assert shelf.get(key) is not None
    assert shelf.put(recording(1)) and shelf.get(key) is None


def test_dropped_and_unknown_keys() -> None:
    shelf = Shelf()
    key = shelf.put(recording(1))
    shelf.drop(key)
    shelf.drop("never there")
    assert shelf.get(key) is None
    assert shelf.get("") is None
