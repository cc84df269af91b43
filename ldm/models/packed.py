"""Linear layers and convolutions whose weights lie as the CPU's kernels want them.

oneDNN's kernels read weights in blocks. Given weights in rows they lay them out anew at every call,
which takes as long as the arithmetic where maps are small: a convolution of 2,560 to 1,280 channels
at 8 x 8 took 38 ms and 10 when packed, a linear layer of 320 x 320 for 8,192 rows 2.5 and 1.9 (Zen
5, 2 threads, bfloat16, torch 2.13). So a network's first call lays out all of them, for good: a
packed weight takes the place of the plain one, needs no more memory, and can be turned back to the
bit. Knows nothing of networks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Smaller ones are laid out in no time, and stay readable.
LEAST_WEIGHTS = 1 << 16


def _is_packable(weight: Tensor) -> bool:
    return (
        weight.numel() >= LEAST_WEIGHTS
        and not weight.requires_grad
        and weight.dtype == torch.bfloat16
        and weight.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class _Together:
    """The layers of a network, packed when the first of them is used.

    The largest first, so that each finds room where the one before was. Packed in the order of
    their use, Stable Diffusion 1.5's took half a gigabyte more, in pieces between them.
    """

    def __init__(self, layers: Iterable[_Packable]) -> None:
        self._lock = threading.Lock()  # an encoder and a decoder are used side by side
        self._waiting = sorted(layers, key=lambda layer: layer.weight.numel(), reverse=True)

    def pack(self) -> None:
        with self._lock:
            for layer in self._waiting:
                layer.pack_now()
            self._waiting = []


class _Packable(nn.Module, ABC):
    """What both kinds of layers have in common: to the outside their weights are plain."""

    weight: Tensor
    together: _Together | None = None  # None: its weight stays plain

    @abstractmethod
    def _laid_out(self, weight: Tensor) -> Tensor:
        """A weight of this layer's as its kernel wants it."""

    def is_packed(self) -> bool:
        """Whether its weight is packed, now at the latest."""
        if self.weight.is_mkldnn:
            return True
        if self.together is None or not _is_packable(self.weight):
            return False
        self.together.pack()
        self.pack_now()  # again, where another weight has come since
        return True

    @torch.no_grad()
    def pack_now(self) -> None:
        weight = self.weight.detach()
        if _is_packable(weight) and not weight.is_mkldnn:
            self.weight = nn.Parameter(self._laid_out(weight), requires_grad=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        assert isinstance(self, Linear | Conv2d)
        if self.weight.is_mkldnn:  # what moves or converts a module knows plain weights alone
            set_weight(self, plain_weight(self))
        return super()._apply(fn, recurse)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        assert isinstance(self, Linear | Conv2d)
        if self.weight.is_mkldnn:
            destination[f"{prefix}weight"] = plain_weight(self)


class Linear(_Packable, nn.Linear):
    """``nn.Linear``, packed or not."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_packed():
            return super().forward(input)
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")

    def _laid_out(self, weight: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)


class Conv2d(_Packable, nn.Conv2d):
    """``nn.Conv2d`` with zeros beyond the edges, packed or not."""

    @property
    def _is_linear(self) -> bool:
        """Whether it is a linear layer of each pixel's channels."""
        return self.kernel_size == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0)

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_packed():
            return super().forward(input)
        if self._is_linear:
            rows = input.permute(0, 2, 3, 1)  # a view of (B, H, W, C), if channels_last
            made = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
            return made.permute(0, 3, 1, 2)
        where: tuple[Any, ...] = (self.padding, self.stride, self.dilation, self.groups)
        return torch.ops.mkldnn._convolution_pointwise(
            input, self.weight, self.bias, *where, "none", [], ""
        )

    def _laid_out(self, weight: Tensor) -> Tensor:
        if self._is_linear:
            matrix = weight.reshape(self.out_channels, self.in_channels)
            return torch.ops.mkldnn._reorder_linear_weight(matrix, None)
        where: tuple[Any, ...] = (self.padding, self.stride, self.dilation, self.groups)
        return torch.ops.aten.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *where, None)


def plain_weight(layer: nn.Linear | nn.Conv2d) -> Tensor:
    """A layer's weight as ``nn.Linear`` and ``nn.Conv2d`` have it, the latter's channels_last.

    A copy, where it is packed.
    """
    weight = layer.weight
    if not weight.is_mkldnn:
        return weight.detach()
    plain = weight.detach().to_dense()
    if isinstance(layer, nn.Linear):
        return plain
    plain = plain.view(layer.out_channels, layer.in_channels, *layer.kernel_size)
    return plain.contiguous(memory_format=torch.channels_last)


def set_weight(layer: nn.Linear | nn.Conv2d, weight: Tensor) -> None:
    """Give a layer another weight, plain or packed.

    A plain one in a plain one's place is set within the parameter, which others may know.
    """
    if layer.weight.is_mkldnn or weight.is_mkldnn:
        layer.weight = nn.Parameter(weight, requires_grad=False)
    else:
        layer.weight.data = weight


def pack(module: nn.Module) -> None:
    """Have all large weights packed when the first is used, as long as they are bfloat16 on a CPU
    that calculates with that.

    For inference alone: there is no way back for gradients, and a weight that wants one stays
    plain. Whatever moves or converts the module (``to``, ``float``) unpacks it, until it is used
    again.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _Packable)]
    together = _Together(layers)
    for layer in layers:
        layer.together = together
