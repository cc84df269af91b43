"""Variations of a picture: its first noise blended into another's.

The reference is the rotation that carries one vector towards another in the plane of the two,
worked out with numpy by Gram and Schmidt instead of by the sines of Shoemake's formula.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Result
from ldm.pipeline import run
from ldm.pipeline.rows import prepare, slerp
from ldm.recipe import Recipe

RECIPE = Recipe("a lake", num_inference_steps=2, guidance_scale=1, seed=3, width=64, height=64)


@pytest.fixture(scope="module")
def checkpoint(small_stable_diffusion_folder: Path) -> Checkpoint:
    return load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)


def pixels(checkpoint: Checkpoint, recipe: Recipe) -> list[np.ndarray]:
    *_, result = run(checkpoint, recipe)
    assert isinstance(result, Result)
    return [np.asarray(picture.image).astype(int) for picture in result.pictures]


def rotated(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """`start` turned by `share` of its angle to `end`, its length going over to end's."""
    a, b = start.ravel(), end.ravel()
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    across = b - a * (a @ b) / (a @ a)
    across *= np.linalg.norm(a) / np.linalg.norm(across)
    turned = np.cos(share * angle) * a + np.sin(share * angle) * across
    return turned.reshape(start.shape)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_noise_is_turned_towards_the_other(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start, end = (torch.randn(1, 4, 8, 8, generator=generator).double() for _ in range(2))
    end = end * start.norm() / end.norm()  # of one length, where both formulas mean the same
    ours = slerp(start, end, share).numpy()
    # float64 on both sides: 1e-9 is rounding.
    np.testing.assert_allclose(ours, rotated(start.numpy(), end.numpy(), share), atol=1e-9)


def test_noise_keeps_its_variance_on_the_way() -> None:
    """A straight line would fall to 0.5 in the middle."""
    generator = torch.Generator().manual_seed(0)
    start, end = (torch.randn(1, 4, 64, 64, generator=generator) for _ in range(2))
    # 16,384 numbers: their variance lies within 0.04 of 1 (three standard deviations).
    assert float(slerp(start, end, 0.5).var()) == pytest.approx(1, abs=0.04)


def test_the_ends_are_the_two_seeds_own_pictures(checkpoint: Checkpoint) -> None:
    of_seed, of_other = (pixels(checkpoint, replace(RECIPE, seed=seed))[0] for seed in (3, 8))
    varied = replace(RECIPE, variation_seed=8)
    assert (pixels(checkpoint, varied)[0] == of_seed).all()
    # At the far end the blend divides by a sine and multiplies by it: rounding, below one level.
    far = pixels(checkpoint, replace(varied, variation_strength=1.0))[0]
    assert abs(far - of_other).max() <= 1
    assert abs(of_seed - of_other).max() > 8


def test_noise_is_as_near_as_was_asked(checkpoint: Checkpoint) -> None:
    def noise(strength: float) -> torch.Tensor:
        recipe = replace(RECIPE, variation_seed=8, variation_strength=strength)
        return prepare(checkpoint, recipe, None, None)[0].x.flatten()

    start = noise(0)
    likeness = [float(torch.cosine_similarity(start, noise(s), dim=0)) for s in (0.1, 0.4, 0.9)]
    assert likeness[0] > 0.98 and likeness[0] > likeness[1] > likeness[2]


def test_blending_into_its_own_noise_changes_nothing(checkpoint: Checkpoint) -> None:
    same = replace(RECIPE, variation_seed=3, variation_strength=0.5)
    assert abs(pixels(checkpoint, same)[0] - pixels(checkpoint, RECIPE)[0]).max() <= 1


def test_each_variation_of_a_request_is_drawn_again_alone(checkpoint: Checkpoint) -> None:
    request = replace(RECIPE, variation_seed=40, variation_strength=0.3, num_images=3)
    together = pixels(checkpoint, request)
    assert len({picture.tobytes() for picture in together}) == 3
    for index, picture in enumerate(together):
        (alone,) = pixels(checkpoint, request.for_image(index))
        # The order of additions differs between a batch and one: 2/255, as in test_pipeline.
        assert abs(alone - picture).max() <= 2
