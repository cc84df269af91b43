"""Linear layers and convolutions whose weights lie as the CPU's kernels want them.

In bfloat16 these are oneDNN's, which read weights in blocks. Given weights in rows they lay them
out anew at every call, which takes as long as the arithmetic where maps are small: a convolution of
2,560 to 1,280 channels at 8 x 8 took 38 ms and 10 when packed, a linear layer of 320 x 320 for
8,192 rows 2.5 and 1.9 (Zen 5, 2 threads, bfloat16, torch 2.13). So a network's first call lays out
all of them, for good: a packed weight takes the place of the plain one, needs no more memory, and
can be turned back to the bit. What follows such a layer at once, a sum or a gate, is done by its
kernel, on numbers that are still in its registers.

In float32, where plain weights are as fast, 3x3 convolutions save more than half of the products by
Winograd's way, and keep what it makes of their weights beside them. Knows nothing of networks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models import winograd

# Smaller ones are laid out in no time.
LEAST_WEIGHTS = 1 << 12

# Of fewer channels Winograd's sums take as long as the products that they save.
LEAST_CHANNELS = 128
# What it makes of weights may take that share of their network's own memory, or so many bytes.
_SHARE, _ROOM = 6, 256 << 20


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
            self._choose_filtered()
            self._waiting = []

    def _choose_filtered(self) -> None:
        """The smallest weights first: they are those of the largest maps."""
        weights = [layer.weight for layer in self._waiting]
        room = max(
            _ROOM, sum(weight.nbytes for weight in weights if not weight.is_mkldnn) // _SHARE
        )
        for layer in reversed(self._waiting):
            if isinstance(layer, Conv2d) and layer.is_filterable():
                room -= 16 * layer.in_channels * layer.out_channels * layer.weight.itemsize
                layer.filtered = room >= 0


def added(x: Tensor, other: Tensor) -> Tensor:
    """x + other, in the memory of `x`, which nobody else may hold, unless gradients are wanted."""
    return x + other if torch.is_grad_enabled() else x.add_(other)


class _Packable(nn.Module, ABC):
    """What all kinds of layers have in common: to the outside their weights are plain."""

    weight: Tensor
    together: _Together | None = None  # None: its weight stays plain

    @abstractmethod
    def _laid_out(self, weight: Tensor) -> Tensor:
        """A weight of this layer's as its kernel wants it."""

    @abstractmethod
    def _sum(self, input: Tensor, other: Tensor) -> Tensor:
        """:meth:`plus`, where the weight is packed."""

    @abstractmethod
    def unpacked(self) -> Tensor:
        """:func:`plain_weight`, where the weight is packed."""

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
        if _is_packable(self.weight) and not self.weight.is_mkldnn:
            self._take(self.weight.detach())

    def _take(self, weight: Tensor) -> None:
        """Keep a plain weight packed."""
        self.weight = nn.Parameter(self._laid_out(weight), requires_grad=False)

    def plus(self, input: Tensor, other: Tensor) -> Tensor:
        """What the layer makes of ``input``, and ``other``, of the same shape, added to it."""
        return self._sum(input, other) if self.is_packed() else added(self(input), other)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        if self.weight.is_mkldnn:  # what moves or converts a module knows plain weights alone
            self.replace_packed(self.unpacked())
        return super()._apply(fn, recurse)

    def replace_packed(self, weight: Tensor) -> None:
        """Have a plain weight in the packed one's place."""
        self.weight = nn.Parameter(weight, requires_grad=False)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.weight.is_mkldnn:
            destination[f"{prefix}weight"] = self.unpacked()


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None, activation: str = "none") -> Tensor:
    """oneDNN's kernel; "none" as the last word: GELU by the error function, no approximation."""
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, activation, [], "none")


def _linear_with(
    input: Tensor, other: Tensor, weight: Tensor, bias: Tensor | None, operation: str
) -> Tensor:
    """The same, then "add" or "mul" with another of the result's shape."""
    return torch.ops.mkldnn._linear_pointwise.binary(input, other, weight, bias, operation)


class Linear(_Packable, nn.Linear):
    """``nn.Linear``, packed or not."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_packed():
            return super().forward(input)
        return _linear(input, self.weight, self.bias)

    def _sum(self, input: Tensor, other: Tensor) -> Tensor:
        return _linear_with(input, other, self.weight, self.bias, "add")

    def _laid_out(self, weight: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)

    def unpacked(self) -> Tensor:
        return self.weight.detach().to_dense()


class GatedLinear(Linear):
    """A gated linear unit with GELU (Shazeer 2020, arXiv 2002.05202), packed or not.

    The weight's second half makes the gates of what the first half makes, so that as many features
    come out as half of its rows. Packed, they are two.
    """

    gates: nn.Parameter | None

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, 2 * out_features)
        self.register_parameter("gates", None)

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_packed():
            values, gates = F.linear(input, self.weight, self.bias).chunk(2, dim=-1)
            if torch.is_grad_enabled():
                return values * F.gelu(gates)
            return F.gelu(gates).mul_(values)
        assert self.gates is not None
        of_values, of_gates = self.bias.chunk(2)
        gates = _linear(input, self.gates, of_gates, "gelu")
        return _linear_with(input, gates, self.weight, of_values, "mul")

    def _take(self, weight: Tensor) -> None:
        values, gates = weight.chunk(2)
        self.gates = nn.Parameter(self._laid_out(gates), requires_grad=False)
        super()._take(values)

    def unpacked(self) -> Tensor:
        assert self.gates is not None
        return torch.cat([self.weight.detach().to_dense(), self.gates.detach().to_dense()])

    def replace_packed(self, weight: Tensor) -> None:
        super().replace_packed(weight)
        self.gates = None

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination.pop(f"{prefix}gates", None)


class Conv2d(_Packable, nn.Conv2d):
    """``nn.Conv2d`` with zeros beyond the edges, packed or not."""

    filtered: bool | None = None  # whether by Winograd's way; None: not decided
    _matrices: tuple[tuple[int, int], Tensor] | None = None  # that of a state of the weight

    def is_filterable(self) -> bool:
        """Whether Winograd's way is faster."""
        weight = self.weight
        return (
            self.kernel_size == (3, 3)
            and self.stride == self.padding == self.dilation == (1, 1)
            and self.groups == 1
            and min(self.in_channels, self.out_channels) >= LEAST_CHANNELS
            and weight.dtype == torch.float32
            and weight.device.type == "cpu"
            and not weight.requires_grad
            and torch.backends.mkl.is_available()  # whose products of many matrices were measured
        )

    def _filter(self, input: Tensor) -> Tensor | None:
        """What Winograd's way makes of ``input``; None where it is not taken."""
        if self.together is None or not self.is_filterable():
            return None
        if torch.is_grad_enabled() and input.requires_grad:
            return None
        if self.filtered is None:
            self.together.pack()
        if not self.filtered:
            return None
        state = (self.weight.data_ptr(), -1 if self.weight.is_inference() else self.weight._version)
        if self._matrices is None or self._matrices[0] != state:
            with torch.no_grad():
                self._matrices = (state, winograd.transformed(self.weight))
        return winograd.convolve(input, self._matrices[1], self.bias)

    def weight_changed(self) -> None:
        """What was made of another weight is of no use."""
        self._matrices = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        self.weight_changed()
        return super()._apply(fn, recurse)

    @property
    def _is_linear(self) -> bool:
        """Whether it is a linear layer of each pixel's channels."""
        return self.kernel_size == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0)

    @property
    def _where(self) -> tuple[Any, ...]:
        return (self.padding, self.stride, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_packed():
            made = self._filter(input)
            return super().forward(input) if made is None else made
        if self._is_linear:
            rows = input.permute(0, 2, 3, 1)  # a view of (B, H, W, C), if channels_last
            return _linear(rows, self.weight, self.bias).permute(0, 3, 1, 2)
        return torch.ops.mkldnn._convolution_pointwise(
            input, self.weight, self.bias, *self._where, "none", [], ""
        )

    def _sum(self, input: Tensor, other: Tensor) -> Tensor:
        if self._is_linear:
            rows, others = (each.permute(0, 2, 3, 1) for each in (input, other))
            return _linear_with(rows, others, self.weight, self.bias, "add").permute(0, 3, 1, 2)
        return torch.ops.mkldnn._convolution_pointwise.binary(
            input, other, self.weight, self.bias, *self._where, "add", 1.0, None, [], None
        )

    def _laid_out(self, weight: Tensor) -> Tensor:
        if self._is_linear:
            matrix = weight.reshape(self.out_channels, self.in_channels)
            return torch.ops.mkldnn._reorder_linear_weight(matrix, None)
        return torch.ops.aten.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *self._where, None)

    def unpacked(self) -> Tensor:
        plain = self.weight.detach().to_dense().view(plain_shape(self))
        return plain.contiguous(memory_format=torch.channels_last)


def plain_shape(layer: nn.Linear | nn.Conv2d) -> tuple[int, ...]:
    """The shape of :func:`plain_weight`."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size


def plain_weight(layer: nn.Linear | nn.Conv2d) -> Tensor:
    """A layer's weight as ``nn.Linear`` and ``nn.Conv2d`` have it, the latter's channels_last.

    A copy, where it is packed.
    """
    if isinstance(layer, _Packable) and layer.weight.is_mkldnn:
        return layer.unpacked()
    return layer.weight.detach()


def set_weight(layer: nn.Linear | nn.Conv2d, weight: Tensor) -> None:
    """Give a layer another plain weight: within its parameter, which others may know, unless that
    is packed.
    """
    if isinstance(layer, _Packable) and layer.weight.is_mkldnn:
        layer.replace_packed(weight)
    else:
        layer.weight.data = weight
        if isinstance(layer, Conv2d):
            layer.weight_changed()


def pack(module: nn.Module) -> None:
    """Have all large weights packed when the first is used, as long as they are bfloat16 on a CPU
    that calculates with that, and those of float32 convolutions transformed.

    For inference alone: there is no way back for gradients, and a weight that wants one stays
    plain. Whatever moves or converts the module (``to``, ``float``) unpacks it, until it is used
    again.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _Packable)]
    together = _Together(layers)
    for layer in layers:
        layer.together = together
