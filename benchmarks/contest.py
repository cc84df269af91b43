"""A measurement that several programs make in turns.

Owns the turns, the medians and the ratios. Every run is a process of its own, so that no rival
finds anything warm that another has left, but for the files that all of them read. Knows nothing of
what is measured.

A benchmark is a module with two sides: run as a program it makes one measurement and prints it
(`report`), and its CONTESTS say how often, by whom, and what the figures are called.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OURS = "ours"
Figures = dict[str, float]  # name, with its unit -> value


@dataclass(frozen=True)
class Ratio:
    """What one figure comes to.

    Attributes:
        key: in the results.
        figure: of the measurement.
        rival: whose figure is divided by ours, so that above 1 ours is the faster; None: ours as it
            is, which is a share already.
        of_rival: ours is divided by the rival's instead: of memory and waits, below 1 is better.
    """

    key: str
    figure: str
    rival: str | None = None
    of_rival: bool = False

    def of(self, medians: Mapping[str, Figures]) -> float:
        ours = medians[OURS][self.figure]
        if self.rival is None:
            return ours
        theirs = medians[self.rival][self.figure]
        return ours / theirs if self.of_rival else theirs / ours


@dataclass(frozen=True)
class Contest:
    """One measurement and who makes it.

    Attributes:
        title: as the table shows it.
        module: that makes the measurement, run as a program with the rival's name and `arguments`.
        arguments: what else it is told; made when the contest begins.
        rivals: with ours first.
        ratios: what is compared.
        rounds: runs of each rival.
    """

    title: str
    module: str
    arguments: Callable[[], Sequence[str]]
    rivals: tuple[str, ...]
    ratios: tuple[Ratio, ...]
    rounds: int = 5


@dataclass(frozen=True)
class Outcome:
    """What came of a contest: rival -> figures, all runs and their medians; ratios by key."""

    contest: Contest
    runs: Mapping[str, list[Figures]]
    medians: Mapping[str, Figures]
    ratios: Mapping[str, float]


def report(figures: Figures) -> None:
    """Print a measurement, as the last thing that a measuring process does."""
    print(json.dumps(figures))


def _measure(contest: Contest, rival: str, arguments: Sequence[str]) -> Figures:
    command = [sys.executable, "-m", contest.module, rival, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def hold(contest: Contest, rounds: int | None = None) -> Outcome:
    """Let the rivals take turns, each round in the other order, so that drifts hit all alike."""
    arguments = contest.arguments()
    runs: dict[str, list[Figures]] = {rival: [] for rival in contest.rivals}
    for number in range(rounds or contest.rounds):
        for rival in contest.rivals[:: -1 if number % 2 else 1]:
            runs[rival].append(_measure(contest, rival, arguments))
    medians = {
        rival: {name: statistics.median(run[name] for run in made) for name in made[0]}
        for rival, made in runs.items()
    }
    return Outcome(
        contest, runs, medians, {ratio.key: ratio.of(medians) for ratio in contest.ratios}
    )
