"""How a step's time grows with the picture: Stable Diffusion 1.5's U-Net, two rows of guidance."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import DTYPE
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import stable_diffusion, warm_up
from benchmarks.timing import seconds

SIZES = (256, 512, 768, 1024)  # pixels a side


def _step(rival: str, folder: Path) -> Callable[[Tensor], object]:
    """A step from latents (2, 4, h, w), of which both rows are the same."""
    states = torch.randn(2, 77, 768, generator=torch.Generator().manual_seed(1)).to(DTYPE)
    timestep = torch.tensor([500.0, 500.0])
    if rival == OURS:
        from ldm.checkpoints.load import load
        from ldm.models.unet import UNet2DConditionModel

        ours = load(folder, torch.device("cpu"), DTYPE).unet
        assert isinstance(ours, UNet2DConditionModel)
        with torch.inference_mode():
            context = ours.project(states, again=torch.tensor([0]))
        return lambda latents: ours(latents[:1], timestep[:1], context)
    from benchmarks.pipelines import pipeline

    theirs = pipeline(folder, DTYPE).unet
    return lambda latents: theirs(latents, timestep[0], states, return_dict=False)


def measure(rival: str, folder: Path, sizes: tuple[int, ...] = SIZES) -> Figures:
    step, generator, figures = _step(rival, folder), torch.Generator().manual_seed(0), Figures()
    for size in sizes:
        one = torch.randn(1, 4, size // 8, size // 8, generator=generator)
        latents = one.to(DTYPE).repeat(2, 1, 1, 1)
        with torch.inference_mode():
            taken = seconds(lambda latents=latents: step(latents), 1)
        figures[f"seconds a step at {size}"] = taken
    return figures


def _arguments() -> list[str]:
    folder = stable_diffusion()
    warm_up(folder)
    return [str(folder)]


CONTESTS = (
    Contest(
        title="a U-Net's step by size",
        module="benchmarks.sizes",
        arguments=_arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=tuple(
            Ratio(f"unet_step_{size}_vs_diffusers", f"seconds a step at {size}", DIFFUSERS)
            for size in SIZES
        ),
        rounds=1,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2])))
