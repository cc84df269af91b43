"""Captions of things in landscapes: the landscape's grammar with the things in the clause."""

import random
from dataclasses import dataclass, field

from ..spec import Spec
from ..things.catalogue import by_code
from .landscape import SceneWriter, caption_by
from .thing_words import Phrase, phrase

WHERE_SAID = {"left": 1.0, "middle": 0.15, "right": 1.0}
SIDES = {
    "left": ("on the left", "on the left", "on the left side", "to the left", "at the left"),
    "right": ("on the right", "on the right", "on the right side", "to the right", "at the right"),
    "middle": ("in the middle", "in the centre", "in the center", "in the foreground"),
}
STANDING = {
    "animals": ("standing", "waiting", ""),
    "vehicles": ("parked", "standing", ""),
    "buildings": ("standing", "", ""),
    "plants": ("growing", "", ""),
    "figures": ("standing", "", ""),
}
STANDS = {
    "animals": ("stands", "waits", "is"),
    "vehicles": ("stands", "is parked", "is"),
    "buildings": ("stands", "is"),
    "plants": ("grows", "is", "stands"),
    "figures": ("stands", "is"),
}
OVER = ("above", "over", "in the sky above", "in the sky over", "high above")
FLIES = ("flying over", "flying above", "in the air over", "in the sky above", "above")
FLOATS = ("floating on", "on", "on")
SAILS = ("on", "sailing on", "floating on", "crossing")
SWIMS = ("in", "swimming in", "swimming in", "in the water of")
NEAR_ISLAND = ("off", "near", "in the water near", "close to")


@dataclass
class CompositeWriter(SceneWriter):
    """A landscape's caption whose subjects are things."""

    phrases: list[Phrase] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.phrases = [phrase(thing, self.rng) for thing in self.spec.things]

    @property
    def zone(self) -> str:
        return self.spec.things[0].zone

    @property
    def group(self) -> str:
        return by_code()[self.spec.things[0].code].group

    @property
    def plural(self) -> bool:
        return len(self.phrases) > 1 or self.phrases[0].plural

    def side(self) -> str:
        """ " on the left" for one thing, if it is to be said."""
        thing = self.spec.things[0]
        if len(self.spec.things) > 1 or thing.count > 1:
            return ""
        if self.rng.random() > WHERE_SAID[thing.where]:
            return ""
        return " " + self.pick(SIDES[thing.where])

    def subject_nouns(self) -> str:
        if len(self.phrases) == 1:
            return self.phrases[0].text
        one, other = self.phrases[0].text, self.phrases[1].text
        if self.spec.relation:
            return f"{one} {self.spec.relation} {other}"
        roll = self.rng.random()
        if roll < 0.55:
            return f"{one} and {other}" if self.rng.random() < 0.6 else f"{other} and {one}"
        if roll < 0.70:
            return f"{one} to the left of {other}"
        if roll < 0.85:
            return f"{other} to the right of {one}"
        return self.pick((f"{one} next to {other}", f"{other} beside {one}"))

    def subject_tags(self) -> list[str]:
        return [each.bare for each in self.phrases]

    def relation(self, place: str) -> str:
        """What joins the things to the place: "in", "flying over", "swimming in"."""
        if self.zone == "sky":
            moves = self.group in ("animals", "vehicles")
            return self.pick(FLIES if moves else OVER)
        if self.zone == "water":
            if self.spec.place == "island":
                return self.pick(NEAR_ISLAND)
            if self.group == "vehicles":
                return self.pick(SAILS)
            return self.pick(SWIMS if self.group == "animals" else FLOATS)
        return self.at(place)

    def clause(self, place: str) -> str:
        nouns, joined, side = self.subject_nouns(), self.relation(place), self.side()
        roll = self.rng.random()
        if roll < 0.2:
            sky = " in the sky" if self.zone == "sky" and not side else ""
            return f"{place} with {nouns}{side or sky}"
        if roll < 0.27:
            be = "are" if self.plural and not self.spec.relation else "is"
            return f"there {be} {nouns}{side} {joined} {place}"
        if self.zone != "ground":
            return f"{nouns}{side} {joined} {place}"
        if roll > 0.85 and not self.plural:
            verb = self.pick(STANDS.get(self.group, ("is", "stands", "lies")))
            if verb == "lies" and self.group not in ("objects", "sport", "food"):
                verb = "is"
            return f"{nouns} {verb}{side} {joined} {place}"
        doing = self.pick(STANDING.get(self.group, ("",))) if roll > 0.6 else ""
        return f"{nouns}{' ' if doing else ''}{doing}{side} {joined} {place}"


def describe_composite(spec: Spec, rng: random.Random) -> str:
    return caption_by(CompositeWriter(spec, rng))
