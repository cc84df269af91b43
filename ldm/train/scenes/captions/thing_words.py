"""Noun phrases for things: names, numbers, colours, sizes, articles. No places.

Nothing is said that the sprite does not show: a colour only where it is the thing's own.
"""

import random
import re
from dataclasses import dataclass

from ..spec import Thing
from ..things.catalogue import Concept, by_code
from ..things.colour_names import NAMES
from .wording import of

COLOUR_SAID, PAINT_SAID = 0.5, 0.95
SYNONYM = 0.3
SIZE_SAID = 0.08
NUMBERS = {
    2: ("two", "two", "two", "2", "a pair of", "a couple of"),
    3: ("three", "three", "three", "3"),
    4: ("four", "four", "four", "4"),
}
# Synonyms that take no "a" and are not counted.
UNCOUNTED = frozenset(
    of(
        """bread; garlic; maize; lettuce; butter; cheese; green salad; stew; paella; fondue; cooked
        rice; spaghetti; pasta; ramen; noodle soup; chocolate; beer; milk; sake; red wine; curry;
        thread; yarn; soap"""
    )
)
# Of the kind: things are drawn about equally tall, whatever they are.
SIZES = {
    "tiny": ("small", "little", "tiny"),
    "small": ("small", "little"),
    "large": ("big", "large"),
    "huge": ("big", "large", "huge", "giant"),
}
FACES = (
    "the face of {a}",
    "{a_noun} face",
    "{a_noun} face",
    "{a}",
    "{a_noun} head",
    "the head of {a}",
)
# By sound, not by letter.
_CONSONANT = re.compile(r"(uni|use|eur|one|ufo|u-)", re.IGNORECASE)
_VOWEL = re.compile(r"(hour|suv|x-ray|[aeiou])", re.IGNORECASE)
_SIZE_WORD = re.compile(r"\b(small|little|tiny|baby|mini|big|large|huge|giant|tall|long)")
_COLOUR_WORD = re.compile(r"\b(" + "|".join(NAMES) + r"|golden|silver|gold|bronze)\b")


def article(noun: str) -> str:
    """ "an " before apple, "a " before unicorn: by the first sound."""
    return "a " if _CONSONANT.match(noun) or not _VOWEL.match(noun) else "an "


def with_article(noun: str) -> str:
    return article(noun) + noun


def mend_articles(text: str) -> str:
    """Every "a" and "an" of a text put right."""
    return re.sub(r"\ban? (?=(\w[\w-]*))", lambda match: article(match.group(1)), text)


@dataclass(frozen=True)
class Phrase:
    """A thing in words: `text` with its article, `bare` without, and whether the verb is plural."""

    text: str
    bare: str
    plural: bool


def _adjectives(thing: Thing, noun: str, rng: random.Random, say_colour: bool) -> str:
    words = []
    concept = by_code()[thing.code]
    sizes = SIZES.get(concept.size) if concept.group != "sky" else None
    if sizes and not _SIZE_WORD.search(noun) and rng.random() < SIZE_SAID:
        words.append(rng.choice(sizes))
    if thing.colour and say_colour and not _COLOUR_WORD.search(noun):
        words.append(thing.colour)
    return " ".join([*words, ""])


def _face(concept: Concept, noun: str, adjectives: str, rng: random.Random) -> str:
    if concept.group == "sky":
        return with_article(f"{adjectives}{noun} with a face")
    if "mass" in concept.marks:  # a name: "the face of santa claus"
        return rng.choice((f"the face of {noun}", noun))
    form = rng.choice(FACES)
    return form.format(a=with_article(adjectives + noun), a_noun=with_article(adjectives + noun))


def phrase(thing: Thing, rng: random.Random) -> Phrase:
    """One of many ways to name a thing."""
    concept = by_code()[thing.code]
    others = [
        index
        for index, name in enumerate(concept.names)
        if index
        and not (thing.painted and _COLOUR_WORD.search(name))
        and not (thing.count > 1 and name in UNCOUNTED)
    ]
    index = rng.choice(others) if others and rng.random() < SYNONYM else 0
    noun, plural = concept.names[index], concept.plurals[index]
    said = PAINT_SAID if thing.painted else COLOUR_SAID
    adjectives = _adjectives(thing, noun, rng, rng.random() < said)
    if thing.count > 1:
        number = rng.choice(NUMBERS[thing.count])
        if concept.face and concept.group != "sky":
            plural = f"{noun} faces" if rng.random() < 0.6 else plural
        return Phrase(f"{number} {adjectives}{plural}", f"{number} {adjectives}{plural}", True)
    bare = adjectives + noun
    if "the" in concept.marks:
        return Phrase(f"the {noun}", noun, False)
    if concept.face:
        text = _face(concept, noun, adjectives, rng)
        return Phrase(text, re.sub(r"^(an?|the) ", "", text), False)
    if "many" in concept.marks or "mass" in concept.marks:
        some = (
            "some " if "many" in concept.marks and "pair" not in noun and rng.random() < 0.3 else ""
        )
        many = "many" in concept.marks and not noun.startswith(("pair", "stack", "bunch", "pile"))
        text = some + bare if many or "mass" in concept.marks else with_article(bare)
        return Phrase(text, bare, many)
    if noun in UNCOUNTED:
        return Phrase(("some " if rng.random() < 0.5 else "") + bare, bare, False)
    return Phrase(with_article(bare), bare, False)
