"""The bundled tokenizer against OpenCLIP's, and against what is known of CLIP's vocabulary."""

import json
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from ldm.checkpoints.clip_tokenizer import (
    END,
    END_ID,
    FIRST,
    LENGTH,
    START_ID,
    clip_tokenizer,
)

REFERENCE = Path(__file__).parents[1] / "references" / "clip_tokens.json"


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return clip_tokenizer()


def test_captions_have_the_numbers_of_openclip(tokenizer: CLIPTokenizer) -> None:
    expected = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert len(expected) == 49
    for caption, numbers in expected.items():
        assert tokenizer(caption, add_special_tokens=False)["input_ids"] == numbers, caption


def test_the_vocabulary_is_clips(tokenizer: CLIPTokenizer) -> None:
    """Its size and its ends, as the paper's program has them."""
    assert len(tokenizer) == 49408
    assert tokenizer.convert_ids_to_tokens([0, 256, 512, 49405]) == [
        "!",
        "!</w>",
        "in",
        "jekyll</w>",
    ]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (START_ID, END_ID) == (49406, 49407)


@pytest.mark.parametrize(("padding", "number"), [(END, 49407), (FIRST, 0)])
def test_each_model_has_its_padding(padding: str, number: int) -> None:
    tokenizer = clip_tokenizer(padding)
    numbers = tokenizer("a cat!", padding="max_length")["input_ids"]
    assert numbers == [49406, 320, 2368, 256, 49407, *[number] * (LENGTH - 5)]


def test_two_of_them_share_nothing(tokenizer: CLIPTokenizer) -> None:
    other = clip_tokenizer()
    other.add_tokens(["made-up"])
    assert len(tokenizer) == 49408
