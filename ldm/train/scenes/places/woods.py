"""Forest: a path between trees, tall trunks from within, a clearing, or wooded ridges."""

import skia

from ..brush import EDGE, curve, fade, fill, height_at, polygon, ridge, sweep
from ..elements.buildings import LOGS, house
from ..elements.land import ground, mist_bank, mountains
from ..elements.outdoors import tent
from ..elements.people import NEAR, person
from ..elements.plants import AUTUMN, PINE, TRUNK, bush, pine, tree
from ..elements.sky import sky
from ..palette import Colour, mix, scaled
from ..stage import Stage

FLOOR: Colour = (0.24, 0.40, 0.20)
LITTER: Colour = (0.72, 0.46, 0.22)
EARTH: Colour = (0.72, 0.58, 0.40)


def _one(stage: Stage, x: float, y: float, height: float, distance: float) -> None:
    if stage.has("autumn"):
        tree(stage, x, y, height * 0.92, stage.rng.choice(AUTUMN), distance)
    else:
        pine(stage, x, y, height, distance)


def _floor(stage: Stage) -> Colour:
    return LITTER if stage.has("autumn") else FLOOR


def _sunbeams(stage: Stage) -> None:
    light = stage.light
    if not light.sky_is_open or light.darkness > 0.5:
        return
    for beam in range(-2, 3):
        x = stage.sun_x + beam * 9
        shape = polygon(
            [(x, -10), (x + 9, -10), (x + beam * 30 + 42, EDGE), (x + beam * 30 + 14, EDGE)]
        )
        stage.canvas.drawPath(shape, fade(0, EDGE, (light.sun, 0.22), (light.sun, 0.0)))


def _dwellers(stage: Stage, x: float, y: float) -> None:
    """Whatever the spec puts into the wood, about the open spot (x, y)."""
    rng = stage.rng
    if stage.has("cabin"):
        house(stage, x, y - 22, rng.uniform(58, 72), 0.05, LOGS)
        x += rng.choice((-34, 34))
        y += 6
    if stage.has("tent"):
        tent(stage, x, y, rng.uniform(56, 68), stage.colour("orange"))
    for kind in ("man", "woman", "child"):
        if stage.has(kind):
            person(stage, kind, x, y, NEAR, stage.colour(), rng.random() < 0.6)


def _path(stage: Stage) -> None:
    """A path running to a vanishing point between rows of trees."""
    rng, light = stage.rng, stage.light
    vanish = rng.uniform(92, 164)
    foot = vanish + rng.uniform(-40, 40)
    bend = rng.uniform(-30, 30)
    rows = 5
    for row in range(rows):
        near = row / (rows - 1)
        y = stage.horizon + 6 + (222 - stage.horizon) * near**1.2
        ground(stage, ridge(stage.noise, y - 4, 3, 4), _floor(stage), 0.75 * (1 - near))
        gap = 5 + 50 * near
        middle = vanish + (foot - vanish) * near
        spacing = 10 + 17 * near
        x = -12.0
        while x < EDGE + 14:
            if abs(x - middle) > gap:
                _one(
                    stage,
                    x + rng.uniform(-4, 4),
                    y + 3,
                    (50 + 92 * near) * rng.uniform(0.85, 1.2),
                    0.8 * (1 - near),
                )
            x += spacing
        if row < rows - 1:
            mist_bank(stage, y, 16, 0.7 * (1 - near * 0.7) if light.weather == "mist" else 0.18)
    bottom = stage.horizon + 8
    way = curve(
        (vanish - 3, bottom),
        (vanish + bend, 200),
        (foot - 62, EDGE + 2),
        (foot, EDGE + 2),
        (foot + 62, EDGE + 2),
        (vanish + bend + 12, 200),
        (vanish + 3, bottom),
    )
    stage.canvas.drawPath(
        way, fade(bottom, EDGE, light.ground(EARTH, 0.5), light.ground(EARTH, 0.05))
    )
    _dwellers(stage, (vanish + foot) / 2 + bend * 0.35, rng.uniform(216, 236))


def _trunk(stage: Stage, x: float, width: float, foot: float, distance: float) -> None:
    light = stage.light
    bark = light.far(mix(TRUNK, (0.16, 0.14, 0.12), 0.35), distance)
    shape = polygon(
        [
            (x - width * 0.42, -4),
            (x + width * 0.42, -4),
            (x + width * 0.5, foot - width),
            (x + width * 0.8, foot),
            (x - width * 0.8, foot),
            (x - width * 0.5, foot - width),
        ]
    )
    stage.canvas.drawPath(
        shape,
        sweep(x - width / 2, x + width / 2, mix(bark, light.sun, 0.18), bark, scaled(bark, 0.66)),
    )


def _trunks(stage: Stage) -> None:
    """Among tall trunks, crowns beyond the upper edge."""
    rng, light = stage.rng, stage.light
    leaf = AUTUMN[1] if stage.has("autumn") else (0.30, 0.52, 0.24)
    air = mix(light.far(leaf, 0.55), light.horizon, 0.35 if light.weather != "mist" else 0.75)
    stage.canvas.drawRect(
        skia.Rect(0, 0, EDGE, EDGE),
        fade(0, 190, mix(air, light.top, 0.25), air, mix(air, light.sun, 0.25)),
    )
    clearing = rng.uniform(86, 170)
    for layer in range(4):
        near = layer / 3
        y = 158 + 62 * near
        ground(stage, ridge(stage.noise, y, 3 + 3 * near, 3), _floor(stage), 0.6 * (1 - near))
        x = rng.uniform(-10, 10)
        while x < EDGE + 10:
            if abs(x - clearing) > 14 + 34 * near:
                _trunk(stage, x, 4.5 + 19 * near**1.4, y + 5 + 4 * near, 0.75 * (1 - near))
            x += (13 + 40 * near) * rng.uniform(0.7, 1.4)
        mist_bank(
            stage, y - 6, 18, 0.6 * (1 - near) if light.weather == "mist" else 0.16 * (1 - near)
        )
        for _ in range(3):
            hue = rng.choice(AUTUMN) if stage.has("autumn") else (0.22, 0.46, 0.20)
            bush(stage, rng.uniform(0, EDGE), y + 8, 14 + 26 * near, hue, 0.5 * (1 - near))
    _canopy(stage)
    _sunbeams(stage)
    _dwellers(stage, clearing, rng.uniform(218, 236))


def _canopy(stage: Stage) -> None:
    """Leaves hanging in from above, in two tones."""
    rng, light = stage.rng, stage.light
    for tone, depth in ((0.7, 34.0), (1.0, 20.0)):
        path = skia.Path()
        path.setFillType(skia.PathFillType.kWinding)
        for index in range(13):
            path.addCircle(
                index * 22 + rng.uniform(-8, 8), rng.uniform(-10, depth - 14), rng.uniform(14, 22)
            )
        hue = (
            scaled(rng.choice(AUTUMN), tone)
            if stage.has("autumn")
            else scaled(mix(PINE, (0.28, 0.55, 0.22), 0.6), tone)
        )
        stage.canvas.drawPath(path, fill(light.ground(hue, 0.1)))


def _clearing(stage: Stage) -> None:
    """A glade: a wall of trees behind, open ground in front."""
    rng = stage.rng
    mountains(stage, 2, rng.uniform(40, 66))
    for row in range(3):
        near = row / 2
        y = stage.horizon + 10 + 26 * near
        ground(stage, ridge(stage.noise, y - 2, 3, 3), _floor(stage), 0.6 * (1 - near))
        x = -8.0
        while x < EDGE + 10:
            _one(
                stage,
                x + rng.uniform(-4, 4),
                y + 2,
                (44 + 22 * near) * rng.uniform(0.8, 1.25),
                0.6 * (1 - near),
            )
            x += 12 + 6 * near
        mist_bank(stage, y, 14, 0.6 if stage.light.weather == "mist" else 0.12)
    line = ridge(stage.noise, stage.horizon + 50, 4, 2)
    ground(stage, line, _floor(stage))
    x = stage.spot(70)
    for side in (0, EDGE):
        for _ in range(2):
            _one(
                stage,
                side + rng.uniform(-14, 26) * (1 if side == 0 else -1),
                rng.uniform(EDGE - 16, EDGE + 4),
                rng.uniform(120, 168),
                0.0,
            )
    _dwellers(stage, x, max(212, height_at(line, x) + 24))


def _slopes(stage: Stage) -> None:
    """Wooded slopes one behind another, seen from a height."""
    rng, light = stage.rng, stage.light
    mountains(stage, 1, rng.uniform(36, 60))
    rows = 5
    for row in range(rows):
        near = row / (rows - 1)
        y = stage.horizon + 4 + (EDGE - 34 - stage.horizon) * near
        line = ridge(stage.noise, y, 13 - 5 * near, 2, 0.4)
        tilt = (line[0], line[1] + (line[0] - 128) * (0.10 if row % 2 else -0.10))
        ground(stage, tilt, scaled(_floor(stage), 0.75), 0.7 * (1 - near))
        step = 8 + 17 * near
        x = -6.0
        while x < EDGE + 10:
            _one(
                stage,
                x + rng.uniform(-3, 3),
                height_at(tilt, x) + 6,
                (18 + 46 * near) * rng.uniform(0.75, 1.25),
                0.75 * (1 - near),
            )
            x += step * rng.uniform(0.6, 1.0)
        mist_bank(stage, y + 20, 18, (0.8 if light.weather == "mist" else 0.2) * (1 - 0.6 * near))


def forest(stage: Stage) -> None:
    """The view the spec asks for."""
    rng = stage.rng
    view = next((draw for name, draw in _VIEWS.items() if stage.has(name)), _path)
    stage.horizon = rng.uniform(108, 146) if view is not _slopes else rng.uniform(84, 110)
    if view is not _trunks:
        sky(stage)
    view(stage)
    if view is _path:
        _sunbeams(stage)


_VIEWS = {"path": _path, "trunks": _trunks, "clearing": _clearing, "slopes": _slopes}
