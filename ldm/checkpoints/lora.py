"""A LoRA's file: what it adds to which module, whichever program wrote it.

A LoRA (Hu et al. 2021, arXiv 2106.09685) adds to a matrix W the product of two thin ones,
W + scale * up @ down, with scale = alpha / rank. Owns the names of kohya's sd-scripts, of
diffusers' old and new releases and of PEFT, and the kinds of additions that are refused. Knows
nothing of the modules: names are matched in `lora_targets`, weights added in `lora_merge`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ldm.checkpoints.files import MOST_NAMES_SHOWN, CheckpointError, check_weight_file, read_json
from ldm.checkpoints.reading import read_tensor
from ldm.checkpoints.weights import FLOATS, StoredTensor, list_tensors, read_metadata

# A tensor's name: its pattern, the module it is for (by the pattern's groups), and its part. An
# empty part is the pattern's last group.
_PARTS: tuple[tuple[str, str, str], ...] = (
    (r"(.+)\.lora_(down|up|mid)\.weight", r"\1", ""),  # kohya, LyCORIS
    (r"(.+)\.(alpha)", r"\1", ""),
    (r"(.+)\.lora_A(?:\.\w+)?\.weight", r"\1", "down"),  # PEFT, diffusers since 0.22
    (r"(.+)\.lora_B(?:\.\w+)?\.weight", r"\1", "up"),
    (r"(.+)\.lora(?:_linear_layer)?\.(down|up)\.weight", r"\1", ""),  # diffusers since 0.18
    (r"(.+)\.processor\.(to_[qkv])_lora\.(down|up)\.weight", r"\1.\2", ""),  # diffusers at first
    (r"(.+)\.processor\.to_out_lora\.(down|up)\.weight", r"\1.to_out.0", ""),
    (r"(.+\.self_attn)\.to_([qkv])_lora\.(down|up)\.weight", r"\1.\2_proj", ""),
    (r"(.+\.self_attn)\.to_out_lora\.(down|up)\.weight", r"\1.out_proj", ""),
)
# Additions of other kinds.
_OTHER_KINDS: tuple[tuple[str, str], ...] = (
    (r".+\.hada_", "a LoHa"),
    (r".+\.lokr_", "a LoKr"),
    (r".+\.(dora_scale|lora_magnitude_vector)", "a DoRA"),
    (r".+\.oft_", "an OFT"),
    (r".+\.on_input$", "an IA3"),
    (r".+\.(diff|diff_b|w_norm|b_norm|lora_bias|lora_B\.bias)$", "a LoRA with whole weights"),
)
_KINDS = "a LoRA of products alone (LoRA, LoCon)"
_NUMBERS: Mapping[str, torch.dtype] = {**FLOATS, "I32": torch.int32, "I64": torch.int64}


@dataclass(frozen=True)
class Addition:
    """What is added to one module: where its factors lie.

    down (r, in, ...), up (out, r, ...), and of some convolutions mid (r, r, k, k) between them;
    alpha: a tensor of one number. scale: alpha / r where the file's header says it.
    """

    down: StoredTensor
    up: StoredTensor
    mid: StoredTensor | None = None
    alpha: StoredTensor | None = None
    scale: float = 1.0

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in): of the matrix that the product is, a convolution's kernel flattened."""
        kernel = math.prod(self.mid.shape[2:]) if self.mid is not None else 1
        return self.up.shape[0], math.prod(self.down.shape[1:]) * kernel


@dataclass(frozen=True)
class Lora:
    """A file: its additions by the name that it has for their module."""

    path: Path
    additions: Mapping[str, Addition]


@dataclass
class _Scales:
    """What is said of scales beside the factors: PEFT's words, each behind a component's name."""

    path: Path
    values: Mapping[str, object] = field(default_factory=dict)

    def of(self, module: str, rank: int) -> float:
        """alpha / rank (or / its root) of a module; 1 where the header says nothing."""
        component, _, name = module.partition(".")
        own = {
            key.removeprefix(f"{component}."): value
            for key, value in self.values.items()
            if key.startswith(f"{component}.")
        }
        alpha = own.get("lora_alpha", rank)
        patterns = own.get("alpha_pattern")
        for pattern, value in (patterns if isinstance(patterns, Mapping) else {}).items():
            if re.fullmatch(rf"(.*\.)?{pattern}", name):
                alpha = value
                break
        if (
            not isinstance(alpha, int | float)
            or isinstance(alpha, bool)
            or not math.isfinite(alpha)
        ):
            raise CheckpointError(self.path, f"lora_alpha {alpha!r} in its header", "a number")
        if own.get("use_dora") is True:
            raise CheckpointError(self.path, "a DoRA", _KINDS)
        return alpha / (math.sqrt(rank) if own.get("use_rslora") is True else rank)


def _scales(path: Path) -> _Scales:
    """As diffusers writes them into the header; PEFT puts them into a file of their own."""
    text = read_metadata(path).get("lora_adapter_metadata")
    beside = path.with_name("adapter_config.json")
    if text is None and beside.is_file():
        values = read_json(beside)
        return _Scales(path, {f"base_model.{key}": value for key, value in values.items()})
    if text is None:
        return _Scales(path)
    try:
        values = json.loads(text)
    except ValueError as error:
        got = f"lora_adapter_metadata that is no JSON ({error})"
        raise CheckpointError(path, got, "a JSON object") from error
    if not isinstance(values, dict):
        raise CheckpointError(path, "lora_adapter_metadata that is no object", "a JSON object")
    return _Scales(path, values)


def _place(name: str) -> tuple[str, str] | None:
    """The module and the part that a tensor's name means."""
    for pattern, module, part in _PARTS:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(module), part or match[match.re.groups]
    return None


def _fit(down: StoredTensor, up: StoredTensor, mid: StoredTensor | None) -> bool:
    """Whether factors can be multiplied: (r, in, ...) by (out, r), or by (r, r, k, k) between."""
    if min(len(down.shape), len(up.shape)) < 2 or math.prod(up.shape[2:]) != 1:
        return False
    first, last = down.shape[0], up.shape[1]
    if mid is None:
        return first == last > 0
    return mid.shape[:2] == (last, first) and math.prod(down.shape[2:]) == 1 and first > 0


def _addition(
    path: Path, module: str, parts: Mapping[str, StoredTensor], scales: _Scales
) -> Addition:
    """One module's, its factors checked against one another."""
    missing = [part for part in ("down", "up") if part not in parts]
    if missing:
        got = f"{module} without {' and '.join(missing)}"
        raise CheckpointError(path, got, "both factors of every module")
    down, up, mid, alpha = (parts.get(part) for part in ("down", "up", "mid", "alpha"))
    assert down is not None and up is not None
    if not _fit(down, up, mid):
        shapes = ", ".join(f"{part} {stored.shape}" for part, stored in sorted(parts.items()))
        raise CheckpointError(path, f"{module} of {shapes}", "factors of one rank")
    return Addition(down, up, mid, alpha, scales.of(module, down.shape[0]))


def open_lora(path: Path) -> Lora:
    """A LoRA's file, from its header alone.

    Raises:
        CheckpointError: no LoRA, one of a kind that is not supported, or a damaged file.
    """
    check_weight_file(path)
    tensors = list_tensors([path])
    modules: dict[str, dict[str, StoredTensor]] = {}
    unknown: list[str] = []
    for name, stored in tensors.items():
        for pattern, kind in _OTHER_KINDS:
            if re.match(pattern, name):
                raise CheckpointError(path, f"{kind} ({name})", _KINDS)
        place = _place(name)
        if place is None:
            unknown.append(name)
        else:
            modules.setdefault(place[0], {})[place[1]] = stored
    if unknown or not modules:
        shown = ", ".join(sorted(unknown)[:MOST_NAMES_SHOWN]) or "nothing"
        more = ", ..." if len(unknown) > MOST_NAMES_SHOWN else ""
        got = f"{len(unknown)} tensors that belong to no LoRA ({shown}{more})"
        raise CheckpointError(path, got, _KINDS)
    scales = _scales(path)
    return Lora(
        path,
        {name: _addition(path, name, parts, scales) for name, parts in sorted(modules.items())},
    )


def _read_alpha(name: str, stored: StoredTensor) -> float:
    """One number, of any kind: some programs write whole ones."""
    if stored.dtype not in _NUMBERS or math.prod(stored.shape) != 1:
        got = f"{name}.alpha as {stored.dtype} of shape {stored.shape}"
        raise CheckpointError(stored.path, got, "one number")
    with stored.path.open("rb") as file:
        file.seek(stored.start)
        data = bytearray(file.read(stored.end - stored.start))
    value = float(torch.frombuffer(data, dtype=_NUMBERS[stored.dtype]))
    if not math.isfinite(value):
        raise CheckpointError(stored.path, f"{name}.alpha with {value}", "a finite number")
    return value


def read_factors(name: str, addition: Addition, weight: float) -> tuple[Tensor, Tensor]:
    """The two factors (out, r) and (r, in) whose product is to be added, in float32.

    With `mid` (CP decomposition, as LyCORIS has it) the product is up @ mid @ down at each pixel
    of the kernel; mid and down are multiplied here.

    Raises:
        CheckpointError: numbers that are NaN or infinite, or a file that cannot be read.
    """
    down = read_tensor(f"{name} (down)", addition.down)
    up = read_tensor(f"{name} (up)", addition.up).flatten(1)
    scale = addition.scale
    if addition.alpha is not None:
        scale = _read_alpha(name, addition.alpha) / addition.rank
    if addition.mid is not None:
        mid = read_tensor(f"{name} (mid)", addition.mid)
        down = torch.einsum("abkl,bi->aikl", mid, down.flatten(1))
    return up * (scale * weight), down.flatten(1)
