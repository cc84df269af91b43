"""Where memory is short: the rule, parts that take turns, and the same pictures all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ldm.checkpoints.load import load
from ldm.checkpoints.memory import (
    CAREFUL,
    PLENTY,
    SPARING,
    Thrift,
    Turns,
    apply_thrift,
    choose_thrift,
    free_memory,
)
from ldm.checkpoints.registry import MODELS
from ldm.events import Result
from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel
from ldm.pipeline import run
from ldm.recipe import Recipe

CPU, META, FLOAT32 = torch.device("cpu"), torch.device("meta"), torch.float32
GB = 1 << 30
SDXL = sum(MODELS["sdxl"].parameters.values()) * 2


@pytest.mark.parametrize(
    ("free", "device", "expected"),
    [
        # SDXL in float16 with its autoencoder in float32: 6.5 GiB and 4 GiB of maps at 1024 pixels.
        (24 * GB, "cuda", PLENTY),
        (12 * GB, "cuda", PLENTY),
        (11 * GB, "cuda", CAREFUL),
        (8 * GB, "cuda", SPARING),
        (8 * GB, "cpu", CAREFUL),  # parts cannot leave it
        (8 * GB, "mps", CAREFUL),  # it is the CPU's own memory
    ],
)
def test_the_least_that_has_to_be_done(free: int, device: str, expected: Thrift) -> None:
    assert choose_thrift(SDXL, 1024 * 1024, 4, device, free) == expected


def test_free_memory_is_told() -> None:
    """About what can be had: a gigabyte is surely free here, a petabyte is not."""
    assert GB < free_memory(CPU) < 1 << 50


def test_this_machine_has_plenty_for_a_small_model(saved: Path) -> None:
    assert load(saved, CPU, FLOAT32).thrift == PLENTY


# --- turns --------------------------------------------------------------------------------------


class Two(nn.Module):
    """A part with a weight, a buffer, and a module that is not called but looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 2)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, ids: Tensor, *, bias: Tensor) -> Tensor:
        return self.out(self.table.weight[ids]) * self.scale + bias


class OtherMemory(Turns):
    """Turns on a device that is as good as another one: with memory of its own."""

    def moved(self, tensor: Tensor) -> Tensor:
        return tensor.clone()


def addresses(part: nn.Module) -> list[int]:
    return [tensor.data_ptr() for tensor in (*part.parameters(), *part.buffers())]


def test_the_part_that_works_is_on_the_device_and_no_other() -> None:
    first, second = Two(), Two()
    home = addresses(first), addresses(second)
    ids, bias = torch.tensor([1, 2]), torch.ones(2)
    expected = first(ids, bias=bias)
    turns = OtherMemory((first, second), CPU)

    def away() -> tuple[bool, bool]:
        found = tuple(
            {there != here for there, here in zip(addresses(part), kept, strict=True)}
            for part, kept in zip((first, second), home, strict=True)
        )
        assert all(len(kinds) == 1 for kinds in found)  # a part moves as a whole
        return True in found[0], True in found[1]

    assert away() == (False, False)
    assert torch.equal(first(ids, bias=bias), expected)
    assert away() == (True, False)
    second.out(torch.zeros(1, 3))  # any module of it begins its turn
    assert away() == (False, True)
    turns.end()
    # What waited is the same memory again: nothing was copied back.
    assert away() == (False, False)
    assert turns.present is None
    assert torch.equal(first(ids, bias=bias), expected)


def test_what_a_part_is_called_with_comes_along() -> None:
    """To a device of shapes without numbers, as its inputs may still be on the CPU."""
    part = nn.Linear(3, 2, device=META)
    Turns((part,), META)
    assert part(torch.zeros(1, 3)).device == META
    assert part(input=torch.zeros(1, 3)).device == META


def test_what_changed_on_the_device_comes_back() -> None:
    """As where a LoRA is merged, or where the autoencoder is tried again in float32."""
    part = Two().to(torch.bfloat16)
    turns = OtherMemory((part,), CPU)
    turns.begin(part)
    part.out.weight.data = torch.ones(2, 3, dtype=torch.bfloat16)
    part.table.float()
    turns.end()
    assert torch.equal(part.out.weight, torch.ones(2, 3, dtype=torch.bfloat16))
    assert part.table.weight.dtype == FLOAT32


def test_parts_of_a_model_take_turns_while_it_draws(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text model, U-Net, autoencoder, in this order, whatever the steps; and the same picture."""
    recipe = Recipe("a", num_inference_steps=3, guidance_scale=3, width=64, height=64)

    def drawn(thrift: Thrift) -> bytes:
        checkpoint = load(saved, CPU, FLOAT32, thrift=thrift)
        names = {id(checkpoint.unet): "unet", id(checkpoint.vae): "vae"}
        turns.clear()
        begin = Turns.begin

        def note(self: Turns, part: nn.Module) -> None:
            name = names.get(id(part), "text")
            if self.present is not part:
                turns.append(name)
            begin(self, part)

        with monkeypatch.context() as patch:
            patch.setattr(Turns, "begin", note)
            *_, last = run(checkpoint, recipe, preview_every=0)
        assert isinstance(last, Result)
        return last.pictures[0].image.tobytes()

    turns: list[str] = []
    plain = drawn(PLENTY)
    assert turns == []
    assert drawn(Thrift(offload=True)) == plain
    assert turns == ["text", "unet", "vae"]


def test_all_of_it_draws_the_same_picture(saved: Path) -> None:
    """With attention in parts and tiles smaller than this small picture: by a rounding at most."""
    recipe = Recipe("a", num_inference_steps=2, guidance_scale=3, width=96, height=64)
    pictures = []
    for thrift in (PLENTY, Thrift(offload=True, score_bytes=512, tile=16)):
        *_, last = run(load(saved, CPU, FLOAT32, thrift=thrift), recipe, preview_every=0)
        assert isinstance(last, Result)
        pictures.append(torch.tensor(list(last.pictures[0].image.tobytes()), dtype=torch.int16))
    assert (pictures[0] - pictures[1]).abs().max() <= 1


def test_it_can_be_taken_back() -> None:
    config = {
        "sample_size": 8,
        "block_out_channels": [16, 32],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1,
        "cross_attention_dim": 24,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    }
    unet = UNet2DConditionModel(UNetConfig.from_dict(config))

    def limits() -> set[int | None]:
        return {module.score_bytes for module in unet.modules() if hasattr(module, "score_bytes")}

    apply_thrift(CAREFUL, [unet], CPU)
    assert limits() == {CAREFUL.score_bytes}
    apply_thrift(PLENTY, [unet], CPU)
    assert limits() == {None}


@pytest.mark.gpu
def test_on_a_gpu_parts_come_and_go(saved: Path) -> None:
    device = torch.device("cuda")
    recipe = Recipe("a", num_inference_steps=3, guidance_scale=3, width=64, height=64)
    pictures = []
    for thrift in (PLENTY, SPARING):
        checkpoint = load(saved, device, FLOAT32, thrift=thrift)
        *_, last = run(checkpoint, recipe, preview_every=0)
        assert isinstance(last, Result)
        pictures.append(torch.tensor(list(last.pictures[0].image.tobytes()), dtype=torch.int16))
    assert (pictures[0] - pictures[1]).abs().max() <= 1
    assert {tensor.device.type for tensor in checkpoint.unet.parameters()} == {"cpu"}
    assert {tensor.device.type for tensor in checkpoint.vae.parameters()} == {"cuda"}
