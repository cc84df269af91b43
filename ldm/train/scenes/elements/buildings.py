"""Houses, huts, churches, lighthouses, windmills. (x, y) is the foot."""

import math

import skia

from ..brush import EDGE, box, fill, glow, polygon, stroke, sweep
from ..cells import shows
from ..palette import SNOW, WHITE, Colour, mix, scaled
from ..stage import Stage

WALLS: tuple[Colour, ...] = (
    (0.96, 0.91, 0.82),
    (0.88, 0.62, 0.46),
    (0.82, 0.85, 0.88),
    (0.94, 0.82, 0.56),
)
ROOFS: tuple[Colour, ...] = ((0.72, 0.27, 0.20), (0.38, 0.33, 0.40), (0.50, 0.32, 0.22))
LOGS: Colour = (0.52, 0.34, 0.21)
LAMP: Colour = (1.0, 0.80, 0.42)


def _window(stage: Stage, x: float, y: float, width: float, height: float) -> None:
    light = stage.light
    lit = light.lamps or light.snowy
    canvas = stage.canvas
    canvas.drawRect(box(x, y, width, height), fill(LAMP if lit else light.near((0.50, 0.68, 0.82))))
    frame = stroke(light.near((0.32, 0.24, 0.20)), max(0.6, width * 0.1))
    canvas.drawLine(x + width / 2, y, x + width / 2, y + height, frame)
    canvas.drawLine(x, y + height / 2, x + width, y + height / 2, frame)
    if lit and light.darkness > 0.2:
        glow(canvas, x + width / 2, y + height / 2, width * 2.6, (1.0, 0.70, 0.30), 0.45)


@shows
def house(
    stage: Stage,
    x: float,
    y: float,
    width: float,
    distance: float = 0.1,
    wall: Colour | None = None,
    roof: Colour | None = None,
) -> None:
    """A cottage seen from its gable corner: front wall, long side, pitched roof, chimney."""
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    wall_colour = light.far(wall or rng.choice(WALLS), distance)
    roof_colour = light.ground(roof or rng.choice(ROOFS), distance)
    tall, gable = width * 0.42, width * 0.36
    front = width * 0.42
    flip = rng.choice((-1, 1))
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(flip, 1)
    left, corner, right = -width / 2, -width / 2 + front, width / 2
    ridge_y = -tall - gable
    canvas.drawRect(box(corner, -tall, right - corner, tall), fill(scaled(wall_colour, 0.86)))
    canvas.drawPath(
        polygon(
            [(left, 0), (left, -tall), ((left + corner) / 2, ridge_y), (corner, -tall), (corner, 0)]
        ),
        fill(wall_colour),
    )
    canvas.drawRect(
        box(right - width * 0.22, ridge_y - width * 0.06, width * 0.09, gable * 0.8),
        fill(scaled(wall_colour, 0.66)),
    )
    eave = width * 0.05
    canvas.drawPath(
        polygon(
            [
                ((left + corner) / 2, ridge_y - eave * 0.5),
                (right - width * 0.06, ridge_y - eave * 0.5),
                (right + eave, -tall + eave * 0.5),
                (corner + eave * 0.4, -tall + eave * 0.5),
            ]
        ),
        fill(roof_colour),
    )
    canvas.drawPath(
        polygon(
            [
                ((left + corner) / 2, ridge_y - eave * 0.6),
                (left - eave, -tall + eave * 0.6),
                (left - eave * 0.2, -tall + eave * 1.1),
                ((left + corner) / 2, ridge_y + eave * 0.9),
            ]
        ),
        fill(scaled(roof_colour, 0.8)),
    )
    door = width * 0.13
    canvas.drawRect(
        box((left + corner) / 2 - door / 2, -tall * 0.62, door, tall * 0.62),
        fill(light.near((0.45, 0.26, 0.17))),
    )
    for share in (0.18, 0.62):
        _window(stage, corner + (right - corner) * share, -tall * 0.76, width * 0.13, tall * 0.4)
    canvas.restore()


@shows
def hut(stage: Stage, x: float, y: float, width: float, distance: float = 0.0) -> None:
    """A small thatched hut."""
    light, canvas = stage.light, stage.canvas
    tall = width * 0.42
    wall = light.far((0.70, 0.50, 0.32), distance)
    thatch = light.ground((0.84, 0.68, 0.36), distance)
    canvas.drawRect(box(x - width * 0.36, y - tall, width * 0.72, tall), fill(wall))
    for share in (-0.24, -0.12, 0.0, 0.12, 0.24):
        canvas.drawLine(
            x + share * width,
            y - tall,
            x + share * width,
            y,
            stroke(scaled(wall, 0.8), width * 0.02),
        )
    canvas.drawRect(
        box(x - width * 0.08, y - tall * 0.7, width * 0.16, tall * 0.7),
        fill(light.near((0.25, 0.16, 0.11))),
    )
    if light.lamps:
        canvas.drawRect(
            box(x + width * 0.14, y - tall * 0.7, width * 0.12, tall * 0.32), fill(LAMP)
        )
        glow(canvas, x + width * 0.2, y - tall * 0.55, width * 0.45, LAMP, 0.5)
    canvas.drawPath(
        polygon(
            [
                (x - width * 0.52, y - tall * 0.86),
                (x - width * 0.10, y - tall * 2.0),
                (x + width * 0.10, y - tall * 2.0),
                (x + width * 0.52, y - tall * 0.86),
            ]
        ),
        fill(thatch),
    )
    canvas.drawPath(
        polygon(
            [
                (x, y - tall * 2.0),
                (x + width * 0.10, y - tall * 2.0),
                (x + width * 0.52, y - tall * 0.86),
                (x + width * 0.12, y - tall * 0.86),
            ]
        ),
        fill(scaled(thatch, 0.86)),
    )


@shows
def church(stage: Stage, x: float, y: float, height: float, distance: float = 0.1) -> None:
    """A village church with a pointed tower of `height`."""
    light, canvas = stage.light, stage.canvas
    wall = light.far((0.95, 0.93, 0.88), distance)
    roof = light.ground((0.36, 0.34, 0.42), distance)
    width = height * 0.2
    canvas.drawRect(box(x, y - height * 0.32, width * 2.2, height * 0.32), fill(scaled(wall, 0.88)))
    canvas.drawPath(
        polygon(
            [
                (x, y - height * 0.32),
                (x + width * 0.3, y - height * 0.5),
                (x + width * 2.0, y - height * 0.5),
                (x + width * 2.35, y - height * 0.32),
            ]
        ),
        fill(roof),
    )
    canvas.drawRect(box(x - width, y - height * 0.6, width, height * 0.6), fill(wall))
    canvas.drawPath(
        polygon(
            [
                (x - width * 1.15, y - height * 0.6),
                (x - width * 0.5, y - height),
                (x + width * 0.15, y - height * 0.6),
            ]
        ),
        fill(scaled(roof, 0.92)),
    )
    for share in (0.3, 0.9, 1.5):
        _window(stage, x + width * share, y - height * 0.24, width * 0.28, height * 0.12)
    canvas.drawCircle(
        x - width * 0.5,
        y - height * 0.48,
        width * 0.2,
        fill(LAMP if light.lamps else light.near((0.3, 0.3, 0.4))),
    )


@shows
def lighthouse(stage: Stage, x: float, y: float, height: float) -> None:
    """A red and white tower; its lamp throws a beam in the dark."""
    light, canvas = stage.light, stage.canvas
    bands, tower = 5, height * 0.76
    for band in range(bands):
        low, high = band / bands, (band + 1) / bands
        colour = light.near((0.86, 0.18, 0.16) if band % 2 == 0 else (0.97, 0.97, 0.95))
        half0, half1 = height * (0.125 - 0.05 * low), height * (0.125 - 0.05 * high)
        canvas.drawPath(
            polygon(
                [
                    (x - half0, y - tower * low),
                    (x + half0, y - tower * low),
                    (x + half1, y - tower * high),
                    (x - half1, y - tower * high),
                ]
            ),
            sweep(x - half0, x + half0, mix(colour, WHITE, 0.1), colour, scaled(colour, 0.72)),
        )
    top = y - tower
    canvas.drawRect(
        box(x - height * 0.10, top - height * 0.03, height * 0.20, height * 0.035),
        fill(light.near((0.2, 0.2, 0.24))),
    )
    canvas.drawRect(
        box(x - height * 0.055, top - height * 0.13, height * 0.11, height * 0.10),
        fill((1.0, 0.93, 0.62)),
    )
    canvas.drawPath(
        polygon(
            [
                (x - height * 0.08, top - height * 0.13),
                (x + height * 0.08, top - height * 0.13),
                (x, top - height * 0.22),
            ]
        ),
        fill(light.near((0.62, 0.14, 0.14))),
    )
    if light.lamps:
        lamp_y = top - height * 0.08
        glow(canvas, x, lamp_y, height * 0.5, (1.0, 0.9, 0.55), 0.9)
        side = -1 if x > EDGE / 2 else 1
        beam = polygon([(x, lamp_y), (x + side * 240, lamp_y - 30), (x + side * 240, lamp_y + 22)])
        paint = sweep(x, x + side * 230, ((1.0, 0.95, 0.7), 0.5), ((1.0, 0.95, 0.7), 0.0))
        paint.setBlendMode(skia.BlendMode.kScreen)
        canvas.drawPath(beam, paint)


@shows
def windmill(stage: Stage, x: float, y: float, height: float) -> None:
    """A tower mill with four sails."""
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    wall = light.near((0.95, 0.92, 0.86))
    hub_y = y - height * 0.66
    canvas.drawPath(
        polygon(
            [
                (x - height * 0.16, y),
                (x - height * 0.10, hub_y),
                (x + height * 0.10, hub_y),
                (x + height * 0.16, y),
            ]
        ),
        sweep(x - height * 0.16, x + height * 0.16, wall, scaled(wall, 0.76)),
    )
    canvas.drawPath(
        polygon(
            [(x - height * 0.13, hub_y), (x, hub_y - height * 0.16), (x + height * 0.13, hub_y)]
        ),
        fill(light.near(SNOW if light.snowy else (0.62, 0.24, 0.18))),
    )
    canvas.drawRect(
        box(x - height * 0.04, y - height * 0.14, height * 0.08, height * 0.14),
        fill(light.near((0.4, 0.25, 0.18))),
    )
    _window(stage, x - height * 0.03, y - height * 0.4, height * 0.06, height * 0.08)
    turn = rng.uniform(0, math.pi / 2)
    length = height * 0.46
    for arm in range(4):
        canvas.save()
        canvas.translate(x, hub_y)
        canvas.rotate(math.degrees(turn) + 90 * arm)
        canvas.drawRect(
            box(length * 0.18, 0, length * 0.8, length * 0.22),
            fill(light.near((0.99, 0.96, 0.90)), 0.92),
        )
        canvas.drawLine(0, 0, length, 0, stroke(light.near((0.34, 0.24, 0.18)), height * 0.025))
        canvas.restore()
