"""Mountains, rolling ground and banks of mist."""

import skia

from ..brush import (
    EDGE,
    Line,
    fade,
    fill,
    land_path,
    polygon,
    puff,
    puff_paint,
    ridge,
)
from ..palette import SNOW, WHITE, Colour, mix, scaled
from ..stage import Stage

ROCK: Colour = (0.36, 0.43, 0.53)
GREEN_HILL: Colour = (0.26, 0.46, 0.40)
SANDSTONE: Colour = (0.68, 0.45, 0.34)
GRASS: Colour = (0.36, 0.60, 0.27)


def mountains(
    stage: Stage,
    layers: int = 3,
    height: float = 62.0,
    rock: Colour = ROCK,
    capped: bool = True,
    pointed: float = 1.0,
) -> None:
    """Ranges behind the horizon, far ones pale; `height` units for the tallest peak.

    `pointed` 1 gives alpine peaks, 0 soft hills. `capped` puts snow on the high ones.
    """
    base = stage.horizon
    for layer in range(layers):
        nearness = (layer + 1) / layers
        peak = height * (1.12 - 0.62 * nearness) * stage.rng.uniform(0.85, 1.1)
        _range(stage, base, peak, 1 - 0.8 * nearness, rock, capped and nearness < 0.99, pointed)
        if stage.light.weather == "mist" or stage.light.time == "dawn":
            mist_bank(stage, base - peak * 0.12, 11, 0.5 if stage.light.weather == "mist" else 0.3)


def _range(
    stage: Stage,
    base: float,
    peak: float,
    distance: float,
    rock: Colour,
    capped: bool,
    pointed: float,
) -> None:
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    x, wobble = ridge(stage.noise, 0.0, peak * (0.10 if pointed > 0.5 else 0.22), 5, 0.55)
    tops: list[tuple[float, float]] = []
    profile = wobble * 0.0
    start = rng.uniform(-40, 30)
    while start < EDGE + 40:
        top = peak * rng.uniform(0.55, 1.0)
        half = top * rng.uniform(1.0, 1.5) if pointed > 0.5 else top * rng.uniform(2.0, 3.2)
        slope = (1 - abs(x - start) / half).clip(0.0)
        shape = slope if pointed > 0.5 else slope * slope * (3 - 2 * slope)
        profile = profile.clip(min=top * shape)
        tops.append((start, top))
        start += half * rng.uniform(0.55, 1.25)
    y = (base - profile + wobble * (0.25 + profile / peak)).clip(max=base + 1)
    colour = light.far(rock, distance)
    foot = mix(colour, light.horizon, 0.3 + 0.35 * light.haze)
    path = land_path((x, y), base + 2)
    canvas.drawPath(path, fade(base - peak, base, colour, foot))
    canvas.save()
    canvas.clipPath(path, True)
    if capped and pointed > 0.5:
        _snow_line(stage, base - peak * (0.52 if not light.snowy else 0.3), peak, distance)
    side = 1 if stage.sun_x < EDGE / 2 else -1
    shadow = fill(scaled(mix(colour, light.top, 0.3), 0.55), 0.30 if pointed > 0.5 else 0.12)
    for top_x, top in tops:
        crest = [(top_x, base - top * 1.3)]
        for step in range(1, 6):
            crest.append((top_x + rng.uniform(-3, 3), base - top * (1 - step / 5)))
        canvas.drawPath(
            polygon([*crest, (top_x + side * top * 1.5, base), (top_x + side * top, base - top)]),
            shadow,
        )
    canvas.restore()


def _snow_line(stage: Stage, level: float, peak: float, distance: float) -> None:
    points: list[tuple[float, float]] = [(-9, level - peak * 2), (EDGE + 9, level - peak * 2)]
    x = EDGE + 9.0
    down = True
    while x > -9:
        points.append(
            (x, level + (peak * 0.13 if down else -peak * 0.1) * stage.rng.uniform(0.5, 1))
        )
        x -= stage.rng.uniform(0.06, 0.14) * peak
        down = not down
    snow = mix(stage.light.far(SNOW, distance * 0.7), WHITE, 0.12 * (1 - stage.light.darkness))
    stage.canvas.drawPath(polygon(points), fill(snow, 0.92))


def ground(stage: Stage, line: Line, colour: Colour, distance: float = 0.0) -> skia.Path:
    """Land from the line down, lit at its upper edge; whitened by snow. Returns its path."""
    light = stage.light
    base = light.ground(colour, distance)
    top = float(line[1].min())
    path = land_path(line)
    shade = 0.90 if light.snowy else 0.74
    stage.canvas.drawPath(
        path, fade(top, top + 90, mix(base, light.sun, 0.14), base, scaled(base, shade))
    )
    return path


def plain(stage: Stage, colour: Colour, distance: float = 0.8) -> None:
    """Flat land from the horizon to the bottom of the picture."""
    far, here = stage.light.ground(colour, distance), stage.light.ground(colour, 0.1)
    stage.canvas.drawRect(
        skia.Rect(0, stage.horizon, EDGE, EDGE), fade(stage.horizon, EDGE, far, here)
    )


def mist_bank(stage: Stage, y: float, height: float, strength: float) -> None:
    """A long soft bank of mist about y."""
    paint = puff_paint(stage.light.fog, strength * 0.8)
    for index in range(5):
        x = (index + stage.rng.uniform(-0.3, 1.3)) * EDGE / 5
        puff(
            stage.canvas, x, y + stage.rng.uniform(-4, 4), stage.rng.uniform(60, 120), height, paint
        )
