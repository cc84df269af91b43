"""The words that a model's folder says it learned."""

import json
from pathlib import Path

import pytest

from ldm.checkpoints.captions import Captions, read_captions, words_in
from ldm.checkpoints.files import CheckpointError

KNOWN = Captions(
    frozenset(
        ["a", "the", "elephant", "dinosaur", "snow", "covered", "shepherd's", "hut", "in", "and"]
    ),
    ("a dinosaur in the snow",),
)


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("", []),
        ("Two lions, two LIONS!", ["two", "lions"]),
        ("a (snow-covered:1.3) hut [in fog] 12", ["a", "snow-covered", "hut", "in", "fog"]),
        ("a shepherd\u2019s 3d hut", ["a", "shepherd's", "3d", "hut"]),
        ("Émile und das Kätzchen", ["émile", "und", "das", "kätzchen"]),
        ("富士山 🗻", ["富士山"]),
    ],
)
def test_words_of_a_caption(caption: str, words: list[str]) -> None:
    assert words_in(caption) == words


@pytest.mark.parametrize(
    ("caption", "unknown"),
    [
        ("an elephant and a dinosaur", ["an"]),
        ("a snow-covered hut, a snow-clad one", ["snow-clad", "one"]),
        ("a shepherd's hut in the snow", []),
        ("a hut by my-place", ["by"]),
    ],
)
def test_words_that_a_model_never_learned(caption: str, unknown: list[str]) -> None:
    assert KNOWN.unknown(caption, known=["my-place"]) == unknown


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("elefant", "elephant"), ("dinosaurs", "dinosaur"), ("astronaut", ""), ("x", "")],
)
def test_misspelt_words(word: str, nearest: str) -> None:
    assert KNOWN.nearest(word) == nearest


def test_a_folder_that_says_nothing(tmp_path: Path) -> None:
    assert read_captions(tmp_path) is None
    assert read_captions(tmp_path / "model.safetensors") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"words": ["a"]}, "captions.json: got words, allowed: words and examples"),
        ({"words": "a", "examples": []}, "words: 'a', allowed: a list of texts"),
        ({"words": ["a", 3], "examples": []}, "words: 3 among them"),
        ({"words": ["a"], "examples": [" "]}, "examples: ' ' among them"),
        (["a"], "a JSON list"),
    ],
)
def test_refusals(tmp_path: Path, content: object, said: str) -> None:
    (tmp_path / "captions.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError) as refusal:
        read_captions(tmp_path)
    assert said in str(refusal.value)


def test_the_embedded_model_knows_its_own_captions(embedded_model: Path) -> None:
    captions = read_captions(embedded_model)
    assert captions is not None
    assert len(set(captions.examples)) == len(captions.examples) >= 200
    for example in captions.examples:
        assert captions.unknown(example) == []
    assert captions.unknown("a zeppelin, a unicorn") == ["zeppelin"]
