"""A whole checkpoint in one .safetensors file of the original layout, as a :class:`Source`.

Owns how the parts of such a file become components, and what a checkpoint predicts. No weights are
read, but for the few hundred numbers that tell the two kinds of Stable Diffusion 2 apart. What the
names say stands in `originals`, what the shapes say in `architecture`, what becomes of names in
`key_maps`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.checkpoints import vae_file
from ldm.checkpoints.architecture import CLIP, Config, Part, text_config, unet_shape
from ldm.checkpoints.clip_tokenizer import END, FIRST, clip_tokenizer
from ldm.checkpoints.files import CheckpointError, check_weight_file, name_of
from ldm.checkpoints.folder import current_text_names
from ldm.checkpoints.key_maps import CLIP_MAP, open_clip_map, unet_map, with_projection
from ldm.checkpoints.originals import LEFTOVERS, SD2, UNET, Original, Text, recognise
from ldm.checkpoints.reading import read_tensor
from ldm.checkpoints.source import Source
from ldm.checkpoints.weights import StoredTensor, list_tensors, read_metadata

PREDICTIONS = ("epsilon", "v_prediction")
# ComfyUI's rule for Stable Diffusion 2: the models that predict velocity have learnt a larger one.
_V_DEVIATION = 0.09


@dataclass(frozen=True)
class Component:
    """A part of a checkpoint: its class, its configuration, and its tensors by our names."""

    kind: str
    config: Config
    tensors: Mapping[str, StoredTensor]


def _part(path: Path, tensors: Mapping[str, StoredTensor], prefix: str) -> Part:
    own = {
        name.removeprefix(prefix): stored
        for name, stored in tensors.items()
        if name.startswith(prefix)
    }
    return Part(path, prefix, own)


# --- what it predicts ---------------------------------------------------------------------------


def _declared(path: Path, tensors: Mapping[str, StoredTensor]) -> str | None:
    """What a file itself says it predicts, by a marker or in the texts of its header."""
    if "v_pred" in tensors:
        return "v_prediction"
    texts = read_metadata(path)
    said = texts.get("modelspec.prediction_type")
    if said in ("v", "v_prediction") or re.search(r"-v\b", texts.get("modelspec.architecture", "")):
        return "v_prediction"
    return "epsilon" if said in ("epsilon", "eps") else None


def prediction_type(unet: Part, original: Original, tensors: Mapping[str, StoredTensor]) -> str:
    """Whether a U-Net predicts noise ("epsilon") or velocity ("v_prediction").

    Neither names nor shapes tell. A file may say so: by a tensor `v_pred`, as NoobAI's have it, or
    by the modelspec texts of its header. Else it is noise, but for Stable Diffusion 2, whose 512
    models predict noise and whose 768 models velocity: ComfyUI tells them by the deviation of one
    bias. (AUTOMATIC1111's program runs the model to see; diffusers takes all for velocity.)
    Inpainting models predict noise.
    """
    declared = _declared(unet.path, tensors)
    if declared is not None:
        return declared
    last = unet.count(r"output_blocks\.(\d+)\.") - 1
    name = f"output_blocks.{last}.1.transformer_blocks.0.norm1.bias"
    draws = unet.shape("input_blocks.0.0.weight", 4)[1] == 4
    if original is not SD2 or not draws or not unet.has(name):
        return "epsilon"
    bias = read_tensor(f"{unet.prefix}{name}", unet.tensors[name])
    return "v_prediction" if float(bias.std(correction=0)) > _V_DEVIATION else "epsilon"


# --- components ---------------------------------------------------------------------------------


def _unet(part: Part, side: int | None) -> Component:
    shape = unet_shape(part)
    tensors = unet_map(shape.levels, shape.layers).apply(part.tensors, part.prefix)
    return Component("UNet2DConditionModel", {**shape.config, "sample_size": side}, tensors)


def _text(part: Part, text: Text) -> Component:
    if text.names is CLIP:
        part = replace(part, tensors=current_text_names(part.tensors))
    config = text_config(part, text.names)
    layers = part.count(rf"{re.escape(text.names.layer)}\.(\d+)\.")
    used = layers if text.used in (None, layers) else layers - 1
    unread = f"{text.names.layer}.{used}."
    tensors = {n: stored for n, stored in part.tensors.items() if not n.startswith(unread)}
    table = CLIP_MAP if text.names is CLIP else open_clip_map(used)
    kind = "CLIPTextModel"
    if text.projection:
        kind, table = "CLIPTextModelWithProjection", with_projection(table)
        turned = part.has("text_projection.weight")
        name, axis = ("text_projection.weight", 0) if turned else ("text_projection", 1)
        config["projection_dim"] = part.shape(name, 2)[axis]
    config |= {"num_hidden_layers": used, "architectures": [kind]}
    return Component(kind, config, table.apply(tensors, part.prefix))


def _vae(part: Part, original: Original, replaced: bool) -> Component:
    """The autoencoder, or its place where another file's will stand there."""
    scale: Config = {"scaling_factor": original.scale}
    if replaced:
        return Component("AutoencoderKL", scale, {})
    if not part.tensors:
        got = f"a checkpoint without its autoencoder (nothing begins with {part.prefix})"
        raise CheckpointError(part.path, got, "one that has it, or --vae FILE beside it")
    config, tensors = vae_file.original_vae(part)
    return Component("AutoencoderKL", {**config, **scale}, tensors)


def _pipeline(unet: Part, original: Original) -> str:
    channels = unet.shape("input_blocks.0.0.weight", 4)[1]
    if channels not in original.pipelines:
        got = f"a U-Net that takes {channels} channels"
        allowed = " or ".join(map(str, original.pipelines))
        raise CheckpointError(unet.path, got, f"{allowed}; other tasks' are not supported")
    return original.pipelines[channels]


def open_single_file(path: Path, vae: Path | None = None, predicts: str | None = None) -> Source:
    """What a checkpoint's file holds.

    Args:
        path: a .safetensors file.
        vae: a file with an autoencoder, in place of the one in `path`, which then needs none.
        predicts: "epsilon" or "v_prediction", in place of what :func:`prediction_type` tells.

    Raises:
        CheckpointError: another kind of file, a damaged one, or tensors missing or unknown.
    """
    check_weight_file(path)
    everything = list_tensors([path])
    tensors = {name: each for name, each in everything.items() if not LEFTOVERS.fullmatch(name)}
    original = recognise(path, tensors)
    unet = _part(path, tensors, UNET)
    pipeline = _pipeline(unet, original)
    if predicts is not None and predicts not in PREDICTIONS:
        raise CheckpointError(path, f"the prediction {predicts!r}", " or ".join(PREDICTIONS))
    predicted = predicts or prediction_type(unet, original, everything)
    side = original.v_side if predicted == "v_prediction" else original.side
    scheduler = {**original.scheduler, "prediction_type": predicted}
    if "ztsnr" in everything:
        scheduler |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    components = {
        "unet": _unet(unet, side or original.side),
        "vae": _vae(_part(path, tensors, vae_file.PREFIX), original, vae is not None),
    }
    for text in original.texts:
        components[text.component] = _text(_part(path, tensors, text.prefix), text)
    source = Source(
        name=name_of(path),
        path=path,
        classes={
            "scheduler": str(scheduler["_class_name"]),
            **{name: component.kind for name, component in components.items()},
            **{text.tokenizer: "CLIPTokenizer" for text in original.texts},
        },
        pipeline=pipeline,
        options=original.options,
        configs={
            "scheduler": scheduler,
            **{name: component.config for name, component in components.items()},
        },
        tensors={name: component.tensors for name, component in components.items()},
        tokenizers={
            text.tokenizer: clip_tokenizer(END if text.names is CLIP else FIRST)
            for text in original.texts
        },
    )
    return source if vae is None else vae_file.with_vae(source, vae)
