"""What may be drawn from sprites: names, where each thing stands, how tall it is beside others.

Reads things.txt. Knows nothing of pixels; which sprites exist is the store's business.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

THINGS = Path(__file__).with_name("things.txt")
ZONES = ("ground", "water", "sea", "sky")
SIZES = ("tiny", "small", "medium", "large", "huge")
MARKS = ("core", "popular", "face", "many", "mass", "the", "paint")
STYLES = ("fluent3d", "fluentflat", "noto")  # best first
HELD_OUT = 20  # one pair of thing and place in so many


@dataclass(frozen=True)
class Concept:
    """One line of things.txt. `zones` is empty for what is drawn on plain backgrounds only."""

    code: str
    names: tuple[str, ...]  # the first is the thing's name, the others mean the same
    group: str
    zones: tuple[str, ...]
    size: str
    marks: tuple[str, ...]
    plurals: tuple[str, ...]  # of each name
    unfit: tuple[str, ...] = ()  # styles whose drawing shows something else

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def core(self) -> bool:
        return "core" in self.marks

    @property
    def face(self) -> bool:
        return "face" in self.marks

    @property
    def countable(self) -> bool:
        return not {"many", "mass", "the"} & set(self.marks)


IRREGULAR = {
    "man": "men",
    "leaf": "leaves",
    "knife": "knives",
    "loaf": "loaves",
    "sheaf": "sheaves",
    "scarf": "scarves",
    "wolf": "wolves",
    "mouse": "mice",
    "goose": "geese",
    "ox": "oxen",
    "die": "dice",
    "dice": "dice",
    "tooth": "teeth",
    "bacterium": "bacteria",
    "fish": "fish",
    "deer": "deer",
    "sheep": "sheep",
    "moose": "moose",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "volcano": "volcanoes",
    "tornado": "tornadoes",
    "buffalo": "buffaloes",
}
_AFTER_THE_NOUN = re.compile(r" (of|with|in|on|from|seen|behind) ")


def plural_of(noun: str) -> str:
    """The regular English plural of a noun phrase: "pies", "slices of cake"."""
    tail = _AFTER_THE_NOUN.search(noun)
    if tail:
        return plural_of(noun[: tail.start()]) + noun[tail.start() :]
    for single, plural in IRREGULAR.items():
        if re.search(rf"(\b|snow|space|puffer|blow){single}$", noun):
            return noun.removesuffix(single) + plural
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _words(field: str, allowed: tuple[str, ...], line: str) -> tuple[str, ...]:
    words = tuple(field.split())
    wrong = [word for word in words if word not in allowed]
    if wrong:
        raise ValueError(f"{THINGS.name}: {line!r}: got {wrong[0]!r}, allowed: {allowed}")
    return words


def _parse(line: str, group: str) -> Concept:
    fields = [field.strip() for field in line.split("|")]
    code, names, where, size, marks, plural = (*fields, "", "")[:6]
    marked = _words(marks, (*MARKS, *(f"-{style}" for style in STYLES)), line)
    spelled = tuple(name.strip() for name in names.split(","))
    plurals = tuple(plural_of(name) for name in spelled)
    return Concept(
        code=code,
        names=spelled,
        group=group,
        zones=_words(where, ZONES, line),
        size=_words(size, SIZES, line)[0],
        marks=tuple(mark for mark in marked if not mark.startswith("-")),
        plurals=(plural, *plurals[1:]) if plural else plurals,
        unfit=tuple(mark[1:] for mark in marked if mark.startswith("-")),
    )


@lru_cache(1)
def concepts() -> tuple[Concept, ...]:
    """All concepts, in the file's order. ValueError names a line that cannot be read."""
    found: list[Concept] = []
    group = ""
    for line in THINGS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            found.append(_parse(line, group))
    return tuple(found)


@lru_cache(1)
def by_code() -> dict[str, Concept]:
    return {concept.code: concept for concept in concepts()}


def thing_names() -> tuple[str, ...]:
    """What the things are called, each once, sorted."""
    return tuple(sorted({concept.name for concept in concepts()}))


def is_held_out_pair(thing: str, place: str) -> bool:
    """Whether training never draws this thing at this place: 5% of pairs, stable everywhere.

    `thing` is a concept's name, `place` a key of PLACES.
    """
    digest = hashlib.sha256(f"{thing} @ {place}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT == 0
