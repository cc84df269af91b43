"""Master weights: what bf16 training needs beside the modules that compute.

The modules hold weights in the compute type. Here live the float32 masters, their gradients, their
momentum and their exponential moving average, each one flat vector, so that reduction over
processes, clipping, averaging and saving are one operation each. Matrices (convolutions flattened
to (out, in * k * k)) are stepped by Muon, everything else by AdamW. State is kept as safetensors;
nothing is pickled.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ldm.checkpoints.load import choose_dtype

ADAM_ONLY = (
    "embedding",
    "conv_in",
    "conv_out",
    "fold_in",
    ".out.",
    "linear.",
    "cell_names",
    "said_looks",
)  # first and last layers
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
AVERAGE_POWER = 16.97  # of the average: its spread in time is a twentieth of all steps


def training_dtype(device: torch.device) -> torch.dtype:
    """The type that computes while float32 masters are trained: bfloat16, or float32 on a CPU that
    only imitates bfloat16 (200 times slower in products of matrices, Zen 3, torch 2.13).
    """
    return torch.float32 if choose_dtype(device) == torch.float32 else torch.bfloat16


def _polynomial(gram: Tensor) -> Tensor:
    """a + b G + c G^2 of NEWTON_SCHULZ."""
    a, b, c = NEWTON_SCHULZ
    found = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    found.diagonal().add_(a)
    return found


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """Approximately the nearest semi-orthogonal matrix to a (rows, columns) matrix, in its type.

    The quintic Newton-Schulz iteration of Muon (Jordan et al. 2024): singular values end near 1.
    Each round multiplies the matrix X from the left by a polynomial of its Gram matrix X X^T. In
    bfloat16 just that is done. In float32 the product of the polynomials, which follow from the
    first Gram matrix alone, is gathered, so that the long side is met twice and not ten times: 256
    x 2304 took 14 ms, not 40 (Zen 3, one thread). What rounding leaves in the Gram matrix grows by
    a^8 on that way: too much for bfloat16 or TF32. One matrix at a time: on CPUs a stack of them
    (bmm) took twice as long.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    if x.dtype == torch.bfloat16:
        for _ in range(steps):
            x = _polynomial(x @ x.T) @ x
        return x if wide else x.T
    gram = x @ x.T
    product = polynomial = _polynomial(gram)
    for _ in range(steps - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = _polynomial(gram)
        product = polynomial @ product
    x = product @ x
    return x if wide else x.T


@torch.no_grad()
def take_average(state: Path, modules: Mapping[str, nn.Module]) -> None:
    """Put the EMA weights of a training's state into those parameters of `modules` that it trained.

    What else it holds, of layers that are thrown away, stays there. ValueError where a parameter is
    shaped differently.
    """
    known = {
        f"{prefix}.{name}": parameter
        for prefix, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    with safe_open(state, "pt") as file:
        layout: list[tuple[str, list[int]]] = json.loads(file.metadata()["layout"])
        values = file.get_tensor("ema").split([math.prod(shape) for _, shape in layout])
    for (name, shape), value in zip(layout, values, strict=True):
        if name in known:
            if list(known[name].shape) != shape:
                raise ValueError(f"{state}: got {name} of {shape}, another architecture's")
            known[name].copy_(value.view(shape))


@torch.no_grad()
def draw_back(module: nn.Module, earlier: nn.Module, share: float) -> None:
    """Move `module`'s weights to where `share` of the way from `earlier`'s has been gone.

    Between a model and what a short training on other pictures made of it lie better ones than
    either: what they learned adds up, what they unlearned does not (Wortsman et al. 2022, arXiv
    2109.01903).
    """
    for weight, before in zip(module.parameters(), earlier.parameters(), strict=True):
        weight.copy_(torch.lerp(before.float(), weight.float(), share))


class MasterWeights:
    """Float32 masters of `modules`' parameters, their optimizers and EMA.

    learning_rate is AdamW's; Muon's update is scaled to a root mean square of 0.2, AdamW's usual
    one (Liu et al. 2025, arXiv 2502.16982), so one rate serves both. The processes share Muon's
    work: each orthogonalises its part of the matrices. The average goes back by a share of all
    steps, however many (Karras et al. 2024, arXiv 2312.02696, section 3.1): where there are some
    hundred, the last of them, in which the rate falls, give most. The rate rises over the first
    `warmup` steps of every run: a run resumed at the full rate, where it had fallen, lost what its
    last 200 steps had taught it. Who trains may set rate_factor, the same in all processes, to
    lower the rate.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        accelerator: Accelerator,
        learning_rate: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        warmup: int = 50,
    ) -> None:
        self.accelerator = accelerator
        self.named = [
            (f"{prefix}.{name}", parameter)
            for prefix, module in modules.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        ]
        self.learning_rate, self.warmup = learning_rate, warmup
        self.momentum_decay, self.weight_decay = momentum, weight_decay
        self.step_count, self.resumed, self.rate_factor = 0, 0, 1.0
        self.sizes = [parameter.numel() for _, parameter in self.named]
        self.flat = torch.cat([p.detach().float().reshape(-1) for _, p in self.named])
        self.gradient, self.momentum = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.ema = self.flat.clone()
        self.shapes = {  # of the matrices, by their place in `named`
            index: (parameter.shape[0], parameter.numel() // parameter.shape[0])
            for index, (name, parameter) in enumerate(self.named)
            if parameter.ndim >= 2 and not any(word in name for word in ADAM_ONLY)
        }
        self.mine = self.share_of_matrices()
        masters, slopes = self.flat.split(self.sizes), self.gradient.split(self.sizes)
        others = []
        for index, (values, slope) in enumerate(zip(masters, slopes, strict=True)):
            if index not in self.shapes:
                others.append(nn.Parameter(values))
                others[-1].grad = slope
        self.adamw = torch.optim.AdamW(
            others, learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay
        )

    def share_of_matrices(self) -> list[int]:
        """The matrices this process orthogonalises: heaviest first, each to the least laden one."""
        loads = [0.0] * self.accelerator.num_processes
        mine = []

        def cost(index: int) -> float:
            rows, columns = sorted(self.shapes[index])
            return rows * rows * columns

        for index in sorted(self.shapes, key=cost, reverse=True):
            process = loads.index(min(loads))
            loads[process] += cost(index)
            if process == self.accelerator.process_index:
                mine.append(index)
        return mine

    def summed(self, vector: Tensor) -> Tensor:
        if self.accelerator.num_processes > 1:
            torch.distributed.all_reduce(vector)
        return vector

    @torch.no_grad()
    def step(self, clip: float = 1.0) -> float:
        """One update from the modules' gradients, which are consumed. Returns the gradient's norm.

        A gradient that is not finite is skipped (and its norm returned), never applied. Raises
        RuntimeError where a parameter has none: somewhere the way back is cut, and a part of the
        network would go untrained unnoticed.
        """
        for slope, (name, parameter) in zip(
            self.gradient.split(self.sizes), self.named, strict=True
        ):
            if parameter.grad is None:
                raise RuntimeError(f"{name} is trained, but no gradient reached it")
            slope.view(parameter.shape).copy_(parameter.grad)
            parameter.grad = None
        self.summed(self.gradient).div_(self.accelerator.num_processes)
        norm = float(self.gradient.norm())
        if not math.isfinite(norm):
            return norm
        self.gradient *= min(1.0, clip / (norm + 1e-6))
        rate = (
            self.learning_rate
            * self.rate_factor
            * min(1.0, (self.step_count - self.resumed + 1) / self.warmup)
        )
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        self.muon_step(rate)
        self.step_count += 1
        self.ema.lerp_(self.flat, 1 - (1 - 1 / self.step_count) ** (AVERAGE_POWER + 1))
        self.publish(self.flat)
        return norm

    def muon_step(self, rate: float) -> None:
        """Muon with Nesterov momentum: flat -= rate * 0.2 * sqrt(max(rows, columns)) *
        orthogonalised.
        """
        self.momentum.lerp_(self.gradient, 1 - self.momentum_decay)
        look_ahead = self.gradient.lerp(self.momentum, self.momentum_decay).split(self.sizes)
        change = torch.zeros_like(self.flat)
        changes = change.split(self.sizes)
        for index in self.mine:
            shape = self.shapes[index]
            direction = orthogonalised(look_ahead[index].view(shape).to(self.named[index][1].dtype))
            changes[index].view(shape).copy_(direction).mul_(0.2 * math.sqrt(max(shape)))
        self.summed(change)
        masters, steps = self.flat.split(self.sizes), change.split(self.sizes)
        for index in self.shapes:
            masters[index].mul_(1 - rate * self.weight_decay).sub_(steps[index], alpha=rate)

    @torch.no_grad()
    def publish(self, flat: Tensor) -> None:
        """Copy `flat` (the masters or the EMA) into the modules that compute."""
        for (_, parameter), values in zip(self.named, flat.split(self.sizes), strict=True):
            parameter.copy_(values.view(parameter.shape))

    def layout(self) -> str:
        return json.dumps([[name, list(parameter.shape)] for name, parameter in self.named])

    def save(self, path: Path, extra: Mapping[str, float]) -> None:
        """Everything needed to go on, under a temporary name first: a killed save loses nothing."""
        tensors = {"flat": self.flat, "ema": self.ema, "momentum": self.momentum}
        for index, part in enumerate(self.adamw.param_groups[0]["params"]):
            for key, value in self.adamw.state[part].items():
                tensors[f"adamw.{index}.{key}"] = torch.as_tensor(value)
        metadata = {
            "step": str(self.step_count),
            "layout": self.layout(),
            "extra": json.dumps(dict(extra)),
        }
        temporary = path.with_suffix(".tmp")
        save_file(tensors, temporary, metadata)
        temporary.replace(path)

    def load(self, path: Path) -> dict[str, float]:
        """Restore `save`'s state. Raises ValueError if the modules are shaped differently."""
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            if metadata["layout"] != self.layout():
                raise ValueError(
                    f"{path}: got another architecture's state; delete it to start anew"
                )
            for name, vector in (
                ("flat", self.flat),
                ("ema", self.ema),
                ("momentum", self.momentum),
            ):
                vector.copy_(file.get_tensor(name))
            kept: dict[int, dict[str, Tensor]] = defaultdict(dict)
            for name in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                if name.startswith("adamw."):
                    _, index, key = name.split(".")
                    kept[int(index)][key] = file.get_tensor(name)
        for index, part in enumerate(self.adamw.param_groups[0]["params"]):
            self.adamw.state[part] = kept[index]
        self.step_count = self.resumed = int(metadata["step"])
        self.publish(self.flat)
        return json.loads(metadata["extra"])
