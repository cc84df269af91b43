"""What tensors were called before diffusers, and what they are called here: tables.

The names are those of CompVis' latent-diffusion and Stability AI's generative-models (U-Net and
autoencoder) and of OpenCLIP (text models); OpenAI's text model kept the names of transformers.
Owns the tables and how one is applied to a file's header. Numbers are never read: where a matrix
lies transposed, or three of them in one, the result says so. Knows nothing of files' layouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ldm.checkpoints.weights import StoredTensor

Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class KeyMap:
    """Original names and ours, of tensors or of the modules that they belong to.

    Attributes:
        names: original -> ours. Several of ours share the rows of one tensor equally, in order.
        transposed: originals that are matrices with rows for columns.
        linear: originals that are convolutions over one pixel there and linear layers here.
    """

    names: Names
    transposed: frozenset[str] = frozenset()
    linear: frozenset[str] = frozenset()

    def translate(self, name: str) -> tuple[str, ...]:
        """What a tensor or module is called here; nothing where the table does not know it."""
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            found = self.names.get(".".join(parts[:end]))
            if found is not None:
                return tuple(".".join([each, *parts[end:]]) for each in found)
        return ()

    def backwards(self) -> KeyMap:
        """The table that gives a module here its original name, or all that it may have."""
        found: dict[str, tuple[str, ...]] = {}
        for original, ours in self.names.items():
            for name in ours:
                found[name] = (*found.get(name, ()), original)
        return KeyMap(found)

    def _convert(self, name: str, stored: StoredTensor) -> Iterator[tuple[str, StoredTensor]]:
        names = self.translate(name)
        if name in self.transposed:
            stored = stored.transpose()
        if name.rpartition(".")[0] in self.linear and len(stored.shape) > 2:
            stored = stored.reshaped(stored.shape[:2])
        if len(names) == 1:
            yield names[0], stored
            return
        for part, each in enumerate(names):
            yield each, stored.rows(part, len(names))

    def apply(self, tensors: Mapping[str, StoredTensor], prefix: str) -> dict[str, StoredTensor]:
        """Tensors by our names. One that the table does not know, or whose rows cannot be shared,
        keeps its own with the `prefix` it had, and is then found to be one too many.
        """
        converted: dict[str, StoredTensor] = {}
        for name, stored in tensors.items():
            names = self.translate(name)
            whole = bool(names) and bool(stored.shape) and stored.shape[0] % len(names) == 0
            converted.update(self._convert(name, stored) if whole else [(prefix + name, stored)])
        return converted


def _inside(original: str, ours: str, parts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The lines of one module's parts."""
    return {f"{original}.{old}": (f"{ours}.{new}",) for old, new in parts.items()}


# --- U-Net --------------------------------------------------------------------------------------

_UNET_ENDS: Names = {
    "time_embed.0": ("time_embedding.linear_1",),
    "time_embed.2": ("time_embedding.linear_2",),
    "time_embed.cond_proj": ("time_embedding.cond_proj",),  # the embedded guidance of LCM
    "label_emb.0.0": ("add_embedding.linear_1",),
    "label_emb.0.2": ("add_embedding.linear_2",),
    "input_blocks.0.0": ("conv_in",),
    "middle_block.1": ("mid_block.attentions.0",),
    "out.0": ("conv_norm_out",),
    "out.2": ("conv_out",),
}
_UNET_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def unet_map(levels: int, layers: int) -> KeyMap:
    """The table of a U-Net: `layers` residual blocks a level down, one more up.

    The original counts blocks through all levels. Of a block, 0 is the residual block, 1 the
    transformer if it has one, and what follows changes the size. Transformers' insides are the
    same here.
    """
    names = dict(_UNET_ENDS)
    names |= _inside("middle_block.0", "mid_block.resnets.0", _UNET_RESIDUAL)
    names |= _inside("middle_block.2", "mid_block.resnets.1", _UNET_RESIDUAL)
    for level in range(levels):
        first = level * (layers + 1)
        for layer in range(layers):
            old, new = f"input_blocks.{first + layer + 1}", f"down_blocks.{level}"
            names |= _inside(f"{old}.0", f"{new}.resnets.{layer}", _UNET_RESIDUAL)
            names[f"{old}.1"] = (f"{new}.attentions.{layer}",)
        down = f"input_blocks.{first + layers + 1}.0.op"
        names[down] = (f"down_blocks.{level}.downsamplers.0.conv",)
        for layer in range(layers + 1):
            old, new = f"output_blocks.{first + layer}", f"up_blocks.{level}"
            names |= _inside(f"{old}.0", f"{new}.resnets.{layer}", _UNET_RESIDUAL)
            names[f"{old}.1"] = (f"{new}.attentions.{layer}",)
        for place in (1, 2):  # behind the transformer, where there is one
            up = f"output_blocks.{first + layers}.{place}.conv"
            names[up] = (f"up_blocks.{level}.upsamplers.0.conv",)
    return KeyMap(names)


# --- autoencoder --------------------------------------------------------------------------------

_VAE_ENDS: Names = {
    "quant_conv": ("quant_conv",),
    "post_quant_conv": ("post_quant_conv",),
    **{
        f"{half}.{old}": (f"{half}.{new}",)
        for half in ("encoder", "decoder")
        for old, new in (
            ("conv_in", "conv_in"),
            ("mid.block_1", "mid_block.resnets.0"),
            ("mid.block_2", "mid_block.resnets.1"),
            ("norm_out", "conv_norm_out"),
            ("conv_out", "conv_out"),
        )
    },
}
_VAE_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}
_VAE_RESIDUAL = {
    "norm1": "norm1",
    "conv1": "conv1",
    "norm2": "norm2",
    "conv2": "conv2",
    "nin_shortcut": "conv_shortcut",
}


def vae_map(levels: int, layers: int) -> KeyMap:
    """The table of an autoencoder: `layers` residual blocks a level in the encoder, one more in
    the decoder, whose levels the original counts from the highest resolution.
    """
    names = dict(_VAE_ENDS)
    linear: set[str] = set()
    for half in ("encoder", "decoder"):
        old, new = f"{half}.mid.attn_1", f"{half}.mid_block.attentions.0"
        names |= _inside(old, new, _VAE_ATTENTION)
        linear |= {f"{old}.{part}" for part in _VAE_ATTENTION if part != "norm"}
    for level in range(levels):
        old, new = f"encoder.down.{level}", f"encoder.down_blocks.{level}"
        for layer in range(layers):
            names |= _inside(f"{old}.block.{layer}", f"{new}.resnets.{layer}", _VAE_RESIDUAL)
        names[f"{old}.downsample.conv"] = (f"{new}.downsamplers.0.conv",)
        old, new = f"decoder.up.{level}", f"decoder.up_blocks.{levels - 1 - level}"
        for layer in range(layers + 1):
            names |= _inside(f"{old}.block.{layer}", f"{new}.resnets.{layer}", _VAE_RESIDUAL)
        names[f"{old}.upsample.conv"] = (f"{new}.upsamplers.0.conv",)
    return KeyMap(names, linear=frozenset(linear))


# --- text models --------------------------------------------------------------------------------

_OPEN_CLIP_ENDS: Names = {
    "token_embedding": ("embeddings.token_embedding",),
    "positional_embedding": ("embeddings.position_embedding.weight",),
    "ln_final": ("final_layer_norm",),
}
_OPEN_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def open_clip_map(layers: int) -> KeyMap:
    """The table of OpenCLIP's text model, without the projection behind it.

    Its queries, keys and values are computed by one matrix of three times the rows.
    """
    names = dict(_OPEN_CLIP_ENDS)
    for layer in range(layers):
        old, new = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        names |= _inside(old, new, _OPEN_CLIP_LAYER)
        for kind in ("weight", "bias"):
            names[f"{old}.attn.in_proj_{kind}"] = tuple(
                f"{new}.self_attn.{each}_proj.{kind}" for each in "qkv"
            )
    return KeyMap(names)


def with_projection(table: KeyMap) -> KeyMap:
    """The table of a text model as the part of one with a projection.

    OpenCLIP multiplies by its projection from the right, so it lies transposed; programs that
    turned it around called it as a linear layer's.
    """
    inner = {old: tuple(f"text_model.{each}" for each in new) for old, new in table.names.items()}
    ends: Names = {
        "text_projection": ("text_projection.weight",),
        "text_projection.weight": ("text_projection.weight",),
    }
    return KeyMap({**inner, **ends}, transposed=frozenset({"text_projection"}))


# OpenAI's text model has the names of transformers.
CLIP_MAP = KeyMap({part: (part,) for part in ("embeddings", "encoder", "final_layer_norm")})
