"""LoRAs with random numbers, written in the layouts of the programs that make them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]
LINEAR = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "proj", "q_proj", "fc1")


@dataclass(frozen=True)
class Factors:
    """One module's: up (out, r, 1, 1) and down (r, in, k, k), of a linear layer without the rest;
    mid (r, r, k, k) where there is one, and then a down of one pixel. alpha None: not written.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    alpha: float | None = None

    @property
    def product(self) -> Tensor:
        """What is added at weight 1, as A1111 and kohya's program compute it."""
        rank = self.down.shape[0]
        scale = 1.0 if self.alpha is None else self.alpha / rank
        up, down = self.up.flatten(1), self.down.flatten(1)
        if self.mid is None:
            return scale * (up @ down).view(-1, *self.down.shape[1:])
        kernel = [
            [up @ self.mid[:, :, i, j] @ down for j in range(self.mid.shape[3])]
            for i in range(self.mid.shape[2])
        ]
        return scale * torch.stack([torch.stack(row, -1) for row in kernel], -2)


def modules_of(module: nn.Module, wanted: Callable[[str], bool]) -> dict[str, nn.Module]:
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and wanted(name)
    }


def attention_of(module: nn.Module) -> dict[str, nn.Module]:
    """The layers that a LoRA commonly adds to."""
    return modules_of(module, lambda name: name.endswith(LINEAR) and "time_emb" not in name)


def random_factors(
    modules: Mapping[str, nn.Module],
    rank: int,
    alpha: float | None,
    generator: torch.Generator,
    mid: bool = False,
) -> dict[str, Factors]:
    found: dict[str, Factors] = {}
    for name, layer in modules.items():
        shape = layer.get_parameter("weight").shape
        kernel, one = shape[2:], shape[2:] and (1, 1)
        inner = torch.randn(rank, rank, *kernel, generator=generator) if mid and kernel else None
        size = one if inner is not None else kernel
        down = torch.randn(rank, shape[1], *size, generator=generator) / rank
        up = torch.randn(shape[0], rank, *one, generator=generator) / rank
        found[name] = Factors(up, down, inner, alpha)
    return found


def kohya(prefix: str, factors: Mapping[str, Factors]) -> State:
    """kohya's sd-scripts and LyCORIS: underscores for dots."""
    state: State = {}
    for name, each in factors.items():
        key = f"{prefix}{name.replace('.', '_')}"
        state[f"{key}.lora_up.weight"], state[f"{key}.lora_down.weight"] = each.up, each.down
        if each.mid is not None:
            state[f"{key}.lora_mid.weight"] = each.mid
        if each.alpha is not None:
            state[f"{key}.alpha"] = torch.tensor(each.alpha)
    return state


def peft(prefix: str, factors: Mapping[str, Factors]) -> State:
    """diffusers since 0.22, and PEFT."""
    state: State = {}
    for name, each in factors.items():
        state[f"{prefix}{name}.lora_B.weight"] = each.up
        state[f"{prefix}{name}.lora_A.weight"] = each.down
    return state


def first_diffusers(factors: Mapping[str, Factors]) -> State:
    """diffusers' first layout, of attention's layers alone."""
    state: State = {}
    for name, each in factors.items():
        module, _, layer = name.removesuffix(".0").rpartition(".")
        state[f"unet.{module}.processor.{layer}_lora.up.weight"] = each.up
        state[f"unet.{module}.processor.{layer}_lora.down.weight"] = each.down
    return state


def write(path: Path, *states: State, metadata: dict[str, str] | None = None) -> Path:
    merged = {name: value.clone().contiguous() for state in states for name, value in state.items()}
    save_file(merged, path, metadata=metadata)
    return path


def bytes_of(modules: Iterable[Any]) -> list[bytes]:
    """Every weight's bytes, as they lie in memory order of their shape."""
    return [
        value.flatten().view(torch.uint8).numpy().tobytes()
        for module in modules
        for value in module.state_dict().values()
    ]
