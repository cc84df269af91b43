"""Packed layers and enlarging convolutions against PyTorch's own on plain weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.enlarging import quarters
from ldm.models.layers import Upsample2D
from ldm.models.packed import (
    Conv2d,
    GatedLinear,
    Linear,
    pack,
    plain_shape,
    plain_weight,
    set_weight,
)

needs_bfloat16 = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="this CPU does not calculate with bfloat16",
)
LAYERS = {
    "linear": lambda: Linear(300, 260),
    "no bias": lambda: Linear(256, 256, bias=False),
    "gated": lambda: GatedLinear(256, 136),
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


def _exact(layer: nn.Module, x: Tensor) -> Tensor:
    """What PyTorch's own functions make of it in float64."""
    assert isinstance(layer, Linear | Conv2d)
    weight, bias = layer.weight.double(), None if layer.bias is None else layer.bias.double()
    if isinstance(layer, Conv2d):
        return F.conv2d(x.double(), weight, bias, layer.stride, layer.padding)
    made = F.linear(x.double(), weight, bias)
    if isinstance(layer, GatedLinear):
        values, gates = made.split(layer.out_features // 2, dim=-1)
        return values * F.gelu(gates)
    return made


def _error(got: Tensor, exact: Tensor) -> float:
    assert got.shape == exact.shape
    assert got.dtype == torch.bfloat16
    return ((got.double() - exact).norm() / exact.norm()).item()


@needs_bfloat16
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("side", [1, 9, 16])
@torch.inference_mode()
def test_a_packed_layer_gives_the_plain_ones_numbers(kind: str, side: int) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind]().bfloat16().requires_grad_(False)
    x = _input(layer, torch.Generator().manual_seed(1), side + 2)
    plain = layer.weight.clone()
    exact = _exact(layer, x)
    pack(layer)
    assert not layer.weight.is_mkldnn  # until it is used
    made = layer(x)
    assert layer.weight.is_mkldnn
    assert torch.equal(layer(x), made)
    # The sum is in float32 and is rounded once, to 8 bits; a gate is too, before it is multiplied.
    assert _error(made, exact) < 0.003
    assert torch.equal(plain_weight(layer), plain)
    assert plain_shape(layer) == plain.shape
    assert torch.equal(layer.state_dict()["weight"], plain)
    assert layer.state_dict().keys() == LAYERS[kind]().state_dict().keys()


@needs_bfloat16
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "gated"])
@torch.inference_mode()
def test_a_layer_adds_what_it_is_given(kind: str, packed: bool) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind]().bfloat16().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    x = _input(layer, generator, 9)
    exact = _exact(layer, x)
    other = torch.randn(exact.shape, generator=generator).bfloat16()
    if exact.ndim == 4:
        other = other.contiguous(memory_format=torch.channels_last)
    before = other.clone()
    if packed:
        pack(layer)
    # Packed, the whole is rounded once; plain, the layer's part is too.
    assert _error(layer.plus(x, other), exact + other.double()) < (0.002 if packed else 0.003)
    assert torch.equal(other, before)  # it may be a skip, or another's
    assert layer.weight.is_mkldnn == packed


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
    own = plain_weight(layer)
    set_weight(layer, torch.eye(256).bfloat16())
    assert torch.equal(layer(x), x)
    assert layer.weight.is_mkldnn
    set_weight(layer, own)
    assert torch.equal(layer(x), before)


@needs_bfloat16
@torch.no_grad()
def test_another_weight_of_a_gated_layer_takes_the_place_of_both_halves() -> None:
    layer = GatedLinear(64, 96).bfloat16().requires_grad_(False)
    pack(layer)
    x = torch.randn(4, 64).bfloat16()
    before, own = layer(x), plain_weight(layer)
    numbers = sum(parameter.numel() for parameter in layer.parameters())
    assert numbers == own.numel() + 2 * 96  # as many as the plain one has: pages show them
    set_weight(layer, torch.zeros_like(own))
    bias = layer.bias.float()
    assert torch.allclose(layer(x).float(), bias[:96] * F.gelu(bias[96:]), rtol=0.02)
    set_weight(layer, own)
    assert torch.equal(layer(x), before)
    layer.float()
    assert layer.gates is None
    assert torch.equal(layer.weight, own.float())


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


@needs_bfloat16
def test_a_layer_that_learns_stays_plain_when_another_is_packed() -> None:
    """As a decoder that is trained beside an encoder that only tests it."""
    resting, learning = nets = [Linear(256, 256).bfloat16() for _ in range(2)]
    resting.requires_grad_(False)
    pack(nn.Sequential(*nets))
    resting(torch.zeros(1, 256).bfloat16())
    assert resting.weight.is_mkldnn and not learning.weight.is_mkldnn
    learning(torch.ones(1, 256).bfloat16()).sum().backward()
    assert learning.weight.grad is not None


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
