"""Group norm and attention: the forms made for training against PyTorch's own, in float64."""

import math

import diffusers.models.embeddings as reference
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models import layers
from ldm.models.group_norm import GroupNorm, GroupNormFunction
from ldm.models.layers import Attention, Context, attention
from ldm.models.timestep import sinusoids

SHAPES = [(2, 12, 5, 7), (3, 8, 1, 1), (1, 64, 16, 16)]


def _norm_inputs(shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    """x, weight, bias and the gradient of the result; x with a mean well away from 0."""
    generator = torch.Generator().manual_seed(1)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype)

    channels_last = torch.channels_last
    x = (2 + normal(*shape)).contiguous(memory_format=channels_last)
    dy = (normal(*shape) + 0.3 * x).contiguous(memory_format=channels_last)
    return [x, 1 + normal(shape[1]), normal(shape[1]), dy]


def _gradients(y: Tensor, wrt: list[Tensor], dy: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(y, wrt, dy)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # A few rounding errors of sums over up to 1,024 values of size up to 10.
    [(torch.float64, 1e-11), (torch.float32, 2e-4)],
)
def test_group_norm_gradient_is_autograds(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    x, weight, bias, dy = _norm_inputs(shape, dtype)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    expected_y = F.group_norm(x, 4, weight, bias, 1e-5)
    expected = _gradients(expected_y, leaves, dy)
    y = GroupNormFunction.apply(x, weight, bias, 4, 1e-5)
    assert torch.equal(y, expected_y)
    for got, wanted in zip(_gradients(y, leaves, dy), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=tolerance, rtol=tolerance)


def test_group_norm_in_bfloat16_takes_the_fast_backward_and_stays_close() -> None:
    x, weight, bias, dy = _norm_inputs((2, 32, 16, 16), torch.bfloat16)
    norm = GroupNorm(8, 32).to(torch.bfloat16)
    with torch.no_grad():
        norm.weight.copy_(weight)
        norm.bias.copy_(bias)
    y = norm(x.requires_grad_())
    assert type(y.grad_fn).__name__ == "GroupNormFunctionBackward"
    got = _gradients(y, [x, norm.weight, norm.bias], dy)

    exact = [t.detach().double().requires_grad_() for t in (x, weight, bias)]
    wanted = _gradients(F.group_norm(exact[0], 8, exact[1], exact[2], 1e-5), exact, dy.double())
    for ours, truth in zip(got, wanted, strict=True):
        # bfloat16 keeps 8 bits (0.4%); a handful of roundings follow one another.
        assert ((ours.double() - truth).norm() / truth.norm()).item() < 0.015


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_group_norm_without_gradients_is_pytorchs(dtype: torch.dtype) -> None:
    x = _norm_inputs((2, 32, 4, 4), dtype)[0]
    norm = GroupNorm(8, 32).to(dtype)
    with torch.no_grad():
        assert torch.equal(norm(x), F.group_norm(x, 8, norm.weight, norm.bias, norm.eps))


@pytest.mark.parametrize("shape", [(2, 32, 4, 4), (2, 128, 4, 4), (1, 32, 32, 33)])
def test_group_norm_in_bfloat16_by_channels_is_rounded_once(shape: tuple[int, ...]) -> None:
    """Small maps of narrow groups, of wide ones, large maps: each goes another way."""
    torch.manual_seed(0)
    x = (3 * torch.randn(shape) + 5).bfloat16().contiguous(memory_format=torch.channels_last)
    norm = GroupNorm(8, shape[1]).to(torch.bfloat16)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    weight, bias = norm.weight.double(), norm.bias.double()
    wanted = F.group_norm(x.double(), 8, weight, bias, norm.eps)
    with torch.no_grad():
        got = norm(x)
    assert got.dtype == torch.bfloat16
    assert got.is_contiguous(memory_format=torch.channels_last)
    # 8 bits of the result, and of PyTorch's own scale and shift where it is left to PyTorch.
    assert ((got.double() - wanted).norm() / wanted.norm()).item() < 0.004


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Vaswani et al. 2017, eq. 1, word for word."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1) @ v


def _attention_inputs(dtype: torch.dtype, keys: int, size: int = 16) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(2, n, 3, size, generator=generator).transpose(1, 2).to(dtype).requires_grad_()
        for n in (20, keys, keys)
    ]


@pytest.mark.parametrize("amx", [True, False])  # what decides which form is used
@pytest.mark.parametrize(("keys", "size"), [(20, 16), (7, 16), (20, 40)])  # 40: vectors and a half
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # float32: rounding. bfloat16: scores up to 4 with 8 bits move their exponentials by 2%.
    [(torch.float32, 1e-5), (torch.bfloat16, 0.02)],
)
def test_attention_is_the_formula_with_and_without_gradients(
    dtype: torch.dtype,
    tolerance: float,
    keys: int,
    size: int,
    amx: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layers, "_has_amx", lambda: amx)
    inputs = _attention_inputs(dtype, keys, size)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    wanted = _softmax_attention(*exact)
    with torch.no_grad():
        without = attention(*inputs)
    with_gradients = attention(*inputs)
    for got in (without, with_gradients):
        assert got.shape == wanted.shape
        assert ((got.double() - wanted).norm() / wanted.norm()).item() < tolerance
    for got, truth in zip(
        _gradients(with_gradients, inputs, torch.ones_like(with_gradients)),
        _gradients(wanted, exact, torch.ones_like(wanted)),
        strict=True,
    ):
        assert ((got.double() - truth).norm() / truth.norm()).item() < tolerance


def _names(node: torch.autograd.graph.Node | None) -> str:
    """The names of all operations that led to a result."""
    if node is None:
        return ""
    return " ".join([node.name(), *(_names(parent) for parent, _ in node.next_functions)])


def test_attention_written_out_in_parts_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = _attention_inputs(torch.bfloat16, 20)
    whole = attention(*inputs)
    # Room for the scores (20 x 20 of 2 bytes) of 4 of the 6 heads: two parts, 4 and 2.
    monkeypatch.setattr(layers, "_SCORE_BYTES", 4 * 20 * 20 * 2)
    parts = attention(*inputs)
    assert _names(whole.grad_fn).count("Baddbmm") == 1
    assert _names(parts.grad_fn).count("Baddbmm") == 2
    assert torch.equal(parts, whole)
    dy = torch.ones_like(whole)
    for got, wanted in zip(
        _gradients(parts, inputs, dy), _gradients(whole, inputs, dy), strict=True
    ):
        assert torch.equal(got, wanted)


def test_bfloat16_training_on_the_cpu_writes_attention_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The point of the written-out form: no flash kernel in the backward (see `attention`)."""
    inputs = _attention_inputs(torch.bfloat16, 7)
    assert "ScaledDotProduct" not in _names(attention(*inputs).grad_fn)
    in_float32 = attention(*(t.float() for t in inputs))
    assert "ScaledDotProduct" in _names(in_float32.grad_fn)
    # Where one head's scores outgrow the caches the kernel is the faster one again.
    monkeypatch.setattr(layers, "_SCORE_BYTES", 20 * 7 * 2 - 1)
    assert "ScaledDotProduct" in _names(attention(*inputs).grad_fn)


def test_projected_context_replaces_the_states() -> None:
    """Keys and values given beforehand are used, and the states are not looked at again."""
    layer = Attention(dim=12, heads=2, head_size=6, context_dim=5, upcast=False)
    x, states = torch.randn(2, 4, 12), torch.randn(2, 3, 5)
    wanted = layer(x, Context(states))
    elsewhere = Context(torch.zeros_like(states), {layer: layer.keys_values(states)})
    assert torch.equal(layer(x, elsewhere), wanted)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize(("dim", "shift"), [(32, 0), (33, 0), (320, 1)])
def test_sinusoids_are_diffusers(dim: int, shift: int, flip: bool) -> None:
    timesteps = torch.tensor([0.0, 1.0, 33.25, 999.0])
    wanted = reference.get_timestep_embedding(
        timesteps, dim, flip_sin_to_cos=flip, downscale_freq_shift=shift
    )
    # Angles up to 999 in float32 are known to 3e-5.
    torch.testing.assert_close(sinusoids(timesteps, dim, flip, shift), wanted, atol=5e-5, rtol=0)
