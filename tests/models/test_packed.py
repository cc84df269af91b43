"""Packed layers and enlarging convolutions against PyTorch's own on plain weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.enlarging import quarters
from ldm.models.layers import Upsample2D
from ldm.models.packed import Conv2d, Linear, pack, plain_weight, set_weight

needs_bfloat16 = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="this CPU does not calculate with bfloat16",
)
LAYERS = {
    "linear": lambda: Linear(300, 260),
    "no bias": lambda: Linear(256, 256, bias=False),
    "3x3": lambda: Conv2d(96, 80, kernel_size=3, padding=1),
    "1x1": lambda: Conv2d(256, 320, kernel_size=1),
    "strided": lambda: Conv2d(96, 80, kernel_size=3, stride=2, padding=0),
}


def _input(layer: nn.Module, generator: torch.Generator, side: int) -> Tensor:
    if isinstance(layer, Linear):
        return torch.randn(2, side, layer.in_features, generator=generator).bfloat16()
    assert isinstance(layer, Conv2d)
    x = torch.randn(2, layer.in_channels, side, side + 3, generator=generator).bfloat16()
    return x.contiguous(memory_format=torch.channels_last)


@needs_bfloat16
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("side", [1, 9, 16])
@torch.inference_mode()
def test_a_packed_layer_gives_the_plain_ones_numbers(kind: str, side: int) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind]().bfloat16().requires_grad_(False)
    x = _input(layer, torch.Generator().manual_seed(1), side + 2)
    plain = layer.weight.clone()
    exact = type(layer).__mro__[2].forward(layer.double(), x.double())
    layer.bfloat16()
    pack(layer)
    assert not layer.weight.is_mkldnn  # until it is used
    made = layer(x)
    assert layer.weight.is_mkldnn
    assert torch.equal(layer(x), made)
    assert made.shape == exact.shape
    assert made.dtype == torch.bfloat16
    # The sum is in float32 and is rounded once, to 8 bits.
    assert ((made.double() - exact).norm() / exact.norm()).item() < 0.003
    assert torch.equal(plain_weight(layer), plain)
    assert torch.equal(layer.state_dict()["weight"], plain)


@needs_bfloat16
@torch.no_grad()
def test_what_is_converted_is_plain_again() -> None:
    layer = Linear(256, 256).bfloat16().requires_grad_(False)
    plain = layer.weight.clone()
    x = torch.randn(4, 256).bfloat16()
    pack(layer)
    before = layer(x)
    layer.float()
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer.weight, plain.float())
    layer(x.float())
    assert not layer.weight.is_mkldnn
    layer.bfloat16()
    assert torch.equal(layer(x), before)
    assert layer.weight.is_mkldnn


@needs_bfloat16
@torch.no_grad()
def test_another_weight_is_packed_like_the_one_before() -> None:
    layer = Linear(256, 256, bias=False).bfloat16().requires_grad_(False)
    pack(layer)
    x = torch.randn(4, 256).bfloat16()
    before = layer(x)
    packed = layer.weight.detach()
    assert packed.is_mkldnn
    set_weight(layer, torch.eye(256).bfloat16())
    assert torch.equal(layer(x), x)
    assert layer.weight.is_mkldnn
    set_weight(layer, packed)
    assert torch.equal(layer(x), before)


def test_small_float32_and_foreign_weights_stay_plain() -> None:
    module = nn.Sequential(Linear(16, 16).bfloat16(), Linear(300, 300), nn.Linear(300, 300))
    pack(module.requires_grad_(False))
    module[0](torch.zeros(1, 16).bfloat16())
    module[1](torch.zeros(1, 300))
    module[2](torch.zeros(1, 300))
    assert not any(parameter.is_mkldnn for parameter in module.parameters())


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_that_learns_stays_plain_and_gets_its_gradient(kind: str) -> None:
    """The packed kernels have no way back: what is trained from a loaded model came out untrained,
    and everything before it."""
    layer = LAYERS[kind]().bfloat16()
    pack(layer)
    x = _input(layer, torch.Generator().manual_seed(1), 9).requires_grad_(True)
    layer(x).float().square().mean().backward()
    assert not layer.weight.is_mkldnn
    for gradient in (layer.weight.grad, x.grad):
        assert gradient is not None and gradient.norm() > 0


def test_quarters_are_the_enlarged_maps_convolution() -> None:
    """Written out in float64 from the four small convolutions, against the definition."""
    torch.manual_seed(0)
    weight = torch.randn(5, 7, 3, 3, dtype=torch.float64)
    x = torch.randn(2, 7, 6, 9, dtype=torch.float64)
    wanted = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
    padded = F.conv2d(x, quarters(weight).double(), padding=1)
    for index, part in enumerate(padded.chunk(4, dim=1)):
        top, left = divmod(index, 2)
        got = part[:, :, top : top + 6, left : left + 9]
        # The sums of weights are in float32.
        torch.testing.assert_close(got, wanted[:, :, top::2, left::2], atol=1e-5, rtol=0)


@needs_bfloat16
@torch.inference_mode()
def test_a_packed_upsampler_enlarges_as_the_plain_one_does() -> None:
    torch.manual_seed(0)
    block = Upsample2D(96).bfloat16().requires_grad_(False)
    x = torch.randn(2, 96, 7, 5).bfloat16().contiguous(memory_format=torch.channels_last)
    exact, odd = block.double()(x.double()), block(x.double(), (13, 9))
    block.bfloat16()
    pack(block)
    # Weights' sums and the result are rounded to 8 bits.
    assert ((block(x).double() - exact).norm() / exact.norm()).item() < 0.005
    assert ((block(x, (13, 9)).double() - odd).norm() / odd.norm()).item() < 0.005
    set_weight(block.conv, torch.zeros(96, 96, 3, 3).bfloat16())
    bias = block.conv.bias
    assert bias is not None
    assert torch.equal(block(x)[0, :, 3, 4], bias)
