"""The models at hand: which there are, what each is like, and those that are loaded.

Owns which are unloaded when memory is short: those that nobody draws with, the one that was used
longest ago first. Knows nothing of requests or of drawing.
"""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from ldm.checkpoints.captions import Captions, read_captions
from ldm.checkpoints.extras import NOTHING, Extras
from ldm.checkpoints.family import Family
from ldm.checkpoints.load import (
    Checkpoint,
    CheckpointError,
    Defaults,
    choose_device,
    load,
    read_defaults,
    read_family,
)
from ldm.checkpoints.memory import USABLE, Thrift, free_memory
from ldm.models.allocation import give_back_memory
from ldm.models.apart import apart
from ldm.recipe import RecipeError

MODELS = Path(__file__).parent.parent / "assets" / "models"
MAX_PIXELS = {"cpu": 1024 * 1024, "mps": 1536 * 1536, "cuda": 2048 * 2048}


def find_models(extra: Sequence[Path] = ()) -> dict[str, Path]:
    """The model folders that ship in assets/models, and those of `extra`, by folder name."""
    shipped = sorted(MODELS.iterdir()) if MODELS.is_dir() else []
    folders = [folder for folder in [*shipped, *extra] if (folder / "model_index.json").is_file()]
    return {folder.name: folder for folder in folders}


def weights_bytes(path: Path) -> int:
    """What a model's files of weights weigh: about what they take of the memory, or more."""
    files = [path] if path.is_file() else path.rglob("*.safetensors")
    return sum(file.stat().st_size for file in files)


@dataclass(eq=False)
class _Loaded:
    """A model in memory, and how many hold it there."""

    checkpoint: Checkpoint
    users: int = 0


@dataclass(eq=False)
class Lease:
    """A model that stays loaded until it is released. Releasing twice is the same as once."""

    checkpoint: Checkpoint
    _loaded: _Loaded
    _leases: threading.Condition
    _released: bool = field(default=False, init=False)

    def release(self) -> None:
        with self._leases:
            if not self._released:
                self._released = True
                self._loaded.users -= 1
                self._leases.notify_all()


class Collection:
    """Models by name, each loaded when it is first asked for.

    models: name -> folder or file; the first is the default. device, dtype: chosen by what the
    machine has where None. max_pixels: width times height of a picture may be this much; as the
    device can where None. extras: what stands beside a model, by its name; loras: name -> file,
    for recipes of any model. thrift: with memory, of every model; chosen by what is free where
    None. memory: bytes for models and drawing; what is free on the device now where None. Models
    take half of it, and one that is larger is loaded alone. compile_unet: see
    `ldm.models.compiled`. Thread safe.
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
        memory: int | None = None,
        compile_unet: bool = False,
    ) -> None:
        if not models:
            raise CheckpointError(
                "models", "none", f"at least one model folder, such as those in {MODELS}"
            )
        self.models = dict(models)
        self.device, self.dtype, self.thrift = device, dtype, thrift
        self.compile_unet = compile_unet
        # As they are, not copied: the host may add LoRAs to its own at any time.
        self._extras = {} if extras is None else extras
        self._loras = {} if loras is None else loras
        self._max_pixels = max_pixels
        self.memory = memory or int(USABLE * free_memory(device or choose_device()))
        self._loading = threading.Lock()  # one model at a time
        self._leases = threading.Condition()  # guards what follows
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()  # what was used last stands last

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

    def captions(self, model: str) -> Captions | None:
        """The words that the model learned, where its folder says so."""
        return read_captions(self.folder(model))

    def family(self, model: str) -> Family:
        """What kind of model it is and what it can do, read without loading its weights."""
        return read_family(self.folder(model), self.extras(model))

    def loaded(self) -> list[str]:
        """The models that are in memory, the one that was used last standing last."""
        with self._leases:
            return list(self._loaded)

    def checkpoint(self, model: str, told: Callable[[float], None] | None = None) -> Checkpoint:
        """The loaded model, which may be unloaded when others are wanted. See `lease`."""
        lease = self.lease(model, told)
        lease.release()
        return lease.checkpoint

    def lease(self, model: str, told: Callable[[float], None] | None = None) -> Lease:
        """The loaded model, to be released by whoever draws with it.

        The first caller waits for it to load, and for room where models in use take all of it.
        told: gets 0 at once where there is something to wait for, then the share of the weights
        that are there. Raises CheckpointError.
        """
        folder = self.folder(model)
        lease = self._taken(model)
        if lease is not None:
            return lease
        if told is not None:
            told(0.0)
        with self._loading:
            lease = self._taken(model)
            if lease is not None:  # loaded by someone else in the meantime
                return lease
            self._make_room(weights_bytes(folder))
            extras = self.extras(model)
            checkpoint = apart(
                partial(
                    load,
                    folder,
                    self.device,
                    self.dtype,
                    extras,
                    self.thrift,
                    told,
                    self.compile_unet,
                )
            )
            with self._leases:
                self._loaded[model] = _Loaded(checkpoint, 1)
                return Lease(checkpoint, self._loaded[model], self._leases)

    def _taken(self, model: str) -> Lease | None:
        with self._leases:
            loaded = self._loaded.get(model)
            if loaded is None:
                return None
            self._loaded.move_to_end(model)
            loaded.users += 1
            return Lease(loaded.checkpoint, loaded, self._leases)

    def _make_room(self, wanted: int) -> None:
        """Unload models until so many bytes more fit, or none is left; waits while all are in
        use.
        """
        unloaded = False
        with self._leases:
            while self._loaded and self._bytes() + wanted > self.memory // 2:
                idle = [name for name, loaded in self._loaded.items() if not loaded.users]
                if idle:
                    del self._loaded[idle[0]]
                    unloaded = True
                else:
                    self._leases.wait()
        if unloaded:
            gc.collect()  # modules stand in circles
            give_back_memory()

    def _bytes(self) -> int:
        return sum(weights_bytes(self.models[name]) for name in self._loaded)

    def max_pixels(self, model: str) -> int:
        """Width times height may be this much on this machine."""
        return self._max_pixels or MAX_PIXELS.get(
            self.checkpoint(model).device.type, MAX_PIXELS["cpu"]
        )
