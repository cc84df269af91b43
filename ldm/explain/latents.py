"""The autoencoder as a bench: round trips, what they lose, ways between pictures, a map of many.

Owns the figures of compression and their formulas, and the count of operations that a step costs on
latents and would cost on pixels. Knows nothing of runs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ldm import imaging
from ldm.checkpoints.load import Checkpoint
from ldm.explain.measures import in_a_plane, psnr
from ldm.models.unet import UNet2DConditionModel
from ldm.pipeline import decode, encode_picture


@dataclass(frozen=True, eq=False)
class RoundTrip:
    """A picture through the autoencoder and back.

    original, decoded: (3, H, W) in [-1, 1]; latents: (C, h, w); error: (H, W), the root mean square
    over colours of the difference; psnr: decibels; ratio: pixels' numbers to latents' numbers.
    """

    original: Tensor
    latents: Tensor
    decoded: Tensor
    error: Tensor
    psnr: float
    ratio: float


@torch.no_grad()
def round_trip(checkpoint: Checkpoint, image: Image.Image) -> RoundTrip:
    """Encode and decode an RGB picture whose sides the autoencoder's factor divides."""
    original = imaging.to_tensor(image)
    latents = encode_picture(checkpoint, image)
    decoded = decode(checkpoint, latents).cpu().clamp(-1, 1)
    return RoundTrip(
        original=original[0],
        latents=latents[0].cpu(),
        decoded=decoded[0],
        error=(decoded - original)[0].square().mean(0).sqrt(),
        psnr=psnr(decoded, original),
        ratio=original.numel() / latents.numel(),
    )


def between_four(corners: Sequence[Tensor], across: float, down: float) -> Tensor:
    """The mix of four tensors at a point of a square: bilinear weights, which add up to 1.

    corners: top left, top right, bottom left, bottom right; across, down: 0..1.
    """
    top = corners[0] + across * (corners[1] - corners[0])
    bottom = corners[2] + across * (corners[3] - corners[2])
    return top + down * (bottom - top)


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Many pictures' latents in the plane in which they differ most (PCA).

    points: (N, 2); directions: (2, D) and mean: (D,) of the flattened latents; shape: (C, h, w).
    explained: the share of all variance that the plane holds.
    """

    points: Tensor
    directions: Tensor
    mean: Tensor
    shape: tuple[int, int, int]
    explained: float

    def latents_at(self, point: Tensor) -> Tensor:
        """(1, C, h, w), the latents that a point (2,) of the plane stands for."""
        return (self.mean + point.float() @ self.directions).view(1, *self.shape)


def map_of(latents: Tensor) -> LatentMap:
    """The map of N latents (N, C, h, w)."""
    flat = latents.float().flatten(1)
    points, directions, mean = in_a_plane(flat)
    total = (flat - mean).square().sum()
    explained = float(points.square().sum() / total) if total > 0 else 0.0
    channels, height, width = latents.shape[1:]
    return LatentMap(points, directions, mean, (channels, height, width), explained)


@torch.no_grad()
def encode_many(checkpoint: Checkpoint, images: Sequence[Image.Image], batch: int = 16) -> Tensor:
    """Latents (N, C, h, w) on the CPU of RGB pictures of one size."""
    parts = []
    for first in range(0, len(images), batch):
        pixels = torch.cat([imaging.to_tensor(image) for image in images[first : first + batch]])
        parts.append(checkpoint.vae.encode(pixels.to(checkpoint.device)).float().cpu())
    return torch.cat(parts)


@dataclass(frozen=True)
class Cost:
    """What one evaluation of a U-Net takes: operations (multiplications and additions, counted one
    each), and bytes of its largest feature map in float32.
    """

    operations: int
    largest_map: int


def cost_at(unet: UNet2DConditionModel, height: int, width: int, tokens: int) -> Cost:
    """The cost of one row at latents (or pixels) of height x width, by running the network on
    tensors that have a shape and no numbers.
    """
    with torch.device("meta"):
        empty = UNet2DConditionModel(unet.config)
        sample = torch.empty(1, unet.config.in_channels, height, width)
        states = torch.empty(1, tokens, unet.config.cross_attention_dim[0])
        timestep = torch.empty(1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        empty(sample, timestep, states)
    # The widest map at full resolution: the last level up takes what came from below and a skip.
    channels = unet.config.block_out_channels
    return Cost(
        counter.get_total_flops(),
        4 * height * width * (channels[0] + channels[min(1, len(channels) - 1)]),
    )


@torch.no_grad()
def seconds_of(checkpoint: Checkpoint, height: int, width: int, tokens: int) -> float:
    """What one evaluation of a row takes here, at latents of height x width: the quicker of two, on
    random numbers.
    """
    unet = checkpoint.unet
    assert isinstance(unet, UNet2DConditionModel)
    generator = torch.Generator().manual_seed(0)
    shapes = (
        (1, unet.config.in_channels, height, width),
        (1, tokens, unet.config.cross_attention_dim[0]),
    )
    sample, states = (
        torch.randn(shape, generator=generator).to(checkpoint.device, checkpoint.dtype)
        for shape in shapes
    )
    timestep = torch.tensor([500.0], device=checkpoint.device)
    found = []
    for _ in range(2):
        start = time.perf_counter()
        unet(sample, timestep, states).sum().item()  # reads the result: devices work ahead
        found.append(time.perf_counter() - start)
    return min(found)


def noised(latents: Tensor, sigma: float, seed: int) -> Tensor:
    """What training shows the model: latents (1, C, h, w) under noise, x = x0 + sigma * noise.

    On the CPU; the same seed gives the same noise at every level.
    """
    generator = torch.Generator().manual_seed(seed)
    return latents.cpu() + sigma * torch.randn(latents.shape, generator=generator)


def shown_noised(latents: Tensor, sigma: float, seed: int) -> Tensor:
    """The same, scaled to the size that latents have: x / sqrt(sigma^2 + 1)."""
    return noised(latents, sigma, seed) / (sigma**2 + 1) ** 0.5
