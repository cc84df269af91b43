"""From what a host calls a model to the place where it lies, fetched if need be.

Owns the order in which a name is looked up, and the refusal of one that means nothing. Knows
nothing of what the files amount to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ldm.checkpoints.files import INDEX, PICKLES, CheckpointError, check_weight_file, name_of
from ldm.checkpoints.hub import Report, fetch, parse_id
from ldm.checkpoints.registry import MODELS


@dataclass(frozen=True)
class Wish:
    """What a host says of the model it wants.

    Attributes:
        model: a name at hand or of the registry, a folder, a file, or an id of the Hub.
        revision: of the Hub's repository: a branch, tag or commit.
        variant: of the weights, such as "fp16".
    """

    model: str
    revision: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a model lies on this machine.

    Attributes:
        name: as a recipe calls it.
        path: a folder in diffusers' layout, or a .safetensors file.
        variant: of the weights to take.
        commit: of the Hub's repository, where it came from there.
    """

    name: str
    path: Path
    variant: str | None = None
    commit: str = ""


def _on_disk(wish: Wish) -> Place | None:
    """A path that is there; None for text that is none."""
    path = Path(wish.model)
    # os.path answers False where pathlib raises, as for names that are too long.
    if os.path.isdir(path):
        if not (path / INDEX).is_file():
            raise CheckpointError(path, f"a folder without {INDEX}", "a model's folder")
    elif os.path.isfile(path) or path.suffix in PICKLES:
        check_weight_file(path)
    else:
        return None
    return Place(name_of(path), path, wish.variant)


def locate(wish: Wish, at_hand: Mapping[str, Path], report: Report | None = None) -> Place:
    """Where a model lies, after it was fetched if it has to be.

    A name at hand comes first, then one of the registry, then a path, then an id of the Hub.

    Args:
        wish: what is looked for.
        at_hand: name -> path of the host's own models.
        report: told of a download's progress.

    Raises:
        CheckpointError: there is no such thing, or it cannot be fetched.
    """
    if wish.model in at_hand:
        return Place(wish.model, at_hand[wish.model], wish.variant)
    known = MODELS.get(wish.model)
    on_disk = _on_disk(wish) if known is None else None
    if on_disk is not None:
        return on_disk
    model = wish.model if known is None else known.model_id
    if parse_id(model) is None:
        names = ", ".join([*at_hand, *MODELS])
        allowed = f"a model's name ({names}), its folder or file, or its id on the Hub, owner/name"
        raise CheckpointError(model, "no model of that name", allowed)
    variant = wish.variant or (known.variant if known else None)
    fetched = fetch(model, wish.revision, variant, report)
    return Place(wish.model, fetched.path, variant, fetched.commit)
