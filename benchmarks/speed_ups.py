"""What each speed-up with a price saves, of a picture by a model of Stable Diffusion 1.5's size.

Each against the same picture without: 512 x 512 pixels, 10 steps of DPM++ 2M with guidance. What
they cost in quality is measured on the embedded model, whose weights mean something: `python -m
ldm.train.sweep --cache_interval 1 3`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import NAME
from benchmarks.picture import SECONDS, ours
from benchmarks.stable_diffusion import stable_diffusion, warm_up

SPEED_UPS: Mapping[str, Mapping[str, float]] = {
    OURS: {},
    "guidance to half": {"guidance_end": 0.5},
    "cache of 3": {"cache_interval": 3},
    "half merged": {"token_merging_ratio": 0.5},
    "all three": {"guidance_end": 0.5, "cache_interval": 3, "token_merging_ratio": 0.5},
}


def measure(rival: str, folder: Path, steps: int, size: int) -> Figures:
    return {SECONDS: ours(folder, steps, size, SPEED_UPS[rival])}


def _arguments() -> list[str]:
    folder = stable_diffusion()
    warm_up(folder)
    return [str(folder), "10", "512"]


CONTESTS = (
    Contest(
        title=f"speed-ups with a price, 512 x 512, 10 steps, {NAME}",
        module="benchmarks.speed_ups",
        arguments=_arguments,
        rivals=tuple(SPEED_UPS),
        ratios=tuple(
            Ratio(f"speed_up_by_{name.replace(' ', '_')}", SECONDS, name, of_rival=True)
            for name in SPEED_UPS
            if name != OURS
        ),
        rounds=1,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
