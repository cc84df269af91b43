"""Every text a visitor reads: `assets/texts/en.json`, and one file beside it for each language.

Those of the lessons stand apart, in `assets/lessons/`, those of the panels of *How it works* in
`assets/panels/`, and what the parts below the page say in `assets/phrases/`.

Labels of components are translated by Gradio (`label`), the page's own markup by its script
(`say`, and `assets/page/words.js`); both use one dictionary and the browser's language. The server
itself speaks English, and knows no visitor's language. Captions are not texts: a model reads them.
"""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import gradio as gr
from gradio.i18n import I18nData

ASSETS = Path(__file__).resolve().parents[2] / "assets"
FOLDER = ASSETS / "texts"


def _read(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """The texts of each language."""
    files = sorted(folder.glob("*.json"))
    return MappingProxyType({f.stem: json.loads(f.read_text(encoding="utf-8")) for f in files})


LANGUAGES = _read(FOLDER)
LESSONS, PANELS, PHRASES = (_read(ASSETS / name) for name in ("lessons", "panels", "phrases"))
ENGLISH = LANGUAGES["en"]


def _everything(language: str) -> dict[str, str]:
    """All that the four sets say in a language."""
    parts = (part.get(language, {}) for part in (LANGUAGES, LESSONS, PANELS, PHRASES))
    return {key: text for part in parts for key, text in part.items()}


_SAID = _everything("en")

Value = str | int | float


@dataclass(frozen=True)
class Text:
    """A text that fills a gap of another one, in the same language."""

    key: str
    values: Mapping[str, "Filling"] = field(default_factory=dict)


Filling = Value | Text

TEXT_EXAMPLES = (
    "two lions by a river below the mountains at sunset",
    "a tea garden with mist in the early morning",
    "a rocket above a city street at night",
    "a fox on the right in a snowy forest",
    "palm trees on a sandy beach on a sunny day",
)

# Strength in words: (up to and including, key).
SKETCH_STRENGTHS = (
    (0.3, "sketch_strength_1"),
    (0.5, "sketch_strength_2"),
    (0.7, "sketch_strength_3"),
    (0.85, "sketch_strength_4"),
    (1.0, "sketch_strength_5"),
)
INPAINT_STRENGTHS = (
    (0.3, "inpaint_strength_1"),
    (0.6, "inpaint_strength_2"),
    (0.85, "inpaint_strength_3"),
    (1.0, "inpaint_strength_4"),
)


class Markup(str):
    """Text that is HTML already, so that it is not escaped a second time."""


class Figure(str):
    """Numbers and their units as English writes them, such as "0.35", "12%" and "30,000"; the page
    puts the signs of the visitor's language.
    """


def translations() -> gr.I18n:
    """What `launch` hands to the page: every language, English where one lacks a text."""
    return gr.I18n(**{name: _SAID | _everything(name) for name in LANGUAGES})


def label(key: str) -> I18nData:
    """The text as a component's label, info, placeholder or value."""
    _ = _SAID[key]
    return I18nData(key)


def plain(key: str, **values: Filling) -> str:
    """The English text with its gaps filled."""
    words = {
        name: plain(value.key, **value.values) if isinstance(value, Text) else value
        for name, value in values.items()
    }
    return _SAID[key].format(**words)


def _sent(value: Filling) -> object:
    """What fills a gap, as `assets/page/words.js` reads it."""
    if isinstance(value, Figure):
        return {"figure": value}
    if not isinstance(value, Text):
        return value
    return {"say": value.key, "with": {name: _sent(each) for name, each in value.values.items()}}


def _with(values: Mapping[str, Filling]) -> str:
    sent = {name: _sent(value) for name, value in values.items()}
    return f' data-with="{html.escape(json.dumps(sent))}"' if sent else ""


def _element(tag: str, key: str, values: Mapping[str, Filling]) -> Markup:
    text = html.escape(plain(key, **values))
    return Markup(f'<{tag} data-say="{key}"{_with(values)}>{text}</{tag}>')


def say(key: str, **values: Filling) -> Markup:
    """The text as markup that the page translates."""
    return _element("span", key, values)


def say_in_drawing(key: str, **values: Filling) -> Markup:
    """The text as a part of an SVG's <text>."""
    return _element("tspan", key, values)


def say_formulas(key: str) -> Markup:
    """A text that is markup itself, for its <sub>, <sup> and <i>; it has no gaps."""
    return Markup(f'<span data-say-markup="{key}">{_SAID[key]}</span>')


def filled(value: str | Text) -> str:
    """What would fill a gap, by itself: a text as markup that the page translates."""
    return say(value.key, **value.values) if isinstance(value, Text) else value


def attributes(names: Mapping[str, str], **values: Filling) -> Markup:
    """Attributes of an element (name -> key) that the page translates, with a space before each."""
    said = "".join(
        f' {name}="{html.escape(plain(key, **values))}" data-say-{name}="{key}"'
        for name, key in names.items()
    )
    return Markup(said + _with(values))


def markup(text: str) -> str:
    """`text` as markup: escaped, unless it is markup; figures so that the page translates them."""
    if isinstance(text, Markup):
        return text
    escaped = html.escape(text)
    return (
        f'<span data-figure="{escaped}">{escaped}</span>' if isinstance(text, Figure) else escaped
    )


def joined(*parts: str) -> Markup:
    """Parts one behind the other."""
    return Markup("".join(map(markup, parts)))


# --- sentences that depend on numbers ---


def strength_in_words(strength: float, words: tuple[tuple[float, str], ...]) -> Markup:
    return say(next((key for limit, key in words if strength <= limit), words[-1][1]))


def steps_in_words(steps: int) -> Text:
    return Text("how_steps_one") if steps == 1 else Text("how_steps", {"steps": steps})


def time_left(seconds: float) -> Markup:
    if seconds < 1:
        return say("almost_done")
    if seconds < 90:
        return say("seconds_left", seconds=round(seconds))
    return say("minutes_left", minutes=round(seconds / 60))


def queued(before: int, seconds: float | None) -> Markup:
    if not before:
        return say("starting")
    if seconds is None:
        return say("queued", before=before)
    return say("queued_time", before=before, seconds=round(seconds))


def step_of(step: int, steps: int, seconds_left: float | None) -> Markup:
    line = say("step", step=step, steps=steps)
    if seconds_left is None or step == steps:
        return line
    return joined(line, ", ", time_left(seconds_left))


def mask_read(share: float, feather: int) -> Markup:
    percent = Figure("> 99%" if 0.99 < share < 1 else "< 1%" if share < 0.01 else f"{share:.0%}")
    line = (
        say("mask_read_soft", share=percent, feather=feather)
        if feather
        else say("mask_read", share=percent)
    )
    # A mask saved with its colours exchanged marks all but what was meant.
    return joined(line, " ", say("mask_polarity")) if share > 0.7 else line


def opened(width: int, height: int, notes: Filling) -> Markup:
    if not notes:
        return say("opened", width=width, height=height)
    return say("opened_notes", width=width, height=height, notes=notes)


def size_title(width: int, height: int) -> str:
    """A size with its shape as a ratio, alike in every language."""
    return f"{width} × {height}"


def field_name(field: str) -> Markup:
    key = "caption" if field == "prompt" else field
    return say(key) if key in ENGLISH else Markup(field.replace("_", " ").capitalize())
