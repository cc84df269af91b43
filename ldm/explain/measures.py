"""The figures that the panels give, each with its formula. Knows nothing of models."""

import math

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
