"""Tents, campfires, bridges, docks. (x, y) is the foot."""

import skia

from ..brush import EDGE, box, curve, fade, fill, glow, oval, polygon, stroke
from ..cells import shows
from ..palette import Colour, mix, scaled
from ..stage import Stage


@shows
def tent(stage: Stage, x: float, y: float, width: float, colour: Colour) -> None:
    """A ridge tent, lit from within in the dark."""
    light, canvas = stage.light, stage.canvas
    tall = width * 0.62
    lit = light.darkness > 0.3
    cloth = mix(light.near(colour), colour, 0.6 if lit else 0.2)
    canvas.drawOval(oval(x, y, width * 0.56, width * 0.05), fill((0.0, 0.0, 0.05), 0.25))
    canvas.drawPath(
        polygon([(x - width * 0.5, y), (x - width * 0.05, y - tall), (x + width * 0.16, y)]),
        fill(cloth),
    )
    canvas.drawPath(
        polygon(
            [
                (x + width * 0.16, y),
                (x - width * 0.05, y - tall),
                (x + width * 0.34, y - tall * 0.9),
                (x + width * 0.54, y),
            ]
        ),
        fill(scaled(cloth, 0.78)),
    )
    inside: Colour = (1.0, 0.90, 0.55) if lit else scaled(cloth, 0.42)
    canvas.drawPath(
        polygon(
            [(x - width * 0.22, y), (x - width * 0.06, y - tall * 0.72), (x + width * 0.02, y)]
        ),
        fill(inside),
    )
    if lit:
        glow(canvas, x, y - tall * 0.35, width * 1.1, (1.0, 0.70, 0.30), 0.6)


@shows
def campfire(stage: Stage, x: float, y: float, size: float) -> None:
    """Logs and flames, `size` units tall."""
    canvas, light = stage.canvas, stage.light
    glow(
        canvas,
        x,
        y - size * 0.4,
        size * (2.6 if light.darkness > 0.3 else 1.4),
        (1.0, 0.62, 0.22),
        0.75,
    )
    for side in (-1, 1):
        canvas.drawLine(
            x - side * size * 0.5,
            y,
            x + side * size * 0.4,
            y - size * 0.18,
            stroke((0.30, 0.18, 0.10), size * 0.15),
        )
    for colour, share in (
        ((0.96, 0.36, 0.10), 1.0),
        ((1.0, 0.66, 0.16), 0.7),
        ((1.0, 0.93, 0.55), 0.4),
    ):
        half, tall = size * 0.36 * share, size * share
        flame = curve(
            (x - half, y - size * 0.12),
            (x - half * 1.1, y - tall * 0.5),
            (x + half * 0.1, y - tall),
            (x + half * 1.3, y - tall * 0.45),
            (x + half, y - size * 0.12),
            (x, y + size * 0.06),
            (x - half, y - size * 0.12),
        )
        canvas.drawPath(flame, fill(colour))


@shows
def bridge(stage: Stage, y: float, span: float, x: float) -> None:
    """A stone arch bridge of `span` units across the water at y."""
    light, canvas = stage.light, stage.canvas
    stone = light.far((0.66, 0.60, 0.54), 0.1)
    left, right = x - span / 2, x + span / 2
    deck, thick = y - span * 0.30, span * 0.09
    body = skia.Path()
    body.setFillType(skia.PathFillType.kEvenOdd)
    body.addPath(
        curve(
            (left, y),
            (left, y),
            (left, deck + thick),
            (x, deck - thick * 1.6),
            (right, deck + thick),
            (right, y),
            (right, y),
        )
    )
    arch = skia.Path()
    arch.addArc(oval(x, y, span * 0.30, span * 0.26), 180, 180)
    arch.close()
    body = skia.Op(body, arch, skia.kDifference_PathOp)
    canvas.drawPath(body, fade(deck, y, mix(stone, light.sun, 0.18), scaled(stone, 0.74)))
    canvas.drawPath(
        curve(
            (left - 2, deck + thick * 0.6), (x, deck - thick * 2.0), (right + 2, deck + thick * 0.6)
        ),
        stroke(light.ground(scaled((0.66, 0.60, 0.54), 0.85)), thick * 0.45),
    )


@shows
def dock(stage: Stage, x: float, y: float, width: float) -> None:
    """A plank jetty running from the bottom edge out to (x, y)."""
    light, canvas = stage.light, stage.canvas
    wood = light.ground((0.58, 0.42, 0.28), 0.0)
    near = width * 1.9
    canvas.drawPath(
        polygon(
            [
                (x - width / 2, y),
                (x + width / 2, y),
                (x + near / 2, EDGE + 4),
                (x - near / 2, EDGE + 4),
            ]
        ),
        fill(wood),
    )
    rows = 9
    for row in range(rows):
        share = (row / rows) ** 1.6
        half = (width + (near - width) * share) / 2
        row_y = y + (EDGE + 4 - y) * share
        canvas.drawLine(x - half, row_y, x + half, row_y, stroke(scaled(wood, 0.7), 0.8 + share))
    for side in (-1, 1):
        canvas.drawLine(
            x + side * width * 0.5,
            y + 4,
            x + side * width * 0.5,
            y - width * 0.3,
            stroke(scaled(wood, 0.6), width * 0.12),
        )


@shows
def bench(stage: Stage, x: float, y: float, width: float) -> None:
    """A wooden park bench seen from the front, feet at y."""
    light, canvas = stage.light, stage.canvas
    wood, iron = light.near((0.62, 0.38, 0.20)), light.near((0.20, 0.21, 0.24))
    canvas.drawOval(oval(x, y, width * 0.54, width * 0.05), fill((0.0, 0.0, 0.05), 0.25))
    for side in (-1, 1):
        leg = x + side * width * 0.42
        canvas.drawLine(leg, y, leg, y - width * 0.52, stroke(iron, width * 0.045))
    for share in (0.24, 0.36, 0.45, 0.54):
        slat = box(x - width / 2, y - width * share, width, width * 0.065)
        canvas.drawRoundRect(slat, 1.5, 1.5, fill(scaled(wood, 1.0 if share > 0.3 else 0.8)))
