"""Captions to the states that the U-Net attends to.

Wraps the tokenizer and CLIP text model of ``transformers``, which read their own files. Owns
padding, the choice of the layer, and what a token's weight does to its state. The layer is the
last one, normalised, unless layers are skipped. (Stable Diffusion 2 was trained on the last but
one of OpenCLIP's model; its files hold one layer fewer.) How a caption writes its weights stands
in ``prompt``, where it is cut in ``chunks``. Knows nothing of guidance.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ldm.models.chunks import CaptionLength, Chunk, caption_length, chunks_of
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


class TextEncoder:
    """A tokenizer and the text model it was made for. Threads may share it.

    Attributes:
        limit: the tokens that the model reads at once, begin and end not counted. The states have
            two positions more.
        layers: how many the model has; one less may be skipped.
    """

    def __init__(self, tokenizer: CLIPTokenizer, model: CLIPTextModel) -> None:
        self.tokenizer = tokenizer
        self.model = model
        # A tokenizer's file may say nothing of its length, and then gives an enormous one.
        positions = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self.limit = positions - 2
        self.layers = model.config.num_hidden_layers
        # The tokenizer keeps padding and truncation as state: two threads would meet there.
        self._lock = Lock()

    def tokens(self, text: str) -> list[str]:
        """The tokens of a plain text, uncut, without begin, end and padding."""
        with self._lock:
            return self.tokenizer.tokenize(text)

    def length(self, caption: str) -> CaptionLength:
        """How many tokens a caption has, and where its chunks end; see `CaptionLength`."""
        with self._lock:
            return caption_length(self.tokenizer, self.limit, caption)

    def chunks(self, caption: str) -> tuple[Chunk, ...]:
        """The chunks of a caption that may be encoded, at least one.

        Raises PromptError for a weight out of its limits and for more than 64 chunks.
        """
        check_weights(parse(caption))
        with self._lock:
            chunks = chunks_of(self.tokenizer, self.limit, caption)
        if len(chunks) > MAX_CHUNKS:
            raise PromptError(
                f"a caption of {len(chunks)} chunks",
                f"at most {MAX_CHUNKS} of up to {self.limit} tokens",
            )
        return chunks

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
        the notation of captions see `encode_prompts`.
        """
        return self._states(self.ids(texts), 0)

    @torch.no_grad()
    def encode_chunks(self, chunks: Sequence[Chunk], clip_skip: int = 0) -> Tensor:
        """Weighted states (N, limit + 2, D) of N chunks, on the model's device, in its dtype.

        clip_skip: the last layers to leave out, 0 to `layers` - 1; the final normalisation is
        applied all the same. ValueError for another number.
        """
        if not 0 <= clip_skip < self.layers:
            raise ValueError(f"clip_skip: got {clip_skip}, allowed: 0 to {self.layers - 1}")
        begin, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        padding = self.tokenizer.pad_token_id
        ids, weights = [], []
        for chunk in chunks:
            empty = self.limit - len(chunk.tokens)
            ids.append([begin, *(token.id for token in chunk.tokens), end, *[padding] * empty])
            weights.append([1.0, *(token.weight for token in chunk.tokens), 1.0, *[1.0] * empty])
        states = self._states(torch.tensor(ids), clip_skip)
        factors = torch.tensor(weights, device=states.device)
        weighted = (factors != 1).any(1)
        if weighted.any():  # the states of other chunks stay as they are, to the bit
            states[weighted] = weigh(states[weighted], factors[weighted])
        return states

    def _states(self, ids: Tensor, clip_skip: int) -> Tensor:
        """Normalised states (N, L, D) of token numbers (N, L)."""
        ids = ids.to(self.model.device)
        if clip_skip == 0:
            return self.model(input_ids=ids).last_hidden_state
        layers = self.model(input_ids=ids, output_hidden_states=True).hidden_states
        return self.model.final_layer_norm(layers[-1 - clip_skip])


def encode_prompts(encoder: TextEncoder, captions: Sequence[str], clip_skip: int = 0) -> Tensor:
    """States (B, chunks * (limit + 2), D) of B captions in the notation of ``prompt``.

    The states of a caption's chunks stand one behind the other; captions of fewer chunks than the
    longest are filled up with empty ones, so that all can share a U-Net call. clip_skip: see
    `encode_chunks`. Raises PromptError for a caption that cannot be encoded.
    """
    chunked = [encoder.chunks(caption) for caption in captions]
    most = max(map(len, chunked))
    filled = [[*chunks, *[Chunk()] * (most - len(chunks))] for chunks in chunked]
    states = encoder.encode_chunks([chunk for chunks in filled for chunk in chunks], clip_skip)
    return states.reshape(len(captions), -1, states.shape[-1])
