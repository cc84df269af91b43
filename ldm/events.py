"""What a run tells whoever watches it: its model loading, waiting, progress, previews, the result.

Plain data. Knows neither how pictures are made nor who looks at them.
"""

from dataclasses import dataclass

from PIL import Image

from ldm.recipe import Recipe


@dataclass(frozen=True)
class Loading:
    """The model is brought into memory first; share: how much of it is there, 0 to 1."""

    share: float


@dataclass(frozen=True)
class Queued:
    """Waiting: how many requests stand before this one, and for how many seconds, where known."""

    position: int
    seconds: float | None


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` denoising steps are done, for every picture of the request."""

    step: int
    steps: int
    seconds_left: float | None


@dataclass(frozen=True)
class Preview:
    """What each picture looks like now: the model's present guess at the clean picture."""

    images: tuple[Image.Image, ...]
    step: int


@dataclass(frozen=True)
class Picture:
    """One finished picture. `png` holds it as a file, with its recipe in the text.

    recipe draws this picture alone. For inpainting, `mask` is the feathered mask as used and
    `changed_outside` the number of pixels beyond it that differ from the original, as counted.
    """

    image: Image.Image
    png: bytes
    recipe: Recipe
    changed_outside: int | None = None
    mask: Image.Image | None = None


@dataclass(frozen=True)
class Result:
    """The end of a request that was not stopped. seconds: from its first step's start."""

    pictures: tuple[Picture, ...]
    seconds: float


Event = Loading | Queued | Progress | Preview | Result
