"""A model folder in diffusers' layout as a :class:`Source`.

Owns which file of the folder holds what, and the names that older programs gave to tensors. Knows
nothing of families: what the parts amount to is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import BertTokenizer, CLIPTokenizer, PreTrainedTokenizerBase

from ldm.checkpoints.files import (
    INDEX,
    CheckpointError,
    check_variant,
    name_of,
    read_json,
    weight_files,
)
from ldm.checkpoints.source import Source, config_name
from ldm.checkpoints.weights import StoredTensor, list_tensors

Tensors = dict[str, StoredTensor]

# Attention weights of autoencoders saved before diffusers 0.17 bear these names.
_OLD_VAE_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_VAE_KEY = re.compile(r"(.*\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)")


def current_vae_names(tensors: Mapping[str, StoredTensor]) -> Tensors:
    """Tensors by the names that diffusers gives them since 0.17."""

    def current(name: str) -> str:
        old = _OLD_VAE_KEY.fullmatch(name)
        return f"{old[1]}.{_OLD_VAE_NAMES[old[2]]}.{old[3]}" if old else name

    return {current(name): stored for name, stored in tensors.items()}


def current_text_names(tensors: Mapping[str, StoredTensor]) -> Tensors:
    """Tensors by the names of transformers 5; older files put ``text_model.`` before each.

    They may also hold the numbers of the positions, which are no weights.
    """
    short = {name.removeprefix("text_model."): stored for name, stored in tensors.items()}
    short.pop("embeddings.position_ids", None)
    return short


def _without_positions(tensors: Mapping[str, StoredTensor]) -> Tensors:
    return {name: each for name, each in tensors.items() if not name.endswith(".position_ids")}


def _without_word_head(tensors: Mapping[str, StoredTensor]) -> Tensors:
    """Without the head that guesses words, which only training asked."""
    return {name: each for name, each in tensors.items() if not name.startswith("to_logits.")}


def _as_they_are(tensors: Mapping[str, StoredTensor]) -> Tensors:
    return dict(tensors)


# Classes of weights: the file's name without ".safetensors", and what makes its names current.
# Those of transformers name their class in their configuration as a list of `architectures`.
_DIFFUSION = "diffusion_pytorch_model"
_TEXT = "model"
_WEIGHTS: Mapping[str, tuple[str, Callable[[Mapping[str, StoredTensor]], Tensors]]] = {
    "UNet2DConditionModel": (_DIFFUSION, _as_they_are),
    "UNet2DModel": (_DIFFUSION, current_vae_names),
    "AutoencoderKL": (_DIFFUSION, current_vae_names),
    "VQModel": (_DIFFUSION, current_vae_names),
    "AutoencoderTiny": (_DIFFUSION, _as_they_are),
    "PatchAutoencoder": (_DIFFUSION, _as_they_are),
    "CLIPTextModel": (_TEXT, current_text_names),
    "CLIPTextModelWithProjection": (_TEXT, _without_positions),
    "LDMBertModel": (_TEXT, _without_word_head),
}
# Classes of tokenizers: what reads them, and their files where there is no tokenizer.json.
_CLIP_FILES = (CLIPTokenizer, ("vocab.json", "merges.txt"))
_BERT_FILES = (BertTokenizer, ("vocab.txt",))
_TOKENIZERS: Mapping[str, tuple[type[CLIPTokenizer | BertTokenizer], tuple[str, ...]]] = {
    "CLIPTokenizer": _CLIP_FILES,
    "CLIPTokenizerFast": _CLIP_FILES,
    "BertTokenizer": _BERT_FILES,
    "BertTokenizerFast": _BERT_FILES,
}


def open_tokenizer(path: Path, kind: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a known class whose files lie in a folder.

    Raises:
        CheckpointError: they are missing or do not open.
    """
    reader, needed = _TOKENIZERS[kind]
    files = {p.name for p in path.iterdir()} if path.is_dir() else set()
    if "tokenizer.json" not in files and not set(needed) <= files:
        got = ", ".join(sorted(files)) or "nothing"
        raise CheckpointError(path, got, f"tokenizer.json, or {' and '.join(needed)}")
    try:
        return reader.from_pretrained(path, local_files_only=True)
    except Exception as error:  # the tokenizers library raises Exception itself
        raise CheckpointError(path, f"files that do not open ({error})", "a tokenizer") from error


def _read_config(path: Path, kind: str) -> dict[str, object]:
    """A component's configuration, of which it says itself what class it is for."""
    config = read_json(path)
    key, expected = (
        ("architectures", [kind]) if _WEIGHTS[kind][0] == _TEXT else ("_class_name", kind)
    )
    if config.get(key) != expected:
        raise CheckpointError(path, f"{key}: {config.get(key)!r}", f"{expected}, as in {INDEX}")
    return config


def _read_index(folder: Path) -> dict[str, object]:
    if not folder.is_dir():
        got = "a single file" if folder.is_file() else "no such folder"
        raise CheckpointError(folder, got, "a model folder in diffusers' layout")
    path = folder / INDEX
    if not path.is_file():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:10]) or "an empty folder"
        raise CheckpointError(folder, found, f"a folder with {INDEX}, unet, vae, ...")
    return read_json(path)


def open_folder(folder: Path, variant: str | None = None) -> Source:
    """What a model folder holds. Parts of classes that are not known are named and not read.

    variant: of the weights, where a part has it; :func:`ldm.checkpoints.files.choose_weights` has
    the rule for the others.

    Raises:
        CheckpointError: a file that is missing, is damaged or is for another class than
            model_index.json says; or a variant that no part has.
    """
    index = _read_index(folder)
    check_variant(folder, [path.as_posix() for path in folder.glob("*/*")], variant)
    entries = {name: value for name, value in index.items() if isinstance(value, list)}
    classes = {
        name: str(value[1])
        for name, value in entries.items()
        if len(value) == 2 and value[1] is not None
    }
    configs: dict[str, Mapping[str, object]] = {}
    tensors: dict[str, Tensors] = {}
    tokenizers: dict[str, PreTrainedTokenizerBase] = {}
    for name, kind in classes.items():
        path = folder / name
        if name.endswith("scheduler"):
            configs[name] = read_json(path / config_name(name))
        elif kind in _TOKENIZERS:
            tokenizers[name] = open_tokenizer(path, kind)
        elif kind in _WEIGHTS:
            stem, current = _WEIGHTS[kind]
            configs[name] = _read_config(path / config_name(name), kind)
            tensors[name] = current(list_tensors(weight_files(path, stem, variant)))
    return Source(
        name=name_of(folder),
        path=folder,
        classes=classes,
        pipeline=str(index.get("_class_name")),
        options={name: value for name, value in index.items() if name not in entries},
        configs=configs,
        tensors=tensors,
        tokenizers=tokenizers,
    )
