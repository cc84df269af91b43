"""The plot of a training's log: loss and speed over samples, one column a measure.

Knows the log's first columns (see `progress`); every further one is a measure of the loop's own.
"""

import csv
from pathlib import Path

from matplotlib.figure import Figure

SKIPPED = ("step", "seconds", "samples")


def read_log(path: Path) -> dict[str, list[float]]:
    """The columns of a log.csv by their names. Raises FileNotFoundError that says what to do."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no log, allowed: a folder that a stage trained in")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def plot_log(path: Path, out: Path) -> None:
    """Draw a log.csv as a picture. A measure that is positive throughout is on a log scale."""
    columns = read_log(path)
    measures = [name for name in columns if name not in SKIPPED]
    figure = Figure(figsize=(4 * len(measures), 3), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True
    ):
        axes.plot(columns["samples"], columns[name])
        axes.set(title=name.replace("_", " "), xlabel="samples")
        if min(columns[name]) > 0:
            axes.set_yscale("log")
        axes.grid(alpha=0.3, which="both")
    hours = columns["seconds"][-1] / 3600
    figure.suptitle(f"{path.parent.name}: {columns['samples'][-1]:,.0f} samples in {hours:.1f} h")
    figure.savefig(out)
