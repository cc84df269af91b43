"""Many visitors who press the button at once, on the embedded model: together, or one by one.

Everyone asks for a picture of their own. One by one is the same engine with room for a single
picture; what it draws alone is as fast as one picture can be. A wait is from the request to the
first preview.
"""

from __future__ import annotations

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.embedded import CAPTION, MODEL
from ldm.engine import Engine
from ldm.events import Preview
from ldm.pipeline import own_recipe
from ldm.recipe import Recipe

ONE_BY_ONE = "one by one"
COUNTS = (1, 4, 16, 32)


def _draw(engine: Engine, recipe: Recipe, visitor: str) -> float:
    """Seconds until the first preview."""
    start, wait = time.perf_counter(), None
    for event in engine.run(recipe, visitor=visitor):
        if wait is None and isinstance(event, Preview):
            wait = time.perf_counter() - start
    return time.perf_counter() - start if wait is None else wait


def measure(rival: str, folder: Path, counts: tuple[int, ...] = COUNTS) -> Figures:
    figures: Figures = {}
    together = max(counts) if rival == OURS else 1
    with Engine({"embedded": folder}, torch.device("cpu"), max_rows=together) as engine:
        own = engine.checkpoint("embedded").defaults

        def recipe(seed: int) -> Recipe:
            return own_recipe(own, CAPTION, "embedded", seed)

        _draw(engine, recipe(0), "first")
        for count in counts:
            visitors = range(1, count + 1)
            start = time.perf_counter()
            with ThreadPoolExecutor(count) as pool:
                drawn = [pool.submit(_draw, engine, recipe(i), str(i)) for i in visitors]
                waits = [each.result() for each in drawn]
            taken = time.perf_counter() - start
            figures[f"pictures a minute, {count} visitors"] = 60 * count / taken
            figures[f"seconds, {count} visitors"] = taken
            figures[f"median wait, {count} visitors"] = statistics.median(waits)
            figures[f"worst wait, {count} visitors"] = max(waits)
    return figures


def _ratios(count: int) -> tuple[Ratio, ...]:
    return (
        Ratio(f"throughput_{count}_vs_one_by_one", f"seconds, {count} visitors", ONE_BY_ONE),
        Ratio(
            f"first_preview_{count}_vs_one_by_one",
            f"median wait, {count} visitors",
            ONE_BY_ONE,
            of_rival=True,
        ),
    )


CONTESTS = (
    Contest(
        title="visitors at once on the embedded model",
        module="benchmarks.visitors",
        arguments=lambda: [str(MODEL)],
        rivals=(OURS, ONE_BY_ONE),
        ratios=tuple(ratio for count in COUNTS for ratio in _ratios(count)),
        rounds=3,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2])))
