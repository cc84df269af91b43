"""What a scene holds: random specs, what goes with what, and which captions are held out.

Knows neither how things are drawn nor how they are worded.
"""

import hashlib
import random
from dataclasses import dataclass

from .palette import PAINTS, TIMES

CLEAR, CLOUDY, MIST, RAIN, SNOW = "clear", "cloudy", "mist", "rain", "snow"
# Landscapes; things in landscapes; things on plain backgrounds.
KINDS = ("landscape", "composite", "still")
CORNERS = ("top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class Thing:
    """One kind of thing drawn from a sprite: `code` in the catalogue, in one of the art's styles.

    `zone` is what it stands on: "ground", "water" or "sky" in a landscape, "" on a background.
    `where` is left, middle or right, on backgrounds also top, bottom or a corner ("top left").
    `colour` is what it is mostly coloured, if that can be said: "red", "black and white"; `painted`
    if the sprite was not so from the start.
    """

    name: str
    code: str
    style: str
    zone: str = ""
    where: str = "middle"
    count: int = 1
    colour: str = ""
    painted: bool = False

    @property
    def stands(self) -> bool:
        """On a background: whether it, or each of its copies, stands in the one row of things, and
        does not hang above or below the middle.
        """
        return self.where in ("left", "middle", "right") and self.count <= 2

    @property
    def paint(self) -> str:
        """The colour it is painted in, "" for its own."""
        return self.colour if self.painted else ""


@dataclass(frozen=True)
class Spec:
    """One picture. `place`, `time`, `weather` and `subjects` decide a landscape's content.

    `options` are what else is to be seen: a colour of the (first) subject, a season, birds, the
    moon's shape ... see `PLACES` and `random_spec`. `things` are drawn from sprites, in a landscape
    or, with place, time and weather empty, on a `background`. Two things stand side by side, the
    first one left, or as `relation` says: the first one "above" the second (`where` is "top" and
    "bottom" then) or "in front of" it; four on a background in its CORNERS.
    """

    place: str
    time: str
    weather: str
    subjects: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()
    relation: str = ""
    background: str = ""

    @property
    def kind(self) -> str:
        """One of KINDS."""
        if self.background:
            return "still"
        return "composite" if self.things else "landscape"


@dataclass(frozen=True)
class Habitat:
    """What a place allows: weathers (repeated = more often), subjects likewise, pairs, options."""

    weathers: tuple[str, ...]
    subjects: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, float], ...] = ()


PLACES: dict[str, Habitat] = {
    "lake": Habitat(
        (CLEAR, CLEAR, CLEAR, MIST, MIST, RAIN, SNOW, CLOUDY),
        ("man_boat", "man_boat", "woman_boat", "boat", "sailboat", "cabin", "tent", "dock"),
        (("man_boat", "cabin"), ("sailboat", "cabin"), ("boat", "tent")),
        (("autumn", 0.15), ("birds", 0.15)),
    ),
    "sea": Habitat(
        (CLEAR, CLEAR, CLEAR, RAIN, CLOUDY, MIST),
        ("sailboat", "sailboats", "lighthouse", "lighthouse", "ship", "man_boat"),
        (("lighthouse", "sailboat"), ("lighthouse", "ship")),
        (("birds", 0.25),),
    ),
    "beach": Habitat(
        (CLEAR, CLEAR, CLEAR, CLOUDY, RAIN, MIST),
        ("palms", "palms", "parasol", "man", "woman", "child", "couple", "sailboat"),
        (("palms", "sailboat"), ("palms", "woman"), ("parasol", "child"), ("palms", "parasol")),
        (("birds", 0.15),),
    ),
    "tea": Habitat(
        (CLEAR, CLEAR, MIST, MIST, RAIN, CLOUDY),
        ("pickers", "pickers", "hut", "tree", "woman", "man"),
        (("pickers", "hut"),),
        (("birds", 0.12),),
    ),
    "forest": Habitat(
        (CLEAR, CLEAR, MIST, MIST, RAIN, SNOW),
        ("man", "woman", "cabin", "tent", "child"),
        (("man", "cabin"),),
        (("autumn", 0.4),),
    ),
    "desert": Habitat(
        (CLEAR, CLEAR, CLEAR, CLOUDY, MIST),
        ("cacti", "cacti", "man", "woman", "tent"),
        (("cacti", "tent"), ("cacti", "man")),
        (("birds", 0.1),),
    ),
    "village": Habitat(
        (CLEAR, CLEAR, SNOW, SNOW, RAIN, MIST, CLOUDY),
        ("man", "woman", "child", "church", "church", "couple"),
        (("church", "woman"), ("church", "man")),
        (("flowers", 0.3), ("birds", 0.1), ("rainbow", 0.5)),
    ),
    "hill": Habitat(
        (CLEAR, CLEAR, CLEAR, MIST, SNOW, CLOUDY, RAIN),
        ("tent", "tree", "tree", "man", "woman", "couple", "windmill", "house", "campfire"),
        (("tree", "man"), ("tree", "woman"), ("tent", "campfire"), ("tree", "couple")),
        (("flowers", 0.3), ("birds", 0.15), ("rainbow", 0.5)),
    ),
    "city": Habitat(
        (CLEAR, CLEAR, RAIN, RAIN, SNOW, MIST, CLOUDY),
        ("cars", "cars", "people", "umbrellas", "umbrella_man", "umbrella_woman", "bus"),
        (("cars", "people"), ("bus", "people")),
    ),
    "river": Habitat(
        (CLEAR, CLEAR, MIST, RAIN, SNOW, CLOUDY),
        ("man_boat", "woman_boat", "bridge", "bridge", "cabin", "boat"),
        (("bridge", "boat"), ("man_boat", "cabin")),
        (("autumn", 0.25), ("birds", 0.12), ("rainbow", 0.4)),
    ),
    "waterfall": Habitat(
        (CLEAR, CLEAR, MIST, RAIN, CLOUDY, SNOW),
        ("man", "woman", "couple", "tent"),
        (),
        (("autumn", 0.2), ("birds", 0.12), ("rainbow", 0.5)),
    ),
    "field": Habitat(
        (CLEAR, CLEAR, CLEAR, MIST, RAIN, CLOUDY),
        ("windmill", "tree", "house", "man", "woman", "haystacks", "child"),
        (("windmill", "man"), ("haystacks", "house"), ("tree", "woman")),
        (("birds", 0.15), ("rainbow", 0.4)),
    ),
    "island": Habitat(
        (CLEAR, CLEAR, CLEAR, RAIN, CLOUDY, MIST),
        ("hut", "sailboat", "lighthouse", "man", "boat"),
        (("hut", "sailboat"), ("hut", "boat")),
        (("birds", 0.15),),
    ),
    "garden": Habitat(
        (CLEAR, CLEAR, CLEAR, CLOUDY, RAIN, MIST, SNOW),
        ("bench", "bench", "man", "woman", "child", "couple", "tree"),
        (("bench", "woman"), ("bench", "man"), ("tree", "child")),
        (("flowers", 0.8), ("birds", 0.15), ("rainbow", 0.4)),
    ),
    "temple": Habitat(
        (CLEAR, CLEAR, CLEAR, MIST, MIST, RAIN, SNOW, CLOUDY),
        ("man", "woman", "couple", "tree", "child"),
        (("tree", "woman"),),
        (("autumn", 0.25), ("birds", 0.15)),
    ),
    "room": Habitat((CLEAR,), ("man", "woman", "child"), ()),
}
ROOFED = frozenset(("forest", "room"))  # where there is no open sky to speak of

# How a place is seen; exactly one of these is among the options of its specs, the first unless the
# caption says so.
VIEWS: dict[str, tuple[str, ...]] = {
    "forest": ("path", "trunks", "clearing", "slopes"),
    "desert": ("dunes", "rocks"),
    "village": ("lane", "slope"),
    "city": ("avenue", "row"),
    "field": ("wheat", "sunflowers", "lavender"),
    "room": ("living", "bedroom", "study"),
}
# Subjects whose colour a caption may name; of two subjects only the first is coloured.
COLOURED = frozenset(
    (
        "man_boat",
        "woman_boat",
        "boat",
        "sailboat",
        "parasol",
        "tent",
        "man",
        "woman",
        "child",
        "umbrella_man",
        "umbrella_woman",
        "ship",
        "bus",
    )
)
FIRST_VIEW = 0.3  # the share of pictures with the first, before all are drawn alike
UMBRELLAS = frozenset(("umbrellas", "umbrella_man", "umbrella_woman"))
_WEIGHTS = {
    "lake": 12,
    "sea": 8,
    "beach": 9,
    "tea": 11,
    "forest": 9,
    "desert": 7,
    "village": 9,
    "hill": 8,
    "city": 12,
    "river": 7,
    "waterfall": 5,
    "field": 7,
    "island": 5,
    "garden": 7,
    "temple": 6,
    "room": 7,
}


def _subjects(rng: random.Random, habitat: Habitat, weather: str) -> tuple[str, ...]:
    chance = rng.random()
    if chance < 0.25:
        return ()
    if chance < 0.40 and habitat.pairs:
        return rng.choice(habitat.pairs)
    wet = weather in (RAIN, SNOW)
    allowed = [
        name
        for name in habitat.subjects
        if not (name in UMBRELLAS and not wet) and not (name in ("parasol", "campfire") and wet)
    ]
    if weather == RAIN and any(name in UMBRELLAS for name in allowed) and rng.random() < 0.6:
        allowed = [name for name in allowed if name in UMBRELLAS]
    return (rng.choice(allowed),)


def _fits(option: str, time: str, weather: str) -> bool:
    if option == "birds":
        return time != "night" and weather in (CLEAR, CLOUDY, MIST)
    if option == "rainbow":
        return time == "day" and weather in (RAIN, CLOUDY)
    if option == "flowers":
        return weather != SNOW and time != "night"
    return weather != SNOW  # autumn


def _shows(view: str, subjects: tuple[str, ...], weather: str) -> bool:
    """Whether the view has room for the subjects and can stand the weather."""
    if view == "trunks":
        return weather != SNOW and not {"cabin", "tent"} & set(subjects)
    if view == "slopes":
        return not subjects
    if view == "row":
        return not {"cars", "bus"} & set(subjects)
    return True


def random_landscape(rng: random.Random) -> Spec:
    """A landscape drawn at random, within what each place allows."""
    place = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    habitat = PLACES[place]
    time = rng.choice(TIMES)
    weather = rng.choice(habitat.weathers)
    subjects = _subjects(rng, habitat, weather)
    options = [
        name
        for name, chance in habitat.options
        if _fits(name, time, weather) and rng.random() < chance
    ]
    if place in VIEWS:
        views = [view for view in VIEWS[place] if _shows(view, subjects, weather)]
        options.append(views[0] if rng.random() < FIRST_VIEW else rng.choice(views))
    if subjects and subjects[0] in COLOURED and rng.random() < (0.25 if time == "night" else 0.5):
        options.append(rng.choice(list(PAINTS)))
    if time == "night" and weather == CLEAR and place not in ROOFED:
        if rng.random() < 0.3:
            options.append("crescent")
        if rng.random() < 0.25:
            options.append("milky_way")
    return Spec(place, time, weather, subjects, tuple(options))


def is_held_out(caption: str) -> bool:
    """Whether a caption belongs to the 5% never trained on; stable across machines."""
    digest = hashlib.sha256(caption.encode("utf-8")).digest()
    return int.from_bytes(digest[:4], "big") % 20 == 0
