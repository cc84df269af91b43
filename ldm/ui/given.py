"""A recipe that comes from outside: a PNG's text, a link, another program's parameters.

Owns what is taken from it and the warnings where its model or version is not ours. It does *not*
touch the page (`courier` does).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ldm import __version__
from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.recipe import LIMITS, TASKS, Recipe
from ldm.ui.form import within
from ldm.ui.parameters import read_parameters
from ldm.ui.result import known_of
from ldm.ui.texts import Markup, say

MOST_CHARACTERS = 200_000
# How a JSON object begins; another program's parameters may begin with a caption's `{a|b}`.
_OBJECT = re.compile(r'\s*\{\s*["}]')


@dataclass(frozen=True)
class Given:
    """The fields to put into the form of the tab `task`, and what the visitor should know."""

    task: str
    fields: Mapping[str, Any]
    notes: tuple[Markup, ...]


class Unreadable(ValueError):
    """What came is no recipe."""


def read_query(text: str) -> tuple[str, str]:
    """(recipe's JSON, made_with's JSON) of the value of `?q=`. Raises `Unreadable`."""
    try:
        padded = text + "=" * (-len(text) % 4)
        whole = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")).decode())
        return str(whole["recipe"]), json.dumps(whole.get("made_with", {}))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise Unreadable from error


def _notes_on_model(engine: Engine, model: str, known: Mapping[str, str]) -> list[Markup]:
    """Whether the model of a recipe is here, and is the same."""
    if model not in engine.names():
        return [say("recipe_other_model", model=model, present=engine.names()[0])]
    wanted = known.get("model_hash")
    try:
        if wanted and engine.checkpoint(model).digest != wanted:
            return [say("recipe_other_weights", model=model)]
    except CheckpointError:
        return []  # Generate says what is wrong with it
    return []


def _own(engine: Engine, recipe: Recipe, made_with: str) -> Given:
    known = known_of(made_with)
    notes = _notes_on_model(engine, recipe.model, known)
    version = known.get("ldm")
    if version and version != __version__:
        notes.append(say("recipe_other_version", version=version, present=__version__))
    if recipe.init_image:
        notes.append(say("recipe_needs_picture"))
    fields: dict[str, Any] = asdict(recipe) | {"loras": [list(pair) for pair in recipe.loras]}
    if recipe.model not in engine.names():
        fields["model"] = engine.names()[0]
    return Given(recipe.task, fields, tuple(notes))


def read_given(engine: Engine, text: str, made_with: str = "{}", task: str = "") -> Given:
    """What a recipe's JSON or another program's parameters say.

    task: the tab that is open, for parameters that do not say what they start from. Raises
    `Unreadable` for a text that is neither, `RecipeError` for a recipe that cannot be used.
    """
    if len(text) > MOST_CHARACTERS:
        raise Unreadable
    if _OBJECT.match(text):
        return _own(engine, Recipe.from_json(text), made_with)
    foreign = read_parameters(text)
    if foreign is None:
        raise Unreadable
    fields = dict(foreign.fields)
    notes, left_out = [], list(foreign.left_out)
    model = fields.pop("model", None)
    checked = {*LIMITS, "padding_mask_crop"}
    for name in [name for name in fields if name in checked and not within(name, fields[name])]:
        left_out.append(name)
        del fields[name]
    if model in engine.names():
        fields["model"] = model
    elif model is not None:
        notes += _notes_on_model(engine, str(model), {})
    if left_out:
        notes.append(say("recipe_other_program", fields=", ".join(left_out)))
    return Given(task if task in TASKS else TASKS[0], fields, tuple(notes))


def read_message(engine: Engine, message: Mapping[str, Any]) -> Given:
    """What the page's script sends: {"query"} of a link, or {"text", "made_with", "task"}."""
    texts = {name: value for name, value in message.items() if isinstance(value, str)}
    if "query" in texts:
        return read_given(engine, *read_query(texts["query"][:MOST_CHARACTERS]))
    return read_given(
        engine, texts.get("text", ""), texts.get("made_with", "{}"), texts.get("task", "")
    )
