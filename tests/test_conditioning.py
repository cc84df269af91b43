"""What rows are told: stacked for a call, and grouped by kind."""

from dataclasses import replace

import pytest
import torch

from ldm.checkpoints.load import Checkpoint, load
from ldm.conditioning import Conditioning, stack
from ldm.pipeline import Request, advance
from ldm.recipe import Recipe
from tests import small_models
from tests.small_models import SIZE


def test_stack_keeps_the_order_and_the_parts_that_are_there() -> None:
    rows = [
        Conditioning(torch.full((1, 4, 3), i), pooled=torch.full((1, 2), -i)) for i in (1.0, 2.0)
    ]
    told = stack(rows)
    assert told.states is not None and told.states[:, 0, 0].tolist() == [1, 2]
    assert told.pooled is not None and told.pooled[:, 0].tolist() == [-1, -2]
    assert told.time_ids is None and told.class_labels is None and told.guidance is None


def test_kinds_differ_by_parts_and_sizes_alone() -> None:
    plain = Conditioning(torch.zeros(1, 4, 3))
    assert plain.kind == Conditioning(torch.ones(1, 4, 3)).kind
    others = [
        Conditioning(torch.zeros(1, 8, 3)),
        replace(plain, pooled=torch.zeros(1, 2)),
        replace(plain, time_ids=torch.zeros(1, 6)),
        replace(plain, time_ids=torch.zeros(1, 5)),
        replace(plain, class_labels=torch.zeros(1)),
        replace(plain, guidance=torch.zeros(1)),
    ]
    assert len({plain.kind, *(other.kind for other in others)}) == 1 + len(others)


@pytest.fixture(scope="module", params=["sdxl", "sd1_lcm", "sd1_inpaint"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("models") / request.param
    small_models.FAMILIES[request.param]().save_pretrained(folder)
    return load(folder, torch.device("cpu"), torch.float32)


def test_unlike_requests_of_a_family_share_a_call(checkpoint: Checkpoint) -> None:
    """Each row is what it is alone. 1e-3 on latents of about 1: kernels add in another order for
    another batch size.
    """
    base = Recipe(
        prompt="a lake",
        model="small",
        sampler="euler",
        num_inference_steps=4,
        guidance_scale=5.0,
        width=SIZE,
        height=SIZE,
    )
    recipes = [
        base,
        replace(base, prompt="a wood", negative_prompt="rain", seed=9, guidance_scale=3.0),
        replace(base, guidance_scale=1.0, sampler="ddim", num_inference_steps=3, clip_skip=1),
    ]

    def latents(together: bool) -> list[torch.Tensor]:
        requests = [Request(checkpoint, recipe) for recipe in recipes]
        assert len({request.rows[0].kind for request in requests}) == 1
        groups = [requests] if together else [[request] for request in requests]
        for group in groups:
            while live := [request for request in group if not request.finished]:
                advance(checkpoint, [row for request in live for row in request.rows])
        return [request.rows[0].x for request in requests]

    alone, shared = latents(False), latents(True)
    for one, other in zip(alone, shared, strict=True):
        assert (one - other).abs().max() < 1e-3
    assert (alone[0] - alone[1]).abs().max() > 0.1
