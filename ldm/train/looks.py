"""What things look like, in few numbers, for the text encoder to learn.

What a caption says reaches the U-Net through the text encoder's states alone. Left to the error of
latents, they tell things apart (as the names of cells ask for) by marks of no meaning, and which
mark looks like what the U-Net has to learn by heart, thing by thing. So every thing is drawn once
in each of its colours, and of its latents the principal components are taken; a layer that is
thrown away reads them off the states. What is alike has states alike, and how components become
cells is learned from all things together. Captions alone, without pictures, teach it in minutes:
see `ldm.train.words`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.train.data import Source, drawing_version, write_atomically
from ldm.train.encoding import BATCH, digest, encoded
from ldm.train.scenes import Spec, Thing, portraits

COMPONENTS = 192  # with 7 parts in 8 of the variance of 3,600 portraits


def _name(thing: Thing) -> str:
    return " ".join((thing.code, thing.style, thing.paint))


@dataclass(frozen=True)
class Looks:
    """`numbers`, (N, COMPONENTS): what each thing of `rows` looks like, by name.

    Every component is divided by the root of its standard deviation, between what the latents'
    error would make of it and an equal share; together they have a variance of one.
    """

    numbers: Tensor
    rows: dict[str, int]

    def of(self, specs: list[Spec]) -> Tensor:
        """(len(specs), 2) int64: the rows of each picture's first and last thing; -1 without."""
        found = [
            [self.rows[_name(spec.things[i])] for i in (0, -1)] if spec.things else [-1, -1]
            for spec in specs
        ]
        return torch.tensor(found)


def components(latents: Tensor, count: int = COMPONENTS) -> Tensor:
    """(N, count) of (N, numbers): see `Looks`. Fewer where there are not so many."""
    centred = latents - latents.mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False).Vh[:count]
    found = centred @ directions.T
    found = found / found.std(0).clamp(min=1e-6).sqrt()
    return found / found.std()


def learn_looks(source: Source, vae: PatchAutoencoder, folder: Path, size: int) -> Looks | None:
    """The looks of all things in pictures of `size` pixels, kept in `folder`; None where only
    landscapes are drawn.
    """
    sprites = source.sprites()
    if sprites is None:
        return None
    name = digest(vae.encoder, drawing_version(source).encode())
    path = folder / f"looks-{size}-{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [
            (_name(thing), torch.tensor(picture)) for thing, picture in portraits(sprites, size)
        ]
        print(f"encoding {len(drawn)} things and their colours", flush=True)
        pictures = torch.stack([picture for _, picture in drawn]).permute(0, 3, 1, 2)
        latents = encoded(vae, (batch / 127.5 - 1 for batch in pictures.split(BATCH)))
        numbers = components(torch.cat([*latents]).flatten(1))
        rows = json.dumps({name: row for row, (name, _) in enumerate(drawn)})
        data = save({"numbers": numbers.contiguous()}, {"rows": rows})
        write_atomically(path, lambda file: file.write(data))
    with safe_open(path, "pt") as file:
        return Looks(file.get_tensor("numbers"), json.loads(file.metadata()["rows"]))


class SaidLooks(nn.Module):
    """Reads the looks of a caption's first and last thing off the text encoder's states."""

    def __init__(self, width: int, looks: Looks, end: int) -> None:
        super().__init__()
        self.numbers, self.end = looks.numbers, end
        self.read = nn.Linear(width, 2 * looks.numbers.shape[1])

    def forward(self, states: Tensor, tokens: Tensor, rows: Tensor) -> Tensor:
        """The mean squared error; a scalar, about 1 for what has learned nothing.

        states (B, T, width) of tokens (B, T): what comes after a caption's end has read all of it.
        rows (B, 2): of `Looks.of`; captions without things do not count.
        """
        told = (tokens == self.end) & (rows[:, :1] >= 0)
        places = told.float().to(states.device)
        wanted = self.numbers[rows].flatten(1).to(states.device)
        errors = (self.read(states).float() - wanted[:, None]).square().mean(2)
        return (errors * places).sum() / places.sum().clamp(min=1)
