"""What the tests of `ldm.checkpoints` share: a small model folder that diffusers wrote."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest

from tests import small_models


@pytest.fixture(scope="session")
def pipeline() -> diffusers.StableDiffusionPipeline:
    return small_models.sd1()


@pytest.fixture(scope="session")
def saved(
    pipeline: diffusers.StableDiffusionPipeline, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder as `save_pretrained` wrote it; tests that change it take `folder`."""
    path = tmp_path_factory.mktemp("models") / "small"
    pipeline.save_pretrained(path)
    return path


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved folder that a test may break."""
    return Path(shutil.copytree(saved, tmp_path / "small"))


@pytest.fixture(scope="session")
def edit() -> Callable[..., None]:
    """edit(path, key=value, ...): change keys of a JSON file; None in place of a value: null."""

    def change(path: Path, **values: Any) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change
