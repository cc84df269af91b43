"""Trees, palms, cacti, flowers and grass. `x`, `y` are always the foot of the plant."""

import math

import skia

from ..brush import box, curve, fill, polygon, stroke
from ..cells import shows
from ..palette import SNOW, WHITE, Colour, mix, scaled
from ..stage import Stage

PINE: Colour = (0.10, 0.28, 0.20)
LEAF: Colour = (0.20, 0.46, 0.20)
AUTUMN: tuple[Colour, ...] = ((0.85, 0.30, 0.10), (0.94, 0.58, 0.12), (0.74, 0.20, 0.12))
TRUNK: Colour = (0.42, 0.29, 0.20)


def _tier(x: float, top: float, half: float, height: float) -> list[tuple[float, float]]:
    return [(x, top), (x + half, top + height), (x - half, top + height)]


def pine(stage: Stage, x: float, y: float, height: float, distance: float = 0.0) -> None:
    """A conifer; dusted white when it snows."""
    light, canvas = stage.light, stage.canvas
    base = light.far(PINE, distance)
    if light.snowy:
        base = mix(base, light.far(SNOW, distance), 0.22)
    canvas.drawRect(
        box(x - height * 0.03, y - height * 0.1, height * 0.06, height * 0.1),
        fill(light.far(scaled(TRUNK, 0.8), distance)),
    )
    tiers = 3 if height < 34 else 4
    outline, lit, snow = skia.Path(), skia.Path(), skia.Path()
    side = 1 if stage.sun_x > x else -1
    for tier in range(tiers):
        share = (tier + 1) / tiers
        half = height * (0.09 + 0.17 * share)
        top = y - height + height * 0.72 * tier / tiers
        tall = height * (0.98 / tiers + 0.1)
        outline.addPath(polygon(_tier(x, top, half, tall)))
        lit.addPath(
            polygon(
                [
                    (x, top),
                    (x + side * half, top + tall),
                    (x + side * half * 0.2, top + tall * 0.86),
                ]
            )
        )
        if light.snowy:
            snow.addPath(
                polygon(
                    [
                        (x, top),
                        (x + half * 0.6, top + tall * 0.6),
                        (x + half * 0.2, top + tall * 0.44),
                        (x - half * 0.15, top + tall * 0.58),
                        (x - half * 0.6, top + tall * 0.6),
                    ]
                )
            )
    canvas.drawPath(outline, fill(base))
    canvas.drawPath(lit, fill(mix(base, light.sun, 0.16)))
    if light.snowy:
        canvas.drawPath(snow, fill(light.ground(SNOW, distance * 0.9), 0.9))


@shows
def tree(
    stage: Stage, x: float, y: float, height: float, leaf: Colour = LEAF, distance: float = 0.0
) -> None:
    """A broad-leaved tree with a round crown in three tones."""
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    canvas.drawPath(
        polygon(
            [
                (x - height * 0.06, y),
                (x - height * 0.03, y - height * 0.5),
                (x + height * 0.03, y - height * 0.5),
                (x + height * 0.06, y),
            ]
        ),
        fill(light.far(TRUNK, distance)),
    )
    colour = mix(leaf, SNOW, 0.68) if light.snowy else leaf
    side = 1 if stage.sun_x > x else -1
    for shade, offset, count, spread, lobe in (
        (0.70, 0.0, 8, 0.20, 0.16),
        (1.0, 0.045, 7, 0.16, 0.125),
        (1.15, 0.085, 5, 0.11, 0.085),
    ):
        path = skia.Path()
        path.setFillType(skia.PathFillType.kWinding)
        cx, cy = x + height * offset * side * 0.7, y - height * 0.68 - height * offset
        for index in range(count):
            angle = index * math.tau / count + rng.uniform(-0.3, 0.3)
            reach = height * spread * rng.uniform(0.8, 1.1)
            path.addCircle(
                cx + reach * math.cos(angle) * 1.15,
                cy + reach * math.sin(angle) * 0.95,
                height * lobe,
            )
        path.addCircle(cx, cy, height * spread)
        tone = mix(
            light.far(scaled(colour, shade), distance), light.sun, 0.10 if shade > 1.1 else 0.0
        )
        canvas.drawPath(path, fill(tone))


@shows
def bare_tree(stage: Stage, x: float, y: float, height: float, distance: float = 0.0) -> None:
    """A leafless tree, for winter."""
    paint_colour = stage.light.far(scaled(TRUNK, 0.8), distance)

    def branch(x0: float, y0: float, angle: float, length: float, width: float, depth: int) -> None:
        x1, y1 = x0 + length * math.sin(angle), y0 - length * math.cos(angle)
        stage.canvas.drawLine(x0, y0, x1, y1, stroke(paint_colour, width))
        if depth:
            for turn in (-0.55, 0.12, 0.6):
                branch(
                    x1,
                    y1,
                    angle + turn * stage.rng.uniform(0.7, 1.2),
                    length * 0.68,
                    width * 0.6,
                    depth - 1,
                )

    branch(x, y, stage.rng.uniform(-0.08, 0.08), height * 0.38, height * 0.07, 3)


def bush(
    stage: Stage, x: float, y: float, width: float, leaf: Colour, distance: float = 0.0
) -> None:
    """A low round bush."""
    colour = mix(leaf, SNOW, 0.7) if stage.light.snowy else leaf
    for shade, lift in ((0.75, 0.0), (1.0, 0.10)):
        path = skia.Path()
        path.setFillType(skia.PathFillType.kWinding)
        for along, radius in ((-0.32, 0.2), (0.0, 0.28), (0.32, 0.2)):
            path.addCircle(
                x + along * width * (1 - lift),
                y - width * (0.14 + lift),
                radius * width * (1 - lift),
            )
        stage.canvas.drawPath(path, fill(stage.light.far(scaled(colour, shade), distance)))


@shows
def palm(stage: Stage, x: float, y: float, height: float, lean: float) -> None:
    """A coconut palm; `lean` is how far its crown stands to the right of its foot."""
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    top_x, top_y = x + lean, y - height
    bark = light.near((0.50, 0.36, 0.25))
    trunk = curve(
        (x - height * 0.03, y),
        (x + lean * 0.1, y - height * 0.55),
        (top_x - 1, top_y),
        (top_x, top_y),
        (top_x + height * 0.015, top_y),
        (x + lean * 0.1 + height * 0.045, y - height * 0.5),
        (x + height * 0.045, y),
    )
    canvas.drawPath(trunk, fill(bark))
    length = height * 0.40
    for index in range(9):
        angle = -0.45 + index * 0.5 + rng.uniform(-0.12, 0.12)
        dx, dy = math.cos(angle), math.sin(angle)
        end = (top_x + length * dx, top_y + length * 0.5 * dy + length * 0.28)
        bend = length * 0.45
        frond = curve(
            (top_x, top_y),
            (top_x + length * 0.5 * dx, top_y - bend + length * 0.3 * dy),
            end,
            (top_x + length * 0.35 * dx, top_y - bend * 0.2 + length * 0.25 * dy),
            (top_x, top_y),
        )
        green = rng.choice(((0.16, 0.48, 0.22), (0.26, 0.60, 0.26), (0.10, 0.36, 0.18)))
        canvas.drawPath(frond, fill(light.near(green)))
    for index in range(3):
        canvas.drawCircle(
            top_x - 3 + index * 3, top_y + 3, height * 0.025, fill(light.near((0.36, 0.22, 0.12)))
        )


@shows
def cactus(stage: Stage, x: float, y: float, height: float, distance: float = 0.0) -> None:
    """A saguaro with two arms."""
    light, canvas = stage.light, stage.canvas
    green = mix(light.far((0.20, 0.50, 0.28), distance), light.near((0.24, 0.58, 0.32)), 0.5)
    left, right = stage.rng.uniform(0.3, 0.5), stage.rng.uniform(0.35, 0.6)
    reach = height * 0.26
    for colour, width, shift in (
        (green, height * 0.19, 0.0),
        (mix(green, light.sun, 0.25), height * 0.04, -0.035),
    ):
        paint = stroke(colour, width)
        move = shift * height
        canvas.drawLine(x + move, y - height * 0.05, x + move, y - height, paint)
        for side, low in ((-1, left), (1, right)):
            arm = skia.Path()
            arm.moveTo(x + move, y - height * low)
            arm.quadTo(
                x + side * reach + move,
                y - height * low,
                x + side * reach + move,
                y - height * (low + 0.28),
            )
            if width > height * 0.1:
                canvas.drawPath(arm, stroke(colour, height * 0.14))
            else:
                canvas.drawPath(arm, paint)


def flowers(stage: Stage, y0: float, count: int, hues: tuple[Colour, ...]) -> None:
    """A carpet of blossoms from y0 to the bottom, larger towards the viewer."""
    rng = stage.rng
    for y in sorted(y0 + (262 - y0) * rng.random() for _ in range(count)):
        size = 1.0 + 2.4 * (y - y0) / (262 - y0)
        colour = stage.light.near(rng.choice(hues))
        stage.canvas.drawCircle(rng.uniform(0, 256), y, size, fill(colour))


MEADOW_FLOWERS: tuple[Colour, ...] = (
    (0.95, 0.25, 0.32),
    (1.0, 0.84, 0.22),
    (0.98, 0.97, 1.0),
    (0.72, 0.42, 0.92),
    (1.0, 0.55, 0.72),
)


def grass(stage: Stage, y0: float, count: int, colour: Colour) -> None:
    """Blades of grass scattered from y0 to the bottom."""
    rng, light = stage.rng, stage.light
    if light.snowy:
        return
    blades = skia.Path()
    for _ in range(count):
        y = y0 + (258 - y0) * rng.random() ** 0.7
        x, tall = rng.uniform(0, 256), 1.5 + 5 * (y - y0) / (258 - y0)
        blades.moveTo(x, y)
        blades.lineTo(x + rng.uniform(-1.5, 1.5), y - tall)
    stage.canvas.drawPath(blades, stroke(mix(light.far(colour, 0.0), WHITE, 0.12), 1.0, 0.6))
