"""The text model of the first latent diffusion model for captions: ``LDMBertModel``.

A transformer trained with the rest from scratch (Rombach et al., 2112.10752, section 4.3.1), with
BERT's vocabulary: normalised before each layer, without a mask, so that padding is read like any
other token. Knows nothing of tokenizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.config import Reader
from ldm.models.layers import attention

# Training aids, what transformers writes for every model, and the sizes' other names.
_SILENT = frozenset(
    {
        "activation_dropout",
        "architectures",
        "attention_dropout",
        "chunk_size_feed_forward",
        "classifier_dropout",
        "dropout",
        "dtype",
        "encoder_layerdrop",
        "id2label",
        "init_std",
        "is_encoder_decoder",
        "label2id",
        "model_type",
        "num_hidden_layers",
        "output_attentions",
        "output_hidden_states",
        "pad_token_id",
        "problem_type",
        "return_dict",
        "scale_embedding",  # which nobody's code reads
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


@dataclass(frozen=True)
class LDMBertConfig:
    """An ``LDMBertModel``."""

    vocab_size: int
    max_position_embeddings: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    head_dim: int
    intermediate_size: int

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> LDMBertConfig:
        """Read the contents of ``bert/config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: a value out of range, or a key that asks for something that is not
                implemented.
        """
        read = Reader(values)
        read.choice("activation_function", "gelu", ("gelu",))
        config = cls(
            vocab_size=read.integer("vocab_size", 30522),
            max_position_embeddings=read.integer("max_position_embeddings", 77, minimum=3),
            hidden_size=read.integer("d_model", 1280),
            num_hidden_layers=read.integer("encoder_layers", 32),
            num_attention_heads=read.integer("encoder_attention_heads", 8),
            head_dim=read.integer("head_dim", 64),
            intermediate_size=read.integer("encoder_ffn_dim", 5120),
        )
        read.finish({}, _SILENT)
        return config


class LDMBertAttention(nn.Module):
    """Self-attention of all positions; heads need not add up to the width."""

    def __init__(self, config: LDMBertConfig) -> None:
        super().__init__()
        inner = config.num_attention_heads * config.head_dim
        self.heads = config.num_attention_heads
        self.k_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.q_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.out_proj = nn.Linear(inner, config.hidden_size)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, L, head size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        q, k, v = (self._split(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(attention(q, k, v).transpose(1, 2).flatten(2))


class LDMBertEncoderLayer(nn.Module):
    """Self-attention, then two linear layers: each normalised first, each added."""

    def __init__(self, config: LDMBertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.self_attn = LDMBertAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class LDMBertEncoder(nn.Module):
    """Token numbers to states."""

    def __init__(self, config: LDMBertConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layers = nn.ModuleList(
            LDMBertEncoderLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.layer_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, ids: Tensor, skipped: int) -> Tensor:
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.embed_tokens(ids) + self.embed_positions(positions)
        for layer in self.layers[: len(self.layers) - skipped]:
            x = layer(x)
        return self.layer_norm(x)


class LDMBertModel(nn.Module):
    """Token numbers to the states that the U-Net attends to.

    Files also hold ``to_logits``, a head that guesses words; nothing here asks it.
    """

    def __init__(self, config: LDMBertConfig) -> None:
        super().__init__()
        self.config = config
        self.model = LDMBertEncoder(config)

    @property
    def device(self) -> torch.device:
        return self.model.embed_tokens.weight.device

    def forward(self, ids: Tensor, skipped: int = 0) -> Tensor:
        """(B, L) -> (B, L, hidden_size), normalised. skipped: last layers to leave out.

        Raises:
            ValueError: more positions than the model has, or more layers.
        """
        config = self.config
        if ids.ndim != 2 or ids.shape[1] > config.max_position_embeddings:
            allowed = f"(B, L) with L at most {config.max_position_embeddings}"
            raise ValueError(f"ids: got {tuple(ids.shape)}, allowed: {allowed}")
        if not 0 <= skipped < config.num_hidden_layers:
            allowed = f"0 to {config.num_hidden_layers - 1}"
            raise ValueError(f"skipped: got {skipped}, allowed: {allowed}")
        return self.model(ids, skipped)
