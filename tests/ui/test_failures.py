"""What a visitor reads where the engine or a model gave no picture."""

import pickle

import pytest
import torch

from ldm.checkpoints.load import CheckpointError
from ldm.engine import EngineBusy, EngineClosed, OutOfMemory, TimeLimit
from ldm.pipeline import DrawingError
from ldm.pipeline.rows import NO_PICTURE
from ldm.ui.failures import known_failure

CASES = (
    (EngineBusy(9, 12.4), ["busy", "busy_again"]),
    (EngineBusy(9, None), ["busy"]),
    (EngineClosed(), ["engine_closed"]),
    (OutOfMemory(), ["out_of_memory"]),
    (torch.OutOfMemoryError("CUDA out of memory"), ["out_of_memory"]),
    (TimeLimit(30), ["time_limit"]),
    (DrawingError(NO_PICTURE), ["numbers_without_picture"]),
    (CheckpointError("unet", "<nothing>", "a file"), ["model_refused"]),
)


@pytest.mark.parametrize(("error", "keys"), CASES, ids=lambda case: type(case).__name__)
def test_every_failure_is_said_in_the_visitors_language(error: Exception, keys: list[str]) -> None:
    """Also after a way between processes, as engines of other machines send them."""
    for each in (error, pickle.loads(pickle.dumps(error))):
        words = known_failure(each)
        assert words is not None
        assert [key for key in keys if f'data-say="{key}"' in words] == keys
        assert words.count("data-say=") == len(keys)


def test_figures_and_details_are_kept() -> None:
    assert "12" in (known_failure(EngineBusy(9, 12.4)) or "")
    words = known_failure(CheckpointError("unet", "<nothing>", "a file")) or ""
    assert "unet: got &lt;nothing&gt;, allowed: a file" in words
    assert "<nothing>" not in words


def test_what_nobody_foresaw_is_not_explained() -> None:
    assert known_failure(ValueError("internal")) is None
    assert known_failure(RuntimeError("shapes cannot be multiplied")) is None
