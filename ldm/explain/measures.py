"""The figures that the panels give, each with its formula. Knows nothing of models."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def signal_to_noise(sigma: float) -> float:
    """1 / sigma^2: the variance of the clean latents (1 by their scale) to that of the noise."""
    return math.inf if sigma == 0 else sigma**-2


def decibels(ratio: float) -> float:
    """10 log10 of a ratio of powers; -inf for 0."""
    return 10 * math.log10(ratio) if 0 < ratio < math.inf else math.copysign(math.inf, ratio - 1)


def root_mean_square(x: Tensor) -> float:
    return x.float().square().mean().sqrt().item()


def distance(a: Tensor, b: Tensor) -> float:
    """Root mean square of the difference, whatever the shape."""
    return root_mean_square(a.float() - b.float())


def psnr(a: Tensor, b: Tensor, peak: float = 2.0) -> float:
    """10 log10(peak^2 / mean squared error) in decibels; inf for equal ones.

    peak: the distance between the darkest and the brightest value, 2 for pictures in [-1, 1].
    """
    error = (a.float() - b.float()).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def detail(picture: Tensor) -> float:
    """Mean absolute difference of neighbours in (C, H, W): small where a picture is blurred, large
    where it is grainy.
    """
    x = picture.float()
    return ((x.diff(dim=1).abs().mean() + x.diff(dim=2).abs().mean()) / 2).item()


def fine_share(picture: Tensor, side: int = 8) -> float:
    """The share of the variance of (C, H, W) that lies within squares of `side` pixels: fine detail
    rather than layout, whatever the contrast.
    """
    x = picture.float()
    squares = torch.nn.functional.avg_pool2d(x[None], side)
    coarse = squares.repeat_interleave(side, 2).repeat_interleave(side, 3)[0]
    inside = x[:, : coarse.shape[1], : coarse.shape[2]]
    whole = (inside - inside.mean((1, 2), keepdim=True)).square().mean().item()
    return (inside - coarse).square().mean().item() / whole if whole > 0 else 0.0


def colourfulness(picture: Tensor) -> float:
    """Root mean square distance of the colours of (3, H, W) from their own grey."""
    x = picture.float()
    return root_mean_square(x - x.mean(0))


def concentration(map_: Tensor) -> float:
    """The least share of a map's cells that hold half of its sum: 0.5 for an even map."""
    cells = map_.float().flatten().sort(descending=True).values
    before_half = (cells.cumsum(0) < cells.sum() / 2).sum().item()
    return (before_half + 1) / len(cells) if len(cells) > 1 else 1.0


def shares_by_thirds(values: Sequence[float]) -> tuple[float, float, float]:
    """How much of the sum of non-negative numbers lies in their first, middle and last third.

    Where they do not divide evenly, a number that a border cuts counts to both sides in part.
    """
    total, count = sum(values), len(values)
    if total <= 0:
        return 1 / 3, 1 / 3, 1 / 3

    def part(third: int) -> float:
        low, high = third * count / 3, (third + 1) * count / 3
        inside = (max(0.0, min(high, i + 1) - max(low, i)) for i in range(count))
        return sum(v * share for v, share in zip(values, inside, strict=True)) / total

    return part(0), part(1), part(2)


def cosines(vectors: Tensor) -> Tensor:
    """(N, N) cosines of the angles between N vectors (N, D)."""
    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    return unit @ unit.T


def in_a_plane(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The plane in which N points (N, D) differ most, by PCA.

    Returns the points in it (N, 2), its two directions (2, D) of length 1, and the mean (D,). With
    fewer than three points the missing directions are zero.
    """
    mean = points.float().mean(0)
    centred = points.float() - mean
    directions = torch.zeros(2, points.shape[1])
    if len(points) > 1:
        found = torch.linalg.svd(centred, full_matrices=False).Vh[:2]
        # The sign of a direction is arbitrary; this one is the same every time.
        signs = found.gather(1, found.abs().argmax(1, keepdim=True)).sign()
        directions[: len(found)] = found * signs
    return centred @ directions.T, directions, mean
