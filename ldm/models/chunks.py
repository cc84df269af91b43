"""A caption of any length as chunks that a text model can read.

Owns where a caption is cut, and what the page is told of it. A tokenizer is enough: no weights.
The rule is that of AUTOMATIC1111's stable-diffusion-webui: a chunk that is full when another token
comes is cut behind its last comma, if at most 20 tokens (its default) stand from that comma on,
else right there; BREAK ends a chunk wherever it stands; the vectors that a word of textual
inversion stands for are never parted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldm.models.prompt import Break, Words, parse

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMMAS = (",</w>", ",")  # in CLIP's vocabularies, where "," begins a word, and in others
COMMA_BACKTRACK = 20  # tokens


@dataclass(frozen=True)
class Token:
    """A token's number, its weight, and the part [start, end) of the caption that it reads."""

    id: int
    weight: float
    start: int
    end: int
    together: int = 1  # tokens, this one included, that no cut may part


@dataclass(frozen=True)
class AddedWord:
    """A name that stands for vectors of its own (textual inversion, Gal et al. 2022, 2208.01618).

    tokens: as the tokenizer reads the name; ids: the vectors' numbers, which stand for it.
    """

    name: str
    tokens: tuple[int, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Chunk:
    """What the text model reads at once: at most its limit of tokens, and perhaps none.

    start, end: the part of the caption, from its first token to behind its last. A character of
    several tokens (an emoji) may be cut, and then belongs to both chunks.
    """

    tokens: tuple[Token, ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class CaptionLength:
    """How long a caption is, as the page shows it.

    tokens: those of the caption; limit: those that one chunk holds; ends: where each chunk ends,
    as a position in the caption (Python's characters, which are Unicode code points; JavaScript
    counts an emoji as two). The chunks are `len(ends)`, and at least one.
    """

    tokens: int
    limit: int
    ends: tuple[int, ...]


def _end_of_character(caption: str, end: int) -> int:
    """Behind the accents that follow: the tokenizer composes them with their letter."""
    while end < len(caption) and unicodedata.combining(caption[end]):
        end += 1
    return end


def replace_words(tokens: Sequence[Token], words: Sequence[AddedWord]) -> list[Token]:
    """Tokens with the vectors of added words in place of their names, the longest name first."""
    if not words:
        return list(tokens)
    found: list[Token] = []
    at = 0
    longest_first = sorted(words, key=lambda word: len(word.tokens), reverse=True)
    while at < len(tokens):
        ids = [token.id for token in tokens[at:]]
        word = next((w for w in longest_first if tuple(ids[: len(w.tokens)]) == w.tokens), None)
        if word is None:
            found.append(tokens[at])
            at += 1
            continue
        first, last = tokens[at], tokens[at + len(word.tokens) - 1]
        for index, number in enumerate(word.ids):
            together = len(word.ids) if index == 0 else 1
            found.append(Token(number, first.weight, first.start, last.end, together))
        at += len(word.tokens)
    return found


def tokenize(
    tokenizer: PreTrainedTokenizerBase, caption: str, added: Sequence[AddedWord] = ()
) -> list[Token | Break]:
    """The tokens of a caption with their weights, uncut, and the breaks between them.

    added: words that stand for vectors; a name is found within words of one weight.

    Not to be called by two threads at once with the same tokenizer, which keeps its settings as
    state (`TextEncoder` guards its own).
    """
    parts = parse(caption)
    words = [part for part in parts if isinstance(part, Words)]
    if not words:
        return [part for part in parts if isinstance(part, Break)]
    read = tokenizer(
        [part.text for part in words],
        add_special_tokens=False,
        padding=False,
        truncation=False,
        return_offsets_mapping=True,
        verbose=False,  # of being longer than the model's limit: the chunks are there for that
    )
    found: list[Token | Break] = []
    numbers = iter(zip(read["input_ids"], read["offset_mapping"], strict=True))
    for part in parts:
        if isinstance(part, Break):
            found.append(part)
            continue
        own: list[Token] = []
        for number, (first, last) in zip(*next(numbers), strict=True):
            end = _end_of_character(caption, part.positions[last - 1] + 1)
            own.append(Token(number, part.weight, part.positions[first], end))
        found += replace_words(own, added)
    return found


def cut(tokens: Sequence[Token | Break], limit: int, comma: int | None) -> tuple[Chunk, ...]:
    """Chunks of at most `limit` tokens, at least one. comma: the number of that token."""
    chunks: list[Chunk] = []
    current: list[Token] = []
    last_comma: int | None = None  # its place in the current chunk

    def close(size: int, position: int = 0) -> None:
        """End the current chunk behind its first `size` tokens; the rest begins the next one."""
        nonlocal current, last_comma
        done, current, last_comma = tuple(current[:size]), current[size:], None
        start, end = (done[0].start, done[-1].end) if done else (position, position)
        chunks.append(Chunk(done, start, end))

    for token in tokens:
        if isinstance(token, Break):
            close(len(current), token.position)
            continue
        if len(current) == limit:
            size = limit
            # A comma that comes too late opens the next chunk, and no cut is ever made behind it.
            if last_comma is not None and token.id != comma:
                size = last_comma + 1 if limit - last_comma <= COMMA_BACKTRACK else limit
            close(size)
        elif token.id == comma:
            last_comma = len(current)
        if len(current) + token.together > limit:
            close(len(current))
        current.append(token)
    if current or not chunks:
        close(len(current))
    return tuple(chunks)


def chunks_of(
    tokenizer: PreTrainedTokenizerBase, limit: int, caption: str, words: Sequence[AddedWord] = ()
) -> tuple[Chunk, ...]:
    """The chunks of a caption, at least one, for a text model that reads `limit` tokens.

    Empty ones stand where BREAK begins the caption or follows another. Not for two threads at once
    with the same tokenizer.
    """
    vocabulary = tokenizer.get_vocab()
    commas = [vocabulary[comma] for comma in COMMAS if comma in vocabulary]
    return cut(tokenize(tokenizer, caption, words), limit, commas[0] if commas else None)


def caption_length(
    tokenizer: PreTrainedTokenizerBase, limit: int, caption: str, words: Sequence[AddedWord] = ()
) -> CaptionLength:
    """The caption's tokens and where its chunks end; of any text, weights out of range included.

    Not for two threads at once with the same tokenizer.
    """
    chunks = chunks_of(tokenizer, limit, caption, words)
    count = sum(len(chunk.tokens) for chunk in chunks)
    return CaptionLength(count, limit, tuple(chunk.end for chunk in chunks))
