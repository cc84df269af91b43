"""Figures against cases worked by hand."""

import math

import pytest
import torch

from ldm.explain.measures import (
    colourfulness,
    concentration,
    cosines,
    decibels,
    detail,
    distance,
    fine_share,
    in_a_plane,
    psnr,
    root_mean_square,
    shares_by_thirds,
    signal_to_noise,
)


def test_signal_to_noise() -> None:
    assert signal_to_noise(0.5) == 4  # variance 1 to variance 0.25
    assert signal_to_noise(0) == math.inf


def test_detail_is_the_mean_step_between_neighbours() -> None:
    assert detail(torch.ones(3, 4, 4)) == 0
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 4, 4)  # 1 across, 0 down
    assert detail(stripes) == pytest.approx(0.5)


def test_fine_share_is_what_lies_within_squares() -> None:
    layout = torch.zeros(1, 16, 16)
    layout[:, :, 8:] = 1  # two halves, each square even
    assert fine_share(layout) == pytest.approx(0)
    assert fine_share(layout + 7) == pytest.approx(0, abs=1e-6)
    grain = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 16, 16)
    assert fine_share(grain) == pytest.approx(1)
    # Both together: variances 1/4 and 1/4.
    assert fine_share(layout + grain) == pytest.approx(0.5)
    assert fine_share(torch.ones(3, 16, 16)) == 0


def test_colourfulness_is_the_distance_from_grey() -> None:
    assert colourfulness(torch.full((3, 2, 2), 0.4)) == pytest.approx(0, abs=1e-6)
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)  # grey 1/3: distances 2/3, 1/3, 1/3
    assert colourfulness(red) == pytest.approx((6 / 9 / 3) ** 0.5, abs=1e-6)


def test_concentration_is_the_share_of_cells_with_half_of_the_sum() -> None:
    assert concentration(torch.ones(4, 5)) == pytest.approx(0.5)
    one = torch.zeros(10, 10)
    one[3, 4] = 1
    assert concentration(one) == pytest.approx(0.01)
    assert concentration(torch.tensor([[6.0, 3.0], [2.0, 1.0]])) == pytest.approx(0.25)


def test_shares_by_thirds_cut_numbers_at_the_borders() -> None:
    assert shares_by_thirds([1, 1, 1]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert shares_by_thirds([3, 1, 0, 0, 0, 0]) == pytest.approx((1, 0, 0))
    # Four numbers: a third is 4/3 of them, so the second counts 1/3 to the first third.
    assert shares_by_thirds([0, 3, 0, 0]) == pytest.approx((1 / 3, 2 / 3, 0))
    assert shares_by_thirds([0, 0]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


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
