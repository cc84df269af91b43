"""CLIP's tokenizer from the word list that comes with this program.

Files that hold a whole checkpoint carry no tokenizer: those of Stable Diffusion 1, 2 and XL all
mean the one that OpenAI published with CLIP (Radford et al. 2021, arXiv 2103.00020). Owns how its
vocabulary follows from its merges, which are all that is stored. Knows nothing of checkpoints.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

MERGES = Path(__file__).parents[2] / "assets" / "tokenizers" / "clip" / "merges.txt"
START, END = "<|startoftext|>", "<|endoftext|>"
FIRST = "!"  # number 0
START_ID, END_ID = 49406, 49407  # the last ones
LENGTH = 77  # tokens that CLIP's text models read, begin and end included


def _byte_symbols() -> list[str]:
    """The 256 characters that stand for bytes, in the vocabulary's order.

    Those that print stand for themselves, and come first; the others are moved above U+00FF, so
    that no symbol is a space (the byte-level encoding of GPT-2).
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = 256 - len(shown)
    return [*map(chr, shown), *(chr(256 + index) for index in range(hidden))]


@cache
def _vocabulary() -> tuple[dict[str, int], list[Any]]:
    """Token -> number, and the merges, pairs of tokens, in the order of their rank."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()
    merges = [(first, second) for first, second in (line.split(" ") for line in lines)]
    symbols = _byte_symbols()
    ends = [f"{symbol}</w>" for symbol in symbols]
    tokens = [*symbols, *ends, *(first + second for first, second in merges), START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def clip_tokenizer(padding: str = END) -> CLIPTokenizer:
    """A tokenizer of 49,408 tokens; each call gives one of its own, as it keeps settings.

    padding: the token that fills up a chunk. OpenAI's model was trained with `END`, OpenCLIP's
    (Stable Diffusion 2, the second of XL) with `FIRST`. A caption's own "!" is "!</w>" all the
    same, as it was in their training; diffusers' tokenizer files make it the padding, too.
    """
    vocabulary, merges = _vocabulary()
    tokenizer = CLIPTokenizer(dict(vocabulary), list(merges), model_max_length=LENGTH)
    tokenizer.pad_token = padding  # not at construction: there it would be cut out of captions
    return tokenizer
