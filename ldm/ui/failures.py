"""Why the engine or a model gave no picture, in the visitor's language.

Their errors speak English, to whoever runs the program; those that a visitor can meet have a text
each. What a file of a model lacks is left in English, inside a sentence in the visitor's language.
"""

from ldm.checkpoints.load import CheckpointError
from ldm.engine import EngineBusy, EngineClosed, OutOfMemory, TimeLimit
from ldm.engine.steps import is_out_of_memory
from ldm.pipeline import DrawingError
from ldm.ui.texts import Markup, joined, say


def _busy(error: EngineBusy) -> Markup:
    line = say("busy", waiting=error.waiting)
    if not error.seconds:
        return line
    return joined(line, " ", say("busy_again", seconds=round(error.seconds)))


def model_refused(error: CheckpointError) -> Markup:
    """Which model cannot be used, and what is wrong with it."""
    return say("model_refused", problem=str(error))


def known_failure(error: Exception) -> Markup | None:
    """Why there is no picture; None for an error that nobody foresaw."""
    if isinstance(error, EngineBusy):
        return _busy(error)
    if isinstance(error, OutOfMemory) or is_out_of_memory(error):  # drawing, or loading the model
        return say("out_of_memory")
    if isinstance(error, TimeLimit):
        return say("time_limit", seconds=round(error.seconds, 1))
    if isinstance(error, EngineClosed):
        return say("engine_closed")
    if isinstance(error, DrawingError):
        return say("numbers_without_picture")
    if isinstance(error, CheckpointError):
        return model_refused(error)
    return None
