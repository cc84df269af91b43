"""Sky, stars, sun, moon, clouds, birds, rainbow."""

import math

import skia

from ..brush import EDGE, box, curve, fade, fill, glow, puff, puff_paint, stroke
from ..palette import WHITE, Colour, mix, scaled
from ..stage import Stage

_CLOUDS = {"clear": (1, 4), "mist": (0, 2), "cloudy": (7, 9), "rain": (6, 8), "snow": (5, 7)}


def sky(stage: Stage) -> None:
    """The whole background; the subjects of the sky that the spec asks for."""
    light = stage.light
    stage.canvas.drawRect(
        box(0, 0, EDGE, EDGE), fade(0, stage.horizon + 8, light.top, light.middle, light.horizon)
    )
    if light.weather == "clear" and light.darkness > 0.6:
        _stars(stage)
    if light.sky_is_open:
        _sun_or_moon(stage)
    if stage.has("rainbow"):
        _rainbow(stage)
    low, high = _CLOUDS[light.weather]
    for index in range(stage.rng.randint(low, high)):
        _cloud(stage, index)


def _stars(stage: Stage) -> None:
    rng, strength = stage.rng, stage.light.darkness
    if stage.has("milky_way"):
        _milky_way(stage)
    for _ in range(int(130 * (strength - 0.45))):
        radius = rng.choice((0.5, 0.6, 0.7, 1.1))
        paint = fill(WHITE, rng.uniform(0.4, 1.0) * (strength - 0.1))
        stage.canvas.drawCircle(rng.uniform(0, EDGE), rng.uniform(0, stage.horizon), radius, paint)


def _milky_way(stage: Stage) -> None:
    rng, slope = stage.rng, stage.rng.choice((-1, 1))
    hues: tuple[Colour, ...] = ((0.55, 0.48, 0.95), (0.85, 0.62, 0.9), (0.4, 0.6, 1.0))
    paints = [puff_paint(hue, 0.10) for hue in hues]
    for _ in range(70):
        along = rng.random()
        x = EDGE / 2 + slope * (along - 0.5) * 190 + rng.gauss(0, 11)
        y = stage.horizon * (1 - along) + rng.gauss(0, 11)
        radius = rng.uniform(8, 26)
        puff(stage.canvas, x, y, radius, radius, rng.choice(paints))
        stage.canvas.drawCircle(x, y, 0.6, fill(WHITE, 0.8))


def _sun_or_moon(stage: Stage) -> None:
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    x, y = stage.sun_x, stage.horizon * (1 - light.sun_height)
    night = light.time == "night"
    misty = light.weather == "mist"
    glow(
        canvas,
        x,
        y,
        stage.horizon * (0.55 if night else 0.95),
        light.sun,
        (0.4 if night else 0.7) * (0.6 if misty else 1.0),
    )
    if light.time == "twilight":
        return
    radius = rng.uniform(11, 15) if night or light.time == "sunset" else rng.uniform(9, 13)
    alpha = 0.55 if misty else 1.0
    if night and stage.has("crescent"):
        full, bite = skia.Path(), skia.Path()
        full.addCircle(x, y, radius)
        bite.addCircle(x + radius * 0.55, y - radius * 0.25, radius * 0.95)
        canvas.drawPath(skia.Op(full, bite, skia.kDifference_PathOp), fill(light.sun, alpha))
        return
    canvas.drawCircle(x, y, radius, fill(mix(light.sun, WHITE, 0.5), alpha))
    if night and not misty:
        for _ in range(4):
            angle, away = rng.uniform(0, math.tau), rng.uniform(0.1, 0.6) * radius
            canvas.drawCircle(
                x + away * math.cos(angle),
                y + away * math.sin(angle),
                radius * rng.uniform(0.1, 0.22),
                fill((0.76, 0.79, 0.87), 0.8),
            )


def _cloud_tones(stage: Stage) -> tuple[Colour, Colour]:
    light = stage.light
    if light.weather in ("cloudy", "rain", "snow"):
        up = mix(light.middle, WHITE, 0.34 * (1 - 0.72 * light.darkness))
        down = scaled(light.middle, 0.74 if light.weather == "rain" else 0.84)
        return up, down
    if light.time in ("sunset", "twilight"):
        return mix(light.horizon, (1.0, 0.72, 0.66), 0.4), mix(light.middle, light.top, 0.45)
    white = mix(WHITE, light.middle, 0.12 + 0.7 * light.darkness)
    return white, mix(white, light.middle, 0.55)


def _cloud(stage: Stage, index: int) -> None:
    rng, overcast = stage.rng, stage.light.weather in ("cloudy", "rain", "snow")
    x = rng.uniform(0, EDGE) if not overcast else (index * 97 + rng.uniform(-30, 30)) % EDGE
    y = rng.uniform(0.08, 0.62) * stage.horizon
    half = rng.uniform(38, 66) if overcast else rng.uniform(18, 38)
    if not overcast and abs(x - stage.sun_x) < half + 16:
        x = stage.sun_x + (half + 22) * (1 if x > stage.sun_x else -1)
    up, down = _cloud_tones(stage)
    path = skia.Path()
    lobes = rng.randint(4, 6)
    for lobe in range(lobes):
        along = (lobe + 0.5) / lobes * 2 - 1
        radius = half * (0.36 - 0.2 * abs(along)) * rng.uniform(0.8, 1.2)
        path.addCircle(x + along * half * 0.8, y - radius * 0.35, radius)
    path.addRoundRect(
        box(x - half, y - half * 0.1, 2 * half, half * 0.22), half * 0.11, half * 0.11
    )
    path.setFillType(skia.PathFillType.kWinding)
    if rng.random() < 0.5:
        up = mix(up, stage.light.middle, 0.2)
    alpha = 0.85 if overcast else 0.9
    stage.canvas.drawPath(
        path, fade(y - half * 0.35, y + half * 0.14, (up, alpha), (down, alpha * 0.55))
    )


def _rainbow(stage: Stage) -> None:
    hues = (0xFFE5484D, 0xFFF5A524, 0xFFF7D94C, 0xFF4CC38A, 0xFF4C8DF7, 0xFF8E5BD0)
    x, radius = stage.spot(70), stage.rng.uniform(84, 108)
    for ring, hue in enumerate(hues):
        paint = stroke(WHITE, 4.2)
        paint.setColor(hue)
        paint.setAlphaf(0.62)
        size = radius - ring * 4
        stage.canvas.drawCircle(x, stage.horizon + 6, size, paint)


def birds(stage: Stage) -> None:
    """A small flock, drawn over the sky."""
    rng = stage.rng
    x0, y0 = rng.uniform(60, 196), rng.uniform(0.28, 0.55) * stage.horizon
    dark = stage.light.near((0.16, 0.16, 0.22))
    if stage.light.darkness > 0.9:
        dark = (0.62, 0.68, 0.80)
    for _ in range(rng.randint(4, 7)):
        x, y, half = x0 + rng.gauss(0, 24), y0 + rng.gauss(0, 11), rng.uniform(4.5, 7.0)
        wings = curve(
            (x - half, y - half * 0.45),
            (x - half * 0.4, y - half * 0.75),
            (x, y),
            (x + half * 0.4, y - half * 0.75),
            (x + half, y - half * 0.45),
        )
        stage.canvas.drawPath(wings, stroke(dark, 1.3))


def veil(stage: Stage, colour: Colour, y0: float, y1: float, strength: float) -> None:
    """A sheet of air over everything, strongest half way between y0 and y1."""
    stage.canvas.drawRect(
        box(0, y0, EDGE, y1 - y0), fade(y0, y1, (colour, 0.0), (colour, strength), (colour, 0.0))
    )
