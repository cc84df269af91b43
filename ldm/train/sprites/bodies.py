"""Whole animals (and a robot) from sprites that are faces only: a body drawn under the head.

Emoji know foxes, bears or lions by their faces; in a landscape they need something to stand on. The
body takes the head's own colours.
"""

from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import NDArray

from ldm.train.scenes.brush import box, curve, fill, oval, stroke
from ldm.train.scenes.palette import WHITE, Colour, mix, scaled

SIDE = 256


@dataclass(frozen=True)
class Body:
    """Colours are of a body without shading; `coat` None takes the head's commonest colour."""

    coat: Colour | None = None
    belly: Colour = (0.98, 0.95, 0.90)
    limbs: Colour | None = None  # None: the coat's
    tail: str = ""  # bushy, thin, or none
    tip: Colour = (0.98, 0.97, 0.94)
    squat: bool = False


BODIES: dict[str, Body] = {
    "1f98a+body": Body(tail="bushy"),
    "1f43b+body": Body(belly=(0.86, 0.70, 0.52)),
    "1f981+body": Body(
        coat=(0.95, 0.70, 0.30), belly=(0.98, 0.86, 0.58), tail="thin", tip=(0.50, 0.27, 0.12)
    ),
    "1f43a+body": Body(coat=(0.58, 0.59, 0.63), belly=(0.92, 0.92, 0.94), tail="bushy"),
    "1f43c+body": Body(coat=(0.96, 0.96, 0.97), belly=(0.98, 0.98, 0.98), limbs=(0.16, 0.15, 0.18)),
    "1f43b-200d-2744+body": Body(coat=(0.94, 0.95, 0.97), belly=(0.99, 0.99, 1.0)),
    "1f428+body": Body(coat=(0.62, 0.62, 0.66), belly=(0.90, 0.90, 0.92)),
    "1f438+body": Body(belly=(0.90, 0.95, 0.66), squat=True),
    "1f439+body": Body(tail=""),
    "1f99d+body": Body(
        coat=(0.55, 0.55, 0.58), belly=(0.84, 0.84, 0.86), tail="bushy", tip=(0.2, 0.2, 0.22)
    ),
}
ROBOT = "1f916+body"


def commonest(pixels: NDArray[np.uint8]) -> Colour:
    """The middle of the commonest cell of visible colours, cells being a sixteenth wide."""
    visible = pixels[pixels[..., 3] > 200][:, :3]
    bright = visible[visible.max(1) > 70]  # eyes and outlines are not the coat
    chosen = bright if len(bright) > 50 else visible
    cells = (chosen // 24).astype(int) @ np.array([1, 16, 256])
    most = chosen[cells == np.bincount(cells).argmax()].mean(0) / 255
    return float(most[0]), float(most[1]), float(most[2])


def _shaded(colour: Colour, glossy: bool) -> skia.Paint:
    if not glossy:
        return fill(colour)
    from_light = [
        skia.Color4f(*mix(colour, WHITE, 0.22), 1.0).toColor(),
        skia.Color4f(*colour, 1.0).toColor(),
        skia.Color4f(*scaled(colour, 0.72), 1.0).toColor(),
    ]
    shader = skia.GradientShader.MakeRadial((100, 120), 150, from_light, [0.0, 0.5, 1.0])
    return skia.Paint(AntiAlias=True, Shader=shader)


def _tail(canvas: skia.Canvas, body: Body, coat: Colour, glossy: bool) -> None:
    if body.tail == "bushy":
        canvas.drawPath(
            curve(
                (150, 226), (236, 236), (226, 150), (214, 118), (196, 158), (186, 190), (150, 214)
            ),
            _shaded(coat, glossy),
        )
        canvas.drawPath(
            curve(
                (224, 158), (228, 136), (214, 118), (202, 136), (203, 152), (214, 146), (224, 158)
            ),
            _shaded(body.tip, glossy),
        )
    elif body.tail == "thin":
        line = stroke(scaled(coat, 0.92), 9)
        canvas.drawPath(curve((160, 232), (232, 236), (216, 172)), line)
        canvas.drawOval(oval(215, 166, 13, 17), _shaded(body.tip, glossy))


def _animal(canvas: skia.Canvas, body: Body, coat: Colour, glossy: bool) -> None:
    """A sitting animal seen from the front, feet at y = 250, neck at about y = 130."""
    limbs = body.limbs or scaled(coat, 0.93)
    _tail(canvas, body, coat, glossy)
    wide = 66 if body.squat else 58
    for side in (-1, 1):  # haunches
        canvas.drawOval(oval(128 + side * (wide - 8), 222, 27, 25), _shaded(limbs, glossy))
        canvas.drawOval(
            oval(128 + side * wide, 243, 25, 9), _shaded(mix(limbs, WHITE, 0.08), glossy)
        )
    trunk = curve(
        (128 - 34, 130),
        (128 - wide - 8, 196),
        (128 - wide + 14, 240),
        (128, 256),
        (128 + wide - 14, 240),
        (128 + wide + 8, 196),
        (128 + 34, 130),
        (128, 112),
        (128 - 34, 130),
    )
    canvas.drawPath(trunk, _shaded(coat, glossy))
    canvas.drawOval(oval(128, 196, wide * 0.5, 46), _shaded(body.belly, glossy))
    for side in (-1, 1):  # forelegs
        leg = box(128 + side * 24 - 13, 176, 26, 70)
        canvas.drawRoundRect(leg, 13, 13, _shaded(limbs, glossy))
        canvas.drawOval(oval(128 + side * 24, 243, 17, 9), _shaded(mix(limbs, WHITE, 0.1), glossy))


def _robot(canvas: skia.Canvas, coat: Colour, glossy: bool) -> None:
    dark = scaled(coat, 0.7)
    for side in (-1, 1):
        canvas.drawRoundRect(box(128 + side * 26 - 12, 208, 24, 40), 6, 6, _shaded(dark, glossy))
        canvas.drawRoundRect(box(128 + side * 28 - 19, 238, 38, 14), 6, 6, _shaded(coat, glossy))
        canvas.drawLine(128 + side * 50, 158, 128 + side * 76, 196, stroke(dark, 15))
        canvas.drawCircle(128 + side * 78, 200, 13, _shaded(coat, glossy))
    canvas.drawRect(box(114, 122, 28, 26), fill(dark))
    canvas.drawRoundRect(box(70, 140, 116, 76), 16, 16, _shaded(coat, glossy))
    canvas.drawRoundRect(box(92, 158, 72, 40), 8, 8, fill(mix(coat, WHITE, 0.45)))
    for index, lamp in enumerate(((0.90, 0.26, 0.24), (0.98, 0.80, 0.22), (0.30, 0.74, 0.40))):
        canvas.drawCircle(108 + index * 20, 178, 7, fill(lamp))


def with_body(code: str, style: str, head: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The head (RGBA) on its body: (256, 256, 4). KeyError for a code without one."""
    glossy = style == "fluent3d"
    surface = skia.Surface(SIDE, SIDE)
    canvas = surface.getCanvas()
    canvas.clear(0)
    robot = code == ROBOT
    if robot:
        _robot(canvas, mix(commonest(head), (0.62, 0.66, 0.72), 0.5), glossy)
    else:
        body = BODIES[code]
        _animal(canvas, body, body.coat or commonest(head[: len(head) // 2]), glossy)
    height, width = head.shape[:2]
    share = 146.0 / max(height, width)
    top = (6 if not robot else 0) + (146.0 - height * share) * (0.5 if robot else 0.7)
    image = skia.Image.fromarray(np.ascontiguousarray(head), skia.kRGBA_8888_ColorType)
    canvas.drawImageRect(
        image,
        skia.Rect(0, 0, width, height),
        box(128 - width * share / 2, top, width * share, height * share),
        skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear),
    )
    return surface.makeImageSnapshot().toarray(colorType=skia.kRGBA_8888_ColorType)
