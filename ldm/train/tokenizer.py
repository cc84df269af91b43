"""A CLIP-style byte-pair tokenizer of the embedded model's own, trained on its captions.

It is an ordinary `CLIPTokenizer`: same normalisation, splitting and end-of-word marks, only
smaller. Every byte is in the vocabulary, so any text can be encoded; words the drawings know become
single tokens.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

VOCABULARY_SIZE = 4096
CONTEXT = 64  # tokens of a caption, with begin and end
SUFFIX = "</w>"
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORDS = Path(__file__).with_name(
    "words.txt"
)  # things the model is to draw later: one token each already


def train_tokenizer(
    captions: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE
) -> CLIPTokenizer:
    """Learn merges from captions (and words.txt). Deterministic for the same captions in the same
    order.
    """
    reference = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix=SUFFIX))
    learner.normalizer = reference.normalizer
    learner.pre_tokenizer = reference.pre_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet = letters + [letter + SUFFIX for letter in letters]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - 2,
        min_frequency=3,
        end_of_word_suffix=SUFFIX,
        show_progress=False,
        initial_alphabet=letters,
    )
    known_words = [line.strip() for line in WORDS.read_text().splitlines() if line.strip()]
    learner.train_from_iterator([*captions, *(known_words * 3)], trainer)
    merges = learned_merges(learner)
    entries = alphabet + [merge.replace(" ", "") for merge in merges]
    vocabulary = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    for special in (BEGIN, END):
        vocabulary[special] = len(vocabulary)
    pairs = [tuple(merge.split(" ")) for merge in merges]
    # Annotated as list[str] there, but the tokenizers library takes pairs alone.
    return CLIPTokenizer(vocabulary, cast(list[str], pairs), model_max_length=CONTEXT)


def learned_merges(tokenizer: Tokenizer) -> list[str]:
    """A BPE's merges in order, each "left right", read from its own serialisation."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
