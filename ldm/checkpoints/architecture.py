"""Configurations that a file of the original layout does not carry, from its names and shapes.

Owns what follows from shapes and what the training programs of CompVis and Stability AI had fixed.
The result is what diffusers and transformers would write into config.json. No numbers are read.
Knows nothing of which family a file is of, nor of what it was trained to predict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ldm.checkpoints.clip_tokenizer import END_ID, START_ID
from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.weights import StoredTensor

Config = dict[str, object]

HEADS = 8  # of every level, where transformers begin and end in convolutions
HEAD_SIZE = 64  # where they begin and end in linear layers, and in every text model of CLIP
SIZE_FEATURES = 256  # of each number of XL's size conditioning
GROUPS = 32  # of every normalisation


@dataclass(frozen=True)
class Part:
    """The tensors of one component in a file, by their names without the component's prefix."""

    path: Path
    prefix: str
    tensors: Mapping[str, StoredTensor]

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """A tensor's shape. CheckpointError: there is none, or of other dimensions."""
        stored = self.tensors.get(name)
        if stored is None:
            raise CheckpointError(self.path, f"no tensor {self.prefix}{name}", "a file with it")
        if len(stored.shape) != dimensions:
            got = f"{self.prefix}{name} of shape {stored.shape}"
            raise CheckpointError(self.path, got, f"{dimensions} dimensions")
        return stored.shape

    def has(self, name: str) -> bool:
        return name in self.tensors

    def count(self, pattern: str) -> int:
        """How many follow on 0 among the numbers that `pattern`'s one group finds in names."""
        found = {match[1] for name in self.tensors if (match := re.match(pattern, name))}
        count = 0
        while str(count) in found:
            count += 1
        return count


# --- U-Net --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UNetShape:
    """levels, layers: of the blocks; config: as unet/config.json has it."""

    levels: int
    layers: int
    config: Config


def _levels_and_layers(part: Part) -> tuple[int, int]:
    """How many levels, and residual blocks in each, from where the sizes change."""
    downs = [
        int(match[1])
        for name in part.tensors
        if (match := re.fullmatch(r"input_blocks\.(\d+)\.0\.op\.weight", name))
    ]
    blocks = part.count(r"input_blocks\.(\d+)\.") - 1  # the first one is a convolution
    layers = min(downs) - 1 if downs else blocks
    if layers < 1:
        got = f"{blocks} blocks at {part.prefix}input_blocks"
        raise CheckpointError(part.path, got, "blocks of one level after the other")
    return len(downs) + 1, layers


def unet_shape(part: Part) -> UNetShape:
    """The U-Net in a file. Raises CheckpointError where a tensor that tells of it is missing."""
    levels, layers = _levels_and_layers(part)
    middle = "middle_block.1.transformer_blocks"
    depth = max(1, part.count(rf"{re.escape(middle)}\.(\d+)\."))
    channels: list[int] = []
    depths: list[int] = []
    attends: list[bool] = []
    for level in range(levels):
        block = f"input_blocks.{level * (layers + 1) + 1}"
        channels.append(part.shape(f"{block}.0.out_layers.3.weight", 4)[0])
        depths.append(part.count(rf"{re.escape(block)}\.1\.transformer_blocks\.(\d+)\."))
        attends.append(depths[-1] > 0)
    depths[-1] = depths[-1] or depth  # of the middle, which shares the last level's
    project = part.tensors.get("middle_block.1.proj_in.weight")
    linear = project is not None and len(project.shape) == 2
    config: Config = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": part.shape("input_blocks.0.0.weight", 4)[1],
        "out_channels": part.shape("out.2.weight", 4)[0],
        "block_out_channels": channels,
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]],
        "layers_per_block": layers,
        "transformer_layers_per_block": [max(1, each) for each in depths],
        "attention_head_dim": [max(1, c // HEAD_SIZE) for c in channels] if linear else HEADS,
        "cross_attention_dim": part.shape(f"{middle}.0.attn2.to_k.weight", 2)[1],
        "use_linear_projection": linear,
        "norm_num_groups": GROUPS,
    }
    if part.has("label_emb.0.0.weight"):
        config["addition_embed_type"] = "text_time"
        config["addition_time_embed_dim"] = SIZE_FEATURES
        size = part.shape("label_emb.0.0.weight", 2)[1]
        config["projection_class_embeddings_input_dim"] = size
    if part.has("time_embed.cond_proj.weight"):
        config["time_cond_proj_dim"] = part.shape("time_embed.cond_proj.weight", 2)[1]
    return UNetShape(levels, layers, config)


# --- autoencoder --------------------------------------------------------------------------------


@dataclass(frozen=True)
class AutoencoderShape:
    """levels, layers: of the blocks; config: as vae/config.json has it, but for the scale."""

    levels: int
    layers: int
    config: Config


@dataclass(frozen=True)
class AutoencoderNames:
    """Where an encoder's shapes are read: patterns of a level's number and of the number of a
    residual block in the first level, and a weight of each level's first.
    """

    level: str
    layer: str
    weight: str


ORIGINAL_VAE = AutoencoderNames(
    level=r"encoder\.down\.(\d+)\.",
    layer=r"encoder\.down\.0\.block\.(\d+)\.",
    weight="encoder.down.{}.block.0.conv1.weight",
)
DIFFUSERS_VAE = AutoencoderNames(
    level=r"encoder\.down_blocks\.(\d+)\.",
    layer=r"encoder\.down_blocks\.0\.resnets\.(\d+)\.",
    weight="encoder.down_blocks.{}.resnets.0.conv1.weight",
)


def vae_shape(part: Part, names: AutoencoderNames) -> AutoencoderShape:
    """The autoencoder in a file. Raises CheckpointError as `unet_shape`."""
    levels, layers = max(1, part.count(names.level)), max(1, part.count(names.layer))
    channels = [part.shape(names.weight.format(level), 4)[0] for level in range(levels)]
    config: Config = {
        "_class_name": "AutoencoderKL",
        "in_channels": part.shape("encoder.conv_in.weight", 4)[1],
        "out_channels": part.shape("decoder.conv_out.weight", 4)[0],
        "latent_channels": part.shape("decoder.conv_in.weight", 4)[1],
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": layers,
        "norm_num_groups": GROUPS,
        "use_quant_conv": part.has("quant_conv.weight"),
        "use_post_quant_conv": part.has("post_quant_conv.weight"),
    }
    return AutoencoderShape(levels, layers, config)


# --- text models --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextNames:
    """Where a text model's shapes are read, and its activation function."""

    tokens: str
    positions: str
    layer: str
    inner: str
    activation: str


CLIP = TextNames(
    tokens="embeddings.token_embedding.weight",
    positions="embeddings.position_embedding.weight",
    layer="encoder.layers",
    inner="mlp.fc1.weight",
    activation="quick_gelu",
)
OPEN_CLIP = TextNames(
    tokens="token_embedding.weight",
    positions="positional_embedding",
    layer="transformer.resblocks",
    inner="mlp.c_fc.weight",
    activation="gelu",
)


def text_config(part: Part, names: TextNames) -> Config:
    """The text model in a file, with all its layers. Raises CheckpointError as `unet_shape`."""
    vocabulary, width = part.shape(names.tokens, 2)
    layers = part.count(rf"{re.escape(names.layer)}\.(\d+)\.")
    if not layers:
        name = f"{part.prefix}{names.layer}.0"
        raise CheckpointError(part.path, f"no tensors {name}", "a text model with layers")
    return {
        "architectures": ["CLIPTextModel"],
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": part.shape(f"{names.layer}.0.{names.inner}", 2)[0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // HEAD_SIZE),
        "max_position_embeddings": part.shape(names.positions, 2)[0],
        "hidden_act": names.activation,
        "bos_token_id": START_ID,
        "eos_token_id": END_ID,
        "pad_token_id": END_ID,
    }
