"""Figures against cases worked by hand."""

import math

import pytest
import torch

from ldm.explain.measures import (
    cosines,
    decibels,
    distance,
    in_a_plane,
    psnr,
    root_mean_square,
    signal_to_noise,
)


def test_signal_to_noise() -> None:
    assert signal_to_noise(0.5) == 4  # variance 1 to variance 0.25
    assert signal_to_noise(0) == math.inf


def test_decibels() -> None:
    assert decibels(100) == pytest.approx(20)
    assert decibels(0.5) == pytest.approx(-3.0103, abs=1e-4)
    assert decibels(0) == -math.inf
    assert decibels(math.inf) == math.inf


def test_psnr() -> None:
    """Half the values off by 0.2: MSE 0.02, so 10 log10(4 / 0.02) = 23.0103 dB."""
    a = torch.zeros(1, 3, 4, 4)
    b = a.clone()
    b[..., :2] += 0.2
    assert psnr(a, b) == pytest.approx(23.0103, abs=1e-3)
    assert psnr(a, b, peak=1.0) == pytest.approx(23.0103 - 20 * math.log10(2), abs=1e-3)
    assert psnr(a, a) == math.inf


def test_lengths() -> None:
    assert root_mean_square(torch.tensor([3.0, 4.0])) == pytest.approx(math.sqrt(12.5))
    assert distance(torch.tensor([1.0, 1.0]), torch.tensor([4.0, 5.0])) == pytest.approx(
        math.sqrt(12.5)
    )


def test_cosines() -> None:
    found = cosines(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]))
    half = math.sqrt(0.5)
    expected = torch.tensor([[1, 0, half], [0, 1, half], [half, half, 1]])
    torch.testing.assert_close(found, expected)


def test_the_plane_holds_points_that_lie_in_one() -> None:
    """Points made of two orthogonal directions of five come back at their distances."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(5, 2, generator=generator)).Q.T
    flat = torch.randn(9, 2, generator=generator) * torch.tensor([3.0, 1.0])
    points, directions, mean = in_a_plane(flat @ basis + 7)
    torch.testing.assert_close(points @ directions + mean, flat @ basis + 7, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cdist(points, points), torch.cdist(flat, flat))
    assert points.var(0)[0] > points.var(0)[1]


def test_one_point_is_a_plane_too() -> None:
    points, directions, mean = in_a_plane(torch.ones(1, 4))
    assert not points.any() and not directions.any()
    assert torch.equal(mean, torch.ones(4))
