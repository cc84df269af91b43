"""Textual inversion against diffusers' loader; its words in captions against A1111's rules."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.files import PICKLES
from ldm.checkpoints.load import Checkpoint, CheckpointError, load
from ldm.checkpoints.textual_inversion import read_embeddings
from ldm.models.chunks import AddedWord, Token, replace_words
from ldm.models.text_encoder import TextEncoder
from ldm.models.text_encoder_pair import TextEncoderPair
from ldm.pipeline.pictures import made_with
from ldm.recipe import Recipe
from tests.checkpoints.small_models import Small, sd1, xl

CPU, FLOAT32 = torch.device("cpu"), torch.float32
VOCABULARY = 49408


@pytest.fixture(scope="module")
def small() -> Small:
    torch.manual_seed(0)
    return sd1()


@pytest.fixture(scope="module")
def folder(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inversion") / "sd1"
    small.pipeline.save_pretrained(path)
    return path


def vectors(count: int, width: int = 64, seed: int = 1) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) / 8


def write(path: Path, **tensors: Tensor) -> Path:
    save_file(tensors, path)
    return path


def with_words(folder: Path, *files: Path) -> Checkpoint:
    return load(folder, CPU, FLOAT32, Extras(embeddings=files))


def encoder(checkpoint: Checkpoint) -> TextEncoder:
    assert isinstance(checkpoint.text_encoder, TextEncoder)
    return checkpoint.text_encoder


# --- against diffusers --------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("key", ["emb_params", "<my-style>"])
def test_captions_as_diffusers_encodes_them(folder: Path, tmp_path: Path, key: str) -> None:
    """Of kohya's and A1111's one tensor and of diffusers' own, with three vectors; 1e-5."""
    import diffusers

    file = write(tmp_path / "my-style.safetensors", **{key: vectors(3)})
    ours = encoder(with_words(folder, file))
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.load_textual_inversion({"any": vectors(3)}, token="my-style")
    captions = ["a lake, my-style, at dawn", "MY-STYLE", "a lake"]
    words = [pipeline.maybe_convert_prompt(text.lower(), pipeline.tokenizer) for text in captions]
    ids = pipeline.tokenizer(words, padding="max_length", return_tensors="pt").input_ids
    states = pipeline.text_encoder(ids).last_hidden_state
    assert (ids >= VOCABULARY).sum() == 6, "diffusers has not found the word"
    torch.testing.assert_close(ours.encode_captions(captions).states, states, atol=1e-5, rtol=0)


@torch.no_grad()
def test_xls_pair_as_diffusers_encodes_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pipeline = xl().pipeline
    pipeline.save_pretrained(tmp_path / "xl")
    first, second = vectors(2, seed=2), vectors(2, seed=3)
    file = write(tmp_path / "inkwash.safetensors", clip_l=first, clip_g=second)
    ours = with_words(tmp_path / "xl", file).text_encoder
    assert isinstance(ours, TextEncoderPair)
    for part, tensor in (("", first), ("_2", second)):
        pipeline.load_textual_inversion(
            {"any": tensor},
            token="inkwash",
            text_encoder=getattr(pipeline, f"text_encoder{part}"),
            tokenizer=getattr(pipeline, f"tokenizer{part}"),
        )
    states, _, pooled, _ = pipeline.encode_prompt(
        "a boat inkwash", do_classifier_free_guidance=False
    )
    got = ours.encode_captions(["a boat inkwash"])
    torch.testing.assert_close(got.states, states, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.pooled, pooled, atol=1e-5, rtol=0)
    assert ours.length("a boat inkwash").tokens == 4


# --- in captions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """With "ink" of two vectors, "ink wash" of three, and "one" of one."""
    path = tmp_path_factory.mktemp("words")
    files = [
        write(path / "ink.safetensors", emb_params=vectors(2)),
        write(path / "ink wash.safetensors", emb_params=vectors(3, seed=4)),
        write(path / "One.safetensors", emb_params=vectors(1, seed=5)[0]),
    ]
    return encoder(with_words(folder, *files))


INK, WASH, ONE = (49408, 49409), (49410, 49411, 49412), (49413,)


def ids(words: TextEncoder, caption: str) -> list[list[int]]:
    return [[token.id for token in chunk.tokens] for chunk in words.chunks(caption)]


def test_a_word_is_found_wherever_it_stands(words: TextEncoder) -> None:
    lake = words.token_ids("lake")[0]
    for caption, expected in (
        ("lake ink", [lake, *INK]),
        ("INK lake", [*INK, lake]),
        ("ink ink", [*INK, *INK]),
        ("ink wash lake", [*WASH, lake]),  # the longest name first
        ("one", [*ONE]),
        ("inky", list(words.token_ids("inky"))),  # no part of another word
        ("lake", [lake]),
    ):
        assert ids(words, caption) == [expected], caption


def test_its_vectors_weigh_what_its_name_does(words: TextEncoder) -> None:
    (chunk,) = words.chunks("(ink:1.3) lake")
    assert [(token.id, token.weight) for token in chunk.tokens[:2]] == [
        (49408, 1.3),
        (49409, 1.3),
    ]
    assert (chunk.tokens[1].start, chunk.tokens[1].end) == (1, 4)
    assert chunk.tokens[2].weight == 1


def test_the_count_is_of_vectors(words: TextEncoder) -> None:
    """And none is parted from its neighbours: the chunk before stays short of them."""
    assert words.length("lake ink").tokens == 3
    assert words.length("ink wash, one").tokens == 5
    caption = "lake " * 74 + "ink wash lake"
    length = words.length(caption)
    assert length.tokens == 78 and len(length.ends) == 2
    assert length.ends[0] == len("lake " * 74) - 1
    chunks = words.chunks(caption)
    assert [len(chunk.tokens) for chunk in chunks] == [74, 4]
    assert [token.id for token in chunks[1].tokens[:3]] == list(WASH)
    # With one place more they would fit.
    assert [len(chunk.tokens) for chunk in words.chunks("lake " * 72 + "ink wash")] == [75]


def test_a_name_that_begins_like_another_is_no_trap() -> None:
    """By hand: 1 2 3 is a word, 1 2 another; 1 alone and 2 3 are none."""
    added = [AddedWord("short", (1, 2), (10,)), AddedWord("long", (1, 2, 3), (20, 21))]

    def read(*numbers: int) -> list[int]:
        tokens = [Token(number, 1.0, at, at + 1) for at, number in enumerate(numbers)]
        return [token.id for token in replace_words(tokens, added)]

    assert read(1, 2, 3) == [20, 21]
    assert read(1, 2, 1, 2, 3, 4) == [10, 20, 21, 4]
    assert read(1, 3, 2, 3) == [1, 3, 2, 3]
    assert read(1) == [1]


@torch.no_grad()
def test_a_model_without_words_and_captions_without_them_are_as_before(
    folder: Path, words: TextEncoder
) -> None:
    plain = load(folder, CPU, FLOAT32)
    bare = encoder(plain)
    assert bare.words == () and bare.text_model.embeddings.token_embedding.num_embeddings == 49408
    for caption in ("a lake", "a (lake:1.2) BREAK boat"):
        assert torch.equal(
            bare.encode_captions([caption]).states, words.encode_captions([caption]).states
        )


def test_the_digest_stays_and_the_picture_tells_what_was_called(
    folder: Path, tmp_path: Path
) -> None:
    files = [
        write(tmp_path / f"{name}.safetensors", emb_params=vectors(1, seed=seed))
        for seed, name in enumerate(("pen", "crayon", "chalk"))
    ]
    checkpoint = with_words(folder, *files)
    assert checkpoint.digest == load(folder, CPU, FLOAT32).digest
    assert set(checkpoint.embeddings) == {"pen", "crayon", "chalk"}
    assert len(set(checkpoint.embeddings.values())) == 3
    recipe = Recipe(
        "a pen drawing",
        negative_prompt="chalk",
        num_inference_steps=1,
        guidance_scale=2,
        width=64,
        height=64,
    )
    hashes = json.loads(made_with(checkpoint, recipe))["embedding_hashes"]
    assert hashes == {name: checkpoint.embeddings[name] for name in ("pen", "chalk")}


# --- refusals -----------------------------------------------------------------------------------


def _refusal(words: TextEncoder, *files: Path) -> str:
    """From what `load` asks before it reads the model's weights."""
    with pytest.raises(CheckpointError) as caught:
        read_embeddings(words, files)
    assert str(caught.value).startswith(f"{files[-1]}: got ")
    return str(caught.value)


@pytest.mark.parametrize("suffix", PICKLES)
def test_pickles(words: TextEncoder, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"style{suffix}"
    file.write_bytes(b"PK")
    assert "a pickle can run any program" in _refusal(words, file)


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({}, "0 tensors"),
        ({"a": vectors(1), "b": vectors(1)}, "2 tensors (a, b), allowed: an embedding"),
        ({"clip_l": vectors(1), "other": vectors(1)}, "2 tensors (clip_l, other)"),
        ({"clip_l": vectors(1), "clip_g": vectors(2)}, "1 and 2 vectors"),
        ({"emb_params": torch.ones(1, 2, 64)}, "emb_params of shape (1, 2, 64)"),
        ({"emb_params": torch.ones(0, 64)}, "emb_params of shape (0, 64)"),
        ({"emb_params": vectors(1, 768)}, "768 numbers, for another family, allowed: 64"),
        (
            {"clip_l": vectors(1, 768), "clip_g": vectors(1, 1280)},
            "768 and 1280 numbers, for another family, allowed: 64",
        ),
        (
            {"clip_l": vectors(1), "clip_g": vectors(1)},  # not even if one part would go
            "64 and 64 numbers, for another family, allowed: 64",
        ),
        ({"emb_params": vectors(76)}, "76 vectors, allowed: at most 75"),
        ({"emb_params": torch.full((1, 64), float("nan"))}, "with NaN or infinity"),
        ({"emb_params": torch.ones(1, 64, dtype=torch.int8)}, "emb_params as I8"),
    ],
)
def test_files_that_do_not_go(
    words: TextEncoder, tmp_path: Path, tensors: dict[str, Tensor], what: str
) -> None:
    assert what in _refusal(words, write(tmp_path / "style.safetensors", **tensors))


def test_damaged_files_and_names(words: TextEncoder, tmp_path: Path) -> None:
    assert "got no such file" in _refusal(words, tmp_path / "none.safetensors")
    file = write(tmp_path / "style.safetensors", emb_params=vectors(1))
    (tmp_path / "b").mkdir()
    twin = write(tmp_path / "b" / "Style.safetensors", emb_params=vectors(1))
    assert f"got the name of {file}" in _refusal(words, file, twin)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:-1])
    assert "do not open" in _refusal(words, cut)


def test_a_refused_word_stops_the_loading(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "style.safetensors", emb_params=vectors(1, 768))
    with pytest.raises(CheckpointError, match="for another family"):
        with_words(folder, file)


def test_one_for_models_that_read_no_captions_of_clips(tmp_path: Path) -> None:
    file = write(tmp_path / "style.safetensors", emb_params=vectors(1))
    with pytest.raises(CheckpointError, match="allowed: none: this model has no text"):
        read_embeddings(None, [file])
