"""What lines a street: façades in perspective and straight on, lamp posts, the skyline behind."""

from dataclasses import dataclass

import skia

from ..brush import EDGE, Point, box, fill, glow, polygon, stroke
from ..palette import Colour, mix, scaled
from ..stage import Stage

BRICK: tuple[Colour, ...] = (
    (0.66, 0.36, 0.28),
    (0.78, 0.68, 0.54),
    (0.50, 0.56, 0.66),
    (0.84, 0.72, 0.60),
    (0.60, 0.50, 0.52),
    (0.72, 0.44, 0.36),
    (0.66, 0.70, 0.66),
)
AWNINGS: tuple[Colour, ...] = (
    (0.80, 0.22, 0.20),
    (0.20, 0.46, 0.36),
    (0.22, 0.34, 0.62),
    (0.88, 0.62, 0.20),
)
ASPHALT: Colour = (0.36, 0.37, 0.41)
PAVEMENT: Colour = (0.66, 0.64, 0.62)
LAMP: Colour = (1.0, 0.80, 0.44)
EYE = 26.0  # height of the eye above the road, in street units


@dataclass(frozen=True)
class View:
    """Perspective: street units (across, up) at depth z to picture units; z = 1 is close."""

    vanish_x: float
    eye_y: float

    def at(self, across: float, up: float, depth: float) -> Point:
        return self.vanish_x + across / depth, self.eye_y - (up - EYE) / depth


def _window_tone(stage: Stage, wall: Colour) -> tuple[Colour, Colour]:
    """Colours of lit and unlit windows."""
    unlit = mix(scaled(wall, 0.5), stage.light.middle, 0.25)
    return LAMP, unlit


def facade(stage: Stage, view: View, across: float, near: float, far: float, height: float) -> None:
    """One building's front along the street, from depth `near` to `far`."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    distance = min(1.0, (near - 0.5) / 6)
    wall = light.far(rng.choice(BRICK), distance * 0.85)
    sunny = (across < 0) != (stage.sun_x < EDGE / 2)
    wall = wall if sunny else scaled(wall, 0.82)
    outward = 1 if across > 0 else -1

    def quad(z0: float, z1: float, low: float, high: float) -> list[Point]:
        return [
            view.at(across, low, z0),
            view.at(across, high, z0),
            view.at(across, high, z1),
            view.at(across, low, z1),
        ]

    back = [
        view.at(across, height, far),
        view.at(across, 0, far),
        view.at(across + outward * 50, 0, far),
        view.at(across + outward * 50, height, far),
    ]
    canvas.drawPath(polygon(back), fill(scaled(wall, 0.7)))
    canvas.drawPath(polygon(quad(near, far, 0, height)), fill(wall))
    cornice = fill(
        light.ground(scaled(mix(wall, light.horizon, 0.25), 1.05))
        if light.snowy
        else mix(wall, light.sun, 0.3)
    )
    canvas.drawPath(polygon(quad(near * 0.985, far, height - 3, height + 2)), cornice)
    canvas.drawPath(polygon(quad(near, far, 25, 27.5)), cornice)
    lit, unlit = _window_tone(stage, wall)
    panes = {True: skia.Path(), False: skia.Path()}
    columns = max(2, min(5, round(7 * (far - near) / near)))
    rows = int((height - 32) / 19)

    def depth(share: float) -> float:
        return 1 / (1 / near + (1 / far - 1 / near) * share)

    for column in range(columns):
        z0, z1 = depth((column + 0.24) / columns), depth((column + 0.76) / columns)
        for row in range(rows):
            on = light.lamps and rng.random() < 0.55
            low = 32 + row * 19
            panes[on].addPath(polygon(quad(z0, z1, low, low + 12)))
    canvas.drawPath(panes[False], fill(unlit))
    canvas.drawPath(panes[True], fill(mix(lit, light.horizon, distance * 0.3)))
    shop0, shop1 = depth(0.10), depth(0.90)
    canvas.drawPath(
        polygon(quad(shop0, shop1, 2, 19)),
        fill(
            mix((1.0, 0.76, 0.40), light.horizon, distance * 0.3)
            if light.lamps
            else scaled(unlit, 0.9)
        ),
    )
    canvas.drawPath(polygon(quad(depth(0.44), depth(0.56), 0, 17)), fill(scaled(wall, 0.45)))
    if rng.random() < 0.65:
        hem = [
            view.at(across, 23, shop0),
            view.at(across, 23, shop1),
            view.at(across - outward * 8, 17, shop1),
            view.at(across - outward * 8, 17, shop0),
        ]
        canvas.drawPath(polygon(hem), fill(light.ground(rng.choice(AWNINGS), distance * 0.6)))
    if light.lamps:
        x, y = view.at(across, 10, (near + far) / 2)
        glow(canvas, x, y, 26 / near + 10, (1.0, 0.66, 0.3), 0.32)


def front(stage: Stage, x: float, foot: float, wide: float, tall: float) -> None:
    """A façade seen straight on: shop, storeys of framed windows, cornice."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    wall = light.far(rng.choice(BRICK), 0.06)
    canvas.drawRect(box(x, foot - tall, wide, tall), fill(wall))
    canvas.drawRect(
        box(x - 1.5, foot - tall - 3, wide + 3, 6),
        fill(light.ground(scaled(PAVEMENT, 0.95)) if light.snowy else mix(wall, light.sun, 0.3)),
    )
    lit, unlit = _window_tone(stage, wall)
    columns = 3 if wide > 60 else 2
    rows = int((tall - 48) / 26)
    frames, panes = skia.Path(), {True: skia.Path(), False: skia.Path()}
    cell = wide / columns
    for column in range(columns):
        for row in range(rows):
            wx, wy = x + column * cell + cell * 0.28, foot - 62 - row * 26
            frames.addRect(box(wx - 1.4, wy - 1.4, cell * 0.44 + 2.8, 19))
            panes[light.lamps and rng.random() < 0.55].addRect(box(wx, wy, cell * 0.44, 16))
    canvas.drawPath(frames, fill(mix(wall, light.sun, 0.32)))
    canvas.drawPath(panes[False], fill(unlit))
    canvas.drawPath(panes[True], fill(lit))
    shop: Colour = (1.0, 0.78, 0.42) if light.lamps else mix(unlit, light.horizon, 0.25)
    canvas.drawRect(box(x + wide * 0.08, foot - 27, wide * 0.52, 22), fill(shop))
    canvas.drawRect(box(x + wide * 0.70, foot - 29, wide * 0.19, 29), fill(scaled(wall, 0.45)))
    awning, stripes = rng.choice(AWNINGS), 6
    for stripe in range(stripes):
        tone = light.ground(awning if stripe % 2 == 0 else (0.95, 0.93, 0.90), 0.0)
        x0 = x + wide * 0.04 + stripe * wide * 0.60 / stripes
        canvas.drawPath(
            polygon(
                [
                    (x0, foot - 36),
                    (x0 + wide * 0.1, foot - 36),
                    (x0 + wide * 0.11, foot - 25),
                    (x0 - wide * 0.01, foot - 25),
                ]
            ),
            fill(tone),
        )
    if light.lamps:
        glow(canvas, x + wide * 0.34, foot - 14, 34, (1.0, 0.68, 0.32), 0.4)


def lamp_posts(stage: Stage, view: View, across: float) -> None:
    light, canvas = stage.light, stage.canvas
    iron = light.far((0.16, 0.17, 0.20), 0.05)
    for depth in (4.2, 2.7, 1.75, 1.15):
        for side in (-1, 1):
            foot, head = view.at(side * across, 0, depth), view.at(side * across, 62, depth)
            arm = view.at(side * (across - 10), 61, depth)
            canvas.drawLine(*foot, *head, stroke(iron, 2.2 / depth))
            canvas.drawLine(*head, *arm, stroke(iron, 1.8 / depth))
            canvas.drawCircle(
                *arm,
                2.8 / depth,
                fill((1.0, 0.93, 0.70) if light.lamps else light.near((0.85, 0.85, 0.85))),
            )
            if light.lamps:
                glow(canvas, arm[0], arm[1], 30 / depth + 4, (1.0, 0.78, 0.42), 0.7)


def skyline(stage: Stage, centre: float, half: float, level: float, tall: float) -> None:
    """Pale towers closing the view."""
    rng, light = stage.rng, stage.light
    x = centre - half
    while x < centre + half:
        wide, high = rng.uniform(7, 14), tall * rng.uniform(0.4, 1.0)
        stage.canvas.drawRect(
            box(x, level - high, wide + 0.5, high + 2),
            fill(light.far((0.42, 0.46, 0.56), rng.uniform(0.6, 0.85))),
        )
        if light.lamps:
            lights = skia.Path()
            for _ in range(4):
                lights.addRect(
                    box(
                        x + rng.uniform(1, wide - 2), level - high * rng.uniform(0.1, 0.9), 1.3, 1.6
                    )
                )
            stage.canvas.drawPath(lights, fill(LAMP, 0.75))
        x += wide
