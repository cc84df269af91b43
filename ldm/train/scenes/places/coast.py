"""Sea, beach and island."""

import numpy as np
import skia

from ..brush import EDGE, Line, box, curve, fade, fill, land_path, polygon, ridge, sweep
from ..elements.buildings import hut, lighthouse
from ..elements.people import NEAR, person
from ..elements.plants import LEAF, bush, palm
from ..elements.sky import sky
from ..elements.vessels import HULL, boat, sailboat, ship
from ..elements.water import water, waves
from ..palette import PAINTS, WHITE, Colour, mix, scaled
from ..stage import Stage

SEA: Colour = (0.06, 0.34, 0.54)
TROPICAL: Colour = (0.08, 0.58, 0.64)
SAND: Colour = (0.95, 0.83, 0.60)


def _headland(stage: Stage, x: float) -> float:
    """A rocky cape about x, running off the nearer edge; returns where its top lies."""
    rng, light = stage.rng, stage.light
    top = stage.horizon - rng.uniform(8, 22)
    side = -1 if x < EDGE / 2 else 1
    edge = -10 if side < 0 else EDGE + 10
    rock = light.far((0.36, 0.35, 0.33), 0.08)
    tip = x - side * rng.uniform(34, 52)
    outline = [
        (edge, top - rng.uniform(-4, 12)),
        (x + side * 20, top - 2),
        (x, top),
        (x - side * 16, top + 3),
        (tip + side * 8, stage.horizon - 1),
        (tip, stage.horizon + 12),
        (edge, stage.horizon + 20),
    ]
    stage.canvas.drawPath(
        polygon(outline),
        fade(top, stage.horizon + 16, mix(rock, light.sun, 0.2), scaled(rock, 0.62)),
    )
    lawn = [
        (edge, top - 5),
        (x + side * 20, top - 4),
        (x - side * 12, top + 1),
        (x + side * 10, top + 6),
        (edge, top + 9),
    ]
    stage.canvas.drawPath(polygon(lawn), fill(light.ground((0.34, 0.50, 0.26), 0.1)))
    return top


def sea(stage: Stage) -> None:
    """Open water; a cape carries the lighthouse."""
    rng = stage.rng
    stage.horizon = rng.uniform(96, 168)
    sky(stage)
    water(stage, SEA, 0.45)
    waves(stage, EDGE + 6, 1.3 if stage.light.weather == "rain" else 0.8)
    cape = rng.choice((rng.uniform(42, 84), rng.uniform(172, 214)))
    if stage.has("ship"):
        berth = EDGE - cape if stage.has("lighthouse") else stage.spot(70)
        ship(
            stage,
            berth,
            stage.horizon + rng.uniform(8, 26),
            rng.uniform(78, 104),
            stage.colour("red", "blue"),
        )
    if stage.has("sailboat"):
        away = EDGE - cape if stage.has("lighthouse") else stage.spot(56)
        sailboat(
            stage,
            away,
            rng.uniform(stage.horizon + 22, 210),
            rng.uniform(56, 84),
            stage.colour("white"),
        )
    if stage.has("sailboats"):
        start = rng.uniform(46, 70)
        for index in range(rng.choice((2, 3))):
            sailboat(
                stage,
                start + index * 66 + rng.uniform(-6, 6),
                stage.horizon + rng.uniform(16, 54),
                rng.uniform(48, 60),
                PAINTS["white"],
            )
    if stage.has("lighthouse"):
        lighthouse(stage, cape, _headland(stage, cape) + 2, rng.uniform(78, 104))
    if stage.has("man_boat"):
        named = any(option in PAINTS for option in stage.spec.options)
        boat(
            stage,
            stage.spot(64),
            rng.uniform(max(188, stage.horizon + 40), 222),
            rng.uniform(62, 82),
            "man",
            stage.colour() if named else HULL,
            rng.choice(((0.92, 0.76, 0.22), (0.9, 0.3, 0.25), (0.3, 0.45, 0.8))),
        )


def _surf(stage: Stage, line: Line) -> None:
    x, y = line
    foam = mix(stage.light.far(WHITE, 0.0), stage.light.horizon, 0.2)
    for lift, alpha in ((11.0, 0.35), (5.0, 0.9)):
        stage.canvas.drawPath(land_path((x, y - lift)), fill(foam, alpha))


def _sand(stage: Stage, line: Line) -> None:
    light, rng = stage.light, stage.rng
    wet, dry = light.far(scaled(SAND, 0.82), 0.0), light.far(SAND, 0.0)
    top = float(line[1].min())
    stage.canvas.drawPath(land_path(line), fade(top, top + 34, wet, dry, dry))
    grains = skia.Path()
    for _ in range(60):
        grains.addCircle(rng.uniform(0, EDGE), rng.uniform(top + 14, EDGE), 0.8)
    stage.canvas.drawPath(grains, fill(scaled(dry, 0.8), 0.5))


def parasol(stage: Stage, x: float, y: float, height: float, colour: Colour) -> None:
    """A striped beach umbrella with a towel in its shade."""
    canvas, light = stage.canvas, stage.light
    towel = light.near((0.30, 0.62, 0.82))
    canvas.drawPath(
        polygon(
            [
                (x - height * 0.42, y),
                (x + height * 0.30, y),
                (x + height * 0.42, y + height * 0.14),
                (x - height * 0.34, y + height * 0.14),
            ]
        ),
        fill(towel),
    )
    canvas.drawPath(
        polygon([(x - 1.2, y + 2), (x + 1.2, y + 2), (x + 4.2, y - height), (x + 2.2, y - height)]),
        fill(light.near((0.92, 0.92, 0.90))),
    )
    half = height * 0.58
    dome = skia.Rect.MakeXYWH(x + 3 - half, y - height * 1.08, 2 * half, height * 0.94)
    for stripe in range(6):
        tone = light.near(colour if stripe % 2 else (0.98, 0.97, 0.95))
        canvas.drawArc(dome, 180 + stripe * 30, 30.5, True, fill(tone))


def beach(stage: Stage) -> None:
    """Sand before the water, seen along or across."""
    rng = stage.rng
    stage.horizon = rng.uniform(88, 132)
    sky(stage)
    water(stage, TROPICAL, 0.32)
    waves(stage, 210, 0.6)
    if stage.has("sailboat"):
        sailboat(
            stage,
            stage.spot(60),
            stage.horizon + rng.uniform(20, 44),
            rng.uniform(52, 64),
            stage.colour("white"),
        )
    level, slope = rng.uniform(196, 214), rng.choice((0.0, 0.0, -1.0, 1.0)) * rng.uniform(10, 26)
    x, y = ridge(stage.noise, level, 6, 2, 0.35)
    line = (x, y + slope * (x - EDGE / 2) / EDGE)
    stage.land = line
    _surf(stage, line)
    _sand(stage, line)
    side = rng.choice((-1, 1))
    if stage.has("palms"):
        _palms(stage, side)
    _on_sand(stage, -side if stage.has("palms") else rng.choice((-1, 0, 1)))


def _palms(stage: Stage, side: int) -> None:
    rng = stage.rng
    edge = 0 if side < 0 else EDGE
    for index in range(rng.choice((1, 2, 2, 3))):
        foot = edge - side * (14 + index * rng.uniform(24, 34))
        palm(stage, foot, rng.uniform(236, 250), rng.uniform(112, 156), -side * rng.uniform(8, 36))


def _on_sand(stage: Stage, side: int) -> None:
    rng = stage.rng
    x, y = EDGE / 2 + side * rng.uniform(26, 70), rng.uniform(234, 246)
    if stage.has("parasol"):
        parasol(stage, x, y - 6, rng.uniform(46, 60), stage.colour("red", "blue", "orange"))
        x += 52 if x < EDGE / 2 else -52
    walking = rng.random() < 0.4
    for kind in ("man", "woman", "child"):
        if stage.has(kind):
            person(stage, kind, x, y, NEAR, stage.colour(), walking)
    if stage.has("couple"):
        person(stage, "man", x - 16, y, NEAR, (0.25, 0.40, 0.75), walking)
        person(stage, "woman", x + 17, y, NEAR * 0.93, (0.92, 0.34, 0.40), walking)


def island(stage: Stage) -> None:
    """A small island with palms in the middle of a warm sea."""
    rng, light = stage.rng, stage.light
    stage.horizon = rng.uniform(112, 140)
    sky(stage)
    water(stage, TROPICAL, 0.4)
    waves(stage, EDGE + 6, 0.6)
    x, y = rng.uniform(100, 156), stage.horizon + rng.uniform(26, 44)
    half, tall = rng.uniform(62, 84), rng.uniform(22, 34)
    shallow = mix(light.far((0.45, 0.90, 0.86), 0.0), light.horizon, 0.1)
    stage.canvas.drawOval(box(x - half * 1.25, y - 8, half * 2.5, 26), fill(shallow, 0.6))
    sand = light.far(SAND, 0.0)
    beach_shape = curve(
        (x - half, y + 4),
        (x - half * 0.6, y - tall * 0.5),
        (x, y - tall * 0.55),
        (x + half * 0.6, y - tall * 0.5),
        (x + half, y + 4),
        (x, y + 14),
        (x - half, y + 4),
    )
    stage.canvas.drawPath(
        beach_shape, sweep(x - half, x + half, mix(sand, light.sun, 0.15), sand, scaled(sand, 0.84))
    )
    grass = light.far((0.34, 0.62, 0.28), 0.05)
    knoll = curve(
        (x - half * 0.66, y - 3),
        (x - half * 0.3, y - tall),
        (x, y - tall),
        (x + half * 0.3, y - tall),
        (x + half * 0.66, y - 3),
        (x, y + 3),
        (x - half * 0.66, y - 3),
    )
    stage.canvas.drawPath(knoll, fade(y - tall, y, mix(grass, light.sun, 0.12), scaled(grass, 0.8)))
    stage.land = (np.array([x - half * 0.8, x + half * 0.8]), np.array([y, y]))
    if stage.has("lighthouse"):
        lighthouse(stage, x + half * 0.1, y - tall * 0.55, rng.uniform(72, 88))
    for index in range(rng.choice((1, 2, 3)) if not stage.has("lighthouse") else 1):
        foot = x - half * 0.45 + index * half * 0.22
        palm(
            stage,
            foot,
            y - tall * 0.3,
            rng.uniform(56, 78),
            rng.choice((-1, 1)) * rng.uniform(6, 22),
        )
    if stage.has("hut"):
        hut(stage, x + half * 0.28, y - tall * 0.22, 40)
    for _ in range(3):
        bush(stage, x + rng.uniform(-0.5, 0.5) * half, y - 2, rng.uniform(12, 20), LEAF)
    if stage.has("man"):
        person(stage, "man", x + half * 0.5, y + 6, 48, stage.colour())
    if stage.has("sailboat"):
        sailboat(
            stage,
            rng.choice((rng.uniform(44, 80), rng.uniform(176, 212))),
            rng.uniform(214, 232),
            rng.uniform(58, 72),
            stage.colour("white"),
        )
    if stage.has("boat"):
        named = any(option in PAINTS for option in stage.spec.options)
        boat(
            stage,
            stage.spot(60),
            rng.uniform(208, 228),
            rng.uniform(56, 68),
            "",
            stage.colour() if named else HULL,
            WHITE,
        )
