"""Skia in this package's terms: paints, gradients, glows, paths, and noise ridges.

Coordinates are those of a square of EDGE units, y downward. Knows nothing of what is drawn.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import skia
from numpy.typing import NDArray

from .palette import Colour

EDGE = 256.0

Point = tuple[float, float]
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # x ascending, y


def argb(colour: Colour, alpha: float = 1.0) -> int:
    red, green, blue = (min(1.0, max(0.0, channel)) for channel in colour)
    return skia.Color4f(red, green, blue, alpha).toColor()


def fill(colour: Colour, alpha: float = 1.0, screen: bool = False) -> skia.Paint:
    """A filling paint; `screen` adds light instead of covering."""
    paint = skia.Paint(AntiAlias=True, Color=argb(colour, alpha))
    if screen:
        paint.setBlendMode(skia.BlendMode.kScreen)
    return paint


def stroke(colour: Colour, width: float, alpha: float = 1.0) -> skia.Paint:
    return skia.Paint(
        AntiAlias=True,
        Color=argb(colour, alpha),
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def fade(y0: float, y1: float, *stops: tuple[Colour, float] | Colour) -> skia.Paint:
    """A vertical gradient from y0 to y1 through evenly spaced colours or (colour, alpha) pairs."""
    return _linear((0.0, y0), (0.0, y1), stops)


def sweep(x0: float, x1: float, *stops: tuple[Colour, float] | Colour) -> skia.Paint:
    """A horizontal gradient, like `fade`."""
    return _linear((x0, 0.0), (x1, 0.0), stops)


def _linear(start: Point, end: Point, stops: Sequence[tuple[Colour, float] | Colour]) -> skia.Paint:
    colours = [argb(stop) if len(stop) == 3 else argb(stop[0], stop[1]) for stop in stops]
    places = [index / (len(stops) - 1) for index in range(len(stops))]
    shader = skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], colours, places)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(
    canvas: skia.Canvas, x: float, y: float, radius: float, colour: Colour, alpha: float
) -> None:
    """Light around a point, added to what is there."""
    shader = skia.GradientShader.MakeRadial(
        (x, y),
        radius,
        [argb(colour, alpha), argb(colour, alpha * 0.35), argb(colour, 0.0)],
        [0.0, 0.35, 1.0],
    )
    canvas.drawCircle(x, y, radius, skia.Paint(Shader=shader, BlendMode=skia.BlendMode.kScreen))


def puff_paint(colour: Colour, alpha: float) -> skia.Paint:
    """A soft round spot of radius 1 about the origin, to be used with `puff`."""
    shader = skia.GradientShader.MakeRadial(
        (0, 0),
        1,
        [argb(colour, alpha), argb(colour, alpha * 0.55), argb(colour, 0.0)],
        [0.0, 0.5, 1.0],
    )
    return skia.Paint(Shader=shader)


def puff(
    canvas: skia.Canvas, x: float, y: float, width: float, height: float, paint: skia.Paint
) -> None:
    """A soft ellipse of half-axes `width` and `height`."""
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(width, height)
    canvas.drawCircle(0, 0, 1, paint)
    canvas.restore()


def box(x: float, y: float, width: float, height: float) -> skia.Rect:
    return skia.Rect.MakeXYWH(x, y, width, height)


def oval(x: float, y: float, half_width: float, half_height: float) -> skia.Rect:
    """The bounding box of an ellipse about (x, y)."""
    return skia.Rect.MakeXYWH(x - half_width, y - half_height, 2 * half_width, 2 * half_height)


def polygon(points: Iterable[Point], close: bool = True) -> skia.Path:
    return skia.Path.Polygon([skia.Point(float(x), float(y)) for x, y in points], close)


def curve(*points: Point) -> skia.Path:
    """Quadratic curves: start, then alternately control and end points."""
    path = skia.Path()
    path.moveTo(*points[0])
    for control, end in zip(points[1::2], points[2::2], strict=True):
        path.quadTo(*control, *end)
    return path


def ridge(
    noise: np.random.Generator,
    level: float,
    height: float,
    waves: int = 3,
    roughness: float = 0.5,
    step: float = 3.0,
) -> Line:
    """A noise line about y = `level`: octaves of value noise, the first with `waves`."""
    x = np.arange(-9.0, EDGE + 10.0, step)
    total = np.zeros(len(x))
    strength = 1.0
    for octave in range(5):
        count = waves * 2**octave
        values = noise.uniform(-1.0, 1.0, count + 3)
        position = (x + 9.0) / (EDGE + 20.0) * count
        cell = position.astype(int)
        share = position - cell
        share = share * share * (3.0 - 2.0 * share)
        total += strength * (values[cell] * (1.0 - share) + values[cell + 1] * share)
        strength *= roughness
        if strength < 0.02:
            break
    return x, level - height * total


def height_at(line: Line, x: float) -> float:
    return float(np.interp(x, line[0], line[1]))


def land_path(line: Line, bottom: float = EDGE + 9.0) -> skia.Path:
    """Everything from the line down to `bottom`."""
    x, y = line
    points = [(x[0], bottom), *zip(x.tolist(), y.tolist(), strict=True), (x[-1], bottom)]
    return polygon(points)
