"""Where weights lie in safetensors files, and whether they are those that a module holds.

Owns the headers of files, the slices and reshapes that key maps make of their entries, and the
strict match of keys and shapes. Reads no weights (see `reading`). Knows nothing of which module
belongs to which folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ldm.checkpoints.files import MOST_NAMES_SHOWN, CheckpointError

FLOATS: Mapping[str, torch.dtype] = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a file."""

    path: Path
    dtype: str  # the file's word for it: F16, BF16, F32 ...
    shape: tuple[int, ...]
    start: int  # bytes from the beginning of the file
    end: int
    transposed: bool = False  # of two dimensions, which lie in the file in the other order

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    def rows(self, part: int, parts: int) -> StoredTensor:
        """One of `parts` equal shares of the first dimension, which must divide by it."""
        share, size = self.shape[0] // parts, self.size // parts
        start = self.start + part * size
        return replace(self, shape=(share, *self.shape[1:]), start=start, end=start + size)

    def reshaped(self, shape: tuple[int, ...]) -> StoredTensor:
        """The same numbers in another shape."""
        return replace(self, shape=shape)

    def transpose(self) -> StoredTensor:
        """A matrix, rows for columns."""
        return replace(self, shape=self.shape[::-1], transposed=not self.transposed)


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


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a file carries beside its tensors; the file must be a whole one."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def check_type(name: str, stored: StoredTensor) -> None:
    """Raise CheckpointError for numbers that are no floating-point ones."""
    if stored.dtype not in FLOATS:
        raise CheckpointError(
            stored.path, f"{name} as {stored.dtype}", f"{', '.join(FLOATS)} (no packed numbers)"
        )


def check(module: nn.Module, tensors: Mapping[str, StoredTensor], folder: Path) -> None:
    """Make sure that the files hold the module's tensors: no fewer, no more, of its shapes.

    Raises:
        CheckpointError: they do not; at most ten names of each kind, and how many there are.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:MOST_NAMES_SHOWN])}"
        f"{', ...' if len(names) > MOST_NAMES_SHOWN else ''})"
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
        check_type(name, stored)
