"""A small network that reads place, time, weather and thing off a picture, and learns from
drawings.

It is the judge of the embedded model, so it never sees a generated picture while it learns. Knows
nothing of diffusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.train.data import Source
from ldm.train.scenes import PLACES, Drawn, Spec, thing_names

SIDE = 128  # pixels; larger pictures are reduced to it
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


def attributes(spec: Spec) -> dict[str, str]:
    """What the probe is to read: the first thing or subject is the thing. "" where there is none,
    as for the place of a thing on its own.
    """
    names = [thing.name for thing in spec.things] or list(spec.subjects) or ["nothing"]
    thing = SAME_THINGS.get(names[0], names[0])
    return {"place": spec.place, "time": spec.time, "weather": spec.weather, "thing": thing}


def labels(specs: Sequence[Spec]) -> Tensor:
    """(N, number of attributes) int64: places in ATTRIBUTES' lists, or UNKNOWN."""
    places = {key: {name: i for i, name in enumerate(names)} for key, names in ATTRIBUTES.items()}
    rows = [
        [places[key][name] if name else UNKNOWN for key, name in attributes(spec).items()]
        for spec in specs
    ]
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


class Probe(nn.Module):
    """Five strided convolutions, then one linear layer an attribute."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for out in (width, 2 * width, 4 * width, 8 * width, 8 * width):
            convolution = nn.Conv2d(channels, out, 3, 2, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(2 * channels, len(n)) for n in ATTRIBUTES.values())

    def features(self, pixels: Tensor) -> Tensor:
        """(N, 3, SIDE, SIDE) uint8 -> (N, 16 * width): the map's mean and largest by channel."""
        maps = self.body(pixels.float() / 127.5 - 1)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """One tensor of logits (N, classes) an attribute."""
        features = self.features(pixels)
        return [head(features) for head in self.heads]


@dataclass(frozen=True)
class Examples:
    """Drawings made for the probe: pixels (N, 3, SIDE, SIDE) uint8, labels (N, attributes)."""

    pixels: Tensor
    labels: Tensor
    drawn: list[Drawn]


def draw_examples(first_seed: int, count: int, source: Source) -> Examples:
    drawn = [source.sample(first_seed + index, SIDE) for index in range(count)]
    pixels = to_pixels([np.asarray(each.image) for each in drawn])
    return Examples(pixels, labels([each.spec for each in drawn]), drawn)


def train_probe(examples: Examples, epochs: int, seed: int = 0) -> Probe:
    """Train on `examples` (with flips), one-cycle AdamW."""
    torch.manual_seed(seed)
    probe, batch = Probe(), 64
    optimizer = torch.optim.AdamW(probe.parameters(), 2e-3, weight_decay=0.02)
    steps = epochs * (len(examples.pixels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(steps, 2))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(examples.pixels), generator=generator)
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            pixels = examples.pixels[chosen]
            flipped = torch.rand(batch, generator=generator) < 0.5
            pixels[flipped] = pixels[flipped].flip(-1)
            losses = [
                F.cross_entropy(logits, target, ignore_index=UNKNOWN, label_smoothing=0.05)
                for logits, target in zip(probe(pixels), examples.labels[chosen].T, strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            schedule.step()
    return probe.eval().requires_grad_(False)


@torch.no_grad()
def accuracy(probe: Probe, pixels: Tensor, truth: Tensor) -> dict[str, float]:
    """The share of pictures each attribute is read right of, among those that have it."""
    parts = [probe(part) for part in pixels.split(64)]
    shares = {}
    for index, key in enumerate(ATTRIBUTES):
        read = torch.cat([part[index] for part in parts]).argmax(1)
        known = truth[:, index] != UNKNOWN
        shares[key] = float((read == truth[:, index])[known].float().mean())
    return shares


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
