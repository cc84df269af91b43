"""Inside the text model: what tokens are to it, and where they look at one another.

Owns embeddings, neighbours in the vocabulary, positions, and self-attention by layer and head, each
read from a CLIP text model's own weights. Knows nothing of pictures.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ldm.explain.measures import cosines
from ldm.explain.tokens import Place
from ldm.models.text_encoder import TextEncoder


@dataclass(frozen=True)
class Neighbour:
    """A token of the vocabulary and the cosine between its embedding and another's."""

    text: str
    cosine: float


def _embeddings(encoder: TextEncoder) -> Tensor:
    return encoder.text_model.embeddings.token_embedding.weight.detach().float().cpu()


def written(token: str) -> str:
    """A token as it reads: "</w>" marks the end of a word, and others go on."""
    return token.removesuffix("</w>") if token.endswith("</w>") else f"{token}…"


def nearest(encoder: TextEncoder, number: int, count: int = 8) -> list[Neighbour]:
    """The tokens whose embeddings point most nearly where that of token `number` points."""
    table = F.normalize(_embeddings(encoder), dim=1)
    likeness = table @ table[number]
    likeness[number] = -2  # itself is no news
    best = likeness.topk(min(count, len(table) - 1))
    names = encoder.tokenizer.convert_ids_to_tokens(best.indices.tolist())
    return [
        Neighbour(written(name), value)
        for name, value in zip(names, best.values.tolist(), strict=True)
    ]


def embedding_cosines(encoder: TextEncoder, numbers: Sequence[int]) -> Tensor:
    """(N, N): how alike the embeddings of N tokens are, before any of them has seen the others."""
    return cosines(_embeddings(encoder)[list(numbers)])


def position_embeddings(encoder: TextEncoder) -> Tensor:
    """(limit + 2, D): what the text model adds to a token for its place."""
    return encoder.text_model.embeddings.position_embedding.weight.detach().float().cpu()


@contextmanager
def _told_of_tokens(model: Any, told: list[Tensor]) -> Iterator[None]:
    """Collects (heads, L, L) of each layer of a CLIP text model, for the first row of a call."""

    def look(layer: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        x = named["hidden_states"] if "hidden_states" in named else inputs[0]
        split = (-1, layer.num_heads, layer.head_dim)
        q = layer.q_proj(x[0]).view(split).transpose(0, 1)
        k = layer.k_proj(x[0]).view(split).transpose(0, 1)
        told.append(causal_probabilities(q, k).cpu())

    layers = model.encoder.layers
    handles = [
        layer.self_attn.register_forward_pre_hook(look, with_kwargs=True) for layer in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def causal_probabilities(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) where a token sees itself and those before it alone, as in CLIP."""
    length = q.shape[-2]
    seen = torch.ones(length, length, dtype=torch.bool, device=q.device).tril()
    scores = (q.float() @ k.float().transpose(-1, -2)) * q.shape[-1] ** -0.5
    return scores.masked_fill(~seen, -torch.inf).softmax(-1)


@torch.no_grad()
def attention_between_tokens(encoder: TextEncoder, numbers: Sequence[int]) -> Tensor:
    """(layers, heads, L, L): how much token i of a chunk looks at token j, in each layer and head.

    numbers: all L of the chunk, begin, end and padding included. Rows add up to 1.
    """
    told: list[Tensor] = []
    ids = torch.tensor([list(numbers)], device=encoder.model.device)
    with _told_of_tokens(encoder.text_model, told):
        encoder.text_model(input_ids=ids)
    return torch.stack(told)


def numbers_of(encoder: TextEncoder, places: Sequence[Place]) -> list[int]:
    """The token numbers of a chunk's places."""
    tokenizer = encoder.tokenizer
    special = {
        "begin": tokenizer.bos_token_id,
        "end": tokenizer.eos_token_id,
        "padding": tokenizer.pad_token_id,
    }
    numbers = (special.get(place.kind, place.number) for place in places)
    return [number for number in numbers if isinstance(number, int)]
