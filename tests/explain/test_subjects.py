"""Whether the embedded model's words look at what they name, measured on drawings.

Where a subject stands is told by the program that draws it: the difference of a drawing with it and
the same drawing without. A drawing is noised to three quarters and denoised with its caption, so
its layout stays, and the subject's word is watched while the model does so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from ldm.checkpoints.load import Checkpoint, load
from ldm.explain.attention import averaged
from ldm.explain.recording import Recorder, Recording
from ldm.explain.tokens import Word
from ldm.pipeline import advance, prepare
from ldm.recipe import Recipe
from ldm.train.scenes import Spec, draw
from ldm.train.scenes.spec import CLEAR, VIEWS

PIXELS = 192  # of a drawing
DRAWINGS = 6  # of each caption: where a thing stands by chance tells little
CHANGED = 40  # of 255: more than what the drawing's own randomness shifts in plain areas
TOGETHER = 10  # rows that share a call
GRID = 48  # cells a side on which mass and area are compared
STEPS, STRENGTH = 4, 0.75  # three evaluations
WHERE = {
    "lake": "on a lake",
    "sea": "by the sea",
    "island": "on an island",
    "river": "on a river",
    "hill": "on a hill",
    "desert": "in the desert",
    "field": "in a field",
    "garden": "in a garden",
    "village": "in a village",
    "beach": "on a beach",
}
WHEN = {"day": "in daytime", "sunset": "at sunset", "dawn": "at dawn"}
CASES = (
    ("lake", "sailboat", "day"),
    ("lake", "sailboat", "sunset"),
    ("sea", "sailboat", "dawn"),
    ("sea", "lighthouse", "day"),
    ("sea", "lighthouse", "sunset"),
    ("island", "lighthouse", "day"),
    ("sea", "ship", "day"),
    ("lake", "boat", "day"),
    ("river", "boat", "day"),
    ("lake", "cabin", "day"),
    ("lake", "tent", "day"),
    ("hill", "tent", "day"),
    ("desert", "tent", "sunset"),
    ("hill", "windmill", "day"),
    ("field", "windmill", "day"),
    ("field", "house", "day"),
    ("island", "hut", "day"),
    ("garden", "bench", "day"),
    ("village", "church", "day"),
    ("beach", "parasol", "day"),
)


@dataclass(frozen=True)
class Placed:
    """A drawing, its caption, the word for its subject, and the box that this fills, in pixels."""

    image: Image.Image
    caption: str
    word: str
    box: tuple[slice, slice]  # down, across


def placed(index: int, place: str, subject: str, time: str) -> Placed:
    options = VIEWS.get(place, ())[:1]
    with_it, without = (
        draw(Spec(place, time, CLEAR, subjects, options), 700 + index, PIXELS)
        for subjects in ((subject,), ())
    )
    difference = np.abs(np.asarray(with_it).astype(int) - np.asarray(without).astype(int)).max(2)
    # The largest piece: reflections and smoke stand apart from it.
    pieces, _ = ndimage.label(ndimage.binary_dilation(difference > CHANGED, iterations=3))
    sizes = np.bincount(pieces.ravel())[1:]
    box = ndimage.find_objects(pieces)[int(sizes.argmax())]
    caption = f"a {subject} {WHERE[place]} {WHEN[time]}"
    return Placed(with_it, caption, subject, (box[0], box[1]))


def cells(box: tuple[slice, slice]) -> tuple[slice, slice]:
    """The cells of the grid that a box of pixels touches."""
    down, across = (
        slice(side.start * GRID // PIXELS, -(-side.stop * GRID // PIXELS)) for side in box
    )
    return down, across


def map_of(run: Recording, word: Word) -> Tensor:
    """(GRID, GRID): the word's attention in the layer that the panel shows first, the mean of all
    steps.
    """
    maps = [averaged([frame.maps[run.clearest_layer]], GRID, GRID) for frame in run.frames]
    return torch.stack(maps).mean(0)[..., list(word.positions)].sum(-1)


def times_its_share(map_: Tensor, box: tuple[slice, slice]) -> float:
    """The map's mass inside the box, divided by the box's share of the area: 1 is chance."""
    inside = map_[cells(box)]
    return float(inside.sum() / map_.sum()) / (inside.numel() / map_.numel())


@pytest.fixture(scope="module")
def checkpoint(embedded_model: Path) -> Checkpoint:
    return load(embedded_model, torch.device("cpu"))


@pytest.fixture(scope="module")
def measured(checkpoint: Checkpoint) -> list[tuple[str, float, float]]:
    """(caption, the subject's word, the "a" before it), both in times its share, the mean of the
    caption's drawings.
    """
    numbered = [1000 * number + i for number in range(DRAWINGS) for i in range(len(CASES))]
    drawings = [placed(number, *CASES[number % 1000]) for number in numbered]
    width, height = checkpoint.defaults.native_size
    recorders, rows = [], []
    for drawing in drawings:
        recipe = Recipe(
            drawing.caption,
            task="image_to_image",
            sampler="ddim",
            num_inference_steps=STEPS,
            strength=STRENGTH,
            guidance_scale=1.0,
            width=width,
            height=height,
        )
        (row,) = prepare(checkpoint, recipe, drawing.image, None)
        row.watcher = recorder = Recorder()
        recorders.append(recorder)
        rows.append(row)
    while not rows[0].finished:
        for first in range(0, len(rows), TOGETHER):
            advance(checkpoint, rows[first : first + TOGETHER])
    found: dict[str, list[list[float]]] = {}
    for drawing, recorder in zip(drawings, recorders, strict=True):
        run = recorder.recording(checkpoint, drawing.image)
        subject = next(word for word in run.words if word.text == drawing.word)
        ratios = [
            times_its_share(map_of(run, word), drawing.box) for word in (subject, run.words[0])
        ]
        found.setdefault(drawing.caption, []).append(ratios)
    return [(caption, *np.mean(ratios, axis=0).tolist()) for caption, ratios in found.items()]


def test_the_subjects_word_looks_at_the_subject(
    measured: list[tuple[str, float, float]], record_property: Callable[[str, object], None]
) -> None:
    """More than by chance for nearly all captions, and more than the "a" before it does.

    At least 1.5 times the box's share, the mean of a caption's six drawings, is asked for in 70% of
    the captions: 75% with the weights in assets/, 80% with those before. (Of single drawings about
    two in three. The mean of all layers with the finest maps reaches it in 45% of single ones.)
    """
    subject = [ratio for _, ratio, _ in measured]
    article = [ratio for _, _, ratio in measured]
    clear = sum(ratio >= 1.5 for ratio in subject) / len(subject)
    record_property("share_of_1.5", clear)
    print(f"1.5 times its share and more: {clear:.0%} of {len(subject)} captions")
    assert clear >= 0.7, measured
    above = sum(ratio > 1 for ratio in subject)
    assert above >= 0.9 * len(subject), measured
    assert np.median(subject) > np.median(article)


def test_chance_is_one() -> None:
    """An even map has in every box what the box's area is."""
    box = (slice(40, 120), slice(0, 64))
    assert times_its_share(torch.ones(GRID, GRID), box) == pytest.approx(1)
    inside = torch.zeros(GRID, GRID)
    inside[cells(box)] = 1.0
    assert times_its_share(inside, box) == pytest.approx(GRID * GRID / (20 * 16))
