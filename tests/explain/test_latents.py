"""The bench on the autoencoder, against diffusers' own and formulas."""

import math

import diffusers
import pytest
import torch
from PIL import Image
from torch import Tensor

from ldm.checkpoints.load import Checkpoint
from ldm.explain.latents import (
    between_four,
    cost_at,
    encode_many,
    map_of,
    round_trip,
    shown_noised,
)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 1)[0]
    return Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy())


def test_round_trip_is_diffusers_and_its_figures_follow(
    checkpoint: Checkpoint,
    small_stable_diffusion: diffusers.StableDiffusionPipeline,
    picture: Image.Image,
) -> None:
    vae = small_stable_diffusion.vae.eval()
    trip = round_trip(checkpoint, picture)
    with torch.no_grad():
        mode = vae.encode(trip.original[None]).latent_dist.mode()
        decoded = vae.decode(mode).sample[0].clamp(-1, 1)
    torch.testing.assert_close(trip.latents, mode[0] * 0.18215, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trip.decoded, decoded, atol=1e-4, rtol=0)
    mse = (decoded.double() - trip.original.double()).square().mean().item()
    assert trip.psnr == pytest.approx(10 * math.log10(4 / mse), abs=1e-3)
    assert trip.ratio == 3 * 64 * 64 / (4 * 8 * 8) == 48
    expected = ((decoded - trip.original) ** 2).mean(0).sqrt()
    torch.testing.assert_close(trip.error, expected, atol=1e-4, rtol=0)


def test_many_are_encoded_as_one_by_one(checkpoint: Checkpoint, picture: Image.Image) -> None:
    images = [picture, picture.rotate(90), picture.rotate(180)]
    together = encode_many(checkpoint, images, batch=2)
    for image, latents in zip(images, together, strict=True):
        alone = round_trip(checkpoint, image).latents
        torch.testing.assert_close(latents, alone, atol=1e-5, rtol=1e-4)


def test_the_middle_of_four_is_their_mean_and_corners_are_themselves() -> None:
    corners = [torch.full((2, 2), float(i)) for i in range(4)]
    assert torch.equal(between_four(corners, 0.5, 0.5), torch.full((2, 2), 1.5))
    for (across, down), corner in zip([(0, 0), (1, 0), (0, 1), (1, 1)], corners, strict=True):
        assert torch.equal(between_four(corners, across, down), corner)


def test_a_drawings_place_on_the_map_unpacks_near_its_latents() -> None:
    """With three drawings the plane holds everything."""
    latents = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    found = map_of(latents)
    assert found.explained == pytest.approx(1)
    for point, expected in zip(found.points, latents, strict=True):
        torch.testing.assert_close(found.latents_at(point)[0], expected, atol=1e-5, rtol=0)


def convolution_operations(unet: diffusers.UNet2DConditionModel, side: int) -> int:
    """2 k^2 in out h w for each convolution, counted by hooks on diffusers' network."""
    total = 0

    def count(layer: torch.nn.Conv2d, given: object, output: Tensor) -> None:
        nonlocal total
        size = output.shape[2] * output.shape[3]
        kernel = layer.kernel_size[0] * layer.kernel_size[1]
        total += 2 * kernel * layer.in_channels * layer.out_channels * size

    convolutions = [m for m in unet.modules() if isinstance(m, torch.nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in convolutions]
    with torch.no_grad():
        unet(torch.zeros(1, 4, side, side), 1, torch.zeros(1, 4, 32))
    for handle in handles:
        handle.remove()
    return total


def test_operations_hold_at_least_the_convolutions_and_grow_as_they_must(
    checkpoint: Checkpoint, reference: diffusers.UNet2DConditionModel
) -> None:
    small, large = (cost_at(checkpoint.unet, side, side, 4) for side in (8, 16))
    for cost, side in ((small, 8), (large, 16)):
        convolutions = convolution_operations(reference, side)
        assert convolutions < cost.operations < 2 * convolutions
    # Four times the places: four times the convolutions, more than that with self-attention.
    assert 4 < large.operations / small.operations < 16
    assert large.largest_map == 4 * small.largest_map


def test_noised_latents_are_the_training_formula() -> None:
    """sqrt(a) x0 + sqrt(1 - a) noise with a = 1 / (sigma^2 + 1): Ho et al. 2020, eq. 4."""
    latents = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(2))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(9))
    a = 1 / (1 + 2.5**2)
    expected = a**0.5 * latents + (1 - a) ** 0.5 * noise
    torch.testing.assert_close(shown_noised(latents, 2.5, 9), expected)
