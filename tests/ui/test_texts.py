"""Texts in every language, and sentences that depend on numbers."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ldm.recipe import LIMITS
from ldm.ui import texts
from ldm.ui.form import SPEED_UPS
from ldm.ui.how_it_works.contents import PANELS as CONTENTS
from ldm.ui.texts import ENGLISH, LANGUAGES, LESSONS, PANELS, PHRASES, Figure, Text

SOURCES = Path(texts.__file__).parent
PAGE = texts.FOLDER.parent / "page"
GAPS = re.compile(r"\{(\w+)\}")
TAGS = re.compile("<[^>]*>")


def words(markup: str) -> str:
    return re.sub("<[^>]*>", "", markup)


def test_there_are_at_least_four_languages() -> None:
    assert {"en", "de", "fr", "es"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_language_says_everything_with_the_same_gaps(language: str) -> None:
    other = LANGUAGES[language]
    assert set(other) == set(ENGLISH)
    for key, text in ENGLISH.items():
        assert sorted(GAPS.findall(other[key])) == sorted(GAPS.findall(text)), key
        assert other[key].strip(), key
    same = [key for key, text in ENGLISH.items() if other[key] == text]
    assert len(same) < len(ENGLISH) / 8, same  # names and numbers are alike, sentences are not


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    sources = [*SOURCES.glob("*.py"), *PAGE.glob("*.js")]
    whole = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    quoted = set(re.findall(r"[\"']([a-z][a-z0-9_]+)[\"']", whole))
    made = {f"margin_{side}" for side in ("left", "top", "right", "bottom")}
    made |= {"grid_across", "grid_down"}
    made |= {f"copy_{what}" for what in ("link", "recipe", "parameters")}
    made |= {f"{name}_info" for name in SPEED_UPS}
    unused = set(ENGLISH) - quoted - made - set(LIMITS) - {"task"}
    assert not unused
    said = set(re.findall(r"(?:say|label|plain|phrase)\(\s*[\"'](\w+)[\"']", whole))
    assert said <= {*ENGLISH, *PHRASES["en"]}


@pytest.mark.parametrize("said", [PANELS, PHRASES], ids=["panels", "phrases"])
@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_language_says_everything_in_the_panels_and_phrases(
    said: Mapping[str, Mapping[str, str]], language: str
) -> None:
    """With the same gaps, and the same formulas."""
    other, english = said[language], said["en"]
    assert list(other) == list(english)
    for key, text in english.items():
        for part in (GAPS, TAGS):
            assert sorted(part.findall(other[key])) == sorted(part.findall(text)), key
        assert other[key].strip(), key
    same = [key for key, text in english.items() if other[key] == text]
    assert len(same) < 4, same  # a word may be alike


def test_every_text_of_the_panels_is_used_and_every_used_text_is_there() -> None:
    sources = [*SOURCES.rglob("*.py"), *PAGE.glob("*.js")]
    whole = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    used = set(re.findall(r"[\"'](\w+)[\"']", whole))
    for name, contents in CONTENTS.items():
        used |= {f"panel_{name}_{part}" for part in ("title", "question", "lead", "maths")}
        used |= {f"panel_{name}_try_{number}" for number in range(1, contents.tries + 1)}
    used |= {f"how_{kind}" for kind in ("begin", "end", "padding")}
    used |= {f"panel_network_{side}" for side in ("in", "down", "middle", "up")}
    shown = ("without", "with", "guided", "difference")
    used |= {f"panel_guidance_{name}{end}" for name in shown for end in ("", "_alt")}
    heads = ("on_latents", "on_pixels", "dearer", "places", "seconds", "in_time", "in_count")
    used |= {f"panel_latents_{name}" for name in heads}
    assert not set(PANELS["en"]) - used
    called = re.findall(r"(?:say|label|plain|named|entitle|Text)\(\s*[\"'](\w+)[\"']", whole)
    assert set(called) <= {*ENGLISH, *LESSONS["en"], *PANELS["en"], *PHRASES["en"]}
    for name, contents in CONTENTS.items():
        assert f"panel_{name}_try_{contents.tries + 1}" not in PANELS["en"]


def test_no_two_sets_share_a_name() -> None:
    sets = [set(texts["en"]) for texts in (LANGUAGES, LESSONS, PANELS, PHRASES)]
    assert len(set.union(*sets)) == sum(map(len, sets))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_formulas_alone_are_markup(language: str) -> None:
    sets = (LANGUAGES, LESSONS, PANELS, PHRASES)
    for key, text in (each for said in sets for each in said[language].items()):
        tags = set(TAGS.findall(text))
        if re.fullmatch(r"panel_\w+_maths", key):
            assert tags <= {f"<{end}{tag}>" for tag in ("sub", "sup", "i") for end in ("", "/")}
            assert not GAPS.search(text) and "&" not in text
        else:
            assert not tags, key


def test_a_text_may_fill_the_gap_of_another() -> None:
    block = Text("panel_network_down", {"number": 2})
    title = Text("panel_network_words_off", {"block": block})
    assert texts.plain(title.key, **title.values) == "The words, in “↓ down 2”"
    said = html.unescape(texts.say("how_quoted", words=title))
    sent = json.loads(said.split('data-with="')[1].split('">')[0])
    inner = {"say": "panel_network_down", "with": {"number": 2}}
    assert sent == {"words": {"say": "panel_network_words_off", "with": {"block": inner}}}
    assert words(said) == "“The words, in “↓ down 2””"


def test_a_figure_is_left_to_the_page_alone_and_in_a_gap() -> None:
    assert texts.markup(Figure("0.5 < 1")) == ('<span data-figure="0.5 &lt; 1">0.5 &lt; 1</span>')
    assert texts.joined("± ", Figure("12%")) == '± <span data-figure="12%">12%</span>'
    said = html.unescape(texts.say("mask_read", share=Figure("1.5%")))
    assert 'data-with="{"share": {"figure": "1.5%"}}"' in said
    assert words(said) == texts.plain("mask_read", share="1.5%")


def test_captions_are_escaped_in_texts_and_their_gaps() -> None:
    said = texts.say("picture_alt", caption="<b> & '", seed=1)
    assert "<b>" not in said.replace("<span", "").replace("</span", "")
    assert "&lt;b&gt;" in said
    attributes = texts.attributes({"alt": "picture_alt"}, caption='" onload="x', seed=1)
    assert attributes.count('"') == 6  # three attributes, their quotes alone


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "almost done"),
        (1.2, "about 1 s left"),
        (89, "about 89 s left"),
        (130, "about 2 min left"),
    ],
)
def test_time_left(seconds: float, said: str) -> None:
    assert words(texts.time_left(seconds)) == said


def test_step_of() -> None:
    assert words(texts.step_of(3, 20, 4.0)) == "Step 3 of 20, about 4 s left"
    assert words(texts.step_of(20, 20, 0.0)) == "Step 20 of 20"
    assert words(texts.step_of(3, 20, None)) == "Step 3 of 20"


def test_queued() -> None:
    assert words(texts.queued(0, 3.0)) == "Starting"
    assert words(texts.queued(2, None)) == "Waiting, 2 before you"
    assert words(texts.queued(2, 12.0)) == "Waiting, 2 before you, about 12 s"


@pytest.mark.parametrize("table", [texts.SKETCH_STRENGTHS, texts.INPAINT_STRENGTHS])
def test_every_strength_has_words(table: tuple[tuple[float, str], ...]) -> None:
    said = [words(texts.strength_in_words(step / 100, table)) for step in range(1, 101)]
    ordered = [ENGLISH[key] for _, key in table]
    assert said == sorted(said, key=ordered.index)
    assert set(said) == set(ordered)


def test_every_number_of_a_recipe_has_a_name() -> None:
    assert set(LIMITS) <= set(ENGLISH)


@pytest.mark.parametrize(
    ("share", "said"), [(0.004, "< 1%"), (0.5, "50%"), (0.998, "> 99%"), (1.0, "100%")]
)
def test_mask_read(share: float, said: str) -> None:
    line = texts.plain("mask_read", share=said)
    assert html.unescape(words(texts.mask_read(share, 0))).startswith(line)
    assert "soft edge of 4" in texts.mask_read(share, 4)
    assert "soft edge" not in words(texts.mask_read(share, 0))
    assert ("Mostly white" in texts.mask_read(share, 0)) is (share > 0.7)
