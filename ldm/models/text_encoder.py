"""Captions to the states that the U-Net attends to.

Wraps the tokenizer and CLIP text model of ``transformers``, which read their own files. Owns
padding, the choice of the layer, and what a token's weight does to its state. How a caption writes
its weights stands in ``prompt``, where it is cut in ``chunks``. Knows nothing of guidance.

A family reads a layer of its own: Stable Diffusion 1 and 2 the last one, normalised (2 was trained
on the last but one of OpenCLIP's model, and its files hold one layer fewer), SDXL the last but one
as it is. Layers that a caption asks to skip (``clip_skip``) count from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerBase,
)

from ldm.models.chunks import AddedWord, CaptionLength, Chunk, caption_length, chunks_of
from ldm.models.prompt import LARGEST_WEIGHT, PromptError, check_weights, parse

# With so many, attention to a caption of CLIP's costs about what a picture of 512 x 512 pixels
# spends on attention to itself; one request must not take all of the memory.
MAX_CHUNKS = 64
CENTRED = 1e-3  # states with a mean below this, for each 1 of their root mean square, have none


def weigh(states: Tensor, weights: Tensor) -> Tensor:
    """Multiply each token's state by its weight, then all of a chunk to keep the chunk's mean.

    The default rule ("Original") of AUTOMATIC1111's stable-diffusion-webui: for a chunk's states z
    (L, D) and weights w (L,), begin, end and padding weighing 1, the result is
    z' * mean(z) / mean(z') with z' = w * z, the means over all numbers of the chunk.

    Where the mean of every token has one sign, as in CLIP's models, that factor lies between
    1 / max(w) and 1 / min(w). It is kept within these bounds, and below 10, where the signs differ:
    mean(z') may then be about zero. And states that are centred already have no mean to restore,
    but the rounding of one (below a thousandth of their size): there the factor is 1.

    states (N, L, D) of N chunks, weights (N, L) from 0 to 10. The result is in the states' dtype;
    the arithmetic is in float32.
    """
    before = states.float()
    after = before * weights[..., None]
    mean, new_mean = before.mean((1, 2)), after.mean((1, 2))
    size = before.square().mean((1, 2)).sqrt()
    smallest = weights.amin(1).clamp(min=1 / LARGEST_WEIGHT)
    bounded = (mean / new_mean).clamp(1 / weights.amax(1), 1 / smallest)
    centred = (mean.abs() < CENTRED * size) | (new_mean == 0)
    factor = torch.where(centred, 1.0, bounded)
    return (after * factor[:, None, None]).to(states.dtype)


@dataclass(frozen=True, eq=False)
class TextStates:
    """What a text model makes of N texts: states (N, L, D), and pooled texts (N, P) if it has."""

    states: Tensor
    pooled: Tensor | None = None


class CaptionEncoder(Protocol):
    """What every family's text models offer. Threads may share one.

    Attributes:
        limit: the tokens of a chunk, begin and end not counted.
        layers: how many there are up to the family's own; one less may be skipped.
    """

    limit: int
    layers: int

    def tokens(self, text: str) -> list[str]:
        """The tokens of a plain text, uncut, without begin, end and padding."""
        ...

    def length(self, caption: str) -> CaptionLength:
        """How many tokens a caption has, and where its chunks end; see `CaptionLength`."""
        ...

    def chunks(self, caption: str) -> tuple[Chunk, ...]:
        """The chunks of a caption that may be encoded, at least one.

        Raises PromptError for a weight out of its limits and for more than 64 chunks.
        """
        ...

    def called(self, caption: str) -> tuple[str, ...]:
        """The names of textual inversion that a caption calls."""
        ...

    def encode_captions(self, captions: Sequence[str], clip_skip: int = 0) -> TextStates:
        """States (B, chunks * L, D) of B captions in the notation of ``prompt``.

        The states of a caption's chunks stand one behind the other; captions of fewer chunks than
        the longest are filled up with empty ones, so that all can share a U-Net call. The pooled
        text is the first chunk's. clip_skip: the last layers to leave out, 0 to `layers` - 1.
        Raises PromptError for a caption that cannot be encoded.
        """
        ...


def same_length(captions: Sequence[Sequence[Chunk]]) -> tuple[list[Chunk], int]:
    """All captions' chunks in a row, each caption filled up with empty ones to as many as the
    longest has; and how many that is.
    """
    most = max(map(len, captions))
    filled = [[*chunks, *[Chunk()] * (most - len(chunks))] for chunks in captions]
    return [chunk for chunks in filled for chunk in chunks], most


def joined(text: TextStates, chunks: int) -> TextStates:
    """Captions of so many chunks each, from the chunks: see `CaptionEncoder.encode_captions`."""
    states = text.states.unflatten(0, (-1, chunks)).flatten(1, 2)
    return TextStates(states, None if text.pooled is None else text.pooled[::chunks])


def special_token(number: object) -> int:
    """The number of a tokenizer's token for the beginning or the end. ValueError if it has none."""
    if not isinstance(number, int):
        raise ValueError(f"tokenizer: got {number!r} for a special token, allowed: its number")
    return number


class ChunkEncoder(ABC):
    """A :class:`CaptionEncoder` whose text model reads chunks, each between a begin and an end
    token and filled up with padding.

    positions: how many tokens the model reads at once, those two included. begin, end: their
    numbers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, positions: int, layers: int, begin: int, end: int
    ) -> None:
        self.tokenizer = tokenizer
        # A tokenizer's file may say nothing of its length, and then gives an enormous one.
        self.limit = min(tokenizer.model_max_length, positions) - 2
        self.layers = layers
        self.begin, self.end = begin, end
        self.words: tuple[AddedWord, ...] = ()  # of textual inversion
        # The tokenizer keeps padding and truncation as state: two threads would meet there.
        self._lock = Lock()

    @abstractmethod
    def read(self, ids: Tensor, clip_skip: int) -> TextStates:
        """States (N, L, D) and pooled texts of token numbers (N, L), unweighted."""

    def tokens(self, text: str) -> list[str]:
        """See :class:`CaptionEncoder`."""
        with self._lock:
            return self.tokenizer.tokenize(text)

    def token_ids(self, text: str) -> tuple[int, ...]:
        """The numbers of `tokens`."""
        vocabulary = self.tokenizer.get_vocab()
        return tuple(vocabulary[token] for token in self.tokens(text))

    def length(self, caption: str) -> CaptionLength:
        """See :class:`CaptionEncoder`."""
        with self._lock:
            return caption_length(self.tokenizer, self.limit, caption, self.words)

    def chunks(self, caption: str) -> tuple[Chunk, ...]:
        """See :class:`CaptionEncoder`."""
        check_weights(parse(caption))
        with self._lock:
            chunks = chunks_of(self.tokenizer, self.limit, caption, self.words)
        if len(chunks) > MAX_CHUNKS:
            raise PromptError(
                f"a caption of {len(chunks)} chunks",
                f"at most {MAX_CHUNKS} of up to {self.limit} tokens",
            )
        return chunks

    def called(self, caption: str) -> tuple[str, ...]:
        """See :class:`CaptionEncoder`."""
        if not self.words:
            return ()
        found = {token.id for chunk in self.chunks(caption) for token in chunk.tokens}
        return tuple(word.name for word in self.words if word.ids[0] in found)

    def ids(self, texts: Sequence[str]) -> Tensor:
        """Token numbers (B, limit + 2) of plain texts, with begin, end and padding, cut to that
        length.
        """
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
        """States (B, limit + 2, D) of B plain texts, on the model's device and in its dtype.

        A text is read as it stands, brackets and all, and what is beyond the limit is cut off; for
        the notation of captions see `encode_captions`.
        """
        return self.read(self.ids(texts), 0).states

    def encode_captions(self, captions: Sequence[str], clip_skip: int = 0) -> TextStates:
        """See :class:`CaptionEncoder`."""
        chunks, each = same_length([self.chunks(caption) for caption in captions])
        return joined(self.encode_chunks(chunks, clip_skip), each)

    @torch.no_grad()
    def encode_chunks(self, chunks: Sequence[Chunk], clip_skip: int = 0) -> TextStates:
        """Weighted states (N, limit + 2, D) of N chunks, on the model's device, in its dtype.

        Weights change no pooled text. clip_skip: the last layers to leave out, 0 to `layers` - 1.
        ValueError for another number.
        """
        if not 0 <= clip_skip < self.layers:
            raise ValueError(f"clip_skip: got {clip_skip}, allowed: 0 to {self.layers - 1}")
        begin, end, padding = self.begin, self.end, self.tokenizer.pad_token_id
        ids, weights = [], []
        for chunk in chunks:
            empty = self.limit - len(chunk.tokens)
            ids.append([begin, *(token.id for token in chunk.tokens), end, *[padding] * empty])
            weights.append([1.0, *(token.weight for token in chunk.tokens), 1.0, *[1.0] * empty])
        text = self.read(torch.tensor(ids), clip_skip)
        factors = torch.tensor(weights, device=text.states.device)
        weighted = (factors != 1).any(1)
        if weighted.any():  # the states of other chunks stay as they are, to the bit
            text.states[weighted] = weigh(text.states[weighted], factors[weighted])
        return text


class TextEncoder(ChunkEncoder):
    """A :class:`CaptionEncoder` of a tokenizer and the CLIP text model it was made for.

    skipped, normalised: the layer that the family reads, as so many from the last, and whether the
    final normalisation is applied to it. The pooled text is the last layer's state of the end
    token, normalised, and projected by a model that has a projection.
    """

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        model: CLIPTextModel | CLIPTextModelWithProjection,
        skipped: int = 0,
        normalised: bool = True,
    ) -> None:
        super().__init__(
            tokenizer,
            model.config.max_position_embeddings,
            model.config.num_hidden_layers - skipped,
            special_token(tokenizer.bos_token_id),
            special_token(tokenizer.eos_token_id),
        )
        self.model = model
        self.skipped, self.normalised = skipped, normalised

    @property
    def text_model(self) -> CLIPTextModel:
        """The model without a projection."""
        return self.model if isinstance(self.model, CLIPTextModel) else self.model.text_model

    def read(self, ids: Tensor, clip_skip: int) -> TextStates:
        """See :class:`ChunkEncoder`."""
        ids, skipped = ids.to(self.model.device), self.skipped + clip_skip
        read = self.model(input_ids=ids, output_hidden_states=True)
        states = read.hidden_states[-1 - skipped]
        if self.normalised:
            states = self.text_model.final_layer_norm(states)
        plain = isinstance(self.model, CLIPTextModel)
        return TextStates(states, read.pooler_output if plain else read.text_embeds)
