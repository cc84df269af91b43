"""SDXL's two text models, read side by side.

Owns how their states and pooled texts become one (Podell et al. 2023, section 2.1). Knows nothing
of sizes or guidance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ldm.models.chunks import CaptionLength, Chunk
from ldm.models.text_encoder import ChunkEncoder, TextStates, joined, same_length


class TextEncoderPair:
    """A :class:`ldm.models.text_encoder.CaptionEncoder` of two that read the same tokens.

    The states of both stand side by side (the first's features, then the second's); the pooled text
    is the second's. A token's weight changes both, each to keep its own mean. Their tokenizers
    have one vocabulary, and may differ in the padding alone.

    Raises:
        ValueError: they read chunks of different lengths.
    """

    def __init__(self, first: ChunkEncoder, second: ChunkEncoder) -> None:
        if first.limit != second.limit:
            lengths = f"{first.limit + 2} and {second.limit + 2}"
            raise ValueError(f"text models: got {lengths} positions, allowed: the same for both")
        self.first, self.second = first, second
        self.limit = first.limit
        self.layers = min(first.layers, second.layers)

    def tokens(self, text: str) -> list[str]:
        """See :class:`ldm.models.text_encoder.CaptionEncoder`."""
        return self.first.tokens(text)

    def length(self, caption: str) -> CaptionLength:
        """See :class:`ldm.models.text_encoder.CaptionEncoder`."""
        return self.first.length(caption)

    def chunks(self, caption: str) -> tuple[Chunk, ...]:
        """See :class:`ldm.models.text_encoder.CaptionEncoder`."""
        return self.first.chunks(caption)

    def called(self, caption: str) -> tuple[str, ...]:
        """See :class:`ldm.models.text_encoder.CaptionEncoder`."""
        return self.first.called(caption)

    def encode_captions(self, captions: Sequence[str], clip_skip: int = 0) -> TextStates:
        """See :class:`ldm.models.text_encoder.CaptionEncoder`."""
        chunks, each = same_length([self.chunks(caption) for caption in captions])
        first = self.first.encode_chunks(chunks, clip_skip)
        second = self.second.encode_chunks(chunks, clip_skip)
        states = torch.cat([first.states, second.states.to(first.states)], dim=-1)
        return joined(TextStates(states, second.pooled), each)
