"""The files of a model folder: finding them, reading their JSON, refusing what is not allowed.

Only safetensors are weights here; pickles are refused by name. Knows nothing of what is in
the files.
"""

from __future__ import annotations

import json
from pathlib import Path

MOST_NAMES_SHOWN = 10
PICKLES = (".bin", ".ckpt", ".pt", ".pth")


class CheckpointError(ValueError):
    """A model folder that cannot be used: which file, what came, what is allowed."""

    def __init__(self, path: Path | str, got: str, allowed: str) -> None:
        super().__init__(f"{path}: got {got}, allowed: {allowed}")
        self.path, self.got, self.allowed = path, got, allowed


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


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a component: ``{stem}.safetensors``, or what its index lists.

    Raises:
        CheckpointError: there is neither.
    """
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CheckpointError(index, "no weight_map", "a weight_map of tensor to file names")
        names = sorted({str(name) for name in weight_map.values()})
        for name in names:
            if Path(name).name != name or not (folder / name).is_file():
                raise CheckpointError(
                    index, f"a missing file {name!r}", f"files that lie in {folder}"
                )
        return [folder / name for name in names]
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    pickles = [name for name in found if name.endswith(PICKLES)]
    if pickles:
        raise CheckpointError(
            folder,
            f"pickle files alone ({', '.join(pickles)})",
            f"{single.name}; a pickle can run any program when it is opened, so it is never "
            "loaded. Take the model's safetensors version, or have the program that wrote it "
            "save it as safetensors",
        )
    shown = ", ".join(found[:MOST_NAMES_SHOWN]) or "nothing"
    raise CheckpointError(folder, shown, f"{single.name} or {index.name}")
