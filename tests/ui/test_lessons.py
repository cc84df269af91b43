"""Every question of the eight lessons, measured on a real run of a small model; and its words."""

import asyncio
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ldm.engine import Engine
from ldm.explain.recording import Recorder, Recording
from ldm.recipe import Recipe
from ldm.ui import texts
from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.how_it_works.lab import Lab, LabError
from ldm.ui.how_it_works.lessons import markup
from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.how_it_works.lessons.walk import (
    ANSWER_CHARACTERS,
    CHOICES,
    Answer,
    Found,
    begun,
    key,
    written,
)
from ldm.ui.how_it_works.lessons.worksheet import worksheet
from ldm.ui.how_it_works.panel import Scene
from ldm.ui.how_it_works.terms import LESSON_NAMES, Terms
from ldm.ui.texts import LESSONS as WORDS

RECIPE = Recipe(
    "a lake, at dawn",
    model="small",
    num_inference_steps=4,
    guidance_scale=3.0,
    sampler="ddim",
    width=64,
    height=64,
)
GAPS = re.compile(r"\{(\w+)\}")
QUESTIONS = [(name, i) for name, each in LESSONS.items() for i in range(len(each.questions))]


@pytest.fixture(scope="module")
def lab(small_stable_diffusion_folder: Path) -> Iterator[Lab]:
    with Engine(
        {"small": small_stable_diffusion_folder}, torch.device("cpu"), torch.float32
    ) as engine:
        yield Lab(engine)


def recorded(lab: Lab, recipe: Recipe) -> Recording:
    recorder = Recorder()
    picture = asyncio.run(lab.draw(recipe, "somebody", recorder))
    return recorder.recording(lab.engine.checkpoint("small"), picture.image)


def asked_of(lab: Lab, run: Recording, lesson: str, index: int) -> Found:
    scene = Scene(lab, run, len(run.frames) // 2, {}, Terms())
    return asyncio.run(LESSONS[lesson].questions[index].find(scene, "somebody"))


@pytest.fixture(scope="module")
def run(lab: Lab) -> Recording:
    return recorded(lab, RECIPE)


@pytest.fixture(scope="module")
def measured(lab: Lab, run: Recording) -> dict[tuple[str, int], Found]:
    return {each: asked_of(lab, run, *each) for each in QUESTIONS}


def test_there_are_eight_lessons_one_for_each_panel_that_needs_nothing_else() -> None:
    assert len(LESSONS) == 8
    assert (*LESSONS,) == LESSON_NAMES
    assert all(q.panel == name for name, each in LESSONS.items() for q in each.questions)


def test_every_question_is_measured_and_has_words_for_what_was_found(
    measured: dict[tuple[str, int], Found],
) -> None:
    for (lesson, index), found in measured.items():
        assert 0 <= found.right < len(CHOICES)
        sentence = WORDS["en"][key(lesson, index, "found")]
        assert set(GAPS.findall(sentence)) <= set(found.values), (lesson, index)
        shown = markup.found(lesson, index, Answer(found.right, "", found))
        assert 'data-right="true"' in shown and "{" not in re.sub('data-with="[^"]*"', "", shown)
        for image in re.findall("<img[^>]*>", shown):
            assert re.search(r' alt="[^"]+"', image)


def test_what_lessons_say_holds_by_hand(
    lab: Lab, run: Recording, measured: dict[tuple[str, int], Found]
) -> None:
    """Some answers computed a second time, from their definitions."""
    middle = run.frames[len(run.frames) // 2]
    noise = middle.sigma**2 / (middle.sigma**2 + 1)
    assert measured["noise", 2].values["percent"] == pytest.approx(100 * noise, abs=0.5)
    channels, rows, columns = run.final.shape
    packed = measured["latents", 0].values
    assert packed["times"] == pytest.approx(3 * 64 * 64 / (channels * rows * columns), abs=0.05)
    words = measured["words", 0]
    assert words.values["words"] == 4
    count = len(lab.engine.checkpoint("small").text_encoder.ids([RECIPE.prompt])[0])  # pyright: ignore
    tokens = words.values["tokens"]
    assert isinstance(tokens, int) and 4 < tokens <= count - 2
    assert words.right == 2
    assert measured["words", 1].values["percent"] == 0  # causal: nothing ahead
    assert measured["words", 1].right == 1
    assert measured["guidance", 0].values["total"] == 2 * 4
    assert measured["guidance", 0].right == 1
    asks = measured["time", 1].values
    assert asks["high"] == asks["low"] == 2  # 4 steps, evenly spread
    assert measured["time", 1].right == 1
    alphas = lab.engine.checkpoint("small").noise_schedule.alphas_cumprod
    share = 100 * float(alphas[len(alphas) // 2])
    assert measured["both_ways", 0].values["percent"] == pytest.approx(share, abs=0.5)


def test_a_run_that_a_question_does_not_fit_is_said(lab: Lab) -> None:
    short = recorded(lab, replace(RECIPE, num_inference_steps=2, guidance_scale=1.0))
    for lesson, index, words in (("noise", 0, "at least 4"), ("guidance", 0, "other than 1")):
        with pytest.raises(LabError, match=words):
            asked_of(lab, short, lesson, index)
    resting = recorded(lab, replace(RECIPE, guidance_end=0.5))
    for index in range(3):
        with pytest.raises(LabError, match="acts at every step"):
            asked_of(lab, resting, "guidance", index)
    wordless = replace(recorded(lab, RECIPE), words=())
    for lesson, index in (("words", 0), ("words", 2), ("looks", 1)):
        with pytest.raises(LabError, match="caption is empty"):
            asked_of(lab, wordless, lesson, index)


def test_a_caption_of_200_words_is_measured_too(lab: Lab) -> None:
    long = recorded(lab, replace(RECIPE, prompt="a lake at dawn " * 50))
    assert asked_of(lab, long, "words", 0).values["words"] == 200
    assert asked_of(lab, long, "looks", 0).right in (0, 1, 2)


# --- words ---


def used_keys() -> set[str]:
    found = {f"lesson_{name}{end}" for name in LESSONS for end in ("", "_goal")}
    for name, index in QUESTIONS:
        found |= {key(name, index, part) for part in ("read", "ask", *CHOICES, "found", "why")}
        found |= {
            f"term_{t}{end}" for t in LESSONS[name].questions[index].terms for end in ("", "_is")
        }
    sources = Path(markup.__file__).parents[1].rglob("*.py")
    whole = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    return (
        found
        | set(re.findall(r"[\"'](\w+)[\"']", whole))
        | {
            f"teacher_{name}"
            for name in ("caption", "seed", "steps", "guidance", "sampler", "model")
        }
    )


def test_every_text_is_there_and_used() -> None:
    assert not set(WORDS["en"]) - used_keys()
    for name in LESSONS:
        assert WORDS["en"][f"lesson_{name}"]
    for name, index in QUESTIONS:
        for part in ("read", "ask", *CHOICES, "found", "why"):
            assert WORDS["en"][key(name, index, part)].strip()


@pytest.mark.parametrize("language", sorted(set(WORDS) - {"en"}))
def test_every_language_says_everything_with_the_same_gaps(language: str) -> None:
    assert set(WORDS[language]) == set(WORDS["en"])
    for name, text in WORDS["en"].items():
        assert sorted(GAPS.findall(WORDS[language][name])) == sorted(GAPS.findall(text)), name
        assert WORDS[language][name].strip()


def test_each_term_is_explained_once() -> None:
    terms = [t for each in LESSONS.values() for q in each.questions for t in q.terms]
    assert len(terms) == len(set(terms))
    assert {f"term_{t}" for t in terms} == {
        name for name in WORDS["en"] if re.fullmatch(r"term_[a-z]+", name) and name[-3:] != "_is"
    }


# --- the worksheet ---


def test_the_worksheet_holds_pictures_recipe_and_answers_escaped(
    run: Recording, measured: dict[tuple[str, int], Found]
) -> None:
    lesson = LESSONS["noise"]
    progress = begun(lesson).answered(Answer(1, "<script>x</script>", measured["noise", 0]))
    sheet = worksheet(lesson, replace(progress, key="k"), run)
    assert "<script>" not in sheet and "&lt;script&gt;x" in sheet
    assert html.escape(run.recipe.to_json()) in sheet
    assert sheet.count("<img") == 1 + measured["noise", 0].shown.count("<img")
    assert 'src="http' not in sheet and "data:image" in sheet
    assert WORDS["en"]["lesson_still_open"] in sheet
    for _, url in PANELS["noise"].sources:
        assert url in sheet
    assert texts.say("worksheet_picture") not in worksheet(lesson, progress, None)


def test_what_is_written_is_bounded() -> None:
    assert written(" so ") == "so"
    assert len(written("x" * 5000)) == ANSWER_CHARACTERS
    assert written(None) == ""
