"""A checkpoint's parts as they lie in files, whatever the layout: the one form that loading reads.

Owns that form, and where its parts are to be found for a message. No weights are read to make one.
Knows nothing of layouts (see `folder`) or of what the parts amount to (see `family`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ldm.checkpoints.files import INDEX
from ldm.checkpoints.weights import StoredTensor


@dataclass(frozen=True, eq=False)
class Source:
    """Configurations, tokenizers, and where each tensor lies.

    Attributes:
        name: what a recipe's ``model`` shows: a folder's or file's name, a hub id.
        path: the folder or file.
        classes: component -> class, as model_index.json has them ("scheduler" too); those that
            are null there are left out.
        pipeline: model_index.json's ``_class_name``; for another layout what it amounts to.
        options: model_index.json's plain values.
        configs: component -> its configuration, of every component that has one.
        tensors: component -> name in our modules' names -> where it lies.
        tokenizers: "tokenizer", "tokenizer_2".
        elsewhere: components that were replaced -> the files that they lie in.
    """

    name: str
    path: Path
    classes: Mapping[str, str]
    pipeline: str
    options: Mapping[str, object]
    configs: Mapping[str, Mapping[str, object]]
    tensors: Mapping[str, Mapping[str, StoredTensor]]
    tokenizers: Mapping[str, PreTrainedTokenizerBase]
    elsewhere: Mapping[str, Path] = field(default_factory=dict)

    @property
    def index(self) -> Path:
        """Where it is written what the parts are, for messages."""
        return self.path / INDEX if self.path.is_dir() else self.path

    def where(self, component: str) -> Path:
        """A component's place, for messages: its folder or own file, or the file of all."""
        if component in self.elsewhere:
            return self.elsewhere[component]
        return self.path / component if self.path.is_dir() else self.path

    def config_path(self, component: str) -> Path:
        """Where a component's configuration is written, for messages."""
        place = self.where(component)
        return place if place.suffix == ".safetensors" else place / config_name(component)


def config_name(component: str) -> str:
    """The name of a component's configuration file in diffusers' layout."""
    return "scheduler_config.json" if component.endswith("scheduler") else "config.json"
