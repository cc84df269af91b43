"""A training run's clock, log and checkpoints: the part every training loop shares.

Each line of `log.csv` is one report: step, seconds of training so far, samples so far, samples per
second, and the means of what the loop measured since the last line.
"""

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator

from ldm.train.weights import MasterWeights

SAVE_EVERY_SECONDS = 180
FALL = 0.6  # the share of the minutes after which the learning rate falls
LEAST_RATE = 0.03


def rate_factor(passed: float) -> float:
    """What the learning rate is multiplied by when this share of the minutes has passed.

    Constant, then falling in a straight line over the last part (Hägele et al. 2024, arXiv
    2405.18392): any run may be the last one, and the fall is when pictures turn sharp.
    """
    return 1.0 if passed < FALL else max(LEAST_RATE, (1 - passed) / (1 - FALL))


class Progress:
    """Counts steps, writes the log, saves the weights' state, lowers the learning rate towards the
    end and says when the time is over.
    """

    def __init__(
        self,
        folder: Path,
        weights: MasterWeights,
        batch_size: int,
        minutes: float,
        accelerator: Accelerator,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.weights, self.accelerator = folder, weights, accelerator
        self.batch_size = batch_size * accelerator.num_processes
        self.minutes = minutes
        self.state = folder / "state.safetensors"
        self.samples, self.seconds = 0, 0.0
        if self.state.exists():
            extra = weights.load(self.state)
            self.samples, self.seconds = int(extra["samples"]), extra["seconds"]
            self.say(f"resumed at step {weights.step_count}, {self.samples} samples")

    def say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            print(text, flush=True)

    def steps(self, report_every: int = 20, max_steps: int | None = None) -> Iterator[int]:
        """Yield the step's number until the minutes are over on the main process (or max_steps are
        done); then save.
        """
        start = last_report = last_save = time.monotonic()
        before, done, reported, self.sums = self.seconds, 0, 0, {}
        while max_steps is None or done < max_steps:
            yield self.weights.step_count
            done += 1
            self.samples += self.batch_size
            now = time.monotonic()
            self.seconds = before + now - start
            if done % report_every == 0 or done == max_steps:
                self.report((done - reported) * self.batch_size / (now - last_report))
                last_report, reported = now, done
                passed = self.agreed((now - start) / (self.minutes * 60))
                self.weights.rate_factor = rate_factor(passed)
                if passed > 1:
                    break
            if self.accelerator.is_main_process and now - last_save > SAVE_EVERY_SECONDS:
                self.save()
                last_save = now
        self.save()

    def measure(self, **values: float) -> None:
        """Add one step's figures; the log has their means."""
        for name, value in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def agreed(self, passed: float) -> float:
        """The main process's clock, so that no process waits for one that has left."""
        if self.accelerator.num_processes == 1:
            return passed
        shared = torch.tensor([passed], dtype=torch.float64, device=self.accelerator.device)
        torch.distributed.broadcast(shared, 0)
        return shared.item()

    def report(self, rate: float) -> None:
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        if not self.accelerator.is_main_process:
            return
        row = {
            "step": self.weights.step_count,
            "seconds": round(self.seconds),
            "samples": self.samples,
            "samples_per_second": round(rate, 2),
            **{k: f"{v:.5g}" for k, v in means.items()},
        }
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)

    def save(self) -> None:
        if self.accelerator.is_main_process:
            self.weights.save(self.state, {"samples": self.samples, "seconds": self.seconds})
