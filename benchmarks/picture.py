"""A whole picture by a model of Stable Diffusion 1.5's size, and the most memory that it takes.

512 x 512 pixels, 20 steps of DPM++ 2M with guidance: caption, steps, decoding. The model
is loaded before the clock starts, but its memory counts. Previews are off, as diffusers makes none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.memory import Peak
from benchmarks.number_type import DTYPE, NAME
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import stable_diffusion, warm_up

SECONDS = "seconds a picture"
MEMORY = "peak memory, GB"
CAPTION = "a man boating on a lake surrounded by mountains at twilight"
GUIDANCE = 7.5


def ours(folder: Path, steps: int, size: int, changes: Mapping[str, float]) -> float:
    """Seconds that our picture takes, with these fields of its recipe changed."""
    from ldm.checkpoints.load import load
    from ldm.pipeline import run
    from ldm.recipe import Recipe

    checkpoint = load(folder, torch.device("cpu"), DTYPE)
    recipe = Recipe(
        prompt=CAPTION,
        model=checkpoint.name,
        sampler="dpmpp_2m",
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        width=size,
        height=size,
        seed=1,
        **changes,
    )
    start = time.perf_counter()
    for _ in run(checkpoint, recipe, preview_every=0):
        pass
    return time.perf_counter() - start


def measure(rival: str, folder: Path, steps: int, size: int) -> Figures:
    peak = Peak()
    if rival == OURS:
        taken = ours(folder, steps, size, {})
    else:
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        from benchmarks.pipelines import pipeline

        theirs = pipeline(folder, DTYPE)
        theirs.scheduler = DPMSolverMultistepScheduler.from_config(theirs.scheduler.config)
        theirs.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(1)
        start = time.perf_counter()
        theirs(
            CAPTION,
            width=size,
            height=size,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=generator,
        )
        taken = time.perf_counter() - start
    return {SECONDS: taken, MEMORY: peak.rise / 1e9}


def _arguments() -> list[str]:
    folder = stable_diffusion()
    warm_up(folder)
    return [str(folder), "20", "512"]


CONTESTS = (
    Contest(
        title=f"a picture of 512 x 512, 20 steps, {NAME}",
        module="benchmarks.picture",
        arguments=_arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=(
            Ratio("picture_vs_diffusers", SECONDS, DIFFUSERS),
            Ratio("peak_memory_vs_diffusers", MEMORY, DIFFUSERS, of_rival=True),
        ),
        rounds=1,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
