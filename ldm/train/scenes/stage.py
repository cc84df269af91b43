"""The stage a scene is drawn on: canvas, light, horizon and the drawing's own randomness.

Knows nothing of places or captions.
"""

import random

import numpy as np
import skia
from PIL import Image

from .brush import EDGE, Line
from .cells import Pixels, Watch
from .palette import PAINTS, Colour, Light, light_for
from .spec import Spec

OVERSAMPLING = 2


class Board:
    """A square canvas of EDGE x EDGE units for one drawing of `spec`.

    `image()` returns it as RGB of `size` x `size` pixels, drawn at twice the size and box-reduced.
    """

    def __init__(self, spec: Spec, seed: int, size: int, watch: Watch | None = None) -> None:
        self.spec = spec
        self.watch = watch
        self.size = size
        self.rng = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.surface = skia.Surface(size * OVERSAMPLING, size * OVERSAMPLING)
        self.canvas: skia.Canvas = self.surface.getCanvas()
        self.scale = size * OVERSAMPLING / EDGE
        self.canvas.scale(self.scale, self.scale)

    def snapshot(self) -> skia.Image:
        return self.surface.makeImageSnapshot()

    def pixels(self) -> Pixels:
        """What is drawn so far, (H, W, 3), at twice the size."""
        return self.snapshot().toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3]

    def image(self) -> Image.Image:
        return Image.fromarray(np.ascontiguousarray(self.pixels())).reduce(OVERSAMPLING)


class Stage(Board):
    """A board under a sky. Painters of places leave in `land` and `channel` where one can stand."""

    def __init__(self, spec: Spec, seed: int, size: int, watch: Watch | None = None) -> None:
        super().__init__(spec, seed, size, watch)
        self.light: Light = light_for(spec.time, spec.weather)
        self.horizon = self.rng.uniform(104.0, 166.0)
        self.sun_x = self.rng.uniform(40.0, 216.0)
        self.land: Line | None = None  # the upper edge of the nearest land
        self.channel = (0.0, EDGE)  # water's left and right end near the viewer

    def has(self, *names: str) -> bool:
        """Whether any of these subjects or options is asked for."""
        return any(name in self.spec.subjects or name in self.spec.options for name in names)

    def colour(self, *default: str) -> Colour:
        """The subject's colour: the one the caption may name, else one of `default`."""
        for name in self.spec.options:
            if name in PAINTS:
                return PAINTS[name]
        return PAINTS[self.rng.choice(default or ("red", "blue", "orange", "green"))]

    def spot(self, margin: float = 40.0) -> float:
        """Where a subject stands: left, middle or right, never at the very edge."""
        return self.rng.uniform(margin, EDGE - margin)
