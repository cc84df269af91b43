"""Winograd's convolutions against PyTorch's in float64, and when layers use them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models import packed, winograd
from ldm.models.packed import Conv2d, pack, plain_weight, set_weight

needs_mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="PyTorch without MKL")


def _input(*shape: int) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


def _error(got: Tensor, layer: nn.Conv2d, x: Tensor) -> float:
    """As a part of the norm of the exact result."""
    bias = None if layer.bias is None else layer.bias.double()
    exact = F.conv2d(x.double(), plain_weight(layer).double(), bias, padding=1)
    assert got.shape == exact.shape
    return ((got.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "shape",
    # even and odd sides, a single row, one tile alone, and several bands of which the last is short
    [(2, 24, 8, 8), (1, 24, 7, 10), (3, 24, 1, 5), (1, 24, 2, 2), (2, 24, 70, 62)],
)
@torch.inference_mode()
def test_it_is_the_convolution(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(24, 40, 3, padding=1, bias=bias), _input(*shape)
    made = winograd.convolve(x, winograd.transformed(layer.weight), layer.bias)
    assert made.is_contiguous(memory_format=torch.channels_last)
    # Float32 has 6e-8 a number; the sums of two or three of them here add some.
    assert _error(made, layer, x) < 1e-6


def _network(*channels: int) -> list[Conv2d]:
    torch.manual_seed(0)
    layers = [Conv2d(inputs, inputs, 3, padding=1) for inputs in channels]
    network = nn.Sequential(*layers).requires_grad_(False)
    nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    pack(network)
    return layers


@needs_mkl
@torch.inference_mode()
def test_a_network_for_inference_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (layer,) = _network(128)
    x = _input(2, 128, 8, 8)
    assert _error(layer(x), layer, x) < 1e-6
    other = _input(2, 128, 8, 8)
    assert torch.equal(layer.plus(x, other), layer(x) + other)
    monkeypatch.setattr(F, "conv2d", None)
    monkeypatch.setattr(nn.Conv2d, "forward", None)
    layer(x)


@needs_mkl
def test_a_changed_weight_is_used() -> None:
    """Set as LoRAs are, or written over as a state's is."""
    (layer,) = _network(128)
    x = _input(1, 128, 8, 8)
    with torch.inference_mode():
        layer(x)
    for change in (
        lambda: set_weight(layer, plain_weight(layer) * 2),
        lambda: layer.weight.copy_(torch.flip(layer.weight, [0])),
        lambda: layer.load_state_dict({"weight": layer.weight * 3, "bias": layer.bias}),
        lambda: layer.double().float(),
    ):
        with torch.no_grad():
            change()
            assert _error(layer(x), layer, x) < 1e-6


@needs_mkl
def test_gradients_reach_inputs_and_weights() -> None:
    (layer,) = _network(128)
    x = _input(1, 128, 4, 4).requires_grad_()
    layer(x).sum().backward()
    wanted = layer.weight.sum((0, 2, 3))
    assert x.grad is not None
    # In the middle every output sees the pixel.
    assert torch.allclose(x.grad[0, :, 1, 1], wanted, atol=1e-4)
    layer.weight.requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is not None


@needs_mkl
@torch.inference_mode()
def test_what_it_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest weights come first, as the largest maps are theirs."""
    monkeypatch.setattr(packed, "_ROOM", 16 * 4 * (128**2 + 160**2))
    layers = _network(256, 160, 128, 192, 64)
    for layer in layers:
        x = _input(1, layer.in_channels, 4, 4)
        assert _error(layer(x), layer, x) < 2e-6
    assert [bool(layer.filtered) for layer in layers] == [False, True, True, False, False]


@torch.inference_mode()
def test_other_convolutions_are_left_alone() -> None:
    for layer in (
        Conv2d(128, 128, 3, padding=1, stride=2),
        Conv2d(128, 128, 1),
        Conv2d(128, 128, 3),
        Conv2d(128, 128, 3, padding=1, groups=2),
        Conv2d(128, 128, 3, padding=2, dilation=2),
    ):
        assert not layer.requires_grad_(False).is_filterable()
    assert not Conv2d(128, 128, 3, padding=1).requires_grad_(False).bfloat16().is_filterable()
