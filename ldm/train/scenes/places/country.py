"""Village, hill (meadow) and field."""

import math

import skia

from ..brush import EDGE, Line, box, fade, fill, height_at, oval, polygon, ridge, stroke, sweep
from ..elements.buildings import church, house, windmill
from ..elements.land import GRASS, GREEN_HILL, ROCK, ground, mountains, plain
from ..elements.outdoors import campfire, tent
from ..elements.people import people
from ..elements.plants import AUTUMN, LEAF, MEADOW_FLOWERS, bare_tree, flowers, grass, pine, tree
from ..elements.sky import sky
from ..palette import Colour, mix, scaled
from ..stage import Stage

WHEAT: Colour = (0.92, 0.76, 0.32)
LAVENDER: Colour = (0.56, 0.42, 0.80)
SUNFLOWER: Colour = (0.98, 0.80, 0.12)


def village(stage: Stage) -> None:
    """Cottages on slopes under mountains, or along a lane."""
    rng = stage.rng
    stage.horizon = rng.uniform(88, 118)
    sky(stage)
    mountains(stage, 3, rng.uniform(46, 66))
    plain(stage, GRASS)
    lane = stage.has("lane")
    rows = 3
    vanish = rng.uniform(96, 160)
    lines: list[Line] = []
    for row in range(rows):
        near = row / (rows - 1)
        line = ridge(stage.noise, stage.horizon + 12 + 62 * near, 8 - 4 * near, 2, 0.35)
        lines.append(line)
        ground(stage, line, mix(GRASS, scaled(GRASS, 0.8), near), 0.45 * (1 - near))
        if lane and row == rows - 1:
            _lane(stage, vanish)
        _cottages(stage, line, near, vanish if lane else None)
    if stage.has("church"):
        x = stage.spot(60)
        church(stage, x, height_at(lines[1], x) + 12, rng.uniform(72, 92))
    if stage.has("flowers"):
        flowers(stage, 206, 150, MEADOW_FLOWERS)
    people(stage, vanish if lane else stage.spot(60), rng.uniform(234, 246))


def _lane(stage: Stage, vanish: float) -> None:
    light = stage.light
    colour = (0.80, 0.70, 0.54)
    y = stage.horizon + 56
    stage.canvas.drawPath(
        polygon(
            [(vanish - 5, y), (vanish + 5, y), (vanish + 56, EDGE + 2), (vanish - 56, EDGE + 2)]
        ),
        fade(
            y, EDGE, light.ground(scaled(colour, 0.9), 0.3), light.ground(scaled(colour, 0.86), 0.0)
        ),
    )


def _cottages(stage: Stage, line: Line, near: float, lane: float | None) -> None:
    rng = stage.rng
    count = 4 - int(near * 2)
    width = 25 + 31 * near
    slots = [16 + (224 / count) * (index + rng.uniform(0.15, 0.85)) for index in range(count)]
    for x in slots:
        gap = 12 + 50 * near
        if lane is not None and abs(x - lane) < gap:
            x = lane + math.copysign(gap, x - lane)
        if near == 1 and 90 < x < 166 and lane is None:
            x = rng.choice((rng.uniform(24, 70), rng.uniform(186, 232)))
        wood = x + rng.choice((-1, 1)) * width * 0.8
        kind = pine if stage.light.snowy or rng.random() < 0.5 else tree
        kind(
            stage,
            wood,
            height_at(line, wood) + 4,
            (20 + 34 * near) * rng.uniform(0.8, 1.2),
            distance=0.4 * (1 - near),
        )
        house(stage, x, height_at(line, x) + 8, width * rng.uniform(0.9, 1.15), 0.35 * (1 - near))


def hill(stage: Stage) -> None:
    """A grassy hill or meadow with something on its top."""
    rng = stage.rng
    stage.horizon = rng.uniform(112, 154)
    sky(stage)
    soft = rng.random() < 0.5
    mountains(
        stage, 2, rng.uniform(34, 60), GREEN_HILL if soft else ROCK, not soft, 0.0 if soft else 1.0
    )
    plain(stage, GRASS)
    ground(stage, ridge(stage.noise, stage.horizon + 16, 6, 2, 0.3), GRASS, 0.45)
    x, y = ridge(stage.noise, rng.uniform(190, 212), 5, 2, 0.3)
    top = stage.spot(88)
    swell = rng.uniform(10, 34)
    line = (x, y - swell * 2.0 ** (-(((x - top) / 72) ** 2)))
    ground(stage, line, scaled(GRASS, 0.86), 0.05)
    stage.land = line
    grass(stage, float(line[1].min()) + 8, 120, scaled(GRASS, 0.7))
    if stage.has("flowers"):
        flowers(stage, float(line[1].min()) + 14, 170, MEADOW_FLOWERS)
    _on_top(stage, line, top)


def _on_top(stage: Stage, line: Line, x: float) -> None:
    rng = stage.rng
    y = height_at(line, x) + 5
    beside = x + rng.choice((-1, 1)) * rng.uniform(36, 50)
    if stage.has("house"):
        house(stage, x, y + 2, rng.uniform(62, 80), 0.05)
    if stage.has("windmill"):
        windmill(stage, x, y, rng.uniform(92, 116))
    if stage.has("tree"):
        if stage.light.snowy:
            bare_tree(stage, x, y, rng.uniform(84, 108))
        else:
            leaf = rng.choice((LEAF, (0.26, 0.52, 0.22), (0.16, 0.40, 0.20)))
            tree(stage, x, y, rng.uniform(88, 118), leaf)
    if stage.has("tent"):
        tent(stage, x, y, rng.uniform(66, 84), stage.colour("orange", "red", "blue"))
    if stage.has("campfire"):
        pair = stage.has("tent")
        campfire(
            stage,
            beside if pair else x,
            (height_at(line, beside) + 10) if pair else y + 4,
            26 if pair else 36,
        )
    place = beside if stage.has("tree", "tent") else x
    people(stage, place, height_at(line, place) + 6)
    if not stage.has("windmill", "house") and rng.random() < 0.5:
        for side in (0, EDGE):
            for _ in range(2):
                px = side + rng.uniform(-6, 28) * (1 if side == 0 else -1)
                pine(stage, px, height_at(line, px) + rng.uniform(12, 34), rng.uniform(34, 60))


def _furrows(stage: Stage, colour: Colour, top: float) -> None:
    """Rows running to a vanishing point, alternately light and dark."""
    rng, light = stage.rng, stage.light
    vanish = rng.uniform(60, 196)
    base = mix(light.far(colour, 0.1), light.near(colour), 0.5)
    far = light.far(colour, 0.6)
    stage.canvas.drawRect(
        box(0, top, EDGE, EDGE - top), fade(top, EDGE, far, base, scaled(base, 0.9))
    )
    dark = scaled(light.far(mix(colour, (0.24, 0.34, 0.14), 0.6), 0.1), 0.85)
    for row in range(-14, 15):
        foot, half = vanish + row * 44, 11.0
        wedge = polygon(
            [
                (vanish + row * 3.2, top),
                (vanish + row * 3.2 + 0.8, top),
                (foot + half, EDGE + 4),
                (foot - half, EDGE + 4),
            ]
        )
        stage.canvas.drawPath(wedge, fade(top, EDGE, (mix(dark, far, 0.6), 0.7), (dark, 0.9)))


def _crop(stage: Stage, top: float) -> None:
    rng, light = stage.rng, stage.light
    if stage.has("lavender"):
        _furrows(stage, LAVENDER, top)
    elif stage.has("sunflowers"):
        _furrows(stage, (0.42, 0.58, 0.20), top)
        heads = sorted(rng.random() ** 0.7 for _ in range(110))
        for near in heads:
            y, size = top + 5 + (EDGE - top) * near, 1.4 + 7.0 * near
            x = rng.uniform(0, EDGE)
            stage.canvas.drawOval(oval(x, y, size, size * 0.9), fill(light.near(SUNFLOWER)))
            stage.canvas.drawOval(
                oval(x, y, size * 0.48, size * 0.42), fill(light.near((0.38, 0.22, 0.10)))
            )
    else:
        base = mix(light.far(WHEAT, 0.05), light.near(WHEAT), 0.5)
        stage.canvas.drawRect(
            box(0, top, EDGE, EDGE - top),
            fade(top, EDGE, light.far(WHEAT, 0.6), base, scaled(base, 0.8)),
        )
        for row in range(12):
            near = (row / 12) ** 1.4
            y = top + 4 + (EDGE - top) * near
            stalks = skia.Path()
            step = 2.2 + 4.0 * near
            x = rng.uniform(0, step)
            while x < EDGE:
                tall = (5 + 16 * near) * rng.uniform(0.7, 1.15)
                stalks.moveTo(x, y + tall * 0.5)
                stalks.lineTo(x + rng.uniform(-1, 2.5), y - tall * 0.5)
                x += step
            tone = mix(base, light.sun, 0.30) if row % 2 else scaled(base, 0.82)
            stage.canvas.drawPath(stalks, stroke(tone, 0.8 + 1.2 * near, 0.75))


def haystack(stage: Stage, x: float, y: float, width: float) -> None:
    """A round bale of straw."""
    straw = stage.light.near((0.90, 0.72, 0.34))
    radius = width / 2
    stage.canvas.drawOval(oval(x, y, radius * 1.1, radius * 0.14), fill((0.05, 0.04, 0.0), 0.3))
    stage.canvas.drawRoundRect(
        box(x - radius, y - width * 0.86, width * 1.25, width * 0.86),
        radius * 0.8,
        radius * 0.8,
        sweep(x - radius, x + width * 0.75, straw, scaled(straw, 0.66)),
    )
    for ring in (0.98, 0.66, 0.34):
        stage.canvas.drawOval(
            oval(x - radius * 0.2, y - width * 0.43, radius * 0.76 * ring, width * 0.42 * ring),
            fill(straw) if ring > 0.9 else stroke(scaled(straw, 0.76), 1.2),
        )


def field(stage: Stage) -> None:
    """Wheat, lavender or sunflowers to a line of trees."""
    rng = stage.rng
    stage.horizon = rng.uniform(92, 140)
    sky(stage)
    if rng.random() < 0.6:
        mountains(stage, 1, rng.uniform(22, 40), GREEN_HILL, False, 0.0)
    top = stage.horizon + 2
    _crop(stage, top)
    x = rng.uniform(0, 30)
    while x < EDGE:
        tree(stage, x, top + 3, rng.uniform(13, 22), rng.choice((LEAF, (0.30, 0.46, 0.22))), 0.4)
        x += rng.uniform(8, 44)
    spot = stage.spot(64)
    if stage.has("house"):
        house(stage, spot, top + 16, rng.uniform(62, 78), 0.1, None, AUTUMN[2])
    if stage.has("windmill"):
        windmill(stage, spot, top + 14, rng.uniform(84, 108))
    if stage.has("tree"):
        tree(stage, spot, top + 34, rng.uniform(92, 116))
    if stage.has("haystacks"):
        for index in range(3):
            haystack(
                stage,
                40 + index * 80 + rng.uniform(-16, 16),
                rng.uniform(196, 236),
                rng.uniform(38, 52),
            )
    place = (
        spot if not stage.has("windmill", "tree", "house") else (spot + (66 if spot < 128 else -66))
    )
    people(stage, place, rng.uniform(222, 240))
