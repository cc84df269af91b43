"""Captions to the states that the U-Net attends to.

Wraps the tokenizer and CLIP text model of ``transformers``, which read their own files. Owns
padding, truncation and the choice of the layer: the last one, normalised. (Stable Diffusion 2
was trained on the last but one of OpenCLIP's model; its files hold one layer fewer.) Knows
nothing of guidance or of weights in a caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer


class TextEncoder:
    """A tokenizer and the text model it was made for.

    Attributes:
        limit: the tokens of a caption that are read, begin and end not counted; the rest is
            cut off. The states have two positions more.
    """

    def __init__(self, tokenizer: CLIPTokenizer, model: CLIPTextModel) -> None:
        self.tokenizer = tokenizer
        self.model = model
        # A tokenizer's file may say nothing of its length, and then gives an enormous one.
        positions = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self.limit = positions - 2
        # The tokenizer keeps padding and truncation as state: two threads would meet there.
        self._lock = Lock()

    def tokens(self, text: str) -> list[str]:
        """The tokens of a caption, uncut, without begin, end and padding."""
        with self._lock:
            return self.tokenizer.tokenize(text)

    def ids(self, texts: Sequence[str]) -> Tensor:
        """Token numbers (B, limit + 2), with begin, end and padding, cut to that length."""
        with self._lock:
            batch = self.tokenizer(
                list(texts),
                padding="max_length",
                max_length=self.limit + 2,
                truncation=True,
                return_tensors="pt",
            )
        return batch["input_ids"]

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """States (B, limit + 2, D) of B captions, on the model's device and in its dtype."""
        ids = self.ids(texts).to(self.model.device)
        return self.model(input_ids=ids).last_hidden_state
