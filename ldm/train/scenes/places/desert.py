"""Desert: dunes, mesas, cacti."""

from ..brush import EDGE, Line, curve, fade, fill, height_at, land_path, polygon, ridge, sweep
from ..elements.land import SANDSTONE, mountains, plain
from ..elements.outdoors import tent
from ..elements.people import NEAR, person
from ..elements.plants import cactus
from ..elements.sky import sky
from ..palette import Colour, mix, scaled
from ..stage import Stage

DUNE: Colour = (0.93, 0.69, 0.40)
ROCKY: Colour = (0.85, 0.56, 0.36)


def _dune(stage: Stage, line: Line, colour: Colour, distance: float) -> None:
    """A swell of the ground; a dune has its lee side in shadow."""
    light = stage.light
    x, y = line
    base = light.far(colour, distance)
    path = land_path(line)
    top = float(y.min())
    stage.canvas.drawPath(
        path, fade(top, top + 80, mix(base, light.sun, 0.26), base, scaled(base, 0.76))
    )
    stage.canvas.save()
    stage.canvas.clipPath(path, True)
    side = 1 if stage.sun_x < 128 else -1
    crests = range(4, len(x) - 4) if not stage.has("rocks") else ()
    for crest in crests:
        if y[crest] != y[crest - 4 : crest + 5].min():
            continue
        cx, cy = float(x[crest]), float(y[crest])
        reach = side * stage.rng.uniform(70, 120)
        lee = curve(
            (cx, cy),
            (cx + side * 12, cy + 16),
            (cx, cy + 34),
            (cx - side * 8, cy + 54),
            (cx + side * 6, cy + 92),
        )
        lee.lineTo(cx + side * 6, EDGE + 9)
        lee.lineTo(cx + reach, EDGE + 9)
        lee.lineTo(cx + reach, cy - 6)
        lee.close()
        shade = scaled(mix(base, light.top, 0.2), 0.6)
        stage.canvas.drawPath(lee, sweep(cx, cx + reach, (shade, 0.42), (shade, 0.0)))
    stage.canvas.restore()


def _mesas(stage: Stage) -> None:
    """Flat-topped rocks on the horizon."""
    rng, light = stage.rng, stage.light
    for _ in range(rng.randint(2, 3)):
        x, half, tall = rng.uniform(10, 246), rng.uniform(18, 42), rng.uniform(26, 54)
        rock = light.far((0.74, 0.40, 0.26), rng.uniform(0.25, 0.5))
        y = stage.horizon + 3
        shape = [
            (x - half * 1.3, y),
            (x - half, y - tall * 0.5),
            (x - half * 0.86, y - tall),
            (x + half * 0.8, y - tall),
            (x + half * 0.95, y - tall * 0.5),
            (x + half * 1.3, y),
        ]
        stage.canvas.drawPath(polygon(shape), fade(y - tall, y, mix(rock, light.sun, 0.2), rock))
        side = 1 if stage.sun_x < x else -1
        shade = [
            (x + side * half * 0.25, y - tall),
            (x + side * half * 0.82, y - tall),
            (x + side * half * 0.95, y - tall * 0.5),
            (x + side * half * 1.3, y),
            (x + side * half * 0.4, y),
        ]
        stage.canvas.drawPath(polygon(shade), fill(scaled(rock, 0.6), 0.45))


def desert(stage: Stage) -> None:
    """Dunes to the horizon, or a rocky plain with mesas."""
    rng = stage.rng
    stage.horizon = rng.uniform(98, 146)
    sky(stage)
    rocky = stage.has("rocks")
    colour = ROCKY if rocky else DUNE
    if rocky:
        plain(stage, colour)
        _mesas(stage)
    else:
        mountains(stage, 1, rng.uniform(18, 34), SANDSTONE, False, 0.0)
    rows = 3 if rocky else 4
    swell = rng.uniform(4, 8) if rocky else rng.uniform(14, 24)
    last: Line | None = None
    for row in range(rows):
        near = row / (rows - 1)
        level = stage.horizon + 10 + (218 - stage.horizon) * near
        last = ridge(stage.noise, level, swell * (0.7 + 0.5 * near), rng.choice((1, 2)), 0.22)
        _dune(stage, last, colour, 0.6 * (1 - near))
        if stage.has("cacti"):
            _cacti(stage, last, near)
    assert last is not None
    _travellers(stage, last)


def _cacti(stage: Stage, line: Line, near: float) -> None:
    count = stage.rng.choice((1, 2)) if near > 0.9 else 1
    for _ in range(count):
        x = stage.rng.uniform(22, 234)
        cactus(stage, x, min(height_at(line, x) + 5, 246), 22 + 50 * near, 0.4 * (1 - near))


def _travellers(stage: Stage, line: Line) -> None:
    x = stage.spot(56)
    y = min(max(height_at(line, x) + 12, 206), 244)
    if stage.has("tent"):
        tent(stage, x, y, 66, stage.colour("white", "orange"))
    for kind in ("man", "woman"):
        if stage.has(kind):
            person(stage, kind, x, y, NEAR, stage.colour(), True)
