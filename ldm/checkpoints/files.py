"""The files of a model folder: finding them, reading their JSON, refusing what is not allowed.

Owns the rule by which one of several versions of the weights is taken. Only safetensors are
weights here; pickles are refused by name. Knows nothing of what is in the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

INDEX = "model_index.json"
# Parts of a model that other programs use and this one does not.
UNUSED = ("safety_checker", "feature_extractor", "image_encoder", "watermark", "watermarker")
MOST_NAMES_SHOWN = 10
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
WHY_NO_PICKLES = (
    "a pickle can run any program when it is opened, so it is never loaded. Take the model's "
    "safetensors version, or have the program that wrote it save it as safetensors"
)
FLOAT16 = "fp16"  # the variant of that name
# A component's file: `model.fp16.safetensors`, `diffusion_pytorch_model.fp16-00001-of-00002...`
_SHARD = r"(?:-\d{5}-of-\d{5})?"
_VARIANT = re.compile(
    rf"(?:\A|/)(?:diffusion_pytorch_)?model{_SHARD}(?:\.([^./]+?))?{_SHARD}\.safetensors\Z"
)


class CheckpointError(ValueError):
    """A model folder that cannot be used: which file, what came, what is allowed."""

    def __init__(self, path: Path | str, got: str, allowed: str) -> None:
        super().__init__(path, got, allowed)  # all three, so that the error survives pickling
        self.path, self.got, self.allowed = path, got, allowed

    def __str__(self) -> str:
        return f"{self.path}: got {self.got}, allowed: {self.allowed}"


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file.

    Raises:
        CheckpointError: no such file, or something else in it.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(path, "no such file", "a JSON file of that name") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(path, f"an unreadable file ({error})", "a JSON object") from error
    if not isinstance(values, dict):
        raise CheckpointError(path, f"a JSON {type(values).__name__}", "a JSON object")
    return values


def check_weight_name(path: PurePath) -> None:
    """Refuse what is no safetensors file by its name.

    Raises:
        CheckpointError: a pickle, or another kind of file.
    """
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(str(path), "a pickle file", f"a .safetensors file; {WHY_NO_PICKLES}")
    if path.suffix.lower() != ".safetensors":
        got = f"a file named {path.suffix or path.name}"
        raise CheckpointError(str(path), got, ".safetensors")


def check_weight_file(path: Path) -> None:
    """Refuse what is no safetensors file by its name, before it is opened.

    Raises:
        CheckpointError: no such file, a pickle, or another kind of file.
    """
    check_weight_name(path)
    if not path.is_file():
        raise CheckpointError(path, "no such file", "a .safetensors file")


def name_of(path: Path) -> str:
    """What a model is called by where it lies: its id, in the cache of the Hub; else its folder's
    name, or its file's.

    The cache has a repository's files below ``models--OWNER--NAME/snapshots/COMMIT``.
    """
    parts = path.absolute().parts
    for store, snapshots, inside in zip(parts, parts[1:], range(3, len(parts) + 1), strict=False):
        if store.startswith("models--") and snapshots == "snapshots":
            return "/".join([*store.split("--")[1:], *parts[inside:]])
    return path.stem if path.suffix == ".safetensors" else path.resolve().name


def _spellings(stem: str, variant: str | None) -> tuple[str, str]:
    """What a component's one file of weights is called, and the index of several."""
    if variant is None:
        return f"{stem}.safetensors", f"{stem}.safetensors.index.json"
    return f"{stem}.{variant}.safetensors", f"{stem}.safetensors.index.{variant}.json"


def choose_weights(names: Collection[str], stem: str, variant: str | None = None) -> str | None:
    """Of the names in a component's folder, the file of its weights, or the index of its files.

    That of the variant asked for; else the plain one; else float16's, which some models are
    published in alone. None where there is none of them. Other variants (``non_ema`` is for
    training) are taken on request only.
    """
    for wanted in dict.fromkeys((variant, None, FLOAT16)):
        for name in _spellings(stem, wanted):
            if name in names:
                return name
    return None


def check_variant(model: Path | str, names: Iterable[str], variant: str | None) -> None:
    """Refuse a variant that none of a model's components has; the others fall back then.

    ``names`` are those of all of the model's files, whatever folder they lie in.

    Raises:
        CheckpointError: no component has it; which variants there are.
    """
    if variant is None:
        return
    found = {match[1] for name in names if (match := _VARIANT.search(name))}
    if variant not in found:
        known = ", ".join(sorted(found - {None}))
        allowed = f"{known}, or none" if known else "none: there is one version of each file"
        raise CheckpointError(model, f"variant {variant!r}", allowed)


def indexed_files(index: Path) -> list[str]:
    """The names of the files that an index of weights lists.

    Raises:
        CheckpointError: it lists none, or something else than names of files beside it.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(index, "no weight_map", "a weight_map of tensor to file names")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(index, f"a file {name!r}", f"safetensors in {index.parent}")
    return names


def weight_files(folder: Path, stem: str, variant: str | None = None) -> list[Path]:
    """The safetensors files of a component, one or several; :func:`choose_weights` has the rule.

    Raises:
        CheckpointError: there are none, or one that the index lists is missing.
    """
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    chosen = choose_weights(found, stem, variant)
    if chosen is None:
        single, index = _spellings(stem, None)
        pickles = [name for name in found if name.endswith(PICKLES)]
        if pickles:
            got = f"pickle files alone ({', '.join(pickles[:MOST_NAMES_SHOWN])})"
            raise CheckpointError(folder, got, f"{single}; {WHY_NO_PICKLES}")
        shown = ", ".join(found[:MOST_NAMES_SHOWN]) or "nothing"
        raise CheckpointError(folder, shown, f"{single} or {index}")
    if chosen.endswith(".safetensors"):
        return [folder / chosen]
    names = indexed_files(folder / chosen)
    for name in names:
        if name not in found:
            raise CheckpointError(
                folder / chosen, f"a missing file {name!r}", f"files that lie in {folder}"
            )
    return [folder / name for name in names]
