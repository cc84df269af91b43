"""Lake, river and waterfall."""

import math

import numpy as np
import skia

from ..brush import EDGE, box, curve, fade, fill, height_at, puff, puff_paint, ridge, stroke
from ..elements.buildings import LOGS, house
from ..elements.land import GRASS, GREEN_HILL, ROCK, ground, mist_bank, mountains, plain
from ..elements.outdoors import bridge, dock, tent
from ..elements.people import NEAR, person
from ..elements.plants import AUTUMN, LEAF, bush, pine, tree
from ..elements.sky import sky
from ..elements.vessels import HULL, boat, sailboat
from ..elements.water import water
from ..palette import WHITE, Colour, mix, scaled
from ..stage import Stage

LAKE: Colour = (0.14, 0.36, 0.50)
RIVER: Colour = (0.16, 0.42, 0.52)
CLIFF: Colour = (0.38, 0.36, 0.38)


def _treeline(stage: Stage, y: float, size: float) -> None:
    """A broken band of small trees along the far shore."""
    autumn = stage.has("autumn")
    phase, period = stage.rng.uniform(0, 6.3), stage.rng.uniform(18, 34)
    x = -6.0
    while x < EDGE + 8:
        if stage.rng.random() < 0.42 + 0.55 * math.sin(x / period + phase):
            height = size * stage.rng.uniform(0.6, 1.2)
            if autumn:
                tree(stage, x, y + 1, height, stage.rng.choice(AUTUMN), 0.3)
                x += size * 0.3
            else:
                pine(stage, x, y + 1, height, 0.4)
        x += size * 0.3


def _rowing(stage: Stage, x: float, y: float, width: float) -> None:
    rower = "man" if stage.has("man_boat") else "woman" if stage.has("woman_boat") else ""
    colour = stage.colour("red", "blue", "orange", "yellow")
    # The named colour is the boat's: the rower's clothes take another.
    clothes = stage.rng.choice(
        ((0.90, 0.30, 0.22), (0.95, 0.78, 0.25), (0.30, 0.48, 0.85), (0.92, 0.92, 0.90))
    )
    hull = (
        colour
        if any(
            option in ("red", "blue", "orange", "yellow", "green", "purple", "pink", "white")
            for option in stage.spec.options
        )
        else HULL
    )
    boat(stage, x, y, width, rower, hull, clothes)


def lake(stage: Stage) -> None:
    """Mountains around still water; trees on the near shore frame it at times."""
    rng = stage.rng
    stage.horizon = rng.uniform(98, 146)
    sky(stage)
    mountains(stage, rng.choice((2, 3, 3)), rng.uniform(54, 84))
    if stage.has("autumn") or rng.random() < 0.75:
        _treeline(stage, stage.horizon, rng.uniform(13, 19))
    cabin_x = stage.spot(48)
    if stage.has("cabin"):
        shore = ridge(stage.noise, stage.horizon + 2, 1.0, 3)
        bank = skia.Path()
        bank.addOval(box(cabin_x - 56, stage.horizon - 5, 112, 12))
        stage.canvas.drawPath(bank, fill(stage.light.ground(scaled(GRASS, 0.8), 0.25)))
        for side in (-30, -22, 28):
            pine(stage, cabin_x + side, stage.horizon + 1, rng.uniform(26, 36), 0.2)
        house(stage, cabin_x, height_at(shore, cabin_x), 38, 0.08, LOGS)
    water(stage, LAKE, 0.78)
    if stage.light.weather == "mist" or stage.light.time == "dawn":
        mist_bank(stage, stage.horizon + 3, 13, 0.8)
    if stage.has("sailboat"):
        sailboat(
            stage,
            stage.spot(60),
            rng.uniform(stage.horizon + 34, 214),
            rng.uniform(56, 74),
            stage.colour("white"),
        )
    if stage.has("man_boat", "woman_boat", "boat"):
        lowest = 200 if stage.has("tent") else 222
        depth = rng.uniform(max(stage.horizon + 40, 180), lowest)
        _rowing(stage, stage.spot(64), depth, 54 + (depth - 170) * 0.6)
    if stage.has("dock"):
        dock(stage, stage.spot(80), rng.uniform(192, 206), rng.uniform(26, 34))
    if stage.has("tent"):
        line = ridge(stage.noise, 232, 5, 2)
        ground(stage, line, GRASS)
        x = stage.spot(60)
        tent(stage, x, height_at(line, x) + 6, 62, stage.colour("orange"))
    elif rng.random() < 0.5:
        _frame(stage)


def _frame(stage: Stage) -> None:
    """Dark trees close to the viewer, on one side or both."""
    rng = stage.rng
    for side in rng.choice(((-1,), (1,), (-1, 1))):
        edge = 0 if side < 0 else EDGE
        for _ in range(rng.randint(2, 3)):
            x, height = edge - side * rng.uniform(-8, 34), rng.uniform(70, 120)
            if stage.has("autumn"):
                tree(stage, x, EDGE + 6, height * 0.9, rng.choice(AUTUMN))
            else:
                pine(stage, x, EDGE + 6, height)


def _bend(
    stage: Stage, source: float, mouth: float, swing: float
) -> tuple[list[float], list[float], list[float]]:
    """Left edge, right edge and heights of a winding river from the horizon to the bottom."""
    left, right, level = [], [], []
    for step in range(22):
        near = step / 21
        centre = (
            source + (mouth - source) * near + swing * math.sin(near * 4.2) * (0.25 + 0.75 * near)
        )
        half = 3 + 74 * near**1.55
        left.append(centre - half)
        right.append(centre + half)
        level.append(stage.horizon + 1 + (EDGE + 4 - stage.horizon) * near**1.25)
    return left, right, level


def river(stage: Stage) -> None:
    """A river winding towards the viewer between banks, or crossed by a bridge."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    stage.horizon = rng.uniform(92, 128)
    sky(stage)
    green = rng.random() < 0.5
    mountains(
        stage,
        2,
        rng.uniform(36, 60),
        GREEN_HILL if green else ROCK,
        not green,
        0.0 if green else 1.0,
    )
    grass = mix(GRASS, (0.78, 0.56, 0.24), 0.5) if stage.has("autumn") else GRASS
    plain(stage, grass)
    _treeline(stage, stage.horizon + 2, 15)
    source, mouth, swing = (
        rng.uniform(70, 186),
        rng.uniform(104, 152),
        rng.choice((-1, 1)) * rng.uniform(14, 34),
    )
    left, right, level = _bend(stage, source, mouth, swing)
    body = light.far(RIVER, 0.1)
    edges = [*zip(left, level, strict=True), *reversed(list(zip(right, level, strict=True)))]
    course = skia.Path.Polygon([skia.Point(x, y) for x, y in edges], True)
    canvas.drawPath(course, stroke(light.ground(scaled(grass, 0.7), 0.1), 4))
    canvas.drawPath(
        course,
        fade(
            stage.horizon,
            EDGE,
            mix(light.horizon, body, 0.25),
            mix(light.middle, body, 0.55),
            scaled(body, 0.9),
        ),
    )
    canvas.save()
    canvas.clipPath(course, True)
    flow = skia.Path()
    for _ in range(46):
        near = rng.random()
        index = min(20, int(near**0.8 * 21))
        x, half = rng.uniform(left[index], right[index]), 3 + 16 * near
        flow.addOval(box(x - half, level[index] + rng.uniform(0, 8), 2 * half, 0.8 + near))
    canvas.drawPath(flow, fill(mix(light.horizon, WHITE, 0.25), 0.4))
    canvas.restore()
    if stage.has("bridge"):
        index = rng.randint(9, 12)
        middle = (left[index] + right[index]) / 2
        bridge(stage, level[index] + 10, (right[index] - left[index]) * 1.25 + 66, middle)
    if stage.has("cabin"):
        x = 44 if left[12] > EDGE - right[12] else 212
        house(stage, x, level[11] + rng.uniform(0, 10), 52, 0.08, LOGS)
    for _ in range(7):
        index = rng.randint(5, 19)
        side = rng.choice((-1, 1))
        gap = rng.uniform(8, 26) * (0.3 + index / 21)
        x = left[index] - gap if side < 0 else right[index] + gap
        size = 20 + 70 * index / 21
        if rng.random() < 0.4:
            bush(
                stage,
                x,
                level[index],
                size * 0.45,
                rng.choice(AUTUMN) if stage.has("autumn") else LEAF,
                0.2,
            )
        elif -20 < x < 40 or 216 < x < 276:
            if stage.has("autumn"):
                tree(stage, x, level[index], size, rng.choice(AUTUMN), 0.15)
            else:
                pine(stage, x, level[index], size, 0.15)
    stage.channel = (left[18], right[18])
    if stage.has("man_boat", "woman_boat", "boat"):
        index = rng.randint(17, 19)
        _rowing(stage, (left[index] + right[index]) / 2, level[index], rng.uniform(58, 72))
    if light.weather == "mist" or light.time == "dawn":
        mist_bank(stage, stage.horizon + 8, 14, 0.6)


def _rock_wall(stage: Stage, side: int, inner: float, top: float, bottom: float) -> None:
    """A cliff from one edge of the picture to x = inner, with ledges."""
    rng, light = stage.rng, stage.light
    edge = -8.0 if side < 0 else EDGE + 8
    colour = light.far(CLIFF, 0.12)
    profile = [(edge, top - rng.uniform(4, 16))]
    for step in range(1, 5):
        profile.append((edge + (inner - edge) * step / 5, top + rng.uniform(-8, 8)))
    profile.append((inner, top + 2))
    for step in range(1, 6):
        profile.append((inner - side * rng.uniform(-5, 5), top + (bottom - top) * step / 5))
    outline = [*profile, (edge, bottom)]
    path = skia.Path.Polygon([skia.Point(x, y) for x, y in outline], True)
    stage.canvas.drawPath(
        path, fade(top - 10, bottom, mix(colour, light.sun, 0.14), scaled(colour, 0.68))
    )
    stage.canvas.save()
    stage.canvas.clipPath(path, True)
    for _ in range(13):
        x, y = rng.uniform(min(edge, inner), max(edge, inner)), rng.uniform(top, bottom)
        wide, tall = rng.uniform(10, 30), rng.uniform(6, 18)
        facet = skia.Path.Polygon(
            [
                skia.Point(x, y),
                skia.Point(x + wide, y + tall * 0.3),
                skia.Point(x + wide * 0.6, y + tall),
                skia.Point(x - wide * 0.2, y + tall * 0.8),
            ],
            True,
        )
        stage.canvas.drawPath(
            facet, fill(rng.choice((mix(colour, light.sun, 0.22), scaled(colour, 0.6))), 0.5)
        )
    stage.canvas.restore()
    lawn = light.ground(GRASS, 0.1)
    crown = skia.Path.Polygon(
        [
            skia.Point(x, y)
            for x, y in [*profile[:6], *[(x, y + 7) for x, y in reversed(profile[:6])]]
        ],
        True,
    )
    stage.canvas.drawPath(crown, fill(lawn))


def waterfall(stage: Stage) -> None:
    """A fall between cliffs into a pool, seen from the pool's edge."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    stage.horizon = rng.uniform(86, 116)
    sky(stage)
    mountains(stage, 2, rng.uniform(34, 56))
    top, pool = stage.horizon + rng.uniform(-12, 10), rng.uniform(178, 198)
    centre, half = rng.uniform(92, 164), rng.uniform(17, 34)
    plain(stage, scaled(CLIFF, 0.8), 0.3)
    _rock_wall(stage, -1, centre - half, top, pool)
    _rock_wall(stage, 1, centre + half, top, pool)
    white = mix(light.near(WHITE), light.horizon, 0.2)
    blue = mix(light.near((0.56, 0.78, 0.90)), light.middle, 0.12)
    sheet = curve(
        (centre - half, top + 4),
        (centre - half * 1.05, pool),
        (centre - half * 1.25, pool + 4),
        (centre, pool + 10),
        (centre + half * 1.25, pool + 4),
        (centre + half * 1.05, pool),
        (centre + half, top + 4),
    )
    canvas.drawPath(sheet, fade(top, pool, blue, white, white))
    for x in np.linspace(centre - half * 0.85, centre + half * 0.85, 9):
        jitter = float(x) + rng.uniform(-1.5, 1.5)
        canvas.drawLine(
            jitter,
            top + rng.uniform(4, 30),
            jitter + (jitter - centre) * 0.15,
            pool - rng.uniform(0, 30),
            stroke(blue, rng.uniform(1, 2.6), 0.55),
        )
    water_colour = light.far((0.14, 0.42, 0.50), 0.05)
    canvas.drawRect(
        box(0, pool, EDGE, EDGE - pool),
        fade(pool, EDGE, mix(water_colour, white, 0.35), water_colour, scaled(water_colour, 0.75)),
    )
    rings = skia.Path()
    for ring in range(6):
        rings.addOval(
            box(centre - half * (1.4 + ring * 0.5), pool + 6 + ring * 8, half * (2.8 + ring), 3.5)
        )
    canvas.drawPath(rings, fill(white, 0.32))
    foam = puff_paint(white, 0.9)
    for _ in range(9):
        puff(
            canvas,
            centre + rng.uniform(-1.3, 1.3) * half,
            pool + rng.uniform(-4, 5),
            rng.uniform(12, 22),
            rng.uniform(7, 13),
            foam,
        )
    for side in (-1, 1):
        for _ in range(3):
            x = centre + side * (half + rng.uniform(16, 96))
            if stage.has("autumn"):
                tree(stage, x, top + 6, rng.uniform(28, 44), rng.choice(AUTUMN), 0.15)
            else:
                pine(stage, x, top + 6, rng.uniform(30, 52), 0.15)
    line = ridge(stage.noise, 238, 5, 2)
    ground(stage, line, scaled(GRASS, 0.8))
    _by_the_pool(stage, line)
    for _ in range(5):
        x = rng.uniform(0, EDGE)
        bush(
            stage,
            x,
            height_at(line, x) + 8,
            rng.uniform(18, 34),
            rng.choice(AUTUMN) if stage.has("autumn") else LEAF,
        )


def _by_the_pool(stage: Stage, line: tuple[np.ndarray, np.ndarray]) -> None:
    x = stage.rng.choice((stage.rng.uniform(40, 84), stage.rng.uniform(172, 216)))
    y = height_at(line, x) + 5
    if stage.has("couple"):
        person(stage, "man", x - 16, y, NEAR, (0.25, 0.40, 0.75))
        person(stage, "woman", x + 17, y, NEAR * 0.93, (0.90, 0.30, 0.35))
    for kind in ("man", "woman"):
        if stage.has(kind):
            person(stage, kind, x, y, NEAR, stage.colour())
    if stage.has("tent"):
        tent(stage, x, y, 58, stage.colour("orange"))
