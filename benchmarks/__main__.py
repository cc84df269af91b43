"""Run the benchmarks, print a table, and write ``benchmarks/results/latest.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence

import torch

from benchmarks import (
    embedded,
    loading,
    lora,
    picture,
    sizes,
    speed_ups,
    unet_step,
    vae_decode,
    visitors,
)
from benchmarks.contest import Contest, Outcome, hold
from benchmarks.stable_diffusion import RESULTS

BENCHMARKS: Mapping[str, tuple[Contest, ...]] = {
    "loading": loading.CONTESTS,
    "lora": lora.CONTESTS,
    "unet": unet_step.CONTESTS,
    "vae": vae_decode.CONTESTS,
    "picture": picture.CONTESTS,
    "sizes": sizes.CONTESTS,
    "speed_ups": speed_ups.CONTESTS,
    "embedded": embedded.CONTESTS,
    "visitors": visitors.CONTESTS,
}


def machine() -> dict[str, object]:
    """What the figures depend on."""
    names = [line for line in _cpu_lines() if line.startswith("model name")]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "capabilities": [name for name, has in torch.cpu.get_capabilities().items() if has],
    }


def _cpu_lines() -> list[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []


def show(outcome: Outcome) -> None:
    """The medians, with the least and the most of all runs, and the ratios."""
    print(f"\n{outcome.contest.title}")
    for rival, medians in outcome.medians.items():
        for figure, median in medians.items():
            values = [run[figure] for run in outcome.runs[rival]]
            spread = f"{min(values):.2f} to {max(values):.2f}"
            print(f"  {rival:12} {figure:42} {median:8.2f}  ({spread})")
    for key, value in outcome.ratios.items():
        print(f"  {key:55} {value:8.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--rounds", type=int, help="runs of each rival")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"got {unknown[0]}, allowed: {', '.join(BENCHMARKS)}")
    outcomes: dict[str, Outcome] = {}
    for name in options.names or BENCHMARKS:
        for contest in BENCHMARKS[name]:
            outcomes[contest.title] = hold(contest, options.rounds)
            show(outcomes[contest.title])
    results = {
        "machine": machine(),
        "ratios": {key: value for each in outcomes.values() for key, value in each.ratios.items()},
        "medians": {title: each.medians for title, each in outcomes.items()},
        "runs": {title: each.runs for title, each in outcomes.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    path.write_text(json.dumps(results, indent=1), "utf-8")
    print(f"\n{path}")


if __name__ == "__main__":
    main()
