"""Weights from safetensors files into memory of their own, checked, in their type and layout.

Owns the reading itself, what makes it fast, and the digest. Files are read piece by piece and never
mapped: a mapped file that is cut short while in use would end the process, and one that is written
over would change the model. Knows nothing of which module belongs to which folder.

A piece is small enough to stay in a processor's cache while it is checked, converted and laid out,
so that each number goes to and from memory once. Pieces go through threads of Python, whose work
here leaves its lock free; PyTorch's own threads are kept out of it (see `_GRAIN`), as they wait
for one another in every operation. What a gigabyte of float16 takes as bfloat16, in processor
seconds (Zen 5, Linux 6.18): 0.33 for the system to hand out memory in pages of 4 KiB, 0.10 to copy
from its cache of files, 0.04 to check, 0.14 to convert, 0.13 more to lay out convolutions. (To ask
for large pages took ten times as long, where memory was in pieces. Reading mapped files costs as
much in page faults as copying them does.)
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import FileIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.weights import FLOATS, StoredTensor, check_type

READERS = min(4, os.cpu_count() or 1)  # threads
# Of every tensor the digest reads this many blocks, evenly spread, the first and last included.
DIGEST_BLOCKS, DIGEST_BLOCK_BYTES = 16, 4096
_PIECE = 1 << 19  # bytes
_SAID = 0.04  # share of the bytes from one time that someone is told to the next
# PyTorch shares an operation out among its threads if it has more numbers than this.
_GRAIN = 1 << 15
# Bytes beside a tensor, so that its packed form finds room where it was: what the C library wants
# to find an address that is a multiple of 64.
_SLACK = 256
# Whole numbers of as many bytes.
_BITS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class Digest:
    """A model's fingerprint: the same for the same weights, however they are cut into files.

    SHA-256 over every tensor's name, type and shape, and of its bytes at most 64 KiB: sixteen
    blocks of 4 KiB, evenly spread. Reading all of a 2 GB model would take two seconds (0.9 GB/s
    were measured), longer than loading it. A training step or a merge changes nearly every number
    of a tensor, so it changes the blocks; a file edited on purpose between them is not noticed.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, stored: StoredTensor, sample: bytes) -> None:
        self._hash.update(f"{name} {stored.dtype} {stored.shape}\n".encode())
        self._hash.update(sample)

    def text(self) -> str:
        """Twelve hexadecimal digits."""
        return self._hash.hexdigest()[:12]


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    """Where in a tensor's bytes the digest's blocks start and end."""
    block = DIGEST_BLOCK_BYTES
    if size <= DIGEST_BLOCKS * block:
        yield 0, size
        return
    for index in range(DIGEST_BLOCKS):
        start = index * (size - block) // (DIGEST_BLOCKS - 1)
        yield start, start + block


# --- pieces -------------------------------------------------------------------------------------


class _Desk(threading.local):
    """A thread's room for the piece it works on; it grows to the largest that came."""

    def __init__(self) -> None:
        self.raw = np.empty(0, np.uint8)  # as in the file
        self.made = np.empty(0, np.uint8)  # as it is used, before it is laid out
        self.wide = torch.empty(_GRAIN)

    def make_room(self, size: int) -> None:
        if self.raw.size < size:
            # A number grows from two bytes to four at most.
            self.raw, self.made = np.empty(size, np.uint8), np.empty(2 * size, np.uint8)


_DESK = _Desk()


def _read_exactly(file: FileIO, room: np.ndarray, path: Path) -> None:
    view = room.data
    while view:  # one read may give less than was asked for
        count = file.readinto(view)
        if not count:
            raise CheckpointError(path, "a file that became shorter", "the whole file")
        view = view[count:]


@cache
def _largest_bits(stored: torch.dtype, used: torch.dtype) -> int:
    """The bits of the largest number of the first type that the second holds as well."""
    largest = min(torch.finfo(stored).max, torch.finfo(used).max)
    value = torch.tensor(largest, dtype=torch.float64).to(stored)
    bits = int(value.view(_INTEGERS[stored.itemsize]))
    # Positive numbers are in the order of their bits, so one that was rounded up is one too many.
    return bits - (float(value) > largest)


def _is_finite(piece: np.ndarray, stored: torch.dtype, used: torch.dtype) -> bool:
    """Whether all numbers of a piece are, in the type that they are used in as well.

    The bits of floating-point numbers without their signs are in the numbers' order, infinity and
    then NaN above all. So one look at the largest is enough.
    """
    kind = _BITS[stored.itemsize]
    sizes = _DESK.made[: piece.size].view(kind)
    np.bitwise_and(piece.view(kind), np.iinfo(kind).max >> 1, out=sizes)
    return int(sizes.max(initial=0)) <= _largest_bits(stored, used)


def _convert(numbers: Tensor, out: Tensor) -> None:
    """Numbers (N,) into another type, in steps that PyTorch does not share out.

    Between float16 and bfloat16 by way of float32: exact, and three times as fast.
    """
    by_way = {numbers.dtype, out.dtype} == {torch.float16, torch.bfloat16}
    for part, target in zip(numbers.split(_GRAIN), out.split(_GRAIN), strict=True):
        target.copy_(_DESK.wide[: len(part)].copy_(part) if by_way else part)


def _lay_out(rows: np.ndarray, shape: tuple[int, ...], out: np.ndarray) -> None:
    """Rows of a convolution's weights, (O, I, kh, kw), to where the channels come last."""
    channels, pixels = shape[1], shape[2] * shape[3]
    np.copyto(
        out.reshape(-1, pixels, channels), rows.reshape(-1, channels, pixels).transpose(0, 2, 1)
    )


def _read_into(name: str, stored: StoredTensor, out: Tensor, channels_last: bool) -> None:
    """A tensor into memory (N,) of its own, in the order of the file or with channels last.

    Raises:
        CheckpointError: the file became shorter, or numbers that are NaN or infinite.
    """
    kind, bits = FLOATS[stored.dtype], _BITS[out.element_size()]
    channels_last &= math.prod(stored.shape[2:]) > 1  # one pixel is the same in both orders
    row = math.prod(stored.shape[1:]) * kind.itemsize
    size = max(row, _PIECE // row * row) if channels_last and row else _PIECE
    _DESK.make_room(size)
    with stored.path.open("rb", buffering=0) as file:
        file.seek(stored.start)
        for start in range(0, stored.size, size):
            piece = _DESK.raw[: min(size, stored.size - start)]
            _read_exactly(file, piece, stored.path)
            if not _is_finite(piece, kind, out.dtype):
                raise CheckpointError(
                    stored.path, f"{name} with NaN or infinity", f"finite numbers of {out.dtype}"
                )
            numbers = torch.from_numpy(piece).view(kind)
            first = start // kind.itemsize
            target = out[first : first + numbers.numel()]
            if not channels_last:
                _convert(numbers, target)
                continue
            made = torch.from_numpy(_DESK.made).view(out.dtype)[: numbers.numel()]
            _convert(numbers, made)
            _lay_out(
                made.view(torch.uint8).numpy().view(bits),
                stored.shape,
                target.view(torch.uint8).numpy().view(bits),
            )


# --- tensors ------------------------------------------------------------------------------------


def _transposed(stored: StoredTensor, numbers: Tensor) -> Tensor:
    """Numbers (N,) in the file's order, as the matrix that is used."""
    return numbers.view(stored.shape[::-1]).T.contiguous()


def _sample(stored: StoredTensor) -> bytes:
    """The part of a tensor's bytes, in the order that it is used in, that the digest reads."""
    size = stored.size
    with stored.path.open("rb", buffering=0) as file:
        if stored.transposed:  # rare, and small
            file.seek(stored.start)
            data = np.empty(size, np.uint8)
            _read_exactly(file, data, stored.path)
            used = _transposed(stored, torch.from_numpy(data).view(FLOATS[stored.dtype]))
            whole = used.view(-1).view(torch.uint8).numpy().tobytes()
            return b"".join(whole[start:end] for start, end in _blocks(size))
        blocks = np.empty(sum(end - start for start, end in _blocks(size)), np.uint8)
        filled = 0
        for start, end in _blocks(size):
            file.seek(stored.start + start)
            _read_exactly(file, blocks[filled : filled + end - start], stored.path)
            filled += end - start
        return blocks.tobytes()


@dataclass(frozen=True, eq=False)
class Job:
    """A tensor to be read: its name for messages, where it lies, and the memory that it is for."""

    name: str
    stored: StoredTensor
    value: Tensor

    def do(self) -> None:
        """Raises CheckpointError: a file that cannot be read, or numbers that are NaN or infinite
        (also: that are infinite in the type they are wanted in).
        """
        channels_last = _is_channels_last(self.value)
        if self.value.device.type == "cpu" and not self.stored.transposed:
            _read_into(self.name, self.stored, _in_order(self.value), channels_last)
            return
        read = torch.empty(self.value.numel(), dtype=self.value.dtype)
        _read_into(self.name, self.stored, read, channels_last)
        if self.stored.transposed:
            read = _transposed(self.stored, read).view(-1)
        _in_order(self.value).copy_(read)


def _is_channels_last(value: Tensor) -> bool:
    return value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)


def _in_order(value: Tensor) -> Tensor:
    """A tensor's numbers (N,) in the order of its memory."""
    return (value.permute(0, 2, 3, 1) if _is_channels_last(value) else value).view(-1)


def _memory(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """A tensor without numbers yet, in the layout that is fastest."""
    count = math.prod(shape)
    numbers = torch.empty(count + _SLACK // dtype.itemsize, device=device, dtype=dtype)[:count]
    if len(shape) != 4 or device.type == "mps":  # which has no use for channels_last
        return numbers.view(shape)
    outputs, inputs, height, width = shape
    return numbers.view(outputs, height, width, inputs).movedim(3, 1)


def digest_of(tensors: Mapping[str, StoredTensor]) -> str:
    """The fingerprint of tensors that no module is filled with; see :class:`Digest`."""
    digest = Digest()
    for name, stored in sorted(tensors.items()):
        digest.add(name, stored, _sample(stored))
    return digest.text()


def read_tensor(name: str, stored: StoredTensor) -> Tensor:
    """One tensor on the CPU, in float32.

    Raises:
        CheckpointError: numbers of another kind, NaN or infinity, or a file that cannot be read.
    """
    check_type(name, stored)
    job = Job(name, stored, torch.empty(stored.shape))
    job.do()
    return job.value


def _assign(module: nn.Module, name: str, value: Tensor) -> None:
    """As load_state_dict does, which takes a fifth of a second for a large model."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    is_parameter = isinstance(getattr(owner, leaf), nn.Parameter)
    setattr(owner, leaf, nn.Parameter(value, requires_grad=False) if is_parameter else value)


def allocate(
    module: nn.Module,
    tensors: Mapping[str, StoredTensor],
    device: torch.device,
    dtype: torch.dtype,
) -> list[Job]:
    """Give a module of the meta device memory for its weights, and freeze it for inference.

    Convolutions' weights are laid out channels_last, and what they put out follows them: 0 to 15%
    faster on the CPU measured (avx512_bf16, U-Nets of 38 and 860 million weights, 16 x 16 to
    64 x 64 latents).

    Args:
        tensors: all that the module holds, as `check` has found.

    Returns:
        what is left to be done: the memory holds no numbers yet.
    """
    jobs = [
        Job(name, stored, _memory(stored.shape, device, dtype)) for name, stored in tensors.items()
    ]
    for job in jobs:
        _assign(module, job.name, job.value)
    module.eval()
    return jobs


def read_all(jobs: Sequence[Job], told: Callable[[float], None] | None = None) -> None:
    """Read tensors into their memory, by several threads.

    Beside it no more is needed than room for a piece for each of ``READERS`` threads; on another
    device than the CPU, for a tensor.

    Args:
        told: gets the share of the bytes that are there, now and then; 1 at last.

    Raises:
        CheckpointError: as :meth:`Job.do`.
    """
    # The largest first, so that no thread is left alone with one at the end.
    order = sorted(jobs, key=lambda job: job.stored.size, reverse=True)
    with ThreadPoolExecutor(READERS) as pool:
        begun = [pool.submit(job.do) for job in order]
        try:
            whole = sum(job.stored.size for job in order)
            there = said = 0
            for job, each in zip(order, begun, strict=True):
                each.result()
                there += job.stored.size
                if told is not None and (there - said > whole * _SAID or there == whole):
                    told(there / whole if whole else 1.0)
                    said = there
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
