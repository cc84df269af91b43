"""Rowing boats, sailing boats, steamers, cars and buses."""

from ..brush import box, curve, fill, glow, oval, polygon, stroke
from ..cells import shows
from ..palette import Colour, mix, scaled
from ..stage import Stage
from .people import sitting

HULL: Colour = (0.56, 0.32, 0.18)


@shows
def boat(
    stage: Stage, x: float, y: float, width: float, rower: str, hull: Colour, clothes: Colour
) -> None:
    """A rowing boat, waterline at y; `rower` is man, woman or "" for an empty boat."""
    light, canvas = stage.light, stage.canvas
    wood = light.near(hull)
    canvas.drawOval(
        oval(x, y + width * 0.07, width * 0.5, width * 0.06), fill((0.0, 0.02, 0.06), 0.32)
    )
    inside = oval(x, y - width * 0.10, width * 0.44, width * 0.045)
    canvas.drawOval(inside, fill(scaled(wood, 0.5)))
    if rower:
        oar = stroke(light.near((0.82, 0.64, 0.40)), width * 0.028)
        sitting(stage, rower, x, y - width * 0.10, width * 0.72, clothes)
        for side in (-1, 1):
            canvas.drawLine(
                x + side * width * 0.10,
                y - width * 0.22,
                x + side * width * 0.58,
                y + width * 0.08,
                oar,
            )
    shell = curve(
        (x - width * 0.5, y - width * 0.17),
        (x, y - width * 0.03),
        (x + width * 0.5, y - width * 0.17),
        (x + width * 0.42, y + width * 0.09),
        (x + width * 0.26, y + width * 0.10),
        (x, y + width * 0.12),
        (x - width * 0.26, y + width * 0.10),
        (x - width * 0.42, y + width * 0.09),
        (x - width * 0.5, y - width * 0.17),
    )
    canvas.drawPath(shell, fill(wood))
    canvas.drawPath(
        curve(
            (x - width * 0.49, y - width * 0.155),
            (x, y - width * 0.015),
            (x + width * 0.49, y - width * 0.155),
        ),
        stroke(mix(wood, light.sun, 0.45), width * 0.03),
    )


@shows
def sailboat(stage: Stage, x: float, y: float, width: float, sail: Colour) -> None:
    """A sloop with two sails, waterline at y, about 1.25 widths tall."""
    light, canvas = stage.light, stage.canvas
    cloth = light.near(sail)
    canvas.drawOval(
        oval(x, y + width * 0.10, width * 0.5, width * 0.05), fill((0.0, 0.02, 0.06), 0.28)
    )
    canvas.drawLine(
        x,
        y - width * 0.08,
        x,
        y - width * 1.22,
        stroke(light.near((0.40, 0.28, 0.20)), width * 0.03),
    )
    canvas.drawPath(
        curve(
            (x - width * 0.04, y - width * 0.12),
            (x - width * 0.05, y - width * 0.7),
            (x - width * 0.03, y - width * 1.18),
            (x - width * 0.36, y - width * 0.55),
            (x - width * 0.46, y - width * 0.14),
            (x - width * 0.2, y - width * 0.10),
            (x - width * 0.04, y - width * 0.12),
        ),
        fill(cloth),
    )
    canvas.drawPath(
        curve(
            (x + width * 0.04, y - width * 0.12),
            (x + width * 0.10, y - width * 0.6),
            (x + width * 0.03, y - width * 1.02),
            (x + width * 0.36, y - width * 0.5),
            (x + width * 0.44, y - width * 0.12),
            (x + width * 0.2, y - width * 0.10),
            (x + width * 0.04, y - width * 0.12),
        ),
        fill(scaled(cloth, 0.84)),
    )
    hull = light.near((0.30, 0.20, 0.18))
    canvas.drawPath(
        curve(
            (x - width * 0.52, y - width * 0.07),
            (x, y - width * 0.04),
            (x + width * 0.54, y - width * 0.09),
            (x + width * 0.40, y + width * 0.11),
            (x + width * 0.28, y + width * 0.12),
            (x, y + width * 0.13),
            (x - width * 0.36, y + width * 0.11),
            (x - width * 0.5, y + width * 0.04),
            (x - width * 0.52, y - width * 0.07),
        ),
        fill(hull),
    )
    canvas.drawLine(
        x - width * 0.50,
        y - width * 0.045,
        x + width * 0.50,
        y - width * 0.06,
        stroke(light.near((0.95, 0.93, 0.9)), width * 0.03),
    )


@shows
def ship(stage: Stage, x: float, y: float, width: float, hull: Colour) -> None:
    """A steamer with funnels and portholes, waterline at y."""
    light, canvas = stage.light, stage.canvas
    colour, white = light.near(hull), light.near((0.95, 0.95, 0.94))
    for share in (-0.06, 0.12):
        canvas.drawRect(
            box(x + width * share, y - width * 0.40, width * 0.09, width * 0.16),
            fill(light.near((0.88, 0.30, 0.16))),
        )
        canvas.drawRect(
            box(x + width * share, y - width * 0.40, width * 0.09, width * 0.04),
            fill(light.near((0.14, 0.14, 0.17))),
        )
    canvas.drawRect(
        box(x - width * 0.26, y - width * 0.26, width * 0.56, width * 0.09), fill(white)
    )
    canvas.drawRect(
        box(x - width * 0.32, y - width * 0.18, width * 0.68, width * 0.07),
        fill(scaled(white, 0.9)),
    )
    canvas.drawPath(
        polygon(
            [
                (x - width * 0.5, y - width * 0.13),
                (x + width * 0.5, y - width * 0.13),
                (x + width * 0.42, y + width * 0.03),
                (x - width * 0.44, y + width * 0.03),
            ]
        ),
        fill(colour),
    )
    lit = light.lamps
    for index in range(8):
        port: Colour = (1.0, 0.86, 0.5) if lit else light.near((0.35, 0.45, 0.55))
        canvas.drawCircle(
            x - width * 0.24 + index * width * 0.075, y - width * 0.215, width * 0.016, fill(port)
        )
        canvas.drawCircle(
            x - width * 0.34 + index * width * 0.095, y - width * 0.07, width * 0.014, fill(port)
        )
    if lit:
        glow(canvas, x, y - width * 0.2, width * 0.5, (1.0, 0.8, 0.45), 0.35)


@shows
def car(stage: Stage, x: float, y: float, width: float, paint: Colour, leaving: bool) -> None:
    """A car seen from the front, or from behind if `leaving`; wheels at y."""
    light, canvas = stage.light, stage.canvas
    colour = mix(light.near(paint), paint, 0.2)
    half = width / 2
    canvas.drawOval(oval(x, y, half * 1.08, half * 0.16), fill((0.0, 0.0, 0.03), 0.4))
    for side in (-1, 1):
        canvas.drawRoundRect(
            box(x + side * half * 0.72 - half * 0.17, y - half * 0.42, half * 0.34, half * 0.44),
            half * 0.06,
            half * 0.06,
            fill((0.07, 0.07, 0.09)),
        )
    canvas.drawPath(
        polygon(
            [
                (x - half * 0.80, y - half * 0.80),
                (x - half * 0.58, y - half * 1.36),
                (x + half * 0.58, y - half * 1.36),
                (x + half * 0.80, y - half * 0.80),
            ]
        ),
        fill(scaled(colour, 0.86)),
    )
    canvas.drawPath(
        polygon(
            [
                (x - half * 0.68, y - half * 0.82),
                (x - half * 0.51, y - half * 1.26),
                (x + half * 0.51, y - half * 1.26),
                (x + half * 0.68, y - half * 0.82),
            ]
        ),
        fill(light.near((0.34, 0.44, 0.54))),
    )
    canvas.drawRoundRect(
        box(x - half, y - half * 0.86, 2 * half, half * 0.66), half * 0.2, half * 0.2, fill(colour)
    )
    canvas.drawRect(
        box(x - half * 0.4, y - half * 0.42, half * 0.8, half * 0.14), fill(scaled(colour, 0.55))
    )
    lamp: Colour = (0.98, 0.16, 0.12) if leaving else (1.0, 0.96, 0.80)
    for side in (-1, 1):
        canvas.drawCircle(x + side * half * 0.70, y - half * 0.56, half * 0.15, fill(lamp))
        if light.lamps:
            glow(canvas, x + side * half * 0.70, y - half * 0.56, half * 1.2, lamp, 0.75)


@shows
def bus(stage: Stage, x: float, y: float, width: float, paint: Colour) -> None:
    """A city bus seen from the front, wheels at y, about 1.2 widths tall."""
    light, canvas = stage.light, stage.canvas
    colour = mix(light.near(paint), paint, 0.25)
    half, tall = width / 2, width * 1.18
    canvas.drawOval(oval(x, y, half * 1.1, half * 0.14), fill((0.0, 0.0, 0.03), 0.4))
    for side in (-1, 1):
        canvas.drawRect(
            box(x + side * half * 0.7 - half * 0.16, y - half * 0.3, half * 0.32, half * 0.32),
            fill((0.07, 0.07, 0.09)),
        )
    canvas.drawRoundRect(
        box(x - half, y - tall, width, tall - half * 0.14), half * 0.16, half * 0.16, fill(colour)
    )
    canvas.drawRoundRect(
        box(x - half * 0.86, y - tall * 0.80, width * 0.86, tall * 0.40),
        half * 0.08,
        half * 0.08,
        fill((1.0, 0.90, 0.66) if light.lamps else light.near((0.40, 0.52, 0.62))),
    )
    canvas.drawRect(
        box(x - half * 0.6, y - tall * 0.95, width * 0.6, tall * 0.10), fill((0.10, 0.10, 0.12))
    )
    canvas.drawRect(
        box(x - half * 0.5, y - tall * 0.93, width * 0.5, tall * 0.06), fill((1.0, 0.72, 0.20))
    )
    canvas.drawLine(
        x, y - tall * 0.80, x, y - tall * 0.40, stroke(scaled(colour, 0.6), half * 0.06)
    )
    for side in (-1, 1):
        canvas.drawCircle(
            x + side * half * 0.72, y - tall * 0.24, half * 0.12, fill((1.0, 0.96, 0.80))
        )
        if light.lamps:
            glow(
                canvas, x + side * half * 0.72, y - tall * 0.24, half * 0.8, (1.0, 0.95, 0.75), 0.7
            )
