"""Where the things of pictures are drawn, and how many of them."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skia", reason="drawing needs requirements-train.txt")

from ldm.train.scenes import (
    Spec,
    SpriteStore,
    Thing,
    describe,
    draw,
    labels,
    random_still,
    shown,
)
from ldm.train.scenes.things.backgrounds import BACKGROUNDS
from ldm.train.scenes.things.catalogue import by_code
from ldm.train.scenes.things.store import write_store


def added(spec: Spec, seed: int, sprites: SpriteStore) -> tuple[float, float]:
    """Middle (x, y), 0 to 1, of what the spec's things change in the picture."""
    marked = np.asarray(draw(spec, seed, 64, sprites), np.float64)
    paint = {"red": "blue", "blue": "red"}
    other = replace(spec, things=tuple(replace(t, colour=paint[t.colour]) for t in spec.things))
    change = np.abs(marked - np.asarray(draw(other, seed, 64, sprites), np.float64)).sum(-1)
    rows, columns = np.nonzero(change > 60)
    return float(columns.mean()) / 64, float(rows.mean()) / 64


@pytest.mark.parametrize(
    ("code", "place", "zone", "low", "high"),
    [
        ("1f415", "hill", "ground", 0.6, 0.95),
        ("1f415", "lake", "ground", 0.6, 0.95),
        ("1f415", "city", "ground", 0.6, 0.95),
        ("26f5", "sea", "water", 0.45, 0.9),
        ("1f388", "desert", "sky", 0.05, 0.5),
    ],
)
def test_things_are_drawn_where_the_spec_says(
    sprites: SpriteStore, code: str, place: str, zone: str, low: float, high: float
) -> None:
    name = by_code()[code].name
    view = {"city": ("avenue",), "desert": ("dunes",)}.get(place, ())
    for where, span in (("left", (0, 0.4)), ("middle", (0.35, 0.65)), ("right", (0.6, 1))):
        thing = Thing(name, code, "noto", zone, where, colour="red", painted=True)
        spec = Spec(place, "day", "clear", options=view, things=(thing,))
        for seed in range(2):
            x, y = added(spec, seed, sprites)
            assert span[0] < x < span[1], (where, x)
            assert low < y < high, (where, y)


@pytest.mark.parametrize("where", ["left", "top right", "bottom", "middle"])
def test_things_on_backgrounds_are_where_the_spec_says(sprites: SpriteStore, where: str) -> None:
    thing = Thing("dog", "1f415", "noto", "", where, colour="red", painted=True)
    x, y = added(Spec("", "", "", things=(thing,), background="white"), 1, sprites)
    assert ("left" in where) == (x < 0.4) and ("right" in where) == (x > 0.6)
    assert ("top" in where) == (y < 0.4) and ("bottom" in where) == (y > 0.6)


def test_two_things_stand_left_and_right_or_above_and_below(sprites: SpriteStore) -> None:
    dog = Thing("dog", "1f415", "noto", colour="red", painted=True)
    still = Spec("", "", "", background="white")
    goat = replace(dog, name="goat", code="1f410", colour="blue")
    sides = replace(still, things=(replace(dog, where="left"), replace(goat, where="right")))
    ends = zip(sides.things, ("top", "bottom"), strict=True)
    stacked = replace(
        sides, things=tuple(replace(thing, where=end) for thing, end in ends), relation="above"
    )
    for spec, axis in ((sides, 1), (stacked, 0)):
        picture = np.asarray(draw(spec, 3, 64, sprites), np.float64)
        redder = np.argwhere(picture[..., 0] > picture[..., 2] + 60)[:, axis].mean()
        bluer = np.argwhere(picture[..., 2] > picture[..., 0] + 60)[:, axis].mean()
        assert redder + 16 < bluer


def test_four_things_hang_in_the_corners_in_the_captions_order(sprites: SpriteStore) -> None:
    found = 0
    for seed in range(40):
        rng = random.Random(seed)
        spec = random_still(rng, sprites)
        if len(spec.things) < 4:
            continue
        found += 1
        cells = np.array([*labels(), ""])[shown(spec, seed, sprites)[0]]
        corners = [cells[y : y + 8, x : x + 8] for y in (0, 8) for x in (0, 8)]
        for thing, corner in zip(spec.things, corners, strict=True):
            assert set(corner.flat) <= {thing.code, spec.background}
            assert (corner == thing.code).sum() >= 12
        caption = rest = describe(spec, rng).lower()
        for thing in spec.things:
            ends = [
                rest.index(name) + len(name) for name in by_code()[thing.code].names if name in rest
            ]
            assert ends, f"{caption}: no {thing.name} after those before it"
            rest = rest[min(ends) :]
    assert found > 5


@pytest.mark.parametrize(
    ("count", "background"), [(2, "white"), (3, "white"), (4, "white"), (2, "lawn")]
)
def test_as_many_are_drawn_as_said(sprites: SpriteStore, count: int, background: str) -> None:
    """Counted by labelling connected red regions (flood fill)."""
    thing = Thing("dog", "1f415", "noto", count=count, colour="red", painted=True)
    spec = Spec("", "", "", things=(thing,), background=background)
    picture = np.asarray(draw(spec, 2, 128, sprites), np.int64)
    red = (picture[..., 0] > 150) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    regions = 0
    while red.any():
        todo = [tuple(np.argwhere(red)[0])]
        size = 0
        while todo:
            y, x = todo.pop()
            if 0 <= y < 128 and 0 <= x < 128 and red[y, x]:
                red[y, x] = False
                size += 1
                todo += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        regions += size > 20
    assert regions == count


@pytest.mark.parametrize("style", ["fluent3d", "noto"])
def test_a_thing_alike_in_two_pictures_is_so_cell_for_cell(tmp_path: Path, style: str) -> None:
    """Cells are 16 x 16 pixels of 256. The thing is red on white, and nothing else is."""
    shape = np.zeros((150, 200, 4), np.uint8)
    shape[20:, 30:160] = (220, 30, 30, 255)
    write_store(tmp_path, [("1f415", style, shape)])
    store = SpriteStore(tmp_path)
    masks: dict[bytes, int] = {}
    for seed in range(12):
        for where in ("left", "middle", "top", "bottom right"):
            thing = Thing("dog", "1f415", style, where=where)
            spec = Spec("", "", "", things=(thing,), background="white")
            picture = np.asarray(draw(spec, seed, 256, store), np.int64)
            red = (picture[..., 0] > 150) & (picture[..., 1] < 90)
            red = np.pad(red, (0, 96))
            top, left = (np.flatnonzero(red.any(axis))[0] // 16 * 16 for axis in (1, 0))
            masks[red[top : top + 80, left : left + 96].tobytes()] = red.sum()
    assert len(masks) == 1 and next(iter(masks.values())) > 2000


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_background_draws(sprites: SpriteStore, background: str) -> None:
    spec = replace(random_still(random.Random(1), sprites), background=background)
    assert np.asarray(draw(spec, 0, 32, sprites)).std() > 3


def test_things_are_darker_at_night(sprites: SpriteStore) -> None:
    dog = Thing("dog", "1f415", "noto", "ground", colour="white", painted=True)
    means = {
        time: np.asarray(
            draw(Spec("hill", time, "clear", things=(dog,)), 1, 64, sprites), np.float64
        )[40:60, 24:40].max()
        for time in ("day", "sunset", "night")
    }
    assert means["day"] > means["night"] + 25
    assert means["night"] > 90  # still readable
