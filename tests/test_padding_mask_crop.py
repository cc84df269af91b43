"""Drawing the masked part alone: the area, the size, and the way back into the whole picture.

Which area is compared with what diffusers crops for the same `padding_mask_crop`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Picture, Result
from ldm.imaging import ImageError, read_png_text
from ldm.imaging.region import region_around
from ldm.pipeline import check_pictures, run
from ldm.recipe import Recipe

RECIPE = Recipe(
    "a lake",
    task="inpaint",
    num_inference_steps=2,
    guidance_scale=1,
    seed=3,
    width=64,
    height=64,
    strength=1,
    mask_feather=0,
    padding_mask_crop=8,
)


@pytest.fixture(scope="module")
def checkpoint(small_stable_diffusion_folder: Path) -> Checkpoint:
    return load(small_stable_diffusion_folder, torch.device("cpu"), torch.float32)


@pytest.fixture
def photo() -> Image.Image:
    values = np.random.default_rng(5).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    return Image.fromarray(values)


def marked(box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (200, 150), 0)
    mask.paste(255, box)
    return mask


def draw(checkpoint: Checkpoint, recipe: Recipe, photo: Image.Image, mask: Image.Image) -> Picture:
    *_, result = run(checkpoint, check_pictures(recipe, photo, mask), photo, mask)
    assert isinstance(result, Result)
    return result.pictures[0]


@pytest.mark.parametrize("padding", [0, 8, 24])
@pytest.mark.parametrize("box", [(80, 60, 120, 100), (0, 0, 30, 20), (150, 40, 199, 149)])
def test_the_area_is_diffusers(box: tuple[int, int, int, int], padding: int) -> None:
    mask = marked(box)
    ours = region_around(mask, padding, (64, 48))
    theirs = VaeImageProcessor().get_crop_region(mask, 64, 48, pad=padding)
    # Where an odd pixel goes when an area is grown to the shape is a matter of taste.
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1


def test_the_part_is_drawn_alone_and_nothing_else_changes(
    checkpoint: Checkpoint, photo: Image.Image
) -> None:
    mask = marked((90, 60, 110, 80))
    picture = draw(checkpoint, RECIPE, photo, mask)
    assert picture.image.size == photo.size
    before, after = np.asarray(photo), np.asarray(picture.image)
    inside = np.asarray(mask) > 0
    assert (after[~inside] == before[~inside]).all()
    assert (after[inside] != before[inside]).any(axis=-1).mean() > 0.9
    assert picture.changed_outside == 0
    assert picture.mask is not None and picture.mask.size == photo.size
    # The same by hand: the area cut out, drawn by itself, and laid back.
    box = region_around(mask, 8, (64, 64))
    part = photo.crop(box).resize((64, 64), Image.Resampling.LANCZOS)
    part_mask = mask.crop(box).resize((64, 64), Image.Resampling.BOX)
    part_mask = part_mask.point([0] + [255] * 255)
    alone = draw(checkpoint, replace(RECIPE, padding_mask_crop=None), part, part_mask)
    size = (box[2] - box[0], box[3] - box[1])
    laid = photo.copy()
    laid.paste(alone.image.resize(size, Image.Resampling.LANCZOS), box[:2])
    # Within a pixel of the mask's edge the one sees the photo's own pixels when it is made smaller.
    core = (slice(63, 77), slice(93, 107))
    assert (abs(after.astype(int) - np.asarray(laid).astype(int))[core] <= 2).all()


def test_the_recipe_alone_draws_it_again(checkpoint: Checkpoint, photo: Image.Image) -> None:
    """In a corner, where the area cannot have the shape that was asked for."""
    mask = marked((180, 0, 200, 150))
    first = draw(checkpoint, RECIPE, photo, mask)
    kept = Recipe.from_json(read_png_text(first.png)["recipe"])
    assert (kept.padding_mask_crop, kept.width, kept.height) == (8, 64, 64)
    assert draw(checkpoint, kept, photo, mask).png == first.png


def test_a_mask_without_a_mark_is_refused(checkpoint: Checkpoint, photo: Image.Image) -> None:
    with pytest.raises(ImageError, match="without any mark"):
        draw(checkpoint, RECIPE, photo, Image.new("L", photo.size, 0))
