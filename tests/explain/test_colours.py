"""Palettes at their ends, and feature maps along their directions."""

import torch
from PIL import Image

from ldm.explain import colours


def hexadecimal(colour: tuple[int, ...]) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


def test_signed_runs_from_blue_through_pale_to_orange() -> None:
    image = colours.signed(torch.tensor([[-2.0, 0.0, 2.0, 99.0]]), 2.0)
    found = [hexadecimal(image.getpixel((x, 0))) for x in range(4)]
    assert found[0] == colours.SIGNED[0]
    assert found[2] == found[3] == colours.SIGNED[-1]
    assert min(image.getpixel((1, 0))) > 225  # zero is nearly white


def test_nothing_at_all_is_dark_and_no_division_by_zero() -> None:
    image = colours.change(torch.zeros(2, 2), 0.0)
    assert hexadecimal(image.getpixel((0, 0))) == colours.CHANGE[0]


def test_light_falls_where_the_shares_are() -> None:
    picture = Image.new("RGB", (40, 20), "white")
    lit = colours.overlaid(picture, torch.tensor([[0.0, 1.0]]))
    dark, light = lit.getpixel((1, 10)), lit.getpixel((38, 10))
    assert sum(light) > sum(dark) + 100
    assert lit.size == (40, 20)


def test_cells_that_are_alike_get_one_colour() -> None:
    features = torch.zeros(5, 2, 4)
    features[1, :, 2:] = 3.0
    features[4, 1, :] = -1.0
    image = colours.by_directions(features, *colours.main_directions(features))
    assert image.size == (4, 2)
    assert image.getpixel((0, 0)) == image.getpixel((1, 0)) != image.getpixel((2, 0))
    assert image.getpixel((2, 1)) == image.getpixel((3, 1)) != image.getpixel((0, 1))


def test_directions_explain_what_svd_says() -> None:
    features = torch.randn(6, 5, 5, generator=torch.Generator().manual_seed(3))
    directions, mean = colours.main_directions(features)
    cells = features.flatten(1).T
    torch.testing.assert_close(mean, cells.mean(0))
    spread = ((cells - mean) @ directions.T).square().sum(0).sqrt()
    expected = torch.linalg.svdvals(cells - cells.mean(0))[:3]
    torch.testing.assert_close(spread, expected, atol=1e-4, rtol=1e-4)
