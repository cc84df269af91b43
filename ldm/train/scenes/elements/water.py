"""Water: reflections of what is already drawn, waves, glitter, shores."""

import skia

from ..brush import EDGE, box, fade, fill, polygon, ridge, stroke
from ..palette import WHITE, Colour, mix, scaled, tint
from ..stage import Stage


def _mirror(stage: Stage, level: float, alpha: float, blur: tuple[float, float]) -> None:
    """Everything above `level` turned over and laid below it; the caller clips."""
    picture = stage.snapshot()
    canvas = stage.canvas
    canvas.save()
    canvas.translate(0, 2 * level)
    canvas.scale(1, -1)
    paint = skia.Paint(Alphaf=alpha)
    paint.setImageFilter(skia.ImageFilters.Blur(blur[0] * stage.scale, blur[1] * stage.scale))
    canvas.drawImageRect(
        picture, skia.Rect(0, 0, EDGE, EDGE), skia.SamplingOptions(skia.FilterMode.kLinear), paint
    )
    canvas.restore()


def water(stage: Stage, colour: Colour, reflection: float) -> None:
    """Still or rippled water from the horizon to the bottom."""
    light, canvas, rng = stage.light, stage.canvas, stage.rng
    top = stage.horizon
    body = tint(colour, light.ambient)
    canvas.save()
    canvas.clipRect(skia.Rect(0, top, EDGE, EDGE))
    canvas.drawRect(skia.Rect(0, top, EDGE, EDGE), fill(body))
    _mirror(stage, top, reflection, (0.5, 1.0))
    canvas.restore()
    canvas.drawRect(
        skia.Rect(0, top, EDGE, EDGE), fade(top, EDGE, (body, 0.0), (scaled(body, 0.72), 0.7))
    )
    for tone in (light.horizon, light.middle, body):
        ripples = skia.Path()
        for _ in range(26):
            near = rng.random() ** 1.5
            half = 4 + 24 * near * rng.random()
            x, y = rng.uniform(0, EDGE), top + 1 + (EDGE - top) * near
            ripples.addOval(box(x - half, y, 2 * half, 0.7 + 1.3 * near))
        canvas.drawPath(ripples, fill(tone, 0.24))
    if light.sky_is_open and light.time != "day":
        glitter(stage)


def glitter(stage: Stage) -> None:
    """The path of sun or moon on the water."""
    rng, top = stage.rng, stage.horizon
    for band, alpha in ((0, 0.55), (1, 0.4), (2, 0.28)):
        path = skia.Path()
        for _ in range(14):
            near = (band + rng.random()) / 3
            half = rng.uniform(2, 7) + 6 * near
            x = stage.sun_x + rng.gauss(0, 3 + 7 * near)
            path.addOval(box(x - half, top + 1 + (EDGE - top) * near, 2 * half, 0.9 + 1.2 * near))
        paint = fill(stage.light.sun, alpha * (0.6 if stage.light.weather == "mist" else 1.0), True)
        stage.canvas.drawPath(path, paint)


def waves(stage: Stage, bottom: float, strength: float = 1.0) -> None:
    """Rows of crests from the horizon down to `bottom`."""
    light, rows = stage.light, 15
    crest = mix(light.horizon, WHITE, 0.35 * (1 - 0.6 * light.darkness))
    for row in range(rows):
        near = (row / rows) ** 1.7
        line = ridge(
            stage.noise,
            stage.horizon + 3 + (bottom - stage.horizon) * near,
            (0.4 + 3.0 * near) * strength,
            6,
            0.45,
            4.0,
        )
        points = zip(line[0].tolist(), line[1].tolist(), strict=True)
        alpha = 0.12 + 0.26 * near * stage.rng.random()
        stage.canvas.drawPath(polygon(points, False), stroke(crest, 0.7 + 1.8 * near, alpha))


def puddles(stage: Stage, area: skia.Path, level: float, alpha: float) -> None:
    """A wet surface: what stands above `level` mirrored softly within `area`."""
    stage.canvas.save()
    stage.canvas.clipPath(area, True)
    _mirror(stage, level, alpha, (1.0, 5.0))
    stage.canvas.restore()
