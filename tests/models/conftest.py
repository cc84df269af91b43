"""What the tests of `ldm.models` share: random weights in which every tensor matters."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


def _randomise(module: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += noise * (0.2 if parameter.ndim == 1 else 0.02)
    module.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], None]:
    """Moves norms off 1 and biases off 0, where a mistake in either would not show."""
    return _randomise
