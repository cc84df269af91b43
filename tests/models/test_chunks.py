"""Where captions are cut, by hand on captions of one-letter words, each of which is one token."""

import random

import pytest
from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from ldm.models.chunks import CaptionLength, Chunk, Token, caption_length, chunks_of, cut
from ldm.models.prompt import Break, Words, parse

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
ENTRIES = [*BYTES, *(byte + "</w>" for byte in BYTES), "<|startoftext|>", "<|endoftext|>"]
COMMA = -1


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    """A token a byte, so that any text has tokens that can be counted by hand."""
    vocabulary = {entry: number for number, entry in enumerate(ENTRIES)}
    return CLIPTokenizer(vocabulary, [], model_max_length=32)


def cut_sizes(text: str, limit: int) -> list[int]:
    """How many tokens each chunk has: in `text`, "," is a comma, "|" a BREAK, the rest words."""
    tokens: list[Token | Break] = [
        Break(place) if letter == "|" else Token(COMMA if letter == "," else 0, 1.0, place, place)
        for place, letter in enumerate(text)
    ]
    return [len(chunk.tokens) for chunk in cut(tokens, limit, COMMA)]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", [0]),
        ("w" * 30, [30]),
        ("w" * 31, [30, 1]),
        ("w" * 61, [30, 30, 1]),
        # Behind the last comma, if 20 tokens stand from that comma to the end of the full chunk.
        ("w" * 10 + "," + "w" * 19 + "w", [11, 20]),
        ("w" * 9 + "," + "w" * 20 + "w", [30, 1]),
        ("w" * 29 + "," + "w", [30, 1]),
        ("ww,ww,wwwwwwwwww,wwwwwwwwwwwww,w", [30, 2]),
        ("ww,ww,wwwwwwwwww,wwwwwwwwwwwwwwwww", [17, 17]),
        # It fits: no comma is sought.
        ("w" * 20 + "," + "w" * 9, [30]),
        # A comma that comes too late is not a word to be kept with the others.
        ("w" * 15 + "," + "w" * 14 + ",w", [30, 2]),
        # Each comma serves its own chunk.
        ("w" * 28 + "," + "w" * 31, [29, 30, 1]),
        ("w" * 30 + "," + "w" * 30, [30, 30, 1]),
        # What moves counts in the next chunk.
        ("w" * 15 + "," + "w" * 14 + "w" * 16, [16, 30]),
        ("w" * 15 + "," + "w" * 14 + "w" * 17, [16, 30, 1]),
        # BREAK, wherever it stands.
        ("w|w", [1, 1]),
        ("|w", [0, 1]),
        ("w|", [1]),
        ("|", [0]),
        ("w||w", [1, 0, 1]),
        ("w" * 30 + "|" + "w", [30, 1]),
        ("w,|" + "w" * 31, [2, 30, 1]),
    ],
)
def test_cuts_by_hand(text: str, sizes: list[int]) -> None:
    assert cut_sizes(text, 30) == sizes


def test_clips_own_limit() -> None:
    """75 tokens: 54 words, a comma and 20 words; then 55 words, a comma and 19 words."""
    assert cut_sizes("w" * 54 + "," + "w" * 20 + "w", 75) == [75, 1]
    assert cut_sizes("w" * 55 + "," + "w" * 19 + "w", 75) == [56, 20]


def test_a_limit_below_the_backtrack_ends() -> None:
    assert cut_sizes("," + "w" * 12, 5) == [1, 5, 5, 2]


@pytest.mark.parametrize("count", [0, 1, 29, 30])
def test_length_up_to_the_limit(tokenizer: CLIPTokenizer, count: int) -> None:
    caption = " ".join("abcdefghij"[place % 10] for place in range(count))
    assert caption_length(tokenizer, 30, caption) == CaptionLength(count, 30, (len(caption),))


def test_length_above_the_limit(tokenizer: CLIPTokenizer) -> None:
    caption = "a " * 30 + "b"
    length = caption_length(tokenizer, 30, caption)
    assert length == CaptionLength(31, 30, (59, 61))
    assert caption[: length.ends[0]].split() == ["a"] * 30


def test_the_page_can_mark_each_cut(tokenizer: CLIPTokenizer) -> None:
    """Positions are those of the caption as typed, brackets included."""
    caption = "a (b, c:1.2) " + "d " * 6 + "BREAK [e]"
    length = caption_length(tokenizer, 8, caption)
    assert length.tokens == 11
    assert [caption[:end] for end in length.ends] == ["a (b,", caption[:24], caption[:-1]]
    chunks = chunks_of(tokenizer, 8, caption)
    parts = [caption[chunk.start : chunk.end] for chunk in chunks]
    assert parts == ["a (b,", "c:1.2) d d d d d d", "e"]


def test_weights_go_with_their_tokens(tokenizer: CLIPTokenizer) -> None:
    (chunk,) = chunks_of(tokenizer, 30, "ab (c [d]:2) e")
    letters = tokenizer.convert_ids_to_tokens([token.id for token in chunk.tokens])
    assert letters == ["a", "b</w>", "c</w>", "d</w>", "e</w>"]
    assert [token.weight for token in chunk.tokens] == pytest.approx([1, 1, 2, 2 / 1.1, 1])


def test_empty_chunks_have_a_place(tokenizer: CLIPTokenizer) -> None:
    chunks = chunks_of(tokenizer, 30, "a BREAK BREAK b")
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 1), (8, 8), (14, 15)]
    assert chunks_of(tokenizer, 30, " ") == chunks_of(tokenizer, 30, "") == (Chunk(),)
    assert chunks_of(tokenizer, 30, "BREAK") == (Chunk(),)


@pytest.mark.parametrize(
    ("caption", "ends", "count"),
    [
        ("夕暮れ", (1, 2, 3), 9),  # three bytes each
        ("🏔🌅", (1, 2, 2), 8),  # four bytes each: the first and half of the second are cut
        ("e\u0301a bc", (3, 6), 5),  # composed: two bytes; no cut between a letter and its accent
        ("Caf\u00c9 x", (3, 6), 6),
        ("İab", (1, 3), 5),  # in lower case two characters, of one byte and of two
    ],
)
def test_characters_of_many_bytes(
    tokenizer: CLIPTokenizer, caption: str, ends: tuple[int, ...], count: int
) -> None:
    assert caption_length(tokenizer, 3, caption) == CaptionLength(count, 3, ends)


def test_random_captions(tokenizer: CLIPTokenizer) -> None:
    """No token is lost, doubled or moved by cutting, and every visible character has a place."""
    rng = random.Random(0)
    pieces = [
        *"()[]\\:,, \n",
        "BREAK",
        "ab ",
        "lake ",
        "Ö",
        "e\u0301",
        "湖",
        "🏔️",
        "İ",
        "ﬁ",
        "\u200d",
    ]
    pieces += ["\x00", "1.5", ":1.2)", "'s", "<|endoftext|>", "ß", "\ufeff", "한", "ཀྵ"]
    comma = tokenizer.get_vocab()[",</w>"]
    for _ in range(500):
        caption = "".join(rng.choices(pieces, k=rng.randrange(40)))
        chunks = chunks_of(tokenizer, 25, caption)
        words = [part for part in parse(caption) if isinstance(part, Words)]
        wanted = [
            number
            for part in words
            for number in tokenizer(part.text, add_special_tokens=False)["input_ids"]
        ]
        tokens = [token for chunk in chunks for token in chunk.tokens]
        assert [token.id for token in tokens] == wanted
        assert all(len(chunk.tokens) <= 25 for chunk in chunks)
        assert all(0 <= token.start < token.end <= len(caption) for token in tokens)
        ends = caption_length(tokenizer, 25, caption).ends
        assert list(ends) == sorted(ends) and len(ends) == len(chunks)
        read = {place for token in tokens for place in range(token.start, token.end)}
        for part in words:
            for letter, place in zip(part.text, part.positions, strict=True):
                assert place in read or letter.isspace()
        for chunk in chunks[:-1]:
            if 0 < len(chunk.tokens) < 25 and "BREAK" not in caption:
                assert chunk.tokens[-1].id == comma
