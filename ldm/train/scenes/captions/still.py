"""Captions of things on backgrounds, from a single word to a full sentence."""

import random

from ..spec import Spec
from ..things.backgrounds import BACKGROUNDS
from .thing_words import mend_articles, phrase, with_article

BACKGROUND_SAID = 0.85
STYLE_SAID, FLAT_SAID = 0.22, 1.0  # things are glossy unless it is said that they are flat
WHERE_SAID = 0.9
# Only what is true of the art: see the packages in ldm/train/sprites.
STYLES: dict[str, tuple[str, ...]] = {
    "fluent3d": ("3d render", "3d illustration", "3d icon", "glossy 3d render"),
    "fluentflat": ("flat illustration", "flat design", "flat icon"),
    "noto": ("cartoon", "cartoon drawing", "cartoon illustration"),
}
DRAWN = ("illustration", "drawing")
WHERE: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "at the left"),
    "right": ("on the right", "on the right side", "at the right"),
    "middle": ("in the middle", "in the centre", "in the center", "centered"),
    "top": ("at the top", "in the upper half", "near the top"),
    "bottom": ("at the bottom", "in the lower half", "near the bottom"),
    "top left": ("in the upper left corner", "at the top left", "in the top left corner"),
    "top right": ("in the upper right corner", "at the top right", "in the top right corner"),
    "bottom left": ("in the lower left corner", "at the bottom left", "in the bottom left corner"),
    "bottom right": (
        "in the lower right corner",
        "at the bottom right",
        "in the bottom right corner",
    ),
}


def _two(spec: Spec, rng: random.Random) -> str:
    one, other = (phrase(thing, rng).text for thing in spec.things)
    roll = rng.random()
    if spec.relation == "above":
        if roll < 0.25:
            return f"{one} and {other}"
        if roll < 0.65:
            return f"{one} {rng.choice(('above', 'over', 'on top of'))} {other}"
        return f"{other} {rng.choice(('below', 'under', 'beneath'))} {one}"
    if roll < 0.5:
        return f"{one} and {other}" if rng.random() < 0.6 else f"{other} and {one}"
    if roll < 0.68:
        return f"{one} {rng.choice(('to the left of', 'left of'))} {other}"
    if roll < 0.86:
        return f"{other} {rng.choice(('to the right of', 'right of'))} {one}"
    return rng.choice((f"{one} next to {other}", f"{other} beside {one}", f"{one} beside {other}"))


def _four(spec: Spec, rng: random.Random) -> str:
    """From left to right and down, at times with the corner of each."""
    said = [phrase(thing, rng).text for thing in spec.things]
    if rng.random() < 0.2:
        corners = (rng.choice(WHERE[thing.where]) for thing in spec.things)
        said = [f"{text} {corner}" for text, corner in zip(said, corners, strict=True)]
    return f"{', '.join(said[:-1])} and {said[-1]}"


def _things(spec: Spec, rng: random.Random) -> str:
    if len(spec.things) == 1:
        return phrase(spec.things[0], rng).text
    return _two(spec, rng) if len(spec.things) == 2 else _four(spec, rng)


def _where(spec: Spec, rng: random.Random) -> str:
    thing = spec.things[0]
    if len(spec.things) > 1 or thing.count > 1:
        return ""
    said = WHERE_SAID if thing.where != "middle" else 0.15
    return rng.choice(WHERE[thing.where]) if rng.random() < said else ""


def describe_still(spec: Spec, rng: random.Random) -> str:
    """A caption; style words come from the art the things are drawn in."""
    background = BACKGROUNDS[spec.background]
    styles = STYLES[spec.things[0].style]
    same = len({thing.style for thing in spec.things}) == 1
    said = STYLE_SAID if spec.things[0].style == "fluent3d" else FLAT_SAID
    style = rng.choice(styles) if same and rng.random() < said else ""
    on = rng.choice(background.phrases) if rng.random() < BACKGROUND_SAID else ""
    roll = rng.random()
    if roll < 0.17:
        parts = [phrase(thing, rng).bare for thing in spec.things]
        parts += [rng.choice(background.tags)] if on else []
        return ", ".join([*parts, style] if style else parts)
    things = _things(spec, rng)
    where = _where(spec, rng)
    text = " ".join(part for part in (things, where, on) if part)
    if style and rng.random() < 0.5:
        text = f"{with_article(style)} of {text}"
    elif style:
        text = f"{text}, {style}"
    elif rng.random() < 0.04:
        text = f"{with_article(rng.choice(DRAWN))} of {text}"
    elif on and rng.random() < 0.05 and not where:
        text = f"{on}, {things}"
    text = mend_articles(text)
    if rng.random() < 0.10:
        text = text[0].upper() + text[1:] + "."
    return text
