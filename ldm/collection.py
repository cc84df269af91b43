"""The models at hand: which there are, what each is like, and those that are loaded.

Knows nothing of requests or of drawing.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ldm.checkpoints.extras import NOTHING, Extras
from ldm.checkpoints.family import Family
from ldm.checkpoints.load import (
    Checkpoint,
    CheckpointError,
    Defaults,
    load,
    read_defaults,
    read_family,
)
from ldm.checkpoints.memory import Thrift
from ldm.recipe import RecipeError

MODELS = Path(__file__).parent.parent / "assets" / "models"
MAX_PIXELS = {"cpu": 1024 * 1024, "mps": 1536 * 1536, "cuda": 2048 * 2048}


def find_models(extra: Sequence[Path] = ()) -> dict[str, Path]:
    """The model folders that ship in assets/models, and those of `extra`, by folder name."""
    shipped = sorted(MODELS.iterdir()) if MODELS.is_dir() else []
    folders = [folder for folder in [*shipped, *extra] if (folder / "model_index.json").is_file()]
    return {folder.name: folder for folder in folders}


class Collection:
    """Models by name, each loaded when it is first asked for.

    models: name -> folder or file; the first is the default. device, dtype: chosen by what the
    machine has where None. max_pixels: width times height of a picture may be this much; as the
    device can where None. extras: what stands beside a model, by its name; loras: name -> file,
    for recipes of any model. thrift: with memory, of every model; chosen by what is free where
    None. Thread safe.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        max_pixels: int | None = None,
        extras: Mapping[str, Extras] | None = None,
        loras: Mapping[str, Path] | None = None,
        thrift: Thrift | None = None,
    ) -> None:
        if not models:
            raise CheckpointError(
                "models", "none", f"at least one model folder, such as those in {MODELS}"
            )
        self.models = dict(models)
        self.device, self.dtype, self.thrift = device, dtype, thrift
        # As they are, not copied: the host may add LoRAs to its own at any time.
        self._extras = {} if extras is None else extras
        self._loras = {} if loras is None else loras
        self._max_pixels = max_pixels
        self._loaded: dict[str, Checkpoint] = {}
        self._load_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def names(self) -> list[str]:
        return list(self.models)

    def folder(self, model: str) -> Path:
        if model not in self.models:
            raise RecipeError("model", model, ", ".join(self.models))
        return self.models[model]

    def extras(self, model: str) -> Extras:
        """What stands beside the model's own files."""
        return replace(self._extras.get(model, NOTHING), loras=self._loras)

    def defaults(self, model: str) -> Defaults:
        """What the model wants by default, read without loading its weights."""
        return read_defaults(self.folder(model), self.extras(model))

    def family(self, model: str) -> Family:
        """What kind of model it is and what it can do, read without loading its weights."""
        return read_family(self.folder(model), self.extras(model))

    def checkpoint(self, model: str) -> Checkpoint:
        """The loaded model; the first caller waits for it to load. Raises CheckpointError."""
        folder = self.folder(model)
        with self._load_locks[model]:
            if model not in self._loaded:
                self._loaded[model] = load(
                    folder, self.device, self.dtype, self.extras(model), self.thrift
                )
            return self._loaded[model]

    def max_pixels(self, model: str) -> int:
        """Width times height may be this much on this machine."""
        return self._max_pixels or MAX_PIXELS.get(
            self.checkpoint(model).device.type, MAX_PIXELS["cpu"]
        )
