"""What the tests of `ldm.diffusion` share: a way to drive a sampler, a stand-in for a model."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ldm.diffusion.samplers import SAMPLERS

Denoise = Callable[[Tensor, float], Tensor]
Run = Callable[..., list[tuple[Tensor, float]]]


def _run(
    sampler: str,
    x: Tensor,
    sigmas: Tensor,
    denoise: Denoise,
    generator: torch.Generator | None = None,
) -> list[tuple[Tensor, float]]:
    """Every (x, sigma) a sampler asks about, and at the end its result with the last sigma.

    Without a generator the noise a sampler adds is 0.
    """

    def noise() -> Tensor:
        if generator is None:
            return torch.zeros_like(x)
        return torch.randn(x.shape, generator=generator).to(x.dtype)

    steps = SAMPLERS[sampler].function(x, sigmas, noise)
    visited = [next(steps)]
    while True:
        try:
            visited.append(steps.send(denoise(*visited[-1])))
        except StopIteration as stop:
            return [*visited, (stop.value, sigmas[-1].item())]


def _fake_model(x: Tensor, timestep: Tensor) -> Tensor:
    """Smooth, not linear, mixing channels and neighbours, different at every timestep."""
    phase = (timestep.to(x.dtype) / 1000).reshape(-1, 1, 1, 1)
    mixed = 0.5 * x.roll(1, dims=1) - 0.3 * x.roll(1, dims=3) + 0.2 * x.roll(1, dims=2)
    return torch.tanh(0.9 * x + (1 - phase) * mixed) * torch.cos(1.5 * phase) + 0.2 * torch.sin(
        4 * phase + x
    )


@pytest.fixture
def run() -> Run:
    return _run


@pytest.fixture
def fake_model() -> Callable[[Tensor, Tensor], Tensor]:
    return _fake_model
