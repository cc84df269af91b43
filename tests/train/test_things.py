"""Pictures with things: what is held out, what captions may say.

The word lists here are written down afresh, not imported: they are what a reader would understand.
"""

import hashlib
import random
import re
import subprocess
import sys
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
    random_composite,
    random_spec,
)
from ldm.train.scenes.things.backgrounds import BACKGROUNDS
from ldm.train.scenes.things.catalogue import by_code, concepts

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
    assert counts == pytest.approx([0.3, 0.35, 0.35], abs=0.02)  # four standard deviations


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
    said = 0
    for spec, caption in of_kind(described, "still"):
        names = " ".join(name for thing in spec.things for name in by_code()[thing.code].names)
        if own.search(names):
            continue
        sizes = {by_code()[thing.code].size for thing in spec.things}
        if re.search(r"\b(small|little|tiny)\b", caption.lower()):
            said += 1
            assert sizes & {"tiny", "small"}, (caption, spec)
        if re.search(r"\b(big|large|huge|giant)\b", caption.lower()):
            said += 1
            assert sizes & {"large", "huge"}, (caption, spec)
    assert said > 20


def test_captions_are_english(described: list[tuple[Spec, str]]) -> None:
    consonants = r"unicorn|uni|one|ufo|euro"
    for _, caption in described:
        text = caption.lower()
        assert not re.search(r"\{|\}|  |\ban? an? |\bthe the\b|none", text), caption
        assert not re.search(rf"\ba (?!{consonants})(?=[aeiou])", text), caption
        assert not re.search(r"\ban (?=(?!hour|suv|x-ray)[bcdfghjklmnpqrstvwxyz])", text), caption
        assert len(text.split()) < 52  # four things, the corner of each, a background, a style
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
