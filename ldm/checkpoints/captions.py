"""The words that a model learned, and captions to try, where its folder says so: `captions.json`.

A model that was trained on few words knows nothing of others: its tokenizer cuts them into pieces
that it has met elsewhere, if at all. Knows nothing of tokens, or of what a caption becomes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ldm.checkpoints.files import CheckpointError, read_json

CAPTIONS = "captions.json"
# Letters and digits, joined by apostrophes or hyphens: "shepherd's", "snow-covered", "3d".
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_LIKENESS = 0.75  # of two words' letters, from which one is taken for a misspelling of the other


def words_in(caption: str) -> list[str]:
    """The words of a caption in small letters, each once, without bare numbers: these may be
    weights.
    """
    found = (word.lower().replace("\u2019", "'") for word in _WORD.findall(caption))
    return [word for word in dict.fromkeys(found) if not word.isdecimal()]


@dataclass(frozen=True)
class Captions:
    """What a model's captions were made of.

    words: as `words_in` finds them. examples: whole captions of it, to try.
    """

    words: frozenset[str]
    examples: tuple[str, ...]

    def unknown(self, caption: str, known: Iterable[str] = ()) -> list[str]:
        """The words of a caption that are neither among these nor `known` besides, nor made of such
        by hyphens.
        """
        every = self.words.union(known)
        return [
            word
            for word in words_in(caption)
            if word not in every and not all(part in every for part in word.split("-"))
        ]

    def nearest(self, word: str) -> str:
        """The word that one might have been meant to be; "" where none is like it."""
        return next(iter(get_close_matches(word, sorted(self.words), 1, _LIKENESS)), "")


def read_captions(folder: Path) -> Captions | None:
    """What a model's folder says of its captions; None where it says nothing, or is a file.

    Raises:
        CheckpointError: what it says is not allowed.
    """
    path = folder / CAPTIONS
    if not path.is_file():
        return None
    values = read_json(path)
    if values.keys() != {"words", "examples"}:
        raise CheckpointError(path, ", ".join(sorted(values)) or "no keys", "words and examples")

    def texts(key: str) -> list[str]:
        value = values[key]
        if not isinstance(value, list):
            raise CheckpointError(path, f"{key}: {value!r}", "a list of texts")
        for each in value:
            if not isinstance(each, str) or not each.strip():
                raise CheckpointError(path, f"{key}: {each!r} among them", "a list of texts")
        return value

    return Captions(frozenset(texts("words")), tuple(texts("examples")))
