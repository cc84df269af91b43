"""Random specs of all kinds: which things, where, how many, on what.

Knows what goes together, neither how it is drawn nor how it is worded.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from .palette import PAINTS
from .spec import CORNERS, KINDS, Spec, Thing, random_landscape
from .things.backgrounds import BACKGROUNDS
from .things.catalogue import SIZES, STYLES, Concept, concepts, is_held_out_pair
from .things.repaint import TARGETS
from .things.store import Sprite, SpriteStore

SHARES = {"landscape": 0.3, "composite": 0.35, "still": 0.35}
WEIGHTS = {"popular": 7.0, "core": 3.5}
# Shares of the pictures on backgrounds. One picture of four different things teaches all four as
# quickly as it would teach one, and a small network wants to see each thing a hundred times.
FOUR, PAIR, SEVERAL = 0.45, 0.15, 0.10
PAINTED = 0.45
FLAT = 0.2  # of things on their own, of which it is said then
LEAST_COAT = 0.42  # less of a sprite than that, and "a blue bus" would not be true
# What the places offer to stand on. Water is for what floats, sea for what lives in salt water.
PLACE_ZONES: dict[str, tuple[str, ...]] = {
    "lake": ("ground", "water", "sky"),
    "sea": ("water", "sea", "water", "sea", "sky"),
    "beach": ("ground", "ground", "ground", "sky"),
    "tea": ("ground", "ground", "sky"),
    "forest": ("ground", "ground", "ground", "sky"),
    "desert": ("ground", "ground", "sky"),
    "village": ("ground", "ground", "ground", "sky"),
    "hill": ("ground", "ground", "sky"),
    "city": ("ground", "ground", "ground", "sky"),
    "river": ("ground", "water", "sky"),
    "waterfall": ("ground", "ground", "sky"),
    "field": ("ground", "ground", "sky"),
    "island": ("ground", "water", "sea", "sky"),
    "garden": ("ground", "ground", "ground", "sky"),
    "temple": ("ground", "ground", "ground", "sky"),
    "room": ("ground",),
}
NARROW = (("island", "ground"), ("river", "water"))  # room for one thing, in the middle
SMALL = ("tiny", "small", "medium")
PLACES_ALONE = ("left", "right", "top", "bottom", *CORNERS)
DARK = ("twilight", "night")  # hours in which what is painted black cannot be seen
MOST_TRIES = 5_000  # pairs kept from training are one in twenty, and not all of them fit


def _weight(concept: Concept) -> float:
    """A thing with a face and a whole body counts once, shared between the two."""
    most = max([WEIGHTS[mark] for mark in concept.marks if mark in WEIGHTS], default=1.0)
    return most * (0.5 if concept.face else 1.0)


@lru_cache(16)
def standing_in(zone: str) -> tuple[tuple[Concept, ...], tuple[float, ...]]:
    """Whole things that may be in a zone, and the running sums of their weights."""
    found = tuple(each for each in concepts() if zone in each.zones and not each.face)
    return found, tuple(accumulate(_weight(each) for each in found))


@lru_cache(1)
def anything() -> tuple[tuple[Concept, ...], tuple[float, ...]]:
    return concepts(), tuple(accumulate(_weight(each) for each in concepts()))


def _concept(
    rng: random.Random,
    pool: tuple[tuple[Concept, ...], tuple[float, ...]],
    sprites: SpriteStore,
) -> Concept:
    for _ in range(MOST_TRIES):
        chosen = rng.choices(pool[0], cum_weights=pool[1])[0]
        if chosen.code in sprites.by_code:
            return chosen
    raise LookupError("sprites: got a store without the things asked for; run `make train-data`")


def sprite_of(concept: Concept, sprites: SpriteStore, flat: bool = False) -> Sprite:
    """The concept's drawing in the first of STYLES that it has; with `flat` glossy ones come last.

    One thing, one drawing: of five, chosen at random, a small network learned their mean.
    """
    styles = sprites.by_code[concept.code]
    return next(styles[style] for style in (*STYLES[flat:], *STYLES[:flat]) if style in styles)


def thing_of(rng: random.Random, concept: Concept, sprite: Sprite) -> Thing:
    """The thing a sprite shows, in the middle, once; at times in a colour of our choice."""
    if "paint" in concept.marks and sprite.coat >= LEAST_COAT and rng.random() < PAINTED:
        colour = rng.choice(list(TARGETS))
        return Thing(concept.name, concept.code, sprite.style, colour=colour, painted=True)
    colours = sorted(sprite.colours, key=lambda name: (name == "white", name != "black"))
    return Thing(concept.name, concept.code, sprite.style, colour=" and ".join(colours))


def _pick(
    rng: random.Random,
    pool: tuple[tuple[Concept, ...], tuple[float, ...]],
    sprites: SpriteStore,
    flat: bool = False,
) -> tuple[Concept, Thing]:
    concept = _concept(rng, pool, sprites)
    return concept, thing_of(rng, concept, sprite_of(concept, sprites, flat))


def _bare(landscape: Spec) -> Spec:
    """The landscape without what stands in it, so that the things have room."""
    options = [name for name in landscape.options if name not in PAINTS and name != "rainbow"]
    if "slopes" in options:  # seen from above: nothing could stand there in scale
        options[options.index("slopes")] = "clearing"
    return replace(landscape, subjects=(), options=tuple(options))


def may_stand(concept: Concept, place: str, zone: str) -> bool:
    """Whether the thing fits the place at all: not a house on a small island or in a room."""
    if place == "room":
        return concept.size in SMALL and concept.group not in ("vehicles", "buildings")
    if place == "island" and zone == "ground":
        return concept.size in SMALL
    return not (place == "river" and concept.size in ("large", "huge") and zone == "water")


def _pair(
    rng: random.Random, scene: Spec, first: tuple[Concept, Thing], second: tuple[Concept, Thing]
) -> Spec:
    """Two things side by side, or a small one before a big one."""
    one, other = first[1], second[1]
    low, tall = SIZES.index(first[0].size), SIZES.index(second[0].size)
    if one.zone == "ground" and tall >= 3 and low <= 2 and rng.random() < 0.5:
        return replace(scene, things=(one, other), relation="in front of")
    return replace(scene, things=(replace(one, where="left"), replace(other, where="right")))


def random_composite(rng: random.Random, sprites: SpriteStore, held_out: bool = False) -> Spec:
    """Things in a landscape. With `held_out` the first thing and the place are a held-out pair and
    the only thing; otherwise no thing of it is.
    """
    for _ in range(MOST_TRIES):
        scene = _bare(random_landscape(rng))
        zone = rng.choice(PLACE_ZONES[scene.place])
        pool = standing_in(zone)
        concept, thing = _pick(rng, pool, sprites)
        stands = "water" if zone == "sea" else zone
        thing = replace(thing, zone=stands)
        if not may_stand(concept, scene.place, zone):
            continue
        if is_held_out_pair(concept.name, scene.place) != held_out:
            continue
        if thing.painted and thing.colour == "black" and scene.time in DARK:
            continue
        if (scene.place, stands) in NARROW:
            return replace(scene, things=(thing,))
        roll = rng.random()
        if roll < 0.3 and not held_out:
            other, beside = _pick(rng, pool, sprites)
            fits = other.name != concept.name and may_stand(other, scene.place, zone)
            if fits and not is_held_out_pair(other.name, scene.place):
                return _pair(rng, scene, (concept, thing), (other, replace(beside, zone=stands)))
        if roll > 0.86 and concept.countable:
            most = 3 if concept.size in SMALL else 2
            return replace(scene, things=(replace(thing, count=rng.randint(2, most)),))
        where = rng.choice(("left", "middle", "middle", "right"))
        return replace(scene, things=(replace(thing, where=where),))
    raise LookupError(f"random_composite: found no thing for any place, held_out={held_out}")


def _background(rng: random.Random, things: Sequence[Thing]) -> str:
    """A background that no thing vanishes on; without a floor unless all of them stand."""
    colours = {word for thing in things for word in thing.colour.split()}
    standing = all(thing.stands for thing in things)
    names = [
        name
        for name, background in BACKGROUNDS.items()
        if not colours & set(name.replace(",", " ").split())
        and (standing or background.floor is None)
    ]
    return rng.choices(names, [BACKGROUNDS[name].weight for name in names])[0]


def _four(rng: random.Random, sprites: SpriteStore) -> Spec:
    """Four different things, each in a corner, from left to right and down."""
    found: dict[str, Thing] = {}
    while len(found) < len(CORNERS):
        concept, thing = _pick(rng, anything(), sprites)
        found.setdefault(concept.name, thing)
    things = tuple(
        replace(thing, where=corner) for thing, corner in zip(found.values(), CORNERS, strict=True)
    )
    return Spec("", "", "", things=things, background=_background(rng, things))


def _beside(rng: random.Random, one: Thing, other: Thing) -> Spec:
    """Two different things, left and right or one above the other."""
    above = rng.random() < 0.2
    ends = ("top", "bottom") if above else ("left", "right")
    things = tuple(replace(thing, where=end) for thing, end in zip((one, other), ends, strict=True))
    relation = "above" if above else ""
    return Spec("", "", "", things=things, relation=relation, background=_background(rng, things))


def random_still(rng: random.Random, sprites: SpriteStore) -> Spec:
    """On a background four things, two, several of one kind, or one."""
    roll = rng.random()
    if roll < FOUR:
        return _four(rng, sprites)
    alone = roll >= FOUR + PAIR
    concept, thing = _pick(rng, anything(), sprites, flat=alone and rng.random() < FLAT)
    if not alone:
        other, beside = _pick(rng, anything(), sprites)
        if other.name != concept.name:
            return _beside(rng, thing, beside)
    if roll > 1 - SEVERAL and concept.countable:
        thing = replace(thing, count=rng.randint(2, 4))
    else:
        thing = replace(thing, where=rng.choice(("middle",) * 4 + PLACES_ALONE))
    return Spec("", "", "", things=(thing,), background=_background(rng, (thing,)))


def random_spec(
    rng: random.Random, sprites: SpriteStore | None, kinds: Sequence[str] = KINDS
) -> Spec:
    """A picture of one of `kinds`, in the proportions of SHARES. Without sprites a landscape."""
    allowed = [kind for kind in kinds if sprites or kind == "landscape"]
    kind = rng.choices(allowed, [SHARES[each] for each in allowed])[0]
    if kind == "landscape" or sprites is None:
        return random_landscape(rng)
    return random_still(rng, sprites) if kind == "still" else random_composite(rng, sprites)
