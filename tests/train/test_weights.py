"""The optimizer's own parts against independent computations; state that survives a restart."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from ldm.train.weights import MasterWeights, draw_back, orthogonalised, take_average


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (32, 32)])
def test_orthogonalised_is_near_the_polar_factor(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    """Against the exact polar factor U V^T by SVD.

    Muon's coefficients leave singular values within about 0.7 to 1.2 by design (small ones are
    lower after five steps), so the direction is compared by cosine, and the values by a range.
    """
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrix.to(dtype)).float()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.95
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3 and values.max() < 1.3


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 6)).bfloat16()


def train(model: nn.Module, weights: MasterWeights, steps: range) -> list[float]:
    losses = []
    for step in steps:
        x = torch.randn(64, 6, generator=torch.Generator().manual_seed(step)).bfloat16()
        loss = (model(x).float() - x.float().flip(1)).square().mean()
        loss.backward()
        weights.step()
        losses.append(loss.item())
    return losses


def wrap(model: nn.Module, warmup: int = 5) -> MasterWeights:
    return MasterWeights({"net": model}, Accelerator(cpu=True), 0.02, warmup=warmup)


def test_training_learns() -> None:
    model = network()
    losses = train(model, wrap(model), range(150))
    assert losses[-1] < 0.2 * losses[0]


def test_bf16_weights_follow_float32_masters() -> None:
    """Updates far below bf16's resolution still add up in the masters."""
    model = network()
    weights = MasterWeights({"net": model}, Accelerator(cpu=True), 1e-6, warmup=1)
    before = weights.flat.clone()
    train(model, weights, range(20))
    assert (weights.flat != before).float().mean() > 0.9
    for (_, parameter), values in zip(
        weights.named, weights.flat.split(weights.sizes), strict=True
    ):
        assert torch.equal(parameter.detach().flatten(), values.bfloat16())


def test_resumed_training_is_the_same_training(tmp_path: Path) -> None:
    straight = network()
    expected = wrap(straight, warmup=1)
    train(straight, expected, range(30))

    first = network()
    weights = wrap(first, warmup=1)
    train(first, weights, range(12))
    weights.save(tmp_path / "state.safetensors", {"samples": 12.0})
    second = network(seed=9)
    resumed = wrap(second, warmup=1)
    assert resumed.load(tmp_path / "state.safetensors") == {"samples": 12.0}
    assert resumed.step_count == 12
    train(second, resumed, range(12, 30))
    assert torch.equal(resumed.flat, expected.flat)
    assert torch.equal(resumed.ema, expected.ema)


def test_a_resumed_run_rises_to_its_rate_again(tmp_path: Path) -> None:
    model = network()
    weights = wrap(model)
    train(model, weights, range(12))
    weights.save(tmp_path / "state.safetensors", {})
    weights.load(tmp_path / "state.safetensors")
    rates = []
    for step in range(12, 18):
        train(model, weights, range(step, step + 1))
        rates.append(weights.adamw.param_groups[0]["lr"])
    assert rates == pytest.approx([0.004, 0.008, 0.012, 0.016, 0.02, 0.02])


def test_state_of_another_architecture_is_refused(tmp_path: Path) -> None:
    wrap(network()).save(tmp_path / "state.safetensors", {})
    other = nn.Sequential(nn.Linear(6, 8))
    with pytest.raises(ValueError, match="another architecture"):
        wrap(other).load(tmp_path / "state.safetensors")
    with pytest.raises(ValueError, match=r"net\.0\.weight of \[16, 6\]"):
        take_average(tmp_path / "state.safetensors", {"net": other})


def test_the_average_of_a_part_is_taken_from_the_whole(tmp_path: Path) -> None:
    """What is thrown away after training (here `head`) is in the state and not asked for."""
    model, head = network(), nn.Linear(6, 6).bfloat16()
    weights = MasterWeights({"head": head, "net": model}, Accelerator(cpu=True), 0.02, warmup=1)
    train(nn.Sequential(model, head), weights, range(9))
    weights.save(tmp_path / "state.safetensors", {})
    taken = network(seed=5).float()
    take_average(tmp_path / "state.safetensors", {"net": taken})
    ours = torch.cat([parameter.detach().flatten() for parameter in taken.parameters()])
    assert torch.equal(ours, weights.ema[-len(ours) :])
    assert not torch.equal(ours, weights.flat[-len(ours) :])


def test_weights_are_drawn_back_on_the_way_they_came() -> None:
    before, after = network(seed=1).float(), network(seed=2).float()
    ends = [[p.detach().clone() for p in model.parameters()] for model in (before, after)]
    draw_back(after, before, 0.25)
    for weight, one, other in zip(after.parameters(), *ends, strict=True):
        assert torch.allclose(weight, 0.75 * one + 0.25 * other)
    for weight, one in zip(before.parameters(), ends[0], strict=True):
        assert torch.equal(weight, one)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model = network()
    weights = wrap(model)
    train(model, weights, range(3))
    before = weights.flat.clone()
    for _, parameter in weights.named:
        parameter.grad = torch.full_like(parameter, torch.nan)
    weights.step()
    assert torch.equal(weights.flat, before) and weights.step_count == 3


def test_a_part_that_no_gradient_reaches_is_named() -> None:
    model, aside = network(), nn.Linear(6, 6).bfloat16()
    weights = MasterWeights({"net": model, "aside": aside}, Accelerator(cpu=True), 0.02)
    with pytest.raises(RuntimeError, match=r"aside\.weight"):
        train(model, weights, range(1))
