"""Garden and temple: grounds laid out by people."""

from ..brush import EDGE, box, curve, fade, fill, glow, height_at, polygon, ridge, stroke
from ..elements.buildings import LAMP
from ..elements.land import GRASS, GREEN_HILL, ROCK, ground, mountains, plain
from ..elements.outdoors import bench
from ..elements.people import people
from ..elements.plants import AUTUMN, MEADOW_FLOWERS, pine, tree
from ..elements.sky import sky
from ..palette import WHITE, Colour, mix, scaled
from ..stage import Stage

HEDGE: Colour = (0.16, 0.40, 0.20)
GRAVEL: Colour = (0.86, 0.79, 0.66)
STONE: Colour = (0.72, 0.71, 0.68)
VERMILION: Colour = (0.80, 0.24, 0.16)
TILES: Colour = (0.22, 0.30, 0.36)
BLOSSOM: tuple[Colour, ...] = ((0.98, 0.72, 0.80), (0.96, 0.62, 0.74), (0.99, 0.82, 0.87))


def _hedge(stage: Stage, x: float, y: float, width: float, height: float, distance: float) -> None:
    """A clipped box of leaves, its top lit."""
    light, canvas = stage.light, stage.canvas
    leaf = light.far(HEDGE, distance)
    top = light.ground(mix(HEDGE, (0.45, 0.68, 0.30), 0.5), distance)
    canvas.drawRoundRect(
        box(x, y - height, width, height), 3, 3, fade(y - height, y, leaf, scaled(leaf, 0.7))
    )
    canvas.drawRoundRect(box(x - 1, y - height - 2, width + 2, height * 0.3), 3, 3, fill(top))


def _bed(stage: Stage, y: float, near: float, side: int, path: float) -> None:
    """A strip of earth between hedges, full of blossoms in season."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    inner = 20 + 44 * near
    left = path + inner if side > 0 else -12.0
    right = EDGE + 12.0 if side > 0 else path - inner
    tall = 7 + 13 * near
    if right - left < 12:
        return
    canvas.drawRoundRect(
        box(left, y - tall * 0.5, right - left, tall),
        5,
        5,
        fill(light.ground((0.40, 0.27, 0.18), 0.3 * (1 - near))),
    )
    hues = rng.sample(MEADOW_FLOWERS, 2)
    size = 1.8 + 3.4 * near
    for row in range(3):
        x = left + size
        while x < right - size:
            middle = (x + rng.uniform(-1, 1), y - tall * 0.45 + row * tall * 0.36)
            leaf = light.ground((0.26, 0.52, 0.22), 0.25 * (1 - near))
            canvas.drawCircle(middle[0], middle[1] + size * 0.7, size, fill(leaf))
            if stage.has("flowers"):
                canvas.drawCircle(*middle, size * 0.85, fill(light.near(hues[row % 2])))
                canvas.drawCircle(*middle, size * 0.3, fill(light.near((0.99, 0.86, 0.36))))
            x += size * 2.1


def garden(stage: Stage) -> None:
    """A lawn with beds either side of a gravel path, closed by a hedge."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    stage.horizon = rng.uniform(104, 132)
    sky(stage)
    if rng.random() < 0.5:
        mountains(stage, 1, rng.uniform(20, 36), GREEN_HILL, False, 0.0)
    plain(stage, mix(GRASS, (0.44, 0.70, 0.30), 0.6), 0.35)
    for index in range(7):
        x = -10 + index * 44 + rng.uniform(-12, 12)
        tree(stage, x, stage.horizon + 4, rng.uniform(30, 58), (0.26, 0.50, 0.24), 0.3)
    gate = rng.uniform(96, 160)
    back = stage.horizon + 12
    _hedge(stage, -10, back, gate - 14 + 10, 16, 0.22)
    _hedge(stage, gate + 14, back, EDGE - gate, 16, 0.22)
    foot, bend = gate + rng.uniform(-26, 26), rng.uniform(-24, 24)
    way = curve(
        (gate - 9, back),
        (gate + bend, 190),
        (foot - 46, EDGE + 2),
        (foot, EDGE + 2),
        (foot + 46, EDGE + 2),
        (gate + bend + 10, 190),
        (gate + 9, back),
    )
    canvas.drawPath(way, fade(back, EDGE, light.ground(GRAVEL, 0.4), light.ground(GRAVEL, 0.0)))
    for row in range(3):
        near = row / 2
        y = back + 16 + (EDGE - 62 - back) * near
        for side in (-1, 1):
            _bed(stage, y, near, side, gate + bend * 0.5 * near + (foot - gate) * near * 0.6)
    for side in (-1, 1):
        x = gate + side * rng.uniform(70, 96)
        if not stage.light.snowy and rng.random() < 0.6:
            canvas.drawCircle(x, back + 10, 15, fill(light.ground(HEDGE, 0.15)))
    spot = foot + rng.choice((-1, 1)) * rng.uniform(54, 76)
    spot = min(max(spot, 44.0), EDGE - 44.0)
    if stage.has("tree"):
        tree(stage, spot, 214, rng.uniform(92, 116))
    if stage.has("bench"):
        bench(stage, spot, 232, rng.uniform(66, 80))
    people(stage, foot, rng.uniform(228, 242))


def _roof(stage: Stage, x: float, y: float, half: float, tall: float) -> None:
    """A tiled roof whose eaves turn up."""
    light = stage.light
    tiles = light.ground(TILES, 0.06)
    shape = curve(
        (x - half * 1.18, y - tall * 0.16),
        (x - half * 0.7, y - tall * 0.1),
        (x - half * 0.44, y - tall),
        (x, y - tall * 1.02),
        (x + half * 0.44, y - tall),
        (x + half * 0.7, y - tall * 0.1),
        (x + half * 1.18, y - tall * 0.16),
        (x, y + tall * 0.3),
        (x - half * 1.18, y - tall * 0.16),
    )
    stage.canvas.drawPath(
        shape, fade(y - tall, y + tall * 0.2, mix(tiles, light.sun, 0.2), scaled(tiles, 0.72))
    )
    edge = curve(
        (x - half * 1.18, y - tall * 0.16), (x, y + tall * 0.3), (x + half * 1.18, y - tall * 0.16)
    )
    stage.canvas.drawPath(edge, stroke(light.near((0.86, 0.68, 0.30)), 1.6))


def _storey(stage: Stage, x: float, y: float, half: float, tall: float) -> None:
    """White walls between red posts, doors in the middle."""
    light, canvas = stage.light, stage.canvas
    wall, post = light.near((0.95, 0.91, 0.82)), light.near(VERMILION)
    canvas.drawRect(box(x - half, y - tall, 2 * half, tall), fill(scaled(wall, 0.92)))
    lit = light.lamps
    for door in (-0.42, 0.0, 0.42):
        opening = box(x + half * door - half * 0.13, y - tall * 0.78, half * 0.26, tall * 0.78)
        canvas.drawRect(opening, fill(LAMP if lit else light.near((0.34, 0.20, 0.14))))
    for share in (-1.0, -0.62, -0.2, 0.2, 0.62, 1.0):
        canvas.drawRect(box(x + half * share - 2, y - tall, 4, tall), fill(post))
    canvas.drawRect(box(x - half - 2, y - tall, 2 * half + 4, 3.4), fill(post))
    if lit:
        glow(canvas, x, y - tall * 0.4, half * 1.3, LAMP, 0.4)


def _pagoda(stage: Stage, x: float, y: float, storeys: int, half: float) -> None:
    tall = half * 0.46
    for level in range(storeys):
        shrink = 0.8**level
        _storey(stage, x, y, half * shrink, tall * shrink)
        y -= tall * shrink
        _roof(stage, x, y, half * shrink * 1.1, half * 0.44 * shrink)
        y -= half * 0.30 * shrink
    stage.canvas.drawRect(box(x - 1.5, y - 22, 3, 20), fill(stage.light.near((0.86, 0.68, 0.30))))
    stage.canvas.drawCircle(x, y - 22, 3, fill(stage.light.near((0.95, 0.78, 0.36))))


def _lantern(stage: Stage, x: float, y: float, height: float) -> None:
    """A stone lantern."""
    light, canvas = stage.light, stage.canvas
    stone = light.ground(STONE, 0.05)
    canvas.drawRect(
        box(x - height * 0.08, y - height * 0.5, height * 0.16, height * 0.5),
        fill(scaled(stone, 0.8)),
    )
    canvas.drawRect(
        box(x - height * 0.2, y - height * 0.06, height * 0.4, height * 0.06), fill(stone)
    )
    canvas.drawRect(
        box(x - height * 0.15, y - height * 0.78, height * 0.3, height * 0.28),
        fill(LAMP if light.lamps else scaled(stone, 0.55)),
    )
    roof = polygon(
        [
            (x - height * 0.3, y - height * 0.76),
            (x, y - height),
            (x + height * 0.3, y - height * 0.76),
        ]
    )
    canvas.drawPath(roof, fill(stone))
    if light.lamps:
        glow(canvas, x, y - height * 0.64, height * 0.7, LAMP, 0.6)


def temple(stage: Stage) -> None:
    """A temple with curved roofs at the end of a stairway, trees about it."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    stage.horizon = rng.uniform(112, 136)
    sky(stage)
    mountains(
        stage,
        2,
        rng.uniform(36, 58),
        *((GREEN_HILL, False, 0.0) if rng.random() < 0.5 else (ROCK, True, 1.0)),
    )
    plain(stage, scaled(GRASS, 0.92), 0.5)
    line = ridge(stage.noise, stage.horizon + 28, 3, 2, 0.3)
    ground(stage, line, scaled(GRASS, 0.88), 0.25)
    x = rng.uniform(96, 160)
    storeys = rng.choice((1, 2, 3, 3))
    half = {1: rng.uniform(56, 66), 2: rng.uniform(46, 54), 3: rng.uniform(38, 44)}[storeys]
    y = stage.horizon + 52
    for side in (-1, 1):
        for index in range(3):
            at = x + side * (half + 16 + index * 26 + rng.uniform(-6, 6))
            foot, tall = height_at(line, at) + 12, rng.uniform(46, 74)
            if stage.has("autumn"):
                tree(stage, at, foot, tall, rng.choice(AUTUMN), 0.12)
            elif light.snowy or index == 1 or stage.has("pines"):
                pine(stage, at, foot, tall * 1.15, 0.12)
            else:
                tree(stage, at, foot, tall, rng.choice(BLOSSOM), 0.08)
    stone = light.ground(STONE, 0.1)
    canvas.drawRect(box(x - half * 1.25, y - 5, half * 2.5, 13), fill(scaled(stone, 0.86)))
    _pagoda(stage, x, y - 5, storeys, half)
    foot_x = x + rng.uniform(-14, 14)
    steps = 7
    for step in range(steps):
        near, next_near = (step / steps) ** 1.2, ((step + 1) / steps) ** 1.2
        top, low = y + 6 + (EDGE - y) * near, y + 6 + (EDGE - y) * next_near
        middle, wide = x + (foot_x - x) * near, 18 + 48 * near
        tread = box(middle - wide, top, 2 * wide, low - top + 1)
        canvas.drawRect(tread, fade(top, low, mix(stone, light.sun, 0.12), scaled(stone, 0.74)))
    for side in (-1, 1):
        _lantern(stage, x + side * rng.uniform(58, 70), 226, rng.uniform(36, 44))
    spot = stage.spot(52)
    if stage.has("tree"):
        hue = rng.choice(AUTUMN) if stage.has("autumn") else rng.choice(BLOSSOM)
        tree(
            stage,
            34 if x > 128 else 222,
            232,
            rng.uniform(100, 124),
            mix(hue, WHITE, 0.5) if light.snowy else hue,
        )
    people(stage, foot_x if rng.random() < 0.5 else spot, rng.uniform(230, 243))
