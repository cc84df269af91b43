"""The stage a scene is drawn on: canvas, light, horizon and the drawing's own randomness.

Chance knows the ways of LAYOUTS to lay out a view of a place, and no more: where mountains, trees,
windows and flakes are, returns at every hour and in every weather. What a caption does not decide,
a small network draws as the mean of all that it may be, which is a smear: of six ways it told one
from the others only where little noise was left. Knows nothing of places or captions.
"""

import inspect
import random

import numpy as np
import skia
from PIL import Image

from .brush import EDGE, Line
from .cells import Pixels, Watch
from .palette import PAINTS, Colour, Light, light_for
from .spec import Spec

OVERSAMPLING = 2
LAYOUTS = (1,)  # numbers of ways, chosen by eye


def _asking() -> str:
    """The name of the function that reads a property which calls this."""
    frame = inspect.currentframe()
    assert frame and frame.f_back and frame.f_back.f_back
    return frame.f_back.f_back.f_code.co_qualname


class Board:
    """A square canvas of EDGE x EDGE units for one drawing of `spec`.

    `image()` returns it as RGB of `size` x `size` pixels, drawn at twice the size and box-reduced.
    """

    def __init__(self, spec: Spec, seed: int, size: int, watch: Watch | None = None) -> None:
        self.spec = spec
        self.watch = watch
        self.size = size
        self.layout = random.Random(seed).choice(LAYOUTS)
        self._streams: dict[str, random.Random] = {}
        self.surface = skia.Surface(size * OVERSAMPLING, size * OVERSAMPLING)
        self.canvas: skia.Canvas = self.surface.getCanvas()
        self.scale = size * OVERSAMPLING / EDGE
        self.canvas.scale(self.scale, self.scale)

    @property
    def rng(self) -> random.Random:
        """The stream of the function that asks.

        Each has its own, so that the snow which one draws does not move another's trees.
        """
        return self._stream(_asking())

    @property
    def noise(self) -> np.random.Generator:
        """Likewise, begun anew whenever it is asked for."""
        return np.random.default_rng(self._stream(_asking()).getrandbits(64))

    def _stream(self, name: str) -> random.Random:
        if name not in self._streams:
            self._streams[name] = random.Random(f"{name} {self.layout}")
        return self._streams[name]

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
