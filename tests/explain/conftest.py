"""A small Stable Diffusion, loaded by our code, beside the same weights as diffusers' class."""

from pathlib import Path

import diffusers
import pytest
import torch

from ldm.checkpoints.load import Checkpoint, load
from ldm.recipe import Recipe


@pytest.fixture(scope="session")
def checkpoint(small_stable_diffusion_folder: Path) -> Checkpoint:
    return load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def reference(small_stable_diffusion: diffusers.StableDiffusionPipeline):
    """The U-Net of diffusers with the same weights."""
    return small_stable_diffusion.unet.eval()


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        prompt="a lake, at dawn",
        num_inference_steps=5,
        guidance_scale=3.0,
        sampler="ddim",
        seed=3,
        width=64,
        height=64,
    )
