"""Guidance against its papers' formulas, row by row and mixed."""

import pytest
import torch
from torch import Tensor

from ldm.diffusion.guidance import combine

SCALES = [0.0, 1.0, 4.0, 7.5]
RESCALES = [0.0, 0.7, 0.0, 0.7]


@pytest.fixture
def outputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    unconditional, difference = torch.randn(2, 4, 4, 8, 8, generator=generator)
    return unconditional, 0.8 * unconditional + 0.5 * difference


def test_rows_follow_the_formulas(outputs: tuple[Tensor, Tensor]) -> None:
    guided = combine(*outputs, torch.tensor(SCALES), torch.tensor(RESCALES))
    for i, (scale, phi) in enumerate(zip(SCALES, RESCALES, strict=True)):
        u, c = (output[i].double() for output in outputs)
        expected = (1 + (scale - 1)) * c - (scale - 1) * u  # Ho & Salimans, eq. 6, w = scale - 1
        spread = (c - c.mean()).square().mean().sqrt() / (
            (expected - expected.mean()).square().mean().sqrt()
        )
        expected = phi * expected * spread + (1 - phi) * expected  # Lin et al., eq. 15 and 16
        # float32: values to 30, a few roundings of 6e-8 each.
        torch.testing.assert_close(guided[i].double(), expected, rtol=0, atol=1e-5)


def test_a_mixed_batch_equals_one_by_one(outputs: tuple[Tensor, Tensor]) -> None:
    together = combine(*outputs, torch.tensor(SCALES), torch.tensor(RESCALES))
    for i in range(4):
        u, c = (output[i : i + 1] for output in outputs)
        alone = combine(u, c, torch.tensor(SCALES[i : i + 1]), torch.tensor(RESCALES[i : i + 1]))
        assert torch.equal(together[i : i + 1], alone)


@pytest.mark.parametrize("rescale", [0.0, 0.7, 1.0])
def test_scale_1_is_the_conditional_output_exactly(
    outputs: tuple[Tensor, Tensor], rescale: float
) -> None:
    guided = combine(*outputs, torch.ones(4), torch.full((4,), rescale))
    assert torch.equal(guided, outputs[1])


def test_full_rescale_gives_the_conditional_deviation(outputs: tuple[Tensor, Tensor]) -> None:
    scale = torch.full((4,), 12.0)
    plain = combine(*outputs, scale, torch.zeros(4)).std(dim=(1, 2, 3))
    rescaled = combine(*outputs, scale, torch.ones(4)).std(dim=(1, 2, 3))
    conditional = outputs[1].std(dim=(1, 2, 3))
    assert (plain > 3 * conditional).all()
    torch.testing.assert_close(rescaled, conditional, rtol=1e-5, atol=0)


def test_a_constant_output_stays_finite() -> None:
    flat = torch.full((1, 4, 2, 2), 0.5)
    guided = combine(flat, flat, torch.tensor([7.5]), torch.tensor([0.7]))
    assert torch.equal(guided, flat)


def test_half_precision_is_combined_in_float32(outputs: tuple[Tensor, Tensor]) -> None:
    u, c = (output.bfloat16() for output in outputs)
    guided = combine(u, c, torch.full((4,), 7.5), torch.zeros(4))
    assert guided.dtype == torch.float32
    wide = combine(u.float(), c.float(), torch.full((4,), 7.5), torch.zeros(4))
    assert torch.equal(guided, wide)


def test_a_scale_for_another_number_of_rows_is_refused(outputs: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"got shape \(1,\), allowed: \(4,\)"):
        combine(*outputs, torch.ones(1), torch.zeros(4))
