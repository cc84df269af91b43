"""LoRAs added to the weights of a loaded model, and taken away again to the bit.

Owns the files that a model may be asked for by name, and what is added at the moment. The sums
stand in memory of their own while the model's own weights are kept aside, so that taking away is
exact and other LoRAs are always added to the original. Not for two threads at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.lora import Addition, Lora, open_lora, read_factors
from ldm.checkpoints.lora_targets import Target, find_targets, match
from ldm.checkpoints.reading import READERS, digest_of
from ldm.checkpoints.weights import list_tensors
from ldm.models.packed import plain_shape, plain_weight, set_weight

Layer = nn.Linear | nn.Conv2d
Wanted = tuple[tuple[str, float], ...]  # names and weights, as a recipe has them


class LoraError(ValueError):
    """A LoRA that cannot be used: its name, what came, what is allowed."""

    def __init__(self, name: str, got: str, allowed: str) -> None:
        super().__init__(name, got, allowed)  # all three, so that the error survives pickling
        self.name, self.got, self.allowed = name, got, allowed

    def __str__(self) -> str:
        return f"{self.name}: got {self.got}, allowed: {self.allowed}"


@dataclass(frozen=True)
class _Step:
    """One addition of one of the wanted LoRAs."""

    lora: str
    module: str
    addition: Addition
    weight: float


def _factors(steps: Sequence[_Step]) -> tuple[Tensor, Tensor]:
    """The factors (out, R) and (R, in) of all that is added to one module."""
    ups, downs = [], []
    for step in steps:
        try:
            up, down = read_factors(step.module, step.addition, step.weight)
        except CheckpointError as error:
            raise LoraError(step.lora, error.got, error.allowed) from error
        ups.append(up)
        downs.append(down)
    return torch.cat(ups, dim=1), torch.cat(downs)


class Loras:
    """The LoRAs of one loaded model.

    modules: component -> module, of those that LoRAs add to; title: of the model's family; files:
    name -> file, of those that may be asked for. A change in `files` is seen at the next request.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], title: str, files: Mapping[str, Path]
    ) -> None:
        self.modules, self.title, self.files = modules, title, files
        self.used: Wanted = ()
        self.digests: dict[str, str] = {}  # name -> fingerprint of its file when it was last added
        self._kept: dict[Layer, Tensor] = {}

    def _open(self, name: str) -> Lora:
        if name not in self.files:
            known = ", ".join(self.files) or "none is at hand"
            raise LoraError(name, "a name that is not known", known)
        return open_lora(self.files[name])

    @cached_property
    def _targets(self) -> dict[tuple[str, str], Target]:
        return find_targets(self.modules)

    def _matched(self, name: str) -> list[tuple[str, Addition, Target]]:
        try:
            return match(self._open(name), self._targets, self.title)
        except CheckpointError as error:
            raise LoraError(name, error.got, error.allowed) from error

    def check(self, wanted: Wanted) -> None:
        """Make sure that these can be added, from their files' headers. Raises LoraError."""
        for name, _ in wanted:
            self._matched(name)

    def remove(self) -> None:
        """The model's own weights again."""
        for layer, own in self._kept.items():
            set_weight(layer, own.to(layer.weight.device))
        self._kept, self.used = {}, ()

    @torch.no_grad()
    def use(self, wanted: Wanted) -> None:
        """Have these and no others in the weights; nothing is done where that is so already.

        Raises LoraError for one that cannot be added; then the weights are the model's own.
        """
        if wanted == self.used:
            return
        self.remove()
        steps: dict[Layer, list[_Step]] = {}
        for name, weight in wanted:
            for module, addition, target in self._matched(name):
                step = _Step(name, module, addition, weight)
                steps.setdefault(target.layer, []).append(step)
        try:
            self._add(steps)
        except BaseException:
            self.remove()
            raise
        self.digests |= {name: digest_of(list_tensors([self.files[name]])) for name, _ in wanted}
        self.used = wanted

    def _add(self, steps: Mapping[Layer, list[_Step]]) -> None:
        if not steps:
            return
        # One place for all sums: memory that is asked for anew for each takes longer than the sums.
        device = next(iter(steps)).weight.device
        room = torch.empty(max(math.prod(plain_shape(each)) for each in steps), device=device)
        with ThreadPoolExecutor(READERS) as pool:
            factors = pool.map(_factors, steps.values())
            for layer, (up, down) in zip(steps, factors, strict=True):
                own = plain_weight(layer)
                sums = room[: own.numel()].view(own.shape).copy_(own).flatten(1)
                # Several LoRAs are one of the sum of their ranks: each weight is rounded once.
                sums.addmm_(up.to(device), down.to(device))
                # channels_last where it was: see ldm.checkpoints.reading.allocate.
                last = own.ndim == 4 and own.is_contiguous(memory_format=torch.channels_last)
                layout = torch.channels_last if last else torch.contiguous_format
                # Weights that wait need not take a GPU's own memory.
                self._kept[layer] = own.cpu()
                merged = sums.view(own.shape)
                set_weight(layer, merged.to(device, own.dtype, copy=True, memory_format=layout))
