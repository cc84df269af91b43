"""Decoding one picture of 512 x 512 by Stable Diffusion's autoencoder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import DTYPE, NAME
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import stable_diffusion, warm_up
from benchmarks.timing import seconds

SECONDS = "seconds a picture"


def _decoding(rival: str, folder: Path, latents: Tensor) -> Callable[[], object]:
    if rival == OURS:
        from ldm.checkpoints.load import load

        ours = load(folder, torch.device("cpu"), DTYPE).vae
        return lambda: ours.decode(latents)
    from benchmarks.pipelines import pipeline

    theirs = pipeline(folder, DTYPE).vae
    return lambda: theirs.decode(latents, return_dict=False)


def measure(rival: str, folder: Path) -> Figures:
    latents = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)).to(DTYPE)
    decode = _decoding(rival, folder, latents)
    with torch.inference_mode():
        return {SECONDS: seconds(decode)}


def _arguments() -> list[str]:
    folder = stable_diffusion()
    warm_up(folder)
    return [str(folder)]


CONTESTS = (
    Contest(
        title=f"decoding 512 x 512, {NAME}",
        module="benchmarks.vae_decode",
        arguments=_arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=(Ratio("vae_decode_vs_diffusers", SECONDS, DIFFUSERS),),
        rounds=3,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2])))
