"""The predictions against their definitions, per row."""

import math
from typing import cast

import pytest
import torch
from torch import Tensor

from ldm.diffusion.denoiser import PREDICTION_TYPES, PredictionType, scale_input, to_epsilon, to_x0

SIGMAS = torch.tensor([0.03, 1.0, 14.6], dtype=torch.float64)


@pytest.fixture
def parts() -> tuple[Tensor, Tensor, Tensor]:
    """x0, epsilon and x = x0 + sigma * epsilon, a row for each of SIGMAS."""
    generator = torch.Generator().manual_seed(1)
    x0, epsilon = torch.randn(2, 3, 4, 6, 6, generator=generator, dtype=torch.float64)
    return x0, epsilon, x0 + SIGMAS.reshape(3, 1, 1, 1) * epsilon


def output_of(kind: str, x0: Tensor, epsilon: Tensor, sigma: float) -> Tensor:
    """What a perfect model says; v as in Salimans & Ho, 2202.00512, with an angle.

    alpha = cos(phi), sigma_vp = sin(phi), sigma = tan(phi), v = cos(phi) epsilon - sin(phi) x0.
    The preconditioned one is Karras et al., 2206.00364, eq. 7 solved for F, with the sigma_data = 1
    of table 1: c_skip = 1 / (sigma^2 + 1), c_out = sigma / sqrt(sigma^2 + 1).
    """
    phi = math.atan(sigma)
    v = math.cos(phi) * epsilon - math.sin(phi) * x0
    c_skip, c_out = 1 / (sigma**2 + 1), sigma / math.sqrt(sigma**2 + 1)
    f = (x0 - c_skip * (x0 + sigma * epsilon)) / c_out
    return {"epsilon": epsilon, "v_prediction": v, "sample": x0, "preconditioned": f}[kind]


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_every_prediction_gives_x0_and_epsilon_back(
    kind: PredictionType, parts: tuple[Tensor, Tensor, Tensor]
) -> None:
    x0, epsilon, x = parts
    rows = zip(x0, epsilon, SIGMAS.tolist(), strict=True)
    output = torch.stack([output_of(kind, a, b, sigma) for a, b, sigma in rows])
    found = to_x0(output, x, SIGMAS, kind)
    # float64: 1e-16 times sigma and a few operations.
    torch.testing.assert_close(found, x0, rtol=0, atol=1e-13)
    torch.testing.assert_close(to_epsilon(x, found, SIGMAS), epsilon, rtol=0, atol=1e-12)


def test_v_gives_x0_in_float32_at_sigma_4096(parts: tuple[Tensor, Tensor, Tensor]) -> None:
    x0, epsilon, _ = parts
    sigma = 4096.0
    v = output_of("v_prediction", x0, epsilon, sigma).float()
    x = (x0 + sigma * epsilon).float()
    found = to_x0(v, x, torch.full((3,), sigma), "v_prediction")
    # x0 is v but for 1/4096 of epsilon: a few roundings of float32.
    torch.testing.assert_close(found, x0.float(), rtol=0, atol=1e-6)


def test_a_half_precision_output_leaves_x0_in_float32() -> None:
    x = torch.ones(1, 4, 2, 2)
    x0 = to_x0(torch.full_like(x, 0.5, dtype=torch.bfloat16), x, torch.tensor([0.001]), "epsilon")
    assert x0.dtype == torch.float32
    torch.testing.assert_close(x0, torch.full_like(x, 0.9995), rtol=0, atol=1e-7)


def test_scaled_input_has_the_variance_preserving_form(
    parts: tuple[Tensor, Tensor, Tensor],
) -> None:
    x0, epsilon, x = parts
    scaled = scale_input(x, SIGMAS)
    for row, sigma in enumerate(SIGMAS.tolist()):
        phi = math.atan(sigma)
        expected = math.cos(phi) * x0[row] + math.sin(phi) * epsilon[row]
        torch.testing.assert_close(scaled[row], expected, rtol=0, atol=1e-14)
    assert torch.equal(scale_input(x, torch.zeros(3)), x)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_rows_of_different_sigma_equal_one_by_one(
    kind: PredictionType, parts: tuple[Tensor, Tensor, Tensor]
) -> None:
    output, _, x = (part.float() for part in parts)
    together = to_x0(output, x, SIGMAS, kind)
    for i in range(3):
        row = slice(i, i + 1)
        assert torch.equal(together[row], to_x0(output[row], x[row], SIGMAS[row], kind))


def test_what_does_not_fit_is_refused() -> None:
    x = torch.zeros(2, 4, 2, 2)
    with pytest.raises(ValueError, match=r"prediction_type: got 'flow'.*epsilon, v_prediction"):
        to_x0(x, x, torch.ones(2), cast(PredictionType, "flow"))
    with pytest.raises(ValueError, match=r"sigma: got shape \(1,\), allowed: \(2,\)"):
        scale_input(x, torch.ones(1))
