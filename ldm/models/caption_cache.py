"""What a text model made of captions, kept, so that each caption is encoded once.

Owns which are given up when room is short: those not used for longest. Captions are encoded one by
one, so that a caption's states never depend on what else was asked for. Knows nothing of guidance.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import torch

from ldm.models.text_encoder import CaptionEncoder, TextStates

MOST_BYTES = 64 << 20  # a chunk of Stable Diffusion 1's takes 118 KB in 16 bits

Key = tuple[object, int, str]  # what else decides (LoRAs), clip_skip, caption


def _bytes(text: TextStates) -> int:
    return text.states.nbytes + (0 if text.pooled is None else text.pooled.nbytes)


class CaptionCache:
    """The latest encoded captions of one text model. Thread safe.

    most_bytes: how much they may take; one caption that is larger is kept alone.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Key, TextStates] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """What is kept takes so many bytes."""
        with self._lock:
            return sum(map(_bytes, self._kept.values()))

    def _one(
        self, encoder: CaptionEncoder, caption: str, clip_skip: int, weights: object
    ) -> TextStates:
        key = weights, clip_skip, caption
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        text = encoder.encode_captions([caption], clip_skip)
        with self._lock:
            self._kept[key] = text
            total = sum(map(_bytes, self._kept.values()))
            while total > self.most_bytes and len(self._kept) > 1:
                total -= _bytes(self._kept.popitem(last=False)[1])
        return text

    def encode(
        self, encoder: CaptionEncoder, captions: Sequence[str], clip_skip: int, weights: object
    ) -> TextStates:
        """As `CaptionEncoder.encode_captions`.

        weights: tells apart the states that the encoder's weights may be in (hashable).
        Raises PromptError for a caption that cannot be encoded.
        """
        texts = [self._one(encoder, caption, clip_skip, weights) for caption in captions]
        longest = max(text.states.shape[1] for text in texts)
        states = []
        for text in texts:
            missing = longest - text.states.shape[1]
            if missing:  # whole chunks, and an empty caption is one
                empty = self._one(encoder, "", clip_skip, weights).states
                filling = empty.repeat(1, missing // empty.shape[1], 1)
                states.append(torch.cat([text.states, filling], dim=1))
            else:
                states.append(text.states)
        pooled = [text.pooled for text in texts if text.pooled is not None]
        return TextStates(torch.cat(states), torch.cat(pooled) if pooled else None)
