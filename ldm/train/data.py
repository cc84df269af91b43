"""Drawings on disk: shards of pictures and captions, and the latents made from them.

A shard holds SHARD pictures of consecutive seeds as one uint8 array (SHARD, size, size, 3), with a
JSON list of captions and what the pictures' cells show (`scenes.shown`) beside it. Shards are drawn
by several processes, written under a temporary name and renamed, so an interrupted run continues
where it stopped. Their folder is named after the source of the drawing code: a changed brush never
mixes with old pictures.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor
from torch import from_numpy as torch_from_numpy

from ldm.train import scenes

SHARD = 500
CELLS = ".cells"  # how the files of what cells show end
HELD_OUT_SEEDS = 10**9  # seeds from here on are for evaluation only and never drawn for training


@dataclass(frozen=True)
class Source:
    """What is drawn: `kinds` of pictures (scenes.KINDS), and the folder of the sprites they need.

    Landscapes alone need none; everything else raises FileNotFoundError, which says how to get
    them, as soon as they are opened.
    """

    kinds: tuple[str, ...] = scenes.KINDS
    folder: Path = scenes.FOLDER

    def sprites(self) -> scenes.SpriteStore | None:
        return None if self.kinds == ("landscape",) else scenes.open_sprites(self.folder)

    def sample(self, seed: int, size: int) -> scenes.Drawn:
        return scenes.sample(seed, size, sprites=self.sprites(), kinds=self.kinds)

    def spec(self, seed: int) -> scenes.Spec:
        return scenes.spec_of(seed, self.sprites(), self.kinds)

    def shown(self, seed: int, spec: scenes.Spec) -> np.ndarray:
        """What the cells of `sample(seed, size)`, which is of `spec`, show: see `scenes.shown`."""
        return scenes.shown(spec, scenes.drawing_seed(seed), self.sprites())


def drawing_version(source: Source) -> str:
    """Eight hex digits that change with any line of the drawing code, its data and the sprites."""
    digest = hashlib.sha256(" ".join(source.kinds).encode())
    sprites = source.sprites()
    if sprites:
        digest.update(sprites.digest.encode())
    folder = Path(scenes.__file__).parent
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.txt")]):
        if path.name != "__main__.py":
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        write(file)
    temporary.replace(path)


def draw_shard(folder: Path, first_seed: int, count: int, size: int, source: Source) -> None:
    """Draw `count` pictures of consecutive seeds into one shard; does nothing if it exists."""
    pictures_path = folder / f"{first_seed:010d}.npy"
    if pictures_path.exists():
        return
    pictures = np.empty((count, size, size, 3), np.uint8)
    cells = np.empty((count, 2, scenes.CELLS, scenes.CELLS), np.int16)
    captions = []
    for index in range(count):
        drawn = source.sample(first_seed + index, size)
        pictures[index] = np.asarray(drawn.image)
        cells[index] = source.shown(first_seed + index, drawn.spec)
        captions.append(drawn.caption)
    text = json.dumps(captions, ensure_ascii=False).encode()
    write_atomically(pictures_path.with_suffix(".json"), lambda file: file.write(text))
    write_atomically(pictures_path.with_suffix(CELLS), lambda file: np.save(file, cells))
    write_atomically(pictures_path, lambda file: np.save(file, pictures))


def draw(
    folder: Path, count: int, size: int, source: Source, first_seed: int = 0, processes: int = 2
) -> Path:
    """Draw `count` pictures (rounded up to whole shards) and return the folder that holds them."""
    target = folder / f"{size}-{drawing_version(source)}"
    target.mkdir(parents=True, exist_ok=True)
    shard = min(SHARD, count)
    with ProcessPoolExecutor(processes) as pool:
        jobs = [
            pool.submit(draw_shard, target, seed, shard, size, source)
            for seed in range(first_seed, first_seed + count, shard)
        ]
        for done, job in enumerate(jobs, 1):
            job.result()
            print(f"drawn {done * shard} of {len(jobs) * shard}", flush=True)
    return target


class Drawings:
    """All shards of a folder, memory-mapped: `pictures(indices)` reads only what is asked."""

    def __init__(self, folder: Path, held_out: bool = False) -> None:
        paths = [
            path
            for path in sorted(folder.glob("*.npy"))
            if (int(path.stem) >= HELD_OUT_SEEDS) == held_out
        ]
        if not paths:
            raise FileNotFoundError(f"{folder}: got no shards, allowed: a folder made by `draw`")
        self.shards = [np.load(path, mmap_mode="r") for path in paths]
        self.captions: list[str] = []
        for path in paths:
            self.captions += json.loads(path.with_suffix(".json").read_text())
        self.paths = paths
        self.shard = len(self.shards[0])

    def __len__(self) -> int:
        return len(self.captions)

    def seeds(self) -> list[int]:
        """The number of each picture, of which all that it shows follows."""
        return [int(path.stem) + index for path in self.paths for index in range(self.shard)]

    def cells(self) -> Tensor:
        """(len(self), 2, scenes.CELLS, scenes.CELLS) int16: see `scenes.shown`."""
        kept = [np.load(path.with_suffix(CELLS)) for path in self.paths]
        return torch_from_numpy(np.concatenate(kept))

    def array(self, index: int) -> np.ndarray:
        """Picture `index` as (size, size, 3) uint8."""
        return self.shards[index // self.shard][index % self.shard]

    def pictures(self, indices: list[int]) -> Tensor:
        """(len(indices), 3, size, size) float32 in [-1, 1]."""
        stacked = np.stack([self.array(index) for index in indices])
        return torch_from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1
