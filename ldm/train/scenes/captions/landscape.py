"""The grammar of landscapes' captions: one of many wordings, from short tags to full sentences.

What is left unsaid is the ordinary: no time means day, no weather means clear. A caption never
says what its picture does not show; what is drawn may go unmentioned (a subject in 5% of cases).
The words themselves are in wording.py, place_words.py and subject_words.py.
"""

import random
import re
from dataclasses import dataclass

from ..palette import PAINTS
from ..spec import ROOFED, VIEWS, Spec
from . import place_words, subject_words, wording

TIME_UNSAID_BY_DAY = 0.5
WEATHER_UNSAID = 0.04
SUBJECT_UNSAID = 0.05
COLOUR_UNSAID = 0.12
COLOUR_SYNONYM = 0.12
_PEOPLE = ("man", "woman", "child")
_VESSELS = ("man_boat", "woman_boat", "boat", "sailboat", "sailboats", "ship")
_PLURAL = (
    "cars",
    "people",
    "umbrellas",
    "pickers",
    "palms",
    "cacti",
    "haystacks",
    "sailboats",
    "couple",
)


@dataclass
class SceneWriter:
    """One caption in the making."""

    spec: Spec
    rng: random.Random

    def __post_init__(self) -> None:
        rng, spec = self.rng, self.spec
        self.say_time = spec.time != "day" or rng.random() > TIME_UNSAID_BY_DAY
        self.say_weather = spec.weather != "clear" and rng.random() > WEATHER_UNSAID
        self.subjects = () if rng.random() < SUBJECT_UNSAID else spec.subjects
        named = [option for option in spec.options if option in PAINTS]
        self.colour = named[0] if named and rng.random() > COLOUR_UNSAID else ""
        if self.colour and rng.random() < COLOUR_SYNONYM:
            self.colour = rng.choice(subject_words.COLOUR_NAMES[self.colour])
        self.open_sky = spec.weather == "clear" and spec.place not in ROOFED
        self.extras = [
            name for name in spec.options if name in wording.EXTRAS and rng.random() < 0.88
        ]

    def pick(self, choices: tuple[str, ...]) -> str:
        return self.rng.choice(choices)

    def has(self, option: str) -> bool:
        return option in self.spec.options

    def drop(self, option: str) -> None:
        """An extra that the place's name already says is not said again."""
        if option in self.extras:
            self.extras.remove(option)

    # -- pieces

    def place(self) -> str:
        """A noun phrase for the place, without weather."""
        spec, table = self.spec, place_words.PLACE_WORDS[self.spec.place]
        if spec.place == "forest":
            return self._forest()
        unusual = bool(self._view())
        choices = [] if unusual else list(table.names)
        for option, names in table.views:
            if self.has(option) or option in self.subjects:
                choices += names * (2 if choices else 1)
        if spec.time == "day" and spec.weather == "clear" and not unusual:
            choices += table.bright
        chosen = self.rng.choice(choices)
        for option in ("autumn", "flowers"):
            if option[:6] in chosen or (
                option == "flowers" and "flower" in chosen and "sun" not in chosen
            ):
                self.drop(option)
        return chosen

    def _view(self) -> tuple[str, ...]:
        """Words for how the place is seen, where that is not as one takes for granted."""
        others = VIEWS.get(self.spec.place, ())[1:]
        views = place_words.PLACE_WORDS[self.spec.place].views
        found = (names for option, names in views if option in others and self.has(option))
        return next(found, ())

    def _forest(self) -> str:
        if view := self._view():
            return self.pick(view)
        table = place_words.PLACE_WORDS["forest"]
        view = next((names for option, names in table.views if self.has(option)), ())
        if self.has("autumn"):
            if "autumn" not in self.extras:
                return self.pick((*table.names, *view))
            self.drop("autumn")
            choices = place_words.AUTUMN_FOREST + (
                place_words.AUTUMN_PATH * 2 if self.has("path") else ()
            )
            return self.pick(choices)
        return self.pick((*table.names, *view, *view, *place_words.PINE_FOREST))

    def at(self, place: str) -> str:
        """The preposition for something at `place`, a wording of this spec's place."""
        for mark, preposition in place_words.PREPOSITIONS:
            if mark in place:
                return preposition
        return place_words.PLACE_WORDS[self.spec.place].inside

    def time_phrase(self) -> str:
        spec = self.spec
        choices = wording.TIME_PHRASES[spec.time]
        if self.open_sky and self.rng.random() < 0.4:
            choices = wording.SKY_PHRASES[spec.time]
            if spec.time == "night" and self.rng.random() < 0.5:
                shape = next((name for name in ("milky_way", "crescent") if self.has(name)), "full")
                choices = wording.MOON_SHAPES[shape]
        return self.pick(choices)

    def weather_phrases(self) -> tuple[str, str]:
        """(said right after the place, said of the whole); one of them is empty."""
        weather = self.spec.weather
        if weather == "mist" and self.spec.time == "dawn" and self.rng.random() < 0.25:
            return "", self.pick(wording.MORNING_MIST)
        if self.rng.random() < 0.45:
            return self.pick(wording.ATTACHED[weather]), ""
        return "", self.pick(wording.FREE[weather])

    def coloured(self, text: str, first: bool = True) -> str:
        """Fill in the colour and mend the article before it."""
        colour = f"{self.colour} " if self.colour and first else ""
        text = text.replace("{c}", colour)
        return re.sub(r"\b(an?) (?=([a-z]))", _article, text)

    def with_slot(self, choices: tuple[str, ...]) -> str:
        """One of the choices; one that can name the colour if a colour is to be named."""
        slotted = tuple(choice for choice in choices if "{c}" in choice)
        return self.pick(slotted if self.colour and slotted else choices)

    def noun(self, subject: str, first: bool = True) -> str:
        """A noun phrase for the subject, with its colour."""
        if subject in _PEOPLE:
            return self._somebody(subject, first)
        nouns = subject_words.SUBJECT_WORDS[subject].nouns
        return self.coloured(self.with_slot(nouns) if first else self.pick(nouns), first)

    def _somebody(self, kind: str, first: bool) -> str:
        who = self.pick(subject_words.PEOPLE[kind])
        if self.spec.place in subject_words.HIKERS and kind != "child" and self.rng.random() < 0.3:
            who = "a hiker"
        if self.colour and first:
            who += (
                " "
                + self.pick(subject_words.CLOTHES[kind]).replace("{c}", self.colour + " ").strip()
            )
        return re.sub(r"\b(an?) (?=([a-z]))", _article, who)

    def clause(self, place: str) -> str:
        """Subject and place: "a man boating on a lake", "a lake with a boat", "there is ..."."""
        if not self.subjects:
            return place
        first, rest = self.subjects[0], self.subjects[1:]
        table, at = subject_words.SUBJECT_WORDS[first], self.at(place)
        roll = self.rng.random()
        also = "".join(f" and {self.noun(other, False)}" for other in rest)
        if roll < 0.22:
            return f"{place} with {self.noun(first)}{also}"
        if roll < 0.28 and first not in _PLURAL:
            return f"there is {self.noun(first)} {self._where(first, place)} {place}" + (
                f" with{also[4:]}" if also else ""
            )
        finite, spec_place = roll > 0.86, self.spec.place
        if spec_place in ("beach", "island") and first in _VESSELS:
            text = f"{self.noun(first)} {self.pick(subject_words.OFFSHORE)} {place}"
        elif spec_place == "island" and first == "lighthouse":
            text = f"{self.noun(first)} on {place}"
        elif first in _PEOPLE:
            action = self.pick(subject_words.STANDS_VERB if finite else subject_words.STANDING)
            text = f"{self._somebody(first, True)} {action}"
        else:
            text = self.with_slot(table.does if finite else table.doing)
        text = self.coloured(text).replace("{at}", at).replace("{p}", place)
        return text + (f" with{also[4:]}" if also else "")

    def _where(self, subject: str, place: str) -> str:
        if self.spec.place in ("beach", "island"):
            return "near" if subject in _VESSELS else "on"
        if subject in _VESSELS or subject in ("bus", "dock"):
            return "on"
        return {"bridge": "over", "lighthouse": "by"}.get(subject, self.at(place))

    def subject_tags(self) -> list[str]:
        tags = []
        for index, subject in enumerate(self.subjects):
            tag = self.pick(subject_words.SUBJECT_WORDS[subject].tags)
            colour = f"{self.colour} " if self.colour and index == 0 else ""
            if colour and subject in _PEOPLE:
                tag = f"{tag} in {self.colour}"
            tags.append(tag.replace("{c}", colour))
        return tags

    def subject_nouns(self) -> str:
        """All subjects as a noun phrase, or nothing."""
        nouns = [self.noun(subject, index == 0) for index, subject in enumerate(self.subjects)]
        return " and ".join(nouns)

    # -- whole captions

    def tags(self) -> str:
        spec, parts = self.spec, []
        table = place_words.PLACE_WORDS[spec.place]
        place = self.pick(table.tags)
        view = self._view()
        if spec.place == "field":  # has no name of its own
            view = next(names for option, names in table.views if self.has(option))
        if view:
            place = re.sub(r"^(a|an|the) ", "", self.pick(view))
        parts += self.subject_tags()
        parts.insert(self.rng.randint(0, 1), place)
        if self.say_time:
            parts.append(self.pick(wording.TIME_TAGS[spec.time]))
        if self.say_weather:
            parts.append(self.pick(wording.WEATHER_TAGS[spec.weather]))
        shapes = [name for name in ("crescent", "milky_way") if self.has(name)]
        parts += [wording.EXTRA_TAGS[name] for name in [*self.extras, *shapes[:1]]]
        return (", " if self.rng.random() < 0.8 else " ").join(parts)

    def time_first(self) -> str:
        """ "a rainy evening in a city street", "a misty morning on a beach with palm trees"."""
        spec = self.spec
        adjective = self.pick(
            wording.ADJECTIVES[spec.weather] if self.say_weather else wording.UNSAID
        )
        if spec.weather == "clear":
            adjective = self.pick(wording.ADJECTIVES["clear"])
        if spec.place == "room":
            adjective = self.pick(wording.UNSAID)
        head = f"a {adjective} {self.pick(wording.TIME_NOUNS[spec.time])}"
        place = self.place()
        at = "on" if spec.place == "city" and self.rng.random() < 0.3 else self.at(place)
        text = f"{head} {at} {place}"
        nouns = self.subject_nouns()
        if nouns:
            text += self.pick((" with ", ", ")) + nouns
        return re.sub(r"\b(an?) (?=([a-z]))", _article, text) + self._extras()

    def sentence(self) -> str:
        spec, rng = self.spec, self.rng
        place = self.place()
        attached, free, adjective, day_part = "", "", "", ""
        if self.say_weather:
            roll = rng.random()
            can_adjoin = spec.weather in wording.PLACE_ADJECTIVES and place.startswith(
                ("a ", "an ", "the ")
            )
            if roll < 0.18 and self.say_time:
                noun = self.pick(wording.TIME_NOUNS[spec.time])
                when = "on" if noun.endswith(wording.ON_A) else "during"
                day_part = f"{when} a {self.pick(wording.ADJECTIVES[spec.weather])} {noun}"
                day_part = re.sub(r"\b(an?) (?=([a-z]))", _article, day_part)
            elif roll < 0.45 and can_adjoin:
                adjective = self.pick(wording.PLACE_ADJECTIVES[spec.weather])
            else:
                attached, free = self.weather_phrases()
        if adjective:
            article, rest = place.split(" ", 1)
            place = re.sub(r"\b(an?) (?=([a-z]))", _article, f"{article} {adjective} {rest}")
        text = self.clause(place)
        if attached and text.endswith(place):
            text = f"{text} {attached}"
        elif attached:
            free = self.pick(wording.FREE[spec.weather])
        time = day_part or (self.time_phrase() if self.say_time else "")
        tail = [part for part in (time, free) if part]
        rng.shuffle(tail)
        if tail and rng.random() < 0.14:
            return f"{tail[0]}, {' '.join([text, *tail[1:]])}" + self._extras()
        joint = ", " if rng.random() < 0.12 else " "
        return joint.join([text, *tail]) + self._extras()

    def _extras(self) -> str:
        return "".join(" " + self.pick(wording.EXTRAS[name]) for name in self.extras)


def _article(match: re.Match[str]) -> str:
    return "an " if match.group(2) in "aeiou" else "a "


def caption_by(writer: SceneWriter) -> str:
    """A caption of the writer's spec in English, without style words."""
    rng = writer.rng
    roll = rng.random()
    if roll < 0.15:
        return writer.tags()
    if roll < 0.30 and writer.say_time:
        return writer.time_first()
    text = writer.sentence()
    if rng.random() < 0.12:
        text = text[0].upper() + text[1:] + "."
    return text
