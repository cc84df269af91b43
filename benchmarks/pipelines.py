"""diffusers' side of a contest: its pipeline, as its documentation has it."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

DIFFUSERS = "diffusers"


def pipeline(folder: Path, dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
    """dtype: None is what diffusers does when it is told nothing."""
    if dtype is None:
        return StableDiffusionPipeline.from_pretrained(folder)
    return StableDiffusionPipeline.from_pretrained(folder, dtype=dtype)
