"""Pictures with things: what is held out, what captions may say, where things are drawn.

The word lists here are written down afresh, not imported: they are what a reader would understand.
"""

import hashlib
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skia", reason="drawing needs requirements-train.txt")

from ldm.train.data import Source, drawing_version
from ldm.train.scenes import (
    KINDS,
    Spec,
    SpriteStore,
    Thing,
    describe,
    draw,
    is_held_out_pair,
    labels,
    random_composite,
    random_spec,
    random_still,
    shown,
)
from ldm.train.scenes.things.backgrounds import BACKGROUNDS
from ldm.train.scenes.things.catalogue import by_code, concepts
from ldm.train.scenes.things.store import write_store

COLOURS = {"black", "grey", "white", "red", "orange", "yellow", "green", "blue"}
COLOURS |= {"purple", "pink", "brown"}
NUMBERS = {
    r"\b(two|2)\b|\ba pair of|\ba couple of": 2,
    r"\b(three|3)\b": 3,
    r"\b(four|4)\b": 4,
    r"\b(five|5)\b": 5,
}
STYLE_WORDS = {
    r"\b3d\b|glossy": {"fluent3d"},
    r"\bflat (illu|desi|icon)": {"fluentflat"},
    r"cartoon": {"noto"},
}


@pytest.fixture(scope="module")
def described(sprites: SpriteStore) -> list[tuple[Spec, str]]:
    found = []
    for seed in range(9000):
        rng = random.Random(seed)
        spec = random_spec(rng, sprites)
        found.append((spec, describe(spec, rng)))
    return found


def of_kind(described: list[tuple[Spec, str]], kind: str) -> list[tuple[Spec, str]]:
    return [(spec, caption) for spec, caption in described if spec.kind == kind]


DIGEST = """
import hashlib, pathlib, sys
from ldm.train.scenes import open_sprites, sample
digest = hashlib.sha256()
for seed in range(40, 64):
    drawn = sample(seed, 32, sprites=open_sprites(pathlib.Path(sys.argv[1])))
    digest.update(drawn.image.tobytes() + repr((drawn.caption, drawn.spec)).encode())
print(digest.hexdigest())
"""


def test_same_seed_gives_same_bytes_in_another_process(sprite_folder: Path) -> None:
    """Two processes whose hash seeds differ: that shows any dependence on the order of sets."""
    digests = [
        subprocess.run(
            [sys.executable, "-c", DIGEST, str(sprite_folder)],
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("7", "8")
    ]
    assert digests[0] == digests[1] and len(digests[0]) == 65


def test_kinds_come_in_their_proportions(described: list[tuple[Spec, str]]) -> None:
    counts = [len(of_kind(described, kind)) / len(described) for kind in KINDS]
    assert counts == pytest.approx([0.15, 0.35, 0.5], abs=0.02)  # four standard deviations


def test_only_the_kinds_asked_for_are_drawn(sprites: SpriteStore) -> None:
    for kinds in (("still",), ("landscape", "composite")):
        drawn = {random_spec(random.Random(seed), sprites, kinds).kind for seed in range(60)}
        assert drawn == set(kinds)
    assert {random_spec(random.Random(seed), None).kind for seed in range(60)} == {"landscape"}


def test_things_need_sprites(sprite_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sprites.*fox"):
        draw(Spec("lake", "day", "clear", things=(Thing("fox", "1f98a+body", "noto"),)), 0)
    with pytest.raises(FileNotFoundError, match="make train-data"):
        Source(folder=tmp_path).sample(0, 32)
    assert Source(("landscape",), tmp_path).sample(0, 32).spec.kind == "landscape"
    versions = {drawing_version(Source(("landscape",), tmp_path))}
    versions |= {drawing_version(Source(kinds, sprite_folder)) for kinds in (KINDS, KINDS[:2])}
    assert len(versions) == 3


# -- what is held out


def test_a_twentieth_of_the_pairs_is_held_out() -> None:
    pairs = [(each.name, place) for each in concepts() for place in ("lake", "city", "hill")]
    share = np.mean([is_held_out_pair(*pair) for pair in pairs])
    assert 0.03 < share < 0.07
    for thing, place in pairs[::200]:  # by hand: sha256's first four bytes, big-endian, modulo 20
        first = int(hashlib.sha256(f"{thing} @ {place}".encode()).hexdigest()[:8], 16)
        assert is_held_out_pair(thing, place) == (first % 20 == 0)


def test_held_out_pairs_are_never_drawn(described: list[tuple[Spec, str]]) -> None:
    pairs = {
        (thing.name, spec.place)
        for spec, _ in of_kind(described, "composite")
        for thing in spec.things
    }
    assert len(pairs) > 1000
    assert not any(is_held_out_pair(*pair) for pair in pairs)


def test_evaluation_draws_held_out_pairs_only(sprites: SpriteStore) -> None:
    for seed in range(100):
        spec = random_composite(random.Random(seed), sprites, held_out=True)
        assert len(spec.things) == 1
        assert is_held_out_pair(spec.things[0].name, spec.place)


# -- what goes together


def test_things_stand_where_they_may(described: list[tuple[Spec, str]]) -> None:
    for spec, _ in of_kind(described, "composite"):
        assert not spec.subjects and not spec.background
        for thing in spec.things:
            concept = by_code()[thing.code]
            assert concept.name == thing.name and not concept.face
            zones = {"water", "sea"} if thing.zone == "water" else {thing.zone}
            assert zones & set(concept.zones), thing
            if thing.zone == "ground":
                assert spec.place != "sea"
            if "sea" in concept.zones and thing.zone == "water" and "water" not in concept.zones:
                assert spec.place in ("sea", "island")


def test_things_do_not_vanish_on_their_background(described: list[tuple[Spec, str]]) -> None:
    for spec, _ in of_kind(described, "still"):
        for thing in spec.things:
            assert not set(thing.colour.split()) & set(re.findall(r"\w+", spec.background))


# -- captions


def background_words(spec: Spec) -> set[str]:
    """Colours that the background's own words may name."""
    background = BACKGROUNDS.get(spec.background)
    text = " ".join((*background.phrases, *background.tags)) if background else ""
    return set(re.findall(r"\w+", text.replace("gray", "grey")))


def test_captions_name_colours_that_are_there(described: list[tuple[Spec, str]]) -> None:
    for spec, caption in of_kind(described, "still"):
        allowed = background_words(spec)
        for thing in spec.things:
            allowed |= set(thing.colour.split())
            allowed |= set(re.findall(r"\w+", " ".join(by_code()[thing.code].names).lower()))
        said = set(re.findall(r"\w+", caption.lower().replace("gray", "grey"))) & COLOURS
        assert said <= allowed, (caption, spec)


def test_captions_count_right(described: list[tuple[Spec, str]]) -> None:
    for spec, caption in described:
        things = spec.things
        text = caption.lower()
        text = re.sub(r"two clinking|two-humped|four-leaf|a pair of (?=skis|maracas)", "", text)
        wearing = (
            r"a pair of (ballet|glasses|gloves|jeans|scissors|shorts|socks|sunglasses|headphones)"
        )
        text = re.sub(wearing, "", text)
        if not things:
            continue
        for pattern, number in NUMBERS.items():
            if re.search(pattern, text):
                assert number in {thing.count for thing in things}, (caption, spec)
        if things[0].count > 1:
            concept = by_code()[things[0].code]
            plurals = [*concept.plurals, *(f"{name} faces" for name in concept.names)]
            named = any(plural.lower() in caption.lower() for plural in plurals)
            single = any(name.lower() in caption.lower() for name in concept.names)
            assert named or not single, (caption, spec)


def test_captions_place_things_right(described: list[tuple[Spec, str]]) -> None:
    for spec, caption in described:
        text = caption.lower()
        if len(spec.things) == 1:
            thing = spec.things[0]
            for side in ("left", "right"):
                if re.search(rf"\b{side}\b", text):
                    assert side in thing.where, (caption, spec)
            if re.search(r"in the (middle|cent(er|re))\b(?! of the (day|night))", text):
                assert thing.where == "middle", (caption, spec)
            if re.search(r"\b(upper|at the top|near the top)", text):
                assert "top" in thing.where, (caption, spec)
            if re.search(r"\b(lower|at the bottom|near the bottom)", text):
                assert "bottom" in thing.where, (caption, spec)
        elif len(spec.things) == 2 and not spec.relation:
            one, other = ([n.lower() for n in by_code()[t.code].names] for t in spec.things)
            found = re.search(r"(.*?) (?:to the )?left of (.*)", text)
            if found and not set(one) & set(other):
                assert any(name in found[1] for name in one), (caption, spec)
                assert any(name in found[2] for name in other), (caption, spec)


def test_captions_name_styles_that_are_true(described: list[tuple[Spec, str]]) -> None:
    styled = 0
    for spec, caption in described:
        for pattern, styles in STYLE_WORDS.items():
            if re.search(pattern, caption.lower()):
                styled += 1
                assert {thing.style for thing in spec.things} <= styles, (caption, spec)
    assert styled > 100


def test_sizes_are_said_of_what_is_so(described: list[tuple[Spec, str]]) -> None:
    own = re.compile(r"small|little|tiny|big|large|huge|giant")
    for spec, caption in of_kind(described, "still"):
        names = " ".join(name for thing in spec.things for name in by_code()[thing.code].names)
        if own.search(names):
            continue
        sizes = {thing.size for thing in spec.things}
        if re.search(r"\b(small|little|tiny)\b", caption.lower()):
            assert "small" in sizes, (caption, spec)
        if re.search(r"\b(big|large|huge|giant)\b", caption.lower()):
            assert "large" in sizes, (caption, spec)


def test_captions_are_english(described: list[tuple[Spec, str]]) -> None:
    consonants = r"unicorn|uni|one|ufo|euro"
    for _, caption in described:
        text = caption.lower()
        assert not re.search(r"\{|\}|  |\ban? an? |\bthe the\b|none", text), caption
        assert not re.search(rf"\ba (?!{consonants})(?=[aeiou])", text), caption
        assert not re.search(r"\ban (?=(?!hour|suv|x-ray)[bcdfghjklmnpqrstvwxyz])", text), caption
        assert len(text.split()) < 48  # four things, the corner of each, a background, a style
    words = {word.strip(".,").lower() for _, caption in described for word in caption.split()}
    assert len(words) > 1500
    assert len({caption for _, caption in described}) > 0.93 * len(described)


def test_every_thing_can_be_named(sprites: SpriteStore) -> None:
    """All names and synonyms, alone and several of a kind."""
    for concept in concepts():
        for count in (1, 3) if concept.countable else (1,):
            thing = Thing(concept.name, concept.code, "noto", count=count)
            spec = Spec("", "", "", things=(thing,), background="white")
            captions = {describe(spec, random.Random(seed)) for seed in range(25)}
            named = [*concept.names, *concept.plurals]
            for caption in captions:
                assert any(name.lower() in caption.lower() for name in named), caption


# -- drawing


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
    thing = Thing("dog", "1f415", "noto", "", where, "small", colour="red", painted=True)
    x, y = added(Spec("", "", "", things=(thing,), background="white"), 1, sprites)
    assert ("left" in where) == (x < 0.4) and ("right" in where) == (x > 0.6)
    assert ("top" in where) == (y < 0.4) and ("bottom" in where) == (y > 0.6)


def test_two_things_stand_left_and_right_or_above_and_below(sprites: SpriteStore) -> None:
    dog = Thing("dog", "1f415", "noto", colour="red", painted=True)
    still = Spec("", "", "", background="white")
    sides = replace(still, things=(dog, replace(dog, name="goat", code="1f410", colour="blue")))
    stacked = replace(sides, relation="above")
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


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("background", ["white", "lawn"])
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
            thing = Thing("dog", "1f415", style, where=where, size="small")
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
    dog = Thing("dog", "1f415", "noto", "ground", colour="white", painted=True, size="large")
    means = {
        time: np.asarray(
            draw(Spec("hill", time, "clear", things=(dog,)), 1, 64, sprites), np.float64
        )[40:60, 24:40].max()
        for time in ("day", "sunset", "night")
    }
    assert means["day"] > means["night"] + 25
    assert means["night"] > 90  # still readable
