"""A room with a window: living room, bedroom or study."""

from dataclasses import replace

import skia

from ..brush import EDGE, box, curve, fade, fill, glow, oval, polygon, puff, puff_paint, stroke
from ..elements.land import GREEN_HILL, mountains
from ..elements.people import person
from ..elements.sky import sky
from ..palette import WHITE, Colour, mix, scaled, tint
from ..stage import Stage

WALLS: tuple[Colour, ...] = (
    (0.94, 0.88, 0.74),
    (0.70, 0.82, 0.88),
    (0.78, 0.86, 0.72),
    (0.93, 0.74, 0.68),
    (0.84, 0.80, 0.90),
)
WOOD: Colour = (0.66, 0.46, 0.29)
CLOTHS: tuple[Colour, ...] = (
    (0.72, 0.26, 0.26),
    (0.22, 0.42, 0.62),
    (0.28, 0.52, 0.40),
    (0.86, 0.60, 0.24),
    (0.50, 0.36, 0.60),
)
WARM: Colour = (1.0, 0.80, 0.54)


class _Inside:
    """Colours under a roof: daylight through the window, by night a lamp's."""

    def __init__(self, stage: Stage) -> None:
        dark = stage.light.darkness
        self.light = mix(mix(stage.light.ambient, WHITE, 0.1), scaled(WARM, 0.62), 0.75 * dark)
        self.lamp = dark > 0.3

    def of(self, colour: Colour) -> Colour:
        return tint(colour, self.light)


def _window(stage: Stage, inside: _Inside, x: float, y: float, wide: float, tall: float) -> None:
    canvas = stage.canvas
    frame = inside.of((0.97, 0.95, 0.91))
    canvas.drawRect(box(x, y, wide, tall), stroke(frame, 5.0))
    canvas.drawLine(x + wide / 2, y, x + wide / 2, y + tall, stroke(frame, 3.0))
    canvas.drawLine(x, y + tall * 0.45, x + wide, y + tall * 0.45, stroke(frame, 3.0))
    canvas.drawRect(box(x - 7, y + tall, wide + 14, 6), fill(scaled(frame, 0.9)))
    cloth = inside.of(stage.rng.choice(CLOTHS))
    for side in (-1, 1):
        edge = x - 12 if side < 0 else x + wide + 12
        drape = curve(
            (edge, y - 10),
            (edge - side * 28, y - 10),
            (edge - side * 22, y + tall * 0.4),
            (edge - side * 12, y + tall * 0.7),
            (edge - side * 18, y + tall + 14),
            (edge, y + tall + 14),
            (edge, y - 10),
        )
        canvas.drawPath(drape, fade(y - 10, y + tall, cloth, scaled(cloth, 0.76)))
    canvas.drawLine(
        x - 18, y - 10, x + wide + 18, y - 10, stroke(inside.of(scaled(WOOD, 0.7)), 3.4)
    )


def _floor(stage: Stage, inside: _Inside, top: float) -> None:
    canvas = stage.canvas
    wood = inside.of(mix(WOOD, (0.84, 0.66, 0.44), stage.rng.random()))
    canvas.drawRect(box(0, top, EDGE, EDGE - top), fade(top, EDGE, scaled(wood, 0.78), wood))
    seam = stroke(scaled(wood, 0.66), 1.0, 0.8)
    for plank in range(-7, 8):
        canvas.drawLine(128 + plank * 34, top, 128 + plank * 62, EDGE, seam)
    canvas.drawRect(box(0, top - 6, EDGE, 6), fill(inside.of((0.95, 0.93, 0.88))))


def _rug(stage: Stage, inside: _Inside, x: float) -> None:
    cloth = inside.of(stage.rng.choice(CLOTHS))
    for shrink, tone in ((1.0, cloth), (0.8, mix(cloth, WHITE, 0.35)), (0.62, cloth)):
        stage.canvas.drawOval(oval(x, 228, 84 * shrink, 18 * shrink), fill(tone))


def _lamp(stage: Stage, inside: _Inside, x: float, foot: float, height: float) -> None:
    """A lamp on a stem; it shines when it is dark outside."""
    canvas = stage.canvas
    stem = inside.of((0.30, 0.24, 0.20))
    canvas.drawLine(x, foot, x, foot - height * 0.75, stroke(stem, 2.6))
    canvas.drawOval(oval(x, foot, height * 0.12, 3), fill(stem))
    half = max(9.0, height * 0.16)
    shade = polygon(
        [
            (x - half, foot - height * 0.70),
            (x + half, foot - height * 0.70),
            (x + half * 0.6, foot - height),
            (x - half * 0.6, foot - height),
        ]
    )
    canvas.drawPath(
        shade, fill((1.0, 0.90, 0.62) if inside.lamp else inside.of((0.96, 0.86, 0.66)))
    )
    if inside.lamp:
        glow(canvas, x, foot - height * 0.8, 74, (1.0, 0.78, 0.44), 0.6)


def _picture(stage: Stage, inside: _Inside, x: float, y: float) -> None:
    canvas = stage.canvas
    canvas.drawRect(box(x - 20, y - 15, 40, 30), fill(inside.of(scaled(WOOD, 0.7))))
    canvas.drawRect(box(x - 17, y - 12, 34, 24), fill(inside.of((0.62, 0.80, 0.90))))
    hill = curve(
        (x - 17, y + 12), (x - 17, y + 2), (x - 6, y + 2), (x + 6, y + 4), (x + 17, y + 12)
    )
    canvas.drawPath(hill, fill(inside.of((0.38, 0.60, 0.34))))


def _sofa(stage: Stage, inside: _Inside, x: float, foot: float) -> None:
    canvas, cloth = stage.canvas, inside.of(stage.rng.choice(CLOTHS))
    canvas.drawRoundRect(box(x - 58, foot - 52, 116, 44), 12, 12, fill(scaled(cloth, 0.86)))
    for side in (-1, 1):
        cushion = box(x + side * 26 - 25, foot - 30, 50, 16)
        canvas.drawRoundRect(cushion, 6, 6, fill(mix(cloth, WHITE, 0.12)))
        canvas.drawRoundRect(box(x + side * 58 - 10, foot - 38, 20, 34), 8, 8, fill(cloth))
    canvas.drawRect(box(x - 54, foot - 16, 108, 13), fill(scaled(cloth, 0.7)))


def _bed(stage: Stage, inside: _Inside, x: float, foot: float) -> None:
    canvas, cloth = stage.canvas, inside.of(stage.rng.choice(CLOTHS))
    wood = inside.of(scaled(WOOD, 0.85))
    canvas.drawRoundRect(box(x - 56, foot - 62, 10, 62), 4, 4, fill(wood))
    canvas.drawRoundRect(box(x + 50, foot - 40, 8, 40), 4, 4, fill(wood))
    canvas.drawRoundRect(box(x - 50, foot - 30, 104, 20), 5, 5, fill(inside.of((0.95, 0.94, 0.92))))
    canvas.drawRoundRect(box(x - 48, foot - 40, 30, 14), 6, 6, fill(inside.of((0.99, 0.98, 0.97))))
    canvas.drawRoundRect(box(x - 14, foot - 36, 68, 26), 8, 8, fill(cloth))


def _desk(stage: Stage, inside: _Inside, x: float, foot: float) -> None:
    canvas, wood = stage.canvas, inside.of(WOOD)
    canvas.drawRect(box(x - 52, foot - 46, 104, 6), fill(wood))
    for leg in (-47, 43):
        canvas.drawRect(box(x + leg, foot - 40, 5, 40), fill(scaled(wood, 0.76)))
    canvas.drawRect(box(x + 12, foot - 40, 30, 22), fill(scaled(wood, 0.86)))
    spines = ((0.75, 0.25, 0.25), (0.25, 0.45, 0.70), (0.30, 0.58, 0.38), (0.92, 0.72, 0.28))
    for index in range(5):
        book = inside.of(spines[index % 4])
        canvas.drawRect(
            box(x + 14 + index * 5, foot - 62 + index % 3, 4.4, 16 - index % 3), fill(book)
        )


def room(stage: Stage) -> None:
    """The wall across, a window in it, the floor before it; furniture by the view asked for."""
    rng, canvas = stage.rng, stage.canvas
    inside = _Inside(stage)
    stage.horizon = rng.uniform(100, 112)
    side = rng.choice((-1, 1))
    wide, tall = rng.uniform(74, 92), rng.uniform(76, 90)
    x, y = 128 + side * rng.uniform(24, 36) - wide / 2, rng.uniform(26, 36)
    stage.sun_x = x + wide * rng.uniform(0.25, 0.75)
    sky(stage)
    mountains(stage, 1, rng.uniform(18, 32), GREEN_HILL, False, 0.0)
    canvas.drawRect(
        box(0, stage.horizon, EDGE, EDGE), fill(stage.light.far((0.36, 0.58, 0.30), 0.3))
    )
    # Whoever is in the room stands in its light, not in that of the window.
    stage.light = replace(stage.light, ambient=inside.light)
    top = rng.uniform(168, 180)
    wall = inside.of(rng.choice(WALLS))
    around = skia.Path()
    around.addRect(box(0, 0, EDGE, EDGE))
    around.addRect(box(x, y, wide, tall))
    around.setFillType(skia.PathFillType.kEvenOdd)
    canvas.drawPath(around, fade(0, top, mix(wall, WHITE, 0.06), scaled(wall, 0.92)))
    _window(stage, inside, x, y, wide, tall)
    _floor(stage, inside, top)
    if stage.light.darkness < 0.6:
        beam = polygon([(x, top + 14), (x + wide, top + 14), (x + wide + 26, EDGE), (x - 6, EDGE)])
        canvas.drawPath(beam, fade(top, EDGE, (stage.light.sun, 0.26), (stage.light.sun, 0.05)))
    away = 128 - side * rng.uniform(56, 68)
    _picture(stage, inside, away, rng.uniform(56, 76))
    if rng.random() < 0.7:
        _rug(stage, inside, rng.uniform(104, 152))
    foot = top + rng.uniform(14, 20)
    if stage.has("bedroom"):
        _bed(stage, inside, away + side * 6, foot)
    elif stage.has("study"):
        _desk(stage, inside, away + side * 6, foot)
    else:
        _sofa(stage, inside, away + side * 6, foot)
    if stage.has("study"):
        _lamp(stage, inside, away - side * 26, foot - 46, 34)
    else:
        _lamp(stage, inside, away + side * 78, foot - 4, 88)
    at, low, tall = 128 + side * rng.uniform(-6, 60), rng.uniform(232, 243), rng.uniform(92, 100)
    for kind in ("man", "woman", "child"):
        if stage.has(kind):
            person(stage, kind, at, low, tall, stage.colour())
    if inside.lamp:  # corners it does not reach
        for corner in (0.0, EDGE):
            puff(canvas, corner, EDGE, 120, 90, puff_paint((0.02, 0.02, 0.06), 0.35))
