"""Attention maps against those of diffusers' attention processors, with the same weights."""

from threading import Thread
from typing import Any

import diffusers
import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor

from ldm.checkpoints.load import Checkpoint
from ldm.explain.attention import (
    averaged,
    clearest,
    layers_of,
    map_size,
    told_of_cells,
    told_of_words,
)
from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel

# float32: both sides take the softmax of the same queries and keys; the roundings of the layers
# before differ in the order of additions only.
TOLERANCE = 3e-5  # of probabilities; AVX2 adds in another order than AVX-512
LATENTS, TOKENS, WIDTH = 10, 7, 24
CONFIG: dict[str, Any] = {
    "sample_size": LATENTS,
    "block_out_channels": (16, 32, 32),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}


@pytest.fixture(scope="module")
def pair() -> tuple[UNet2DConditionModel, diffusers.UNet2DConditionModel]:
    """Our network and diffusers', with weights large enough that attention is uneven."""
    torch.manual_seed(1)
    theirs = diffusers.UNet2DConditionModel(**CONFIG).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "to_q" in name or "to_k" in name:
                parameter.mul_(3)
    ours = UNet2DConditionModel(UNetConfig.from_dict(dict(theirs.config))).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    sample = torch.randn(3, 4, LATENTS, LATENTS, generator=generator)
    states = torch.randn(3, TOKENS, WIDTH, generator=generator)
    return sample, torch.tensor([900.0, 500.0, 20.0]), states


def probabilities_of(theirs: diffusers.UNet2DConditionModel, row: int) -> dict[str, Tensor]:
    """What diffusers' own processor computes in each layer: name -> (heads, N, L)."""
    found: dict[str, Tensor] = {}
    theirs.set_attn_processor(AttnProcessor())
    layers = {name: m for name, m in theirs.named_modules() if isinstance(m, Attention)}
    originals = {name: layer.get_attention_scores for name, layer in layers.items()}
    for name, layer in layers.items():

        def noted(*given: Any, name: str = name) -> Tensor:
            scores = originals[name](*given)  # (B * heads, N, L)
            found[name] = scores.unflatten(0, (3, -1))[row]
            return scores

        layer.get_attention_scores = noted
    with torch.no_grad():
        theirs(*inputs())
    for name, layer in layers.items():
        layer.get_attention_scores = originals[name]
    return found


def told(ours: UNet2DConditionModel, row: int, cross: bool) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def tell(name: str, probabilities: Tensor) -> None:
        found[name] = probabilities

    def all_cells(cells: int) -> range:
        return range(cells)

    looking = told_of_words(ours, row, tell) if cross else told_of_cells(ours, row, all_cells, tell)
    with looking, torch.no_grad():
        ours(*inputs())
    return found


@pytest.mark.parametrize("cross", [True, False], ids=["words", "cells"])
@pytest.mark.parametrize("row", [0, 2])
def test_every_layer_equals_diffusers_processors(pair, row: int, cross: bool) -> None:
    ours, theirs = pair
    expected = {
        name: scores
        for name, scores in probabilities_of(theirs, row).items()
        if name.endswith("attn2" if cross else "attn1")
    }
    found = told(ours, row, cross)
    assert found.keys() == expected.keys()
    assert len(found) == 7  # two on the way down, one in the middle, four on the way up
    for name, scores in expected.items():
        torch.testing.assert_close(found[name], scores, atol=TOLERANCE, rtol=0)
        assert scores.max() > 1.5 / scores.shape[-1], (
            "even attention would compare equal to anything"
        )


def test_a_projected_context_is_read_as_well(pair) -> None:
    ours, _ = pair
    expected = told(ours, 1, True)
    found: dict[str, Tensor] = {}
    sample, timestep, states = inputs()
    with told_of_words(ours, 1, found.__setitem__), torch.no_grad():
        ours(sample, timestep, ours.project(states))
    for name, scores in expected.items():
        torch.testing.assert_close(found[name], scores, atol=TOLERANCE, rtol=0)


def test_looking_changes_nothing_and_ends(pair) -> None:
    ours, _ = pair
    with torch.no_grad():
        plain = ours(*inputs())
        calls: list[str] = []
        with told_of_words(ours, 0, lambda name, _: calls.append(name)):
            watched = ours(*inputs())
        assert torch.equal(plain, watched)
        seen = len(calls)
        ours(*inputs())
    assert len(calls) == seen == 7


def test_calls_of_another_thread_are_not_seen(pair) -> None:
    ours, _ = pair
    calls: list[str] = []

    @torch.no_grad()
    def elsewhere() -> None:
        ours(*inputs())

    with told_of_words(ours, 0, lambda name, _: calls.append(name)):
        other = Thread(target=elsewhere)
        other.start()
        other.join()
    assert calls == []


def test_layers_stand_in_the_order_they_run_in(checkpoint: Checkpoint) -> None:
    ran: list[str] = []
    unet = checkpoint.unet
    states = torch.randn(1, 4, 32)
    with told_of_words(unet, 0, lambda name, _: ran.append(name)), torch.no_grad():
        unet(torch.randn(1, 4, 8, 8), torch.tensor([10.0]), states)
    assert list(layers_of(unet, True)) == ran


def test_map_size_follows_the_levels() -> None:
    # 10 x 6 latents: halved with rounding up, 5 x 3, then 3 x 2.
    assert map_size(60, 10, 6) == (10, 6)
    assert map_size(15, 10, 6) == (5, 3)
    assert map_size(6, 10, 6) == (3, 2)
    with pytest.raises(ValueError, match="got 14"):
        map_size(14, 10, 6)


def test_averaged_keeps_what_is_even() -> None:
    """Two maps of different fineness that agree in the mean: 0.25 everywhere, and 0.75."""
    fine, coarse = torch.full((4, 4, 2), 0.25), torch.full((2, 2, 2), 0.75)
    assert torch.allclose(averaged([fine, coarse], 8, 8), torch.full((8, 8, 2), 0.5))


def test_the_clearest_layer_is_the_finest_that_tells_words_apart() -> None:
    """A coarser one is not asked, however clear, nor do tokens count that are no words."""

    def looking(side: int, share: float, place: int) -> torch.Tensor:
        """One corner gives `share` to a place, the other cells give each place the same."""
        map_ = torch.full((side, side, 3), 1 / 3)
        map_[0, 0] = (1 - share) / 2
        map_[0, 0, place] = share
        return map_

    even, padding = looking(8, 1 / 3, 1), looking(8, 0.9, 2)
    word, little = looking(8, 0.9, 1), looking(8, 0.4, 1)
    step = {"coarse": looking(4, 1.0, 1), "even": even, "little": little, "padding": padding}
    assert clearest([step], [(0,), (1,)]) == "padding"  # what it takes from words tells them apart
    assert clearest([step | {"word": word}], [(1,)]) == "word"
    assert clearest([{"even": even, "little": little}], []) == "little"
    later = {"even": word, "little": even}
    assert clearest([{"even": even, "little": little}, later, later], [(1,)]) == "even"
