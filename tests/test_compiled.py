"""A compiled U-Net draws the same, for a picture alone; everything else goes by the plain one.

Here torch traces and lowers the network as it does for a GPU, and runs the result in its own
kernels ("aot_eager"); the kernels that it would make for a GPU are tested on one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ldm.checkpoints import load as loading
from ldm.checkpoints.load import Checkpoint, load
from ldm.explain.recording import Recorder
from ldm.models import compiled as module
from ldm.models.packed import set_weight
from ldm.pipeline import Row, advance, prepare
from ldm.recipe import Recipe
from ldm.ui.settings import SettingsError, read_settings

CPU = torch.device("cpu")
# Guidance ends half-way: calls of two places and of one.
RECIPE = Recipe(
    "a lake", num_inference_steps=4, guidance_scale=3.0, guidance_end=0.5, width=64, height=64
)
CLOSE = 1e-4  # float32; sums may be taken in another order


@pytest.fixture
def checkpoint(
    small_stable_diffusion_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkpoint]:
    monkeypatch.setattr(loading, "KINDS", ("cpu",))
    monkeypatch.setattr(module, "BACKEND", "aot_eager")
    monkeypatch.setattr(loading, "pack", lambda network: None)  # as it is on a GPU
    torch.compiler.reset()
    yield load(small_stable_diffusion_folder, CPU, torch.float32, compile_unet=True)
    torch.compiler.reset()


def latents(checkpoint: Checkpoint, rows: list[Row]) -> list[Tensor]:
    while live := [row for row in rows if not row.finished]:
        advance(checkpoint, live)
    return [row.x for row in rows]


def drawn(checkpoint: Checkpoint, recipe: Recipe = RECIPE) -> Tensor:
    return latents(checkpoint, prepare(checkpoint, recipe, None, None))[0]


def counted(checkpoint: Checkpoint) -> list[int]:
    """How many rows each compiled call took, from now on."""
    calls: list[int] = []
    network = checkpoint.compiled
    assert network is not None

    def call(sample: Tensor, *others: Any, **named: Any) -> Tensor:
        calls.append(len(sample))
        return network(sample, *others, **named)

    checkpoint.compiled = call
    return calls


def test_it_draws_the_same(checkpoint: Checkpoint) -> None:
    calls = counted(checkpoint)
    found = drawn(checkpoint)
    assert calls == [1] * 4, "one row for both captions"
    wanted = drawn(replace(checkpoint, compiled=None))
    assert (found - wanted).abs().max() < CLOSE
    # Two shapes, with guidance and without: another caption and seed need no third.
    with torch.compiler.set_stance("fail_on_recompile"):
        other = drawn(checkpoint, replace(RECIPE, prompt="a hill", seed=5))
    assert (other - found).abs().max() > 100 * CLOSE


def test_changed_weights_count(checkpoint: Checkpoint) -> None:
    """As a LoRA changes them."""
    before = drawn(checkpoint)
    layer = checkpoint.unet.get_submodule("mid_block.resnets.0.conv1")
    assert isinstance(layer, torch.nn.Conv2d)
    set_weight(layer, layer.weight.detach() * 3)
    found, wanted = drawn(checkpoint), drawn(replace(checkpoint, compiled=None))
    assert (found - wanted).abs().max() < CLOSE
    assert (found - before).abs().max() > 100 * CLOSE


@pytest.mark.parametrize(
    "prepared",
    [
        lambda checkpoint: prepare(checkpoint, replace(RECIPE, num_images=2), None, None),
        lambda checkpoint: prepare(checkpoint, replace(RECIPE, cache_interval=2), None, None),
    ],
    ids=["several pictures", "spared levels"],
)
def test_the_rest_is_not_compiled(
    checkpoint: Checkpoint, prepared: Callable[[Checkpoint], list[Row]]
) -> None:
    calls = counted(checkpoint)
    latents(checkpoint, prepared(checkpoint))
    assert calls == []


def test_whoever_looks_inside_sees_the_plain_network(checkpoint: Checkpoint) -> None:
    calls = counted(checkpoint)
    (row,) = prepare(checkpoint, RECIPE, None, None)
    row.watcher = recorder = Recorder()
    latents(checkpoint, [row])
    assert calls == [] and recorder._frames[0].maps


def test_a_cpu_is_told_no(small_stable_diffusion_folder: Path) -> None:
    wanted = r"compile_unet: got True for cpu, allowed: False, or a device of cuda"
    with pytest.raises(ValueError, match=wanted):
        load(small_stable_diffusion_folder, CPU, torch.float32, compile_unet=True)


def test_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read_settings({}).compile_unet
    monkeypatch.setattr("ldm.ui.settings.choose_device", lambda: torch.device("cuda"))
    assert read_settings({"LDM_COMPILE": "1"}).compile_unet
    monkeypatch.setattr("ldm.ui.settings.choose_device", lambda: CPU)
    with pytest.raises(SettingsError, match=r"LDM_COMPILE: got '1, with cpu', allowed: 1 with"):
        read_settings({"LDM_COMPILE": "1"})


@pytest.mark.gpu
def test_on_a_gpu_it_draws_the_same(small_stable_diffusion_folder: Path) -> None:
    cuda = torch.device("cuda")
    made = load(small_stable_diffusion_folder, cuda, torch.float32, compile_unet=True)
    found, wanted = drawn(made), drawn(replace(made, compiled=None))
    assert (found - wanted).abs().max() < 10 * CLOSE  # its kernels fuse and reorder
