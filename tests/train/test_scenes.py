"""Scenes: same seed same bytes, captions that say what the spec holds, light that tells the hours.

The word lists here are written down afresh, not imported: they are what a reader would understand.
"""

import hashlib
import random
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skia", reason="drawing needs requirements-train.txt")

from ldm.train.scenes import PLACES, Spec, describe, draw, is_held_out, random_landscape, sample
from ldm.train.scenes.__main__ import main
from ldm.train.scenes.places import country, street
from ldm.train.scenes.spec import VIEWS
from ldm.train.scenes.stage import LAYOUTS

TIMES = ("dawn", "day", "sunset", "twilight", "night")

# Words that only these times may use.
TIME_WORDS = {
    r"dawn|sunrise|daybreak|morning|first (sun)?light|sun rises|break of day|peach coloured": {
        "dawn"
    },
    r"noon|midday|afternoon|daylight|daytime|sunny|sunshine|(?<!dark )blue sky|by day|fine day": {
        "day"
    },
    r"sundown|golden hour|sun goes down|sun sets|orange sky|red and gold|glow of|orange sunset": {
        "sunset"
    },
    r"(?<!after )sunset": {"sunset"},
    r"evening": {"sunset", "twilight"},
    r"twilight|dusk|nightfall|blue hour|after sunset|violet sky|purple sky|fading light": {
        "twilight"
    },
    r"\bnight\b|midnight|moon|milky way|after dark|in the dark|starry": {"night"},
}
WEATHER_WORDS = {
    r"cloud|overcast|gloomy": {"cloudy"},
    r"mist|fog|haz[ey]": {"mist"},
    r"\brain\b|rain(y|s|storm|-soaked)|\bwet\b|shower|downpour": {"rain"},
    r"snow|wint(er|ry)|\bwhite (with snow|lake|village|hill|lane|river)": {"snow"},
}
PLACE_WORDS = {
    "lake": r"lake",
    "sea": r"\bsea\b|ocean|seascape",
    "beach": r"beach|shore|seaside|coast",
    "tea": r"\btea\b",
    "forest": r"forest|wood|trees",
    "desert": r"desert|dunes",
    "village": r"village|hamlet|houses|settlement|cottages",
    "hill": r"hill|meadow",
    "city": r"city|street|downtown|shop|boulevard|avenue",
    "river": r"river|stream",
    "waterfall": r"waterfall|cascade",
    "field": r"field|wheat|sunflowers|lavender|farmland|grain",
    "island": r"island|islet",
    "garden": r"garden|park",
    "temple": r"temple|pagoda",
    "room": r"room|study|lounge|interior|office",
}
# What may only be said when one of these subjects is drawn.
SUBJECT_WORDS = {
    r"\b(woman|lady)\b": {"woman", "woman_boat", "umbrella_woman", "couple"},
    r"\b(man|fisherman)\b": {"man", "man_boat", "umbrella_man", "couple"},
    r"\b(child|kid)\b": {"child"},
    r"umbrella|parasol|sunshade": {"parasol", "umbrellas", "umbrella_man", "umbrella_woman"},
    r"\brow(ing|s)\b(?! of)|rowboat|dinghy|boating|paddling": {"man_boat", "woman_boat", "boat"},
    r"sailboat|sailing boat|yacht|sloop": {"sailboat", "sailboats"},
    r"lighthouse": {"lighthouse"},
    r"\btent\b": {"tent"},
    r"\b(cars|traffic|vehicles|automobiles)\b": {"cars"},
    r"\bbus\b": {"bus"},
    r"cact": {"cacti"},
    r"windmill": {"windmill"},
    r"church|chapel": {"church"},
    r"bridge": {"bridge"},
}
OPTION_WORDS = {
    r"\bbirds\b": "birds",
    r"rainbow": "rainbow",
    r"autumn|\bfall\b": "autumn",
    r"crescent|thin moon": "crescent",
    r"milky way": "milky_way",
    r"(scarlet|crimson|bright red) ": "red",
    r"(emerald|dark green) ": "green",
}
EMPTY_WORDS = r"illustration|painting|picture|image|photo|art\b|style|detailed|quality|8k"


def described(count: int) -> list[tuple[Spec, str]]:
    specs = [random_landscape(random.Random(2 * index)) for index in range(count)]
    return [(spec, describe(spec, random.Random(2 * i + 1))) for i, spec in enumerate(specs)]


@pytest.fixture(scope="module")
def captions() -> list[tuple[Spec, str]]:
    return described(12_000)


def picture_digest(seeds: range, size: int) -> str:
    digest = hashlib.sha256()
    for seed in seeds:
        drawn = sample(seed, size, sprites=None)
        digest.update(drawn.image.tobytes())
        digest.update(repr((drawn.caption, drawn.spec)).encode())
    return digest.hexdigest()


def luminance(spec: Spec, seed: int) -> float:
    red, green, blue = np.asarray(draw(spec, seed, 32), np.float64).mean((0, 1))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mean_colour(spec: Spec) -> np.ndarray:
    """Mean red, green, blue of the upper part of a few pictures."""
    skies = [np.asarray(draw(spec, seed, 32), np.float64)[:12] for seed in range(4)]
    return np.mean([sky.mean((0, 1)) for sky in skies], axis=0)


def test_same_seed_gives_same_bytes_in_another_process() -> None:
    # Another hash seed shows any dependence on the order of sets.
    code = (
        "import sys; sys.path.insert(0, 'tests/train'); sys.path.insert(0, '.');"
        "import test_scenes; print(test_scenes.picture_digest(range(70, 90), 32))"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == picture_digest(range(70, 90), 32)


def test_global_randomness_is_neither_read_nor_touched() -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first = picture_digest(range(5), 32)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(2)
    assert picture_digest(range(5), 32) == first


def test_seeds_differ() -> None:
    assert len({sample(seed, 32, sprites=None).image.tobytes() for seed in range(40)}) == 40


def test_a_place_has_as_many_layouts_as_are_listed() -> None:
    spec = Spec("city", "night", "clear", (), ("avenue",))
    assert len({draw(spec, seed, 64).tobytes() for seed in range(20)}) == len(LAYOUTS)


@pytest.mark.parametrize("place", ["village", "city"])
def test_a_layout_returns_at_every_hour_and_in_every_weather(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a place's pieces are drawn, by the calls that draw them."""
    module, piece = {"village": (country, "house"), "city": (street, "facade")}[place]
    drawn: list[tuple[object, ...]] = []
    monkeypatch.setattr(module, piece, lambda stage, *rest, **named: drawn.append(rest))
    found = set()
    for time, weather in product(TIMES, ("clear", "mist", "rain")):
        drawn.clear()
        draw(Spec(place, time, weather, (), (VIEWS[place][0],)), 3, 64)
        found.add(tuple(drawn))
    assert len(found) == 1 and len(found.pop()) > 4


@pytest.mark.parametrize("size", [128, 256])
def test_size_and_mode(size: int) -> None:
    image = sample(3, size, sprites=None).image
    assert (image.size, image.mode) == ((size, size), "RGB")


def test_128_is_the_same_picture_as_256() -> None:
    for seed in range(8):
        small = np.asarray(sample(seed, 128, sprites=None).image, np.float64)
        large = np.asarray(sample(seed, 256, sprites=None).image.reduce(2), np.float64)
        # Thin lines and blurs differ a little; another picture differs by 40 and more.
        assert np.abs(small - large).mean() < 5


@pytest.mark.parametrize("place", PLACES)
def test_every_time_weather_and_subject_draws(place: str) -> None:
    habitat = PLACES[place]
    everything = [(), *((name,) for name in dict.fromkeys(habitat.subjects)), *habitat.pairs]
    pictures = set()
    for index, (time, weather) in enumerate(product(TIMES, dict.fromkeys(habitat.weathers))):
        subjects = everything[index % len(everything)]
        image = draw(Spec(place, time, weather, subjects), index, 32)
        pixels = np.asarray(image)
        assert pixels.shape == (32, 32, 3)
        assert pixels.std() > 8, (time, weather)
        pictures.add(image.tobytes())
    for subjects in everything:
        draw(Spec(place, "day", "clear", subjects), 1, 32)
    assert len(pictures) == index + 1


@pytest.mark.parametrize("place", PLACES)
def test_day_is_brighter_than_twilight_than_night(place: str) -> None:
    for weather in dict.fromkeys(PLACES[place].weathers):
        day, twilight, night = (
            np.mean([luminance(Spec(place, time, weather), seed) for seed in (1, 2)])
            for time in ("day", "twilight", "night")
        )
        assert day > twilight + 15 > night + 20, weather
        assert night > 12, weather  # still readable


def test_times_are_told_apart_by_colour() -> None:
    sky = {time: mean_colour(Spec("sea", time, "clear")) for time in TIMES}
    red, blue = 0, 2
    assert sky["day"][blue] > sky["day"][red] + 60
    assert sky["sunset"][red] > sky["sunset"][blue] + 60
    assert sky["dawn"].min() > 150  # pale
    assert sky["twilight"][1] < sky["twilight"][[red, blue]].min()  # purple: least green
    assert sky["night"].max() < 90


@pytest.mark.parametrize("place", ["village", "hill", "forest", "city", "river", "waterfall"])
@pytest.mark.parametrize("time", ["day", "sunset", "night"])
def test_snow_whitens_the_ground(place: str, time: str) -> None:
    def ground(weather: str) -> float:
        pictures = [np.asarray(draw(Spec(place, time, weather), seed, 32)) for seed in range(3)]
        return float(np.mean([picture[25:].mean() for picture in pictures]))

    assert ground("snow") > ground("clear") + 15


def test_unknown_names_are_refused() -> None:
    for spec in (
        Spec("moon", "day", "clear"),
        Spec("lake", "noon", "clear"),
        Spec("lake", "day", "hail"),
    ):
        with pytest.raises(KeyError):
            draw(spec, 0, 32)


def test_specs_keep_to_their_habitat(captions: list[tuple[Spec, str]]) -> None:
    seen = set()
    for spec, _ in captions:
        habitat = PLACES[spec.place]
        assert spec.weather in habitat.weathers
        assert set(spec.subjects) <= {
            *habitat.subjects,
            *(name for pair in habitat.pairs for name in pair),
        }
        seen.add((spec.place, spec.time, spec.weather))
    assert len(seen) == sum(5 * len(set(habitat.weathers)) for habitat in PLACES.values())


def test_captions_say_nothing_else_than_the_spec(captions: list[tuple[Spec, str]]) -> None:
    for spec, caption in captions:
        text = caption.lower()
        assert re.search(PLACE_WORDS[spec.place], text), (caption, spec)
        for pattern, times in TIME_WORDS.items():
            if re.search(pattern, text):
                assert spec.time in times, (caption, spec, pattern)
        for pattern, weathers in WEATHER_WORDS.items():
            if re.search(pattern, text):
                assert spec.weather in weathers, (caption, spec, pattern)
        for pattern, subjects in SUBJECT_WORDS.items():
            if re.search(pattern, text):
                assert subjects & set(spec.subjects), (caption, spec, pattern)
        for pattern, option in OPTION_WORDS.items():
            if re.search(pattern, text):
                assert option in spec.options, (caption, spec, pattern)
        assert not re.search(EMPTY_WORDS, text), caption
        assert not re.search(r"\{|\}|  |\ba (?=[aeiou])|\ban (?=[bcdfghjklmnpqrstvwxyz])", text), (
            caption
        )
        assert len(text.split()) < 40


def test_what_captions_mention(captions: list[tuple[Spec, str]]) -> None:
    other = r"\bday\b|stars|pink (and purple )?sky|\bdark\b(?! (green|blue))|evening light|glowing"
    mentions_time = re.compile("|".join([*TIME_WORDS, other]))
    said_time = [bool(mentions_time.search(caption.lower())) for _, caption in captions]
    for (spec, caption), said in zip(captions, said_time, strict=True):
        assert said or spec.time == "day", caption  # unsaid means day
    assert 0.80 < np.mean(said_time) < 0.95
    weathers = [
        any(re.search(pattern, caption.lower()) for pattern in WEATHER_WORDS)
        for spec, caption in captions
        if spec.weather != "clear" and "white" not in caption
    ]
    assert 0.93 < np.mean(weathers) < 0.99
    tents = ["tent" in caption for spec, caption in captions if spec.subjects[:1] == ("tent",)]
    assert 0.91 < np.mean(tents) < 0.99


def test_captions_are_varied(captions: list[tuple[Spec, str]]) -> None:
    words = {word.strip(".,").lower() for _, caption in captions for word in caption.split()}
    assert len(words) > 400
    assert len({caption for _, caption in captions}) > 0.95 * len(captions)


@pytest.mark.parametrize(
    ("pattern", "place", "times", "weather"),
    [
        (
            r"a man (boating|rowing|paddling|sitting in a|in a).* on .*lake",
            "lake",
            {"twilight"},
            "clear",
        ),
        (r"a tea garden.*(with|in).*mist", "tea", {"dawn"}, "mist"),
        (r"a rainy evening (in|on) a .*street", "city", {"sunset", "twilight"}, "rain"),
    ],
)
def test_the_showcase_prompts_are_inside_the_distribution(
    pattern: str, place: str, times: set[str], weather: str
) -> None:
    rng = random.Random(6)
    found = 0
    for spec in (random_landscape(rng) for _ in range(40_000)):
        if spec.place == place and spec.time in times and spec.weather == weather:
            found += bool(re.match(pattern, describe(spec, rng).lower()))
    assert found >= 5  # in 40,000; a training run draws many times that


def test_held_out_captions(captions: list[tuple[Spec, str]]) -> None:
    distinct = {caption for _, caption in captions}
    share = np.mean([is_held_out(caption) for caption in distinct])
    assert 0.042 < share < 0.058  # 5%, four standard deviations at 11,000 captions
    # By hand: sha256's first four bytes, big-endian, modulo 20.
    for caption in ("lake, dusk", "a forest in the snow", "a rainy evening in a city street"):
        first = int(hashlib.sha256(caption.encode()).hexdigest()[:8], 16)
        assert is_held_out(caption) == (first % 20 == 0)


def test_contact_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sheet.png"
    arguments = ["scenes", "--count", "5", "--columns", "3", "--size", "64", "--out", str(out)]
    arguments += ["--kinds", "landscape"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    with Image.open(out) as sheet:
        assert sheet.width > 3 * 64 and sheet.height > 2 * 64
