"""Weights read in pieces: every type into every type, as PyTorch converts them in one go."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ldm.checkpoints import reading
from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.reading import allocate, digest_of, read_all, read_tensor
from ldm.checkpoints.weights import list_tensors

CPU = torch.device("cpu")
HALF, BRAIN, SINGLE, DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64
# Of one piece and of several, with an end that fills none, and convolutions of every shape.
SHAPES = {
    "bias": (5,),
    "empty": (0, 3),
    "embedding": (301, 17),
    "long": (1, 3000),
    "pointwise": (40, 30, 1, 1),
    "convolution": (33, 20, 3, 3),
    "wide": (2, 700, 3, 3),
    "flat": (6, 5, 1, 7),
}


class Weights(nn.Module):
    """A module with a parameter for each shape, without numbers."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device="meta")))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small tensors are of many pieces."""
    monkeypatch.setattr(reading, "_PIECE", 1 << 12)
    monkeypatch.setattr(reading, "_GRAIN", 1 << 8)


def write(path: Path, dtype: torch.dtype, **values: Tensor) -> Path:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: (torch.randn(shape, generator=generator) * 3).to(dtype)
        for name, shape in SHAPES.items()
    }
    save_file({**tensors, **values}, path)
    return path


@pytest.mark.parametrize("used", [HALF, BRAIN, SINGLE])
@pytest.mark.parametrize("stored", [HALF, BRAIN, SINGLE, DOUBLE])
def test_every_number_as_pytorch_converts_it(
    stored: torch.dtype, used: torch.dtype, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.safetensors", stored)
    module = Weights(SHAPES)
    read_all(allocate(module, list_tensors([path]), CPU, used))
    generator = torch.Generator().manual_seed(0)
    for name, shape in SHAPES.items():
        expected = (torch.randn(shape, generator=generator) * 3).to(stored).to(used)
        got = module.get_parameter(name)
        assert (got.dtype, got.device, got.requires_grad) == (used, CPU, False)
        assert torch.equal(got, expected), name
        if len(shape) == 4:
            assert got.is_contiguous(memory_format=torch.channels_last)
        else:
            assert got.is_contiguous()


def test_the_smallest_and_the_largest_numbers_survive(tmp_path: Path) -> None:
    """Subnormal numbers, zeros of both signs, and both ends of a type."""
    for dtype in (HALF, BRAIN, SINGLE):
        limit = torch.finfo(dtype)
        values = torch.tensor(
            [limit.max, limit.min, limit.tiny, limit.smallest_normal / 4, -0.0, 0.0], dtype=dtype
        )
        path = tmp_path / "a.safetensors"
        save_file({"x": values}, path)
        got = read_tensor("x", list_tensors([path])["x"])
        assert torch.equal(got.view(torch.int32), values.float().view(torch.int32))


@pytest.mark.parametrize("place", [0, 2047, 2048, 4096, -1])
@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [HALF, BRAIN, SINGLE])
def test_numbers_that_are_none_are_found_wherever_they_are(
    dtype: torch.dtype, value: float, place: int, tmp_path: Path
) -> None:
    """On either side of a piece's edge as well."""
    bad = torch.ones(5000, dtype=dtype)
    bad[place] = value
    path = tmp_path / "a.safetensors"
    save_file({"x": bad}, path)
    with pytest.raises(CheckpointError, match=r"x with NaN or infinity, allowed: finite numbers"):
        read_tensor("x", list_tensors([path])["x"])


@pytest.mark.parametrize(
    ("stored", "used", "largest"),
    [(SINGLE, HALF, 65504.0), (BRAIN, HALF, 65280.0), (SINGLE, BRAIN, 3.3895313892515355e38)],
)
def test_numbers_that_the_type_in_use_does_not_hold(
    stored: torch.dtype, used: torch.dtype, largest: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    for sign in (1, -1):
        for bad in (False, True):
            value = torch.tensor([sign * largest], dtype=stored)
            if bad:
                value = torch.nextafter(value.float(), torch.tensor(sign * math.inf)).to(stored)
                if stored == BRAIN:  # its next number is further away
                    value = torch.tensor([sign * 65536.0], dtype=stored)
            save_file({"x": value}, path)
            module = Weights({"x": (1,)})
            if bad:
                with pytest.raises(CheckpointError, match=f"finite numbers of {used}"):
                    read_all(allocate(module, list_tensors([path]), CPU, used))
            else:
                read_all(allocate(module, list_tensors([path]), CPU, used))
                assert float(module.get_parameter("x")) == sign * largest


def test_a_file_that_becomes_shorter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", HALF)
    tensors = list_tensors([path])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    with pytest.raises(CheckpointError, match="a file that became shorter, allowed: the whole"):
        read_all(allocate(Weights(SHAPES), tensors, CPU, HALF))


def test_a_matrix_that_lies_the_other_way(tmp_path: Path) -> None:
    matrix = torch.arange(600.0).view(20, 30)
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"x": matrix}, path)
    save_file({"x": matrix.T.contiguous()}, other)
    stored, straight = list_tensors([path])["x"].transpose(), list_tensors([other])["x"]
    got = read_tensor("x", stored)
    assert torch.equal(got, matrix.T) and got.is_contiguous()
    assert digest_of({"x": stored}) == digest_of({"x": straight})


def test_the_digest_by_hand(tmp_path: Path) -> None:
    """Names, types, shapes, and sixteen blocks of 4 KiB of each tensor's bytes."""
    small = torch.arange(10.0)
    large = torch.randn(100, 700, generator=torch.Generator().manual_seed(0))  # 280,000 bytes
    path = tmp_path / "a.safetensors"
    save_file({"small": small, "large": large}, path)
    data = large.numpy().tobytes()
    blocks = [i * (len(data) - 4096) // 15 for i in range(16)]
    expected = hashlib.sha256()
    expected.update(b"large F32 (100, 700)\n")
    expected.update(b"".join(data[start : start + 4096] for start in blocks))
    expected.update(b"small F32 (10,)\n" + small.numpy().tobytes())
    assert digest_of(list_tensors([path])) == expected.hexdigest()[:12]
    large[50, 0] += 1  # the first number of none of the blocks
    assert not any(start <= 50 * 700 * 4 < start + 4096 for start in blocks)
    save_file({"small": small, "large": large}, path)
    assert digest_of(list_tensors([path])) == expected.hexdigest()[:12]
