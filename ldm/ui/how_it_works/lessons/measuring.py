"""What the lessons' measurements share: a run that is long enough, thirds, bands, tensors.

Knows no lesson's question.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from PIL import Image
from torch import Tensor

from ldm import imaging
from ldm.explain.measures import shares_by_thirds
from ldm.explain.recording import Recording
from ldm.models.apart import apart
from ldm.recipe import Recipe
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.lessons.walk import Find, Found
from ldm.ui.how_it_works.panel import Scene
from ldm.ui.texts import Value, say

FEWEST = 4  # steps, to speak of thirds


def from_recording(measure: Callable[[Scene], Found]) -> Find:
    """A measurement that draws nothing new; it computes beside the page."""

    async def find(scene: Scene, visitor: str) -> Found:
        return await asyncio.to_thread(apart, partial(measure, scene))

    return find


def long_enough(run: Recording) -> None:
    """Raises LabError where there are too few steps for a question about them."""
    if len(run.frames) < FEWEST:
        raise LabError(say("lesson_too_short", steps=FEWEST))


def band(value: float, low: float, high: float) -> int:
    """0 below `low`, 2 above `high`, else 1."""
    return 0 if value < low else 2 if value > high else 1


def percent(share: float) -> Value:
    """A share as a whole percentage; small ones to a tenth."""
    return round(100 * share, 1) if abs(share) < 0.1 else round(100 * share)


def by_thirds(values: Sequence[float]) -> tuple[int, dict[str, Value]]:
    """The third that holds most, and the shares of the three."""
    shares = shares_by_thirds(values)
    names = ("first", "middle", "last")
    gaps: dict[str, Value] = {
        name: percent(share) for name, share in zip(names, shares, strict=True)
    }
    return shares.index(max(shares)), gaps


def tensor(image: Image.Image) -> Tensor:
    """(3, H, W) in [-1, 1]."""
    return imaging.to_tensor(image)[0]


async def drawn(scene: Scene, visitor: str, *recipes: Recipe) -> list[Image.Image]:
    """The run again in other ways, drawn together."""
    found = await scene.lab.variations(scene.recording, recipes, visitor)
    return [each.image for each in found]
