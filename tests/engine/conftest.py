"""A small engine on a small model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ldm.engine import Engine


@pytest.fixture
def engine(small_stable_diffusion_folder: Path) -> Iterator[Engine]:
    models = {"small": small_stable_diffusion_folder}
    with Engine(models, torch.device("cpu"), torch.float32, max_rows=4, max_waiting=3) as made:
        yield made
