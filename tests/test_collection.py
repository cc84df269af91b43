"""Which models stay in memory, and which are unloaded for others."""

import gc
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch

from ldm.collection import Collection, weights_bytes

NAMES = ("one", "two", "three")


@pytest.fixture
def collection(small_stable_diffusion_folder: Path, tmp_path: Path) -> Collection:
    """Three models, and memory for two."""
    folders = {name: tmp_path / name for name in NAMES}
    for folder in folders.values():
        shutil.copytree(small_stable_diffusion_folder, folder)
    memory = 2 * 2 * weights_bytes(folders["one"])
    return Collection(folders, torch.device("cpu"), torch.float32, memory=memory)


def test_the_model_used_longest_ago_gives_way_and_comes_back(collection: Collection) -> None:
    first = weakref.ref(collection.checkpoint("one").unet)
    collection.checkpoint("two")
    collection.checkpoint("one")
    collection.checkpoint("three")
    assert collection.loaded() == ["one", "three"]
    collection.checkpoint("two")
    assert collection.loaded() == ["three", "two"]
    gc.collect()
    assert first() is None, "its memory is free"
    assert collection.checkpoint("one").unet is not None


def test_a_model_in_use_stays(collection: Collection) -> None:
    leases = [collection.lease("one"), collection.lease("two")]
    with pytest.raises(Exception, match="other"):
        collection.lease("other")
    got: list[str] = []

    def want() -> None:
        collection.lease("three").release()
        got.append("three")

    waiting = threading.Thread(target=want)
    waiting.start()
    time.sleep(0.2)
    assert not got and collection.loaded() == ["one", "two"]
    leases[1].release()
    leases[1].release()  # once more changes nothing
    waiting.join(60)
    assert got and collection.loaded() == ["one", "three"]
    assert collection.lease("one").checkpoint is leases[0].checkpoint


def test_a_model_that_is_too_large_is_loaded_alone(
    small_stable_diffusion_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small_stable_diffusion_folder, other)
    models = {"small": small_stable_diffusion_folder, "other": other}
    with_little = Collection(models, torch.device("cpu"), torch.float32, memory=1)
    for name in (*models, *models):
        with_little.checkpoint(name)
        assert with_little.loaded() == [name]
