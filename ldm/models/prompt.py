"""A caption's notation: which words weigh how much, and where a new chunk begins.

The notation and its meaning are those of AUTOMATIC1111's stable-diffusion-webui 1.10:

- ``(word)`` weighs 1.1, ``[word]`` 1 / 1.1; nested brackets multiply.
- ``(word:1.2)`` weighs 1.2: round brackets only, with or without spaces around the number.
- A backslash before a bracket or a backslash makes that text; any other backslash is dropped.
- ``BREAK``, in upper case and a word of its own, begins a new chunk.

A bracket that nobody opened is text. One that nobody closes weighs all that follows it, and ``:``
without a number and a closing bracket is text. Two things differ. BREAK breaks within brackets
too, whose weight goes on behind it: there the original reads the word "break" with a negative
weight, which nobody can mean. And weights have limits (`PromptError`).

This module reads text alone: it does not know of tokens or models. Editing by step
(``[from:to:when]``, ``[a|b]``) and ``AND`` are not part of the notation here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ROUND, SQUARE = 1.1, 1 / 1.1
LARGEST_WEIGHT = 10.0
_SHOWN_CHARACTERS = 20

_NOTATION = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\])
    | (?P<backslash>\\)
    | (?P<opening>[(\[])
    | :\s*(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)
    | (?P<closing>[)\]])
    | \b(?P<break>BREAK)\b\s*
    """,
    re.VERBOSE,
)


class PromptError(ValueError):
    """A caption that cannot be encoded: what came, what is allowed."""

    def __init__(self, got: str, allowed: str) -> None:
        super().__init__(got, allowed)  # both, so that the error survives pickling
        self.got = got
        self.allowed = allowed

    def __str__(self) -> str:
        return f"got {self.got}, allowed: {self.allowed}"


@dataclass(frozen=True)
class Words:
    """Text of one weight, without the notation.

    positions: for each character of `text`, where it stands in the caption.
    """

    text: str
    weight: float
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Break:
    """BREAK, at this position of the caption."""

    position: int


class _Reader:
    """What has been read so far, as pieces whose weights still change while brackets are open."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []  # None: BREAK
        self.weights: list[float] = []
        self.positions: list[int] = []  # of each piece's first character
        self.open: dict[str, list[int]] = {"(": [], "[": []}  # the piece that each begins with

    def add(self, text: str | None, position: int) -> None:
        self.texts.append(text)
        self.weights.append(1.0)
        self.positions.append(position)

    def multiply(self, first: int, factor: float) -> None:
        for index in range(first, len(self.weights)):
            self.weights[index] *= factor

    def close(self, bracket: str, factor: float) -> bool:
        """Weigh what stands since the last open bracket of this kind; False if there is none."""
        if not self.open[bracket]:
            return False
        self.multiply(self.open[bracket].pop(), factor)
        return True

    def close_all(self) -> None:
        for bracket, factor in (("(", ROUND), ("[", SQUARE)):
            for first in self.open[bracket]:
                self.multiply(first, factor)

    def parts(self) -> tuple[Words | Break, ...]:
        """The pieces, neighbours of equal weight as one: their letters may share a token."""
        found: list[Words | Break] = []
        for text, weight, first in zip(self.texts, self.weights, self.positions, strict=True):
            if text is None:
                found.append(Break(first))
                continue
            positions = tuple(range(first, first + len(text)))
            before = found[-1] if found else None
            if isinstance(before, Words) and before.weight == weight:
                text, positions = before.text + text, before.positions + positions
                found.pop()
            found.append(Words(text, weight, positions))
        return tuple(part for part in found if isinstance(part, Break) or part.text)


def parse(caption: str) -> tuple[Words | Break, ...]:
    """The weighted parts of a caption, in their order; never an error, whatever the text.

    Weights are as written, within limits or not: see `check_weights`.
    """
    reader = _Reader()
    end = 0
    for match in _NOTATION.finditer(caption):
        before = caption[end : match.start()]
        if before:
            reader.add(before.rstrip() if match["break"] else before, end)
        end = match.end()
        if match["escaped"]:
            reader.add(match["escaped"], match.start("escaped"))
        elif match["backslash"]:
            reader.add("", match.start())
        elif match["opening"]:
            reader.open[match["opening"]].append(len(reader.texts))
        elif match["break"]:
            reader.add(None, match.start())
        else:
            bracket = "[" if match["closing"] == "]" else "("
            usual = SQUARE if bracket == "[" else ROUND
            if not reader.close(bracket, float(match["number"] or usual)):
                reader.add(match[0], match.start())
    if end < len(caption):
        reader.add(caption[end:], end)
    reader.close_all()
    return reader.parts()


def check_weights(parts: Sequence[Words | Break]) -> None:
    """Raise PromptError where a weight, nested ones multiplied, is not from 0 to 10."""
    for part in parts:
        # Not "outside": the product of 0 and a number of 400 digits is NaN, which is no weight.
        if isinstance(part, Words) and not 0 <= part.weight <= LARGEST_WEIGHT:
            shown = part.text.strip()
            if len(shown) > _SHOWN_CHARACTERS:
                shown = shown[: _SHOWN_CHARACTERS - 3] + "..."
            raise PromptError(
                f"the weight {part.weight:.4g} for {shown!r}",
                f"weights from 0 to {LARGEST_WEIGHT:g}, nested ones multiplied",
            )
