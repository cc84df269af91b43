"""Where memory is short: what is done about it, chosen by what is free.

Owns the means and the rule. Parts can take turns on a GPU: the one that works is there, the others
wait in the CPU's memory. Attention can hold its scores in parts, and the autoencoder can work on
large maps in tiles; both give the same numbers, up to roundings. Knows nothing of files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor, nn

from ldm.models.layers import Attention
from ldm.models.vae import Decoder, Encoder, SpatialAttention

# Decoding a picture holds about four maps of 256 channels at its size, in tiles two (measured for
# AutoencoderKL: 3.0 to 4.4, and 1.9 at 1024 pixels).
MAPS, MAPS_IN_TILES, CHANNELS = 4, 2, 256
USABLE = 0.9  # of what is free; allocators round, and libraries want something too
TILE = 256  # pixels
SCORE_BYTES = 64 << 20


@dataclass(frozen=True)
class Thrift:
    """What is done so that a model fits.

    Attributes:
        offload: the text models, the U-Net and the autoencoder are on the device only while each
            of them works. Every change of turns moves the next one there.
        score_bytes: the most that scores of attention may take, for kernels that hold them.
        tile: side of the autoencoder's tiles in pixels. Decoding what is larger takes twice the
            time.
    """

    offload: bool = False
    score_bytes: int | None = None
    tile: int | None = None


PLENTY = Thrift()
CAREFUL = Thrift(score_bytes=SCORE_BYTES, tile=TILE)
SPARING = Thrift(offload=True, score_bytes=SCORE_BYTES, tile=TILE)


def free_memory(device: torch.device) -> int:
    """Bytes that a device has to spare now; of the CPU those that need not be swapped for."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    table = Path("/proc/meminfo")
    if table.is_file():
        lines = table.read_text("utf-8").splitlines()
        return next(int(row.split()[1]) * 1024 for row in lines if row.startswith("MemAvailable"))
    # macOS tells how much there is, not what is free of it. Windows tells neither.
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def choose_thrift(weights: int, pixels: int, number_bytes: int, device: str, free: int) -> Thrift:
    """The least that has to be done for a model to fit.

    Args:
        weights: bytes of all its weights.
        pixels: of the picture that is to be drawn.
        number_bytes: bytes a number, of the autoencoder.
        device: its kind. Only those with memory of their own can send parts away.
        free: bytes.
    """
    maps = CHANNELS * pixels * number_bytes
    if weights + MAPS * maps <= USABLE * free:
        return PLENTY
    if weights + MAPS_IN_TILES * maps <= USABLE * free or device in ("cpu", "mps"):
        return CAREFUL
    return SPARING


class Turns:
    """Parts that take turns on a device, in the order in which they are called.

    What waits is the CPU's own copy, so nothing is copied back but what was changed on the device.
    Not for two threads at once.
    """

    def __init__(self, parts: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        self.present: nn.Module | None = None
        self._moved: list[tuple[Tensor, Tensor, Tensor]] = []  # a weight, its CPU and device copy
        for part in parts:
            # Whatever of a part is called first: an autoencoder has more than one way in.
            for module in part.modules():
                add_hook_to_module(module, _Arrival(self, part), append=True)

    def begin(self, part: nn.Module) -> None:
        """Have a part on the device, and no other."""
        if self.present is part:
            return
        self.end()
        for tensor in (*part.parameters(), *part.buffers()):
            waiting = tensor.data
            tensor.data = self.moved(waiting)
            self._moved.append((tensor, waiting, tensor.data))
        self.present = part

    def moved(self, tensor: Tensor) -> Tensor:
        """A copy on the device."""
        return tensor.to(self.device, non_blocking=True)

    def end(self) -> None:
        """Send away the part that is there."""
        for tensor, waiting, moved in self._moved:
            unchanged = tensor.data_ptr() == moved.data_ptr() and tensor.dtype == moved.dtype
            tensor.data = waiting if unchanged else tensor.data.to(waiting.device)
        self._moved, self.present = [], None


class _Arrival(ModelHook):
    """Has a part and what it is called with on the device, before any module of it works."""

    def __init__(self, turns: Turns, part: nn.Module) -> None:
        self.turns, self.part = turns, part

    def pre_forward(
        self, module: nn.Module, *args: Any, **kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.turns.begin(self.part)
        place = self.turns.device

        def move(value: Any) -> Any:
            return value.to(place) if isinstance(value, Tensor) else value

        return tuple(map(move, args)), {name: move(value) for name, value in kwargs.items()}


def thrift_for(
    modules: Mapping[str, tuple[nn.Module, torch.dtype]],
    autoencoder: str,
    size: tuple[int, int],
    device: torch.device,
) -> Thrift:
    """What has to be done for a model to fit into what is free on a device now.

    Args:
        modules: component -> module, perhaps on the meta device, and the type of its weights.
        autoencoder: the component that decodes pictures.
        size: width and height of a picture that is to fit.
        device: where it is to be drawn.
    """
    weights = sum(
        dtype.itemsize * sum(tensor.numel() for tensor in module.parameters())
        for module, dtype in modules.values()
    )
    number_bytes = modules[autoencoder][1].itemsize
    free = free_memory(device)
    return choose_thrift(weights, size[0] * size[1], number_bytes, device.type, free)


def apply_thrift(thrift: Thrift, parts: Iterable[nn.Module], device: torch.device) -> None:
    """Have a model's parts, which lie on the CPU if they are to take turns, work like that."""
    parts = list(parts)
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, Attention | SpatialAttention):
            module.score_bytes = thrift.score_bytes
        elif isinstance(module, Encoder | Decoder):
            module.tile = thrift.tile
    if thrift.offload:
        Turns(parts, device)
