"""What the embedded model paints into a part fits what surrounds it, whatever else is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Result
from ldm.pipeline import own_recipe, run
from ldm.train.scenes import Spec, draw

SIDE, STRIP, DEEP = 256, 8, 16  # pixels
TOP, LEFT, BOTTOM, RIGHT = 96, 64, 192, 192  # of the part
# The place is not told: it has to be seen.
CASES = (
    (Spec("lake", "day", "clear"), "a red boat"),
    (Spec("beach", "sunset", "clear"), "a fox"),
    (Spec("hill", "dawn", "clear"), "a tent"),
    (Spec("sea", "twilight", "clear"), "a sailboat"),
    (Spec("village", "day", "snow", options=("slope",)), "a snowman"),
    (Spec("desert", "night", "clear", options=("dunes",)), "a camel"),
)


@pytest.fixture(scope="module")
def checkpoint(embedded_model: Path) -> Checkpoint:
    return load(embedded_model)


def step_at_the_sides(picture: np.ndarray) -> float:
    """How far colours just inside the part are from those just outside, left and right of it: the
    middle one of places along the border, of 255.
    """
    steps = []
    for top in range(TOP, BOTTOM, DEEP):
        for inside, outside in ((LEFT, LEFT - STRIP), (RIGHT - STRIP, RIGHT)):
            here, there = (
                picture[top : top + DEEP, left : left + STRIP].mean((0, 1))
                for left in (inside, outside)
            )
            steps.append(np.abs(here - there).max())
    return float(np.median(steps))


def test_a_part_that_is_told_alone_fits_its_surroundings(checkpoint: Checkpoint) -> None:
    """Beside the same weights that are shown the surroundings through noise, as other models are:
    what they paint must differ from what is around it by more than half as much again.
    """
    assert checkpoint.defaults.clean_surroundings
    noisy = replace(checkpoint.defaults, clean_surroundings=False)
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).rectangle((LEFT, TOP, RIGHT - 1, BOTTOM - 1), fill=255)
    steps: dict[bool, list[float]] = {True: [], False: []}
    for seed, (spec, prompt) in enumerate(CASES):
        picture = draw(spec, seed, SIDE)
        recipe = replace(
            own_recipe(checkpoint.defaults, prompt, checkpoint.name),
            task="inpaint",
            strength=1.0,
            mask_feather=0,
            seed=seed,
        )
        for model in (checkpoint, replace(checkpoint, defaults=noisy)):
            result = list(run(model, recipe, picture, mask))[-1]
            assert isinstance(result, Result)
            painted = np.asarray(result.pictures[0].image).astype(float)
            assert np.abs(painted - np.asarray(picture))[TOP:BOTTOM, LEFT:RIGHT].mean() > 4
            steps[model.defaults.clean_surroundings].append(step_at_the_sides(painted))
    print({kind: [round(step, 1) for step in found] for kind, found in steps.items()})
    assert np.mean(steps[False]) > 1.5 * np.mean(steps[True])
