"""The notation of captions against the documented examples of stable-diffusion-webui, cases worked
by hand, and random captions whose weights are known because the test wrote their brackets.
"""

import pickle
import random
import re

import pytest

from ldm.models.prompt import Break, PromptError, Words, check_weights, parse

NOTATION = re.compile(r"(?:[()\[\]\\]|:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*\)|\s*BREAK\s*)*")
BREAK = ("BREAK", None)


def read(caption: str) -> list[tuple[str, float | None]]:
    return [
        BREAK if isinstance(part, Break) else (part.text, part.weight) for part in parse(caption)
    ]


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
    ],
)
def test_the_documented_examples(caption: str, parts: list[tuple[str, float]]) -> None:
    assert [text for text, _ in read(caption)] == [text for text, _ in parts]
    assert [weight for _, weight in read(caption)] == pytest.approx([w for _, w in parts])


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("", []),
        ("()", []),
        ("   ", [("   ", 1)]),
        ("[lake]", [("lake", 1 / 1.1)]),
        ("([lake])", [("lake", 1)]),
        ("(lake:2)", [("lake", 2)]),
        ("(lake:.5)", [("lake", 0.5)]),
        ("(lake:2.)", [("lake", 2)]),
        ("(lake:+2)", [("lake", 2)]),
        ("(lake: 1.5 )", [("lake", 1.5)]),
        ("(lake:0)", [("lake", 0)]),
        ("((a:2) b:3)", [("a", 6), (" b", 3)]),
        # One number may stand in a text; the one before the bracket counts.
        ("(ratio 16:9:2)", [("ratio 16:9", 2)]),
        ("at 16:9", [("at 16:9", 1)]),
        ("(16:9)", [("16", 9)]),
        # No numbers: text, and the bracket means what it always does.
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("(a:.)", [("a:.", 1.1)]),
        ("(a:1,2)", [("a:1,2", 1.1)]),
        # A number weighs in round brackets alone.
        ("[a:0.5]", [("a:0.5", 1 / 1.1)]),
        ("a:1.2)", [("a:1.2)", 1)]),
        # Nobody opened it; nobody closed it.
        ("a) b]", [("a) b]", 1)]),
        ("a ((b [c", [("a ", 1), ("b ", 1.21), ("c", 1.1)]),
        # The two kinds of brackets do not see one another.
        ("([a)b]", [("a", 1), ("b", 1 / 1.1)]),
        (r"\(a\) \[b\]", [("(a) [b]", 1)]),
        (r"(a\):2)", [("a)", 2)]),
        (r"a\\(b)", [("a\\", 1), ("b", 1.1)]),
        (r"a\b\ ", [("ab ", 1)]),
        ("a\\", [("a", 1)]),
        # Other brackets are text.
        ("\uff08wide\uff09 {curly} <angle>", [("\uff08wide\uff09 {curly} <angle>", 1)]),
        ("🏔️ (🌅:1.5)", [("🏔️ ", 1), ("🌅", 1.5)]),
    ],
)
def test_weights(caption: str, parts: list[tuple[str, float]]) -> None:
    assert [text for text, _ in read(caption)] == [text for text, _ in parts]
    assert [weight for _, weight in read(caption)] == pytest.approx([w for _, w in parts])


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("a BREAK b", [("a", 1), BREAK, ("b", 1)]),
        ("a\n\nBREAK\n\nb", [("a", 1), BREAK, ("b", 1)]),
        ("a,BREAK,b", [("a,", 1), BREAK, (",b", 1)]),
        ("BREAK", [BREAK]),
        ("BREAK BREAK a", [BREAK, BREAK, ("a", 1)]),
        ("a break b", [("a break b", 1)]),
        ("a Break b", [("a Break b", 1)]),
        ("aBREAK BREAKS", [("aBREAK BREAKS", 1)]),
        ("éBREAK BREAK_1", [("éBREAK BREAK_1", 1)]),
        ("(a)BREAK(b:2)", [("a", 1.1), BREAK, ("b", 2)]),
        ("(a BREAK b:2)", [("a", 2), BREAK, ("b", 2)]),
        ("(a BREAK b", [("a", 1.1), BREAK, ("b", 1.1)]),
    ],
)
def test_breaks(caption: str, parts: list[tuple[str, float | None]]) -> None:
    assert read(caption) == parts


def test_a_break_knows_its_place() -> None:
    assert parse("(a)  BREAK b")[1] == Break(5)


def random_caption(rng: random.Random) -> str:
    pieces = ["(", ")", "[", "]", "\\", ":", ":1.2)", ": 3 )", "BREAK", " ", " ", ",", "\n"]
    pieces += ["a", "lake", "Ö", "e\u0301", "湖", "🏔️", "👩‍👩‍👧", "1", ".", "İ", "\u00a0", "\x00"]
    return "".join(rng.choices(pieces, k=rng.randrange(40)))


def test_no_text_is_lost() -> None:
    """Whatever the brackets: each character is kept in its order and place, or it is notation."""
    rng = random.Random(0)
    for _ in range(500):
        caption = random_caption(rng)
        kept: list[int] = []
        for part in parse(caption):
            if isinstance(part, Words):
                assert part.text == "".join(caption[position] for position in part.positions)
                kept += part.positions
            else:
                assert caption.startswith("BREAK", part.position)
        assert kept == sorted(set(kept))
        removed, before = [], -1
        for position in [*kept, len(caption)]:
            removed.append(caption[before + 1 : position])
            before = position
        assert all(NOTATION.fullmatch(text) for text in removed), (caption, removed)


def test_random_brackets_weigh_what_they_enclose() -> None:
    rng = random.Random(1)

    def write(depth: int, weight: float) -> tuple[str, list[tuple[str, float]]]:
        text, letters = "", []
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(4) if depth else 0
            if kind == 0:
                letter = rng.choice("abc ")
                text, letters = text + letter, [*letters, (letter, weight)]
                continue
            factor = rng.choice([0.5, 1.25, 3]) if kind == 3 else (1.1, 1 / 1.1)[kind - 1]
            inner, found = write(depth - 1, weight * factor)
            text += {1: f"({inner})", 2: f"[{inner}]", 3: f"({inner}:{factor})"}[kind]
            letters += found
        return text, letters

    for _ in range(200):
        caption, letters = write(5, 1.0)
        words = [part for part in parse(caption) if isinstance(part, Words)]
        assert "".join(part.text for part in words) == "".join(letter for letter, _ in letters)
        weights = [part.weight for part in words for _ in part.text]
        assert weights == pytest.approx([weight for _, weight in letters]), caption


@pytest.mark.parametrize("caption", ["(a:0)", "(a:10)", "a", "", "BREAK", "(" * 24 + "a"])
def test_weights_within_the_limits(caption: str) -> None:
    check_weights(parse(caption))


@pytest.mark.parametrize(
    ("caption", "weight", "words"),
    [
        ("a (castle:10.5)", "10.5", "castle"),
        ("((a:5):5)", "25", "a"),
        ("(a:-0.5)", "-0.5", "a"),
        ("(" * 25 + "a", "10.83", "a"),
        ("(a:" + "9" * 400 + ")", "inf", "a"),
        ("((a:0):" + "9" * 400 + ")", "nan", "a"),
        ("(a very long description:11)", "11", "a very long descr..."),
    ],
)
def test_weights_beyond_the_limits(caption: str, weight: str, words: str) -> None:
    with pytest.raises(PromptError) as caught:
        check_weights(parse(caption))
    assert caught.value.got == f"the weight {weight} for {words!r}"
    assert "from 0 to 10" in caught.value.allowed
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
