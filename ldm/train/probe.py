"""A small network that reads place, time, weather and thing off a picture, and learns from
drawings.

It is the judge of the embedded model, so it never sees a generated picture while it learns. While
it does it also names the cells of its map, as the drawing program knows them: of some 700 things
each is in a few pictures of a thousand, and small. Knows nothing of diffusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.train.data import HELD_OUT_SEEDS, Drawings, Source, draw
from ldm.train.scenes import PLACES, Spec, thing_names
from ldm.train.scenes import labels as cell_labels
from ldm.train.shown import mean_of_cells, resized
from ldm.train.weights import training_dtype

SIDE = 128  # pixels; larger pictures are reduced to it
THINGS = 3.0  # weight of a cell that shows a thing, beside one of the ground
UNKNOWN = -100  # the label of what a picture does not have: the place of a thing on its own
# What landscapes draw themselves and sprites show as well, by the sprites' names.
SAME_THINGS = {
    "palms": "palm tree",
    "cacti": "cactus",
    "parasol": "beach umbrella",
    "cars": "car",
    "sailboats": "sailboat",
}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "place": tuple(PLACES),
    "time": ("dawn", "day", "sunset", "twilight", "night"),
    "weather": ("clear", "cloudy", "mist", "rain", "snow"),
    "thing": (
        "nothing",
        *sorted(
            {SAME_THINGS.get(name, name) for place in PLACES.values() for name in place.subjects}
            | set(thing_names())
        ),
    ),
}


def _things(spec: Spec) -> list[str]:
    names = [thing.name for thing in spec.things] or list(spec.subjects) or ["nothing"]
    return list(dict.fromkeys(SAME_THINGS.get(name, name) for name in names))


def attributes(spec: Spec) -> dict[str, str]:
    """What the probe is to read: the first thing or subject is the thing. "" where there is none,
    as for the place of a thing on its own.
    """
    thing = _things(spec)[0]
    return {"place": spec.place, "time": spec.time, "weather": spec.weather, "thing": thing}


def labels(specs: Sequence[Spec]) -> Tensor:
    """(N, number of attributes + 1) int64: places in ATTRIBUTES' lists, or UNKNOWN; last the second
    thing, which is as right an answer as the first.
    """
    places = {key: {name: i for i, name in enumerate(names)} for key, names in ATTRIBUTES.items()}
    rows = []
    for spec in specs:
        read = [places[key][name] if name else UNKNOWN for key, name in attributes(spec).items()]
        second = [places["thing"][name] for name in _things(spec)[1:2]] or [UNKNOWN]
        rows.append(read + second)
    return torch.tensor(rows)


def to_pixels(pictures: Sequence[np.ndarray]) -> Tensor:
    """(N, 3, SIDE, SIDE) uint8 of square uint8 pictures (side, side, 3)."""
    reduced = [
        F.interpolate(
            torch.tensor(picture).permute(2, 0, 1)[None].float(), (SIDE, SIDE), mode="area"
        )
        for picture in pictures
    ]
    return torch.cat([each.round().to(torch.uint8) for each in reduced])


def _halved(channels: int, out: int) -> nn.Sequential:
    """A convolution to half the sides."""
    convolution = nn.Conv2d(channels, out, 3, 2, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())


class Probe(nn.Module):
    """Five strided convolutions, names of the cells of the last two maps together, then one linear
    layer an attribute.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 8 * width)
        self.body = nn.Sequential(*(_halved(*pair) for pair in pairwise(widths)))
        self.last = _halved(8 * width, 8 * width)
        names = len(cell_labels())
        self.names = nn.Conv2d(16 * width, names, 1)
        self.heads = nn.ModuleList(
            nn.Linear(16 * width + names, len(known)) for known in ATTRIBUTES.values()
        )

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, SIDE, SIDE) uint8 -> (N, 8 * width, h, h) and half its sides."""
        # By channels: half as long again is what training takes otherwise, on CPUs.
        values = pixels.float().contiguous(memory_format=torch.channels_last)
        fine = self.body(values / 127.5 - 1)
        return fine, self.last(fine)

    def features(self, pixels: Tensor) -> Tensor:
        """(N, 3, SIDE, SIDE) uint8 -> (N, 16 * width): the map's mean and largest by channel."""
        return pooled(self.maps(pixels)[1])

    def read(self, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
        """Logits (N, classes) of each attribute, and of the cells' names (N, names, h, h)."""
        fine, coarse = self.maps(pixels)
        spread = F.interpolate(coarse, fine.shape[-2:], mode="nearest")
        cells = self.names(torch.cat([fine, spread], dim=1))
        features = torch.cat([pooled(coarse), cells.amax((2, 3))], dim=1)
        return [head(features) for head in self.heads], cells

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """One tensor of logits (N, classes) an attribute."""
        return self.read(pixels)[0]


def pooled(maps: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 2 C): each channel's mean, then its largest value."""
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)


@dataclass(frozen=True)
class Examples:
    """Drawings made for the probe: pixels (N, 3, SIDE, SIDE) uint8, `labels` of them, cells
    (N, CELLS, CELLS) int16 as `scenes.shown` names them.
    """

    pixels: Tensor
    labels: Tensor
    cells: Tensor
    captions: list[str]


def draw_examples(folder: Path, first_seed: int, count: int, source: Source) -> Examples:
    """Those of so many seeds, drawn into shards in `folder` where they are not there yet."""
    shards = draw(folder / f"{first_seed}-{count}", count, SIDE, source, first_seed)
    drawings = Drawings(shards, held_out=first_seed >= HELD_OUT_SEEDS)
    return Examples(
        to_pixels([drawings.array(index) for index in range(count)]),
        labels([source.spec(first_seed + index) for index in range(count)]),
        drawings.cells()[:count, 0],
        drawings.captions[:count],
    )


def naming_error(names: Tensor, cells: Tensor) -> Tensor:
    """The mean error of logits (N, names, h, h) of what cells (N, CELLS, CELLS) show; a scalar."""
    wanted = resized(cells[:, None], names)[:, 0]
    errors = F.cross_entropy(names, wanted, reduction="none")
    return mean_of_cells(errors, wanted, THINGS)


def train_probe(examples: Examples, epochs: int, seed: int = 0) -> Probe:
    """Train on `examples` as they are, one-cycle AdamW: things are never drawn turned over."""
    torch.manual_seed(seed)
    probe, batch, dtype = Probe(), 64, training_dtype(torch.device("cpu"))
    nn.utils.convert_conv2d_weight_memory_format(probe, torch.channels_last)
    optimizer = torch.optim.AdamW(probe.parameters(), 2e-3, weight_decay=0.02)
    steps = epochs * (len(examples.pixels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(steps, 2))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(examples.pixels), generator=generator)
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):  # twice as fast
                read, names = probe.read(examples.pixels[chosen])
            losses = [
                F.cross_entropy(logits.float(), target, ignore_index=UNKNOWN, label_smoothing=0.05)
                for logits, target in zip(read, examples.labels[chosen, :-1].T, strict=True)
            ]
            losses.append(naming_error(names.float(), examples.cells[chosen]))
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            schedule.step()
    return probe.eval().requires_grad_(False)


@torch.no_grad()
def accuracy(probe: Probe, pixels: Tensor, truth: Tensor) -> dict[str, float]:
    """The share of pictures each attribute is read right of, among those that have it; truth: of
    `labels`.
    """
    parts = [probe(part) for part in pixels.split(64)]
    shares = {}
    for index, key in enumerate(ATTRIBUTES):
        read = torch.cat([part[index] for part in parts]).argmax(1)
        known, right = truth[:, index] != UNKNOWN, read == truth[:, index]
        if key == "thing":
            right |= read == truth[:, -1]
        shares[key] = float(right[known].float().mean())
    return shares


def things_apart(probe: Probe, pixels: Tensor, truth: Tensor) -> dict[str, float]:
    """The share of things read right where they are alone, large, and in a place, small."""
    place, thing = (truth[:, list(ATTRIBUTES).index(key)] for key in ("place", "thing"))
    alone = place == UNKNOWN
    within = ~alone & (thing != ATTRIBUTES["thing"].index("nothing"))
    return {
        kind: accuracy(probe, pixels[chosen], truth[chosen])["thing"]
        for kind, chosen in (("alone", alone), ("in_place", within))
        if chosen.any()
    }


@torch.no_grad()
def features(probe: Probe, pixels: Tensor) -> Tensor:
    return torch.cat([probe.features(part) for part in pixels.split(64)])


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Between Gaussians fitted to two sets of features (N, D): Heusel et al. 2017, 1706.08500, eq.
    6.

    The trace of the root of the covariances' product is taken from its eigenvalues.
    """
    a, b = one.double(), other.double()
    product = torch.linalg.eigvals(a.T.cov() @ b.T.cov()).real.clamp(min=0)
    spread = a.var(0).sum() + b.var(0).sum() - 2 * product.sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + spread)
