"""Weights from safetensors files into modules that hold none yet.

Owns the strict match of keys and shapes, the reading itself and the digest. The files are read
tensor by tensor into memory of their own, never mapped: a mapped file counts as a second copy
while it is converted, and one that is cut short while in use would end the process. Knows
nothing of which module belongs to which folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

MOST_KEYS_SHOWN = 10
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
FLOATS: Mapping[str, torch.dtype] = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
# Of every tensor the digest reads this many blocks, evenly spread, the first and last included.
DIGEST_BLOCKS, DIGEST_BLOCK_BYTES = 16, 4096


class CheckpointError(ValueError):
    """A model folder that cannot be used: which file, what came, what is allowed."""

    def __init__(self, path: Path, got: str, allowed: str) -> None:
        super().__init__(f"{path}: got {got}, allowed: {allowed}")
        self.path, self.got, self.allowed = path, got, allowed


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a file."""

    path: Path
    dtype: str  # the file's word for it: F16, BF16, F32 ...
    shape: tuple[int, ...]
    start: int  # bytes from the beginning of the file
    end: int


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
    shown = ", ".join(found[:MOST_KEYS_SHOWN]) or "nothing"
    raise CheckpointError(folder, shown, f"{single.name} or {index.name}")


def list_tensors(paths: Sequence[Path]) -> dict[str, StoredTensor]:
    """Every tensor of these files by name, from their headers alone.

    Raises:
        CheckpointError: a file that is cut short or no safetensors file, numbers that are no
            floating-point ones, or a name that two files hold.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        try:
            with safe_open(path, framework="pt"):  # checks the header against the file's size
                pass
            with path.open("rb") as file:
                data = 8 + int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(data - 8))
        except (OSError, SafetensorError, ValueError) as error:
            size = path.stat().st_size if path.is_file() else 0
            raise CheckpointError(
                path, f"{size} bytes that do not open ({error})", "a whole safetensors file"
            ) from error
        header.pop("__metadata__", None)
        for name, entry in header.items():
            if name in tensors:
                raise CheckpointError(path, f"{name}, also in {tensors[name].path}", "it once")
            start, end = entry["data_offsets"]
            tensors[name] = StoredTensor(
                path, entry["dtype"], tuple(entry["shape"]), data + start, data + end
            )
    return tensors


def check(module: nn.Module, tensors: Mapping[str, StoredTensor], folder: Path) -> None:
    """Make sure that the files hold the module's tensors: no fewer, no more, of its shapes.

    Raises:
        CheckpointError: they do not; at most ten names of each kind, and how many there are.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:MOST_KEYS_SHOWN])}"
        f"{', ...' if len(names) > MOST_KEYS_SHOWN else ''})"
        for kind, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    kind = type(module).__name__
    if problems:
        raise CheckpointError(
            folder, " and ".join(problems), f"exactly the {len(wanted)} tensors of {kind}"
        )
    for name, stored in tensors.items():
        if stored.shape != wanted[name]:
            raise CheckpointError(
                stored.path, f"{name} of shape {stored.shape}", f"shape {wanted[name]}"
            )
        if stored.dtype not in FLOATS:
            raise CheckpointError(
                stored.path, f"{name} as {stored.dtype}", f"{', '.join(FLOATS)} (no packed numbers)"
            )


def _sample(data: Tensor) -> bytes:
    """The part of a tensor's bytes (N,) that the digest reads."""
    size, block = data.numel(), DIGEST_BLOCK_BYTES
    if size <= DIGEST_BLOCKS * block:
        return data.numpy().tobytes()
    starts = [i * (size - block) // (DIGEST_BLOCKS - 1) for i in range(DIGEST_BLOCKS)]
    return b"".join(data[start : start + block].numpy().tobytes() for start in starts)


class Digest:
    """A model's fingerprint: the same for the same weights, however they are cut into files.

    SHA-256 over every tensor's name, type and shape, and of its bytes at most 64 KiB: sixteen
    blocks of 4 KiB, evenly spread. Reading all of a 2 GB model would take two seconds (0.9 GB/s
    were measured), as long as loading it. A training step or a merge changes nearly every number
    of a tensor, so it changes the blocks; a file edited on purpose between them is not noticed.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, stored: StoredTensor, data: Tensor) -> None:
        self._hash.update(f"{name} {stored.dtype} {stored.shape}\n".encode())
        self._hash.update(_sample(data))

    def text(self) -> str:
        """Twelve hexadecimal digits."""
        return self._hash.hexdigest()[:12]


def _read_bytes(file: BinaryIO, stored: StoredTensor, into: Tensor) -> None:
    file.seek(stored.start)
    view = memoryview(into.numpy())
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise CheckpointError(stored.path, "a file cut short while it was read", "the file")
        done += count
