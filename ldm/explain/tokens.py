"""A caption's places in what the U-Net reads: begin, tokens, end and padding, chunk by chunk.

Owns which place holds which piece of the caption, and which places make a word. Needs a tokenizer's
cut alone, no weights.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ldm.models.chunks import Chunk
from ldm.models.text_encoder import CaptionEncoder

Kind = Literal["begin", "token", "end", "padding"]


@dataclass(frozen=True)
class Place:
    """One of the L states that cross-attention looks at.

    text: the piece of the caption that a token reads, "" for the other kinds; number: the token's,
    None for the other kinds; start, end: where the piece stands in the caption.
    """

    position: int
    kind: Kind
    text: str = ""
    number: int | None = None
    weight: float = 1.0
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Word:
    """A word of the caption, or a sign, and the places of its tokens."""

    text: str
    positions: tuple[int, ...]


def _chunk_places(caption: str, chunk: Chunk, first: int, limit: int) -> list[Place]:
    places = [Place(first, "begin")]
    for token in chunk.tokens:
        text = caption[token.start : token.end]
        at = first + len(places)
        places.append(Place(at, "token", text, token.id, token.weight, token.start, token.end))
    places.append(Place(first + len(places), "end"))
    while len(places) < limit + 2:
        places.append(Place(first + len(places), "padding"))
    return places


def places_of(encoder: CaptionEncoder, caption: str, total: int | None = None) -> tuple[Place, ...]:
    """The places of a caption's states, in their order.

    total: how many states there are, where a longer negative prompt has lengthened them with empty
    chunks; those of the caption alone where None.
    """
    size = encoder.limit + 2
    chunks = list(encoder.chunks(caption))
    if total is not None:
        chunks += [Chunk()] * (total // size - len(chunks))
    return tuple(
        place
        for index, chunk in enumerate(chunks)
        for place in _chunk_places(caption, chunk, index * size, encoder.limit)
    )


def words_of(places: Sequence[Place], caption: str) -> tuple[Word, ...]:
    """The words that the tokens spell: neighbours with nothing between them in the caption."""
    words: list[list[Place]] = []
    for place in places:
        if place.kind != "token":
            continue
        last = words[-1][-1] if words else None
        joined = last is not None and last.end >= place.start
        # A sign beside a word stands for itself: "lake," is two.
        signs = re.fullmatch(r"\W+", place.text) or (last and re.fullmatch(r"\W+", last.text))
        if joined and not signs:
            words[-1].append(place)
        else:
            words.append([place])
    return tuple(
        Word(caption[word[0].start : word[-1].end], tuple(place.position for place in word))
        for word in words
    )
