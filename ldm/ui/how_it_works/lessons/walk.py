"""What a lesson is: questions to a run, each answered by measuring it.

Owns the shape of a lesson and how far a visitor has come. Does not know any lesson, nor its words:
these stand in `assets/lessons/`, under names that `key` gives.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from ldm.ui.how_it_works.panel import Scene
from ldm.ui.how_it_works.visuals import Shown, pictures, titled
from ldm.ui.texts import Filling, Text

CHOICES = "abc"
ANSWER_CHARACTERS = 2000


@dataclass(frozen=True)
class Found:
    """What holds for a run. right: the choice (from 0) that does; values: for the gaps of the
    sentence that says so; shown: pictures, as markup.
    """

    right: int
    values: Mapping[str, Filling]
    shown: str


Find = Callable[
    [Scene, str], Coroutine[Any, Any, Found]
]  # the visitor's name is for the engine's queue


@dataclass(frozen=True)
class Question:
    """One prediction.

    panel: that it is about, opened with it; find: measures the answer; terms: explained here and
    nowhere else; at: the step to look at, as a share of the run; sets: of the panel's own controls,
    by the ends of their ids.
    """

    panel: str
    find: Find
    terms: tuple[str, ...] = ()
    at: float | None = None
    sets: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson:
    """name: in links and in its texts' keys."""

    name: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answer:
    """What a visitor predicted, why, and what was found (None before)."""

    choice: int | None = None
    why: str = ""
    found: Found | None = None


@dataclass(frozen=True)
class Progress:
    """How far a visitor has come: `at` is the question, or their number once all are done.

    key: of the recording that was measured last.
    """

    lesson: str
    answers: tuple[Answer, ...]
    at: int = 0
    key: str = ""

    def answered(self, answer: Answer) -> "Progress":
        """With another answer to the question that is open."""
        before, after = self.answers[: self.at], self.answers[self.at + 1 :]
        return replace(self, answers=(*before, answer, *after))

    @property
    def done(self) -> bool:
        return self.at >= len(self.answers)


def begun(lesson: Lesson) -> Progress:
    return Progress(lesson.name, tuple(Answer() for _ in lesson.questions))


def key(lesson: str, question: int, part: str) -> str:
    """The name of a text: part is "read", "ask", "a", "b", "c", "found" or "why"."""
    return f"lesson_{lesson}_{question + 1}_{part}"


def written(text: object) -> str:
    """What a visitor wrote, as far as it is kept."""
    return text.strip()[:ANSWER_CHARACTERS] if isinstance(text, str) else ""


def picture(image: Image.Image, text: str, kind: str = "picture", **values: Filling) -> Shown:
    """A picture named by a text of the lessons."""
    return titled(image, Text(text, values), kind=kind)


def side_by_side(items: Sequence[Shown]) -> str:
    return pictures(items, least=200)
