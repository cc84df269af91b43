"""One step of many rows: in how many U-Net calls, and what happens when a call fails.

A call takes the rows that memory has room for. One that fails is split and tried again, until a row
that fails does so alone. Knows nothing of requests, visitors or threads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ldm.checkpoints.load import Checkpoint
from ldm.engine.tickets import OutOfMemory
from ldm.pipeline import Answer, Row, evaluate

# What a U-Net call takes for each place of its batch, as maps of the first level's channels at the
# latents' size (measured; the feed-forward layers, which are eight times as wide, set the most).
MAPS = 30

Kind = tuple[object, ...]
Failures = dict[Row, Exception]


def is_out_of_memory(error: BaseException) -> bool:
    """PyTorch has a class for it on GPUs; its allocator for the CPU raises a RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def explained(error: Exception) -> Exception:
    """The same error, or in words for people where memory was the reason."""
    return OutOfMemory() if is_out_of_memory(error) else error


def bytes_a_place(checkpoint: Checkpoint, row: Row) -> int:
    """About what one place of a U-Net call takes."""
    wide = checkpoint.unet.get_submodule("conv_in").get_parameter("weight").shape[0]
    height, width = row.x.shape[2:]
    return MAPS * wide * height * width * checkpoint.dtype.itemsize


class Steps:
    """Moves rows by one evaluation each.

    room: bytes that one U-Net call may take. strict: every row has its call to itself, and so the
    same bytes whoever else is drawn.
    """

    def __init__(self, room: int, strict: bool) -> None:
        self.room, self.strict = room, strict
        self._learnt: dict[Kind, int] = {}  # rows that a call of this kind has turned out to bear

    def rows_a_call(self, checkpoint: Checkpoint, row: Row) -> int:
        """How many rows like this one share a call."""
        if self.strict:
            return 1
        each = bytes_a_place(checkpoint, row) * (2 if row.unconditional is not None else 1)
        return max(1, min(self.room // each, self._learnt.get(row.kind, self.room)))

    def move(self, checkpoint: Checkpoint, rows: Sequence[Row]) -> Failures:
        """One evaluation of each of these rows, all of one kind. Returns those that failed."""
        most, failures = self.rows_a_call(checkpoint, rows[0]), Failures()
        for first in range(0, len(rows), most):
            for row, answer in self._answers(checkpoint, rows[first : first + most], failures):
                try:
                    row.take(answer)
                except Exception as error:  # whatever it is, it is this row's own
                    failures[row] = explained(error)
        return failures

    def _answers(
        self, checkpoint: Checkpoint, rows: Sequence[Row], failures: Failures
    ) -> list[tuple[Row, Answer]]:
        try:
            return list(zip(rows, evaluate(checkpoint, rows), strict=True))
        except Exception as error:
            if len(rows) == 1:
                failures[rows[0]] = explained(error)
                return []
            short = is_out_of_memory(error)
        # The error is let go of first: its traceback holds what the call had in memory.
        half = len(rows) // 2
        if short:
            self._learnt[rows[0].kind] = half
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        # No row of a failed call has moved.
        return [
            *self._answers(checkpoint, rows[:half], failures),
            *self._answers(checkpoint, rows[half:], failures),
        ]
