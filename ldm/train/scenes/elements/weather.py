"""What falls or hangs in front of the finished picture: rain, snow, mist."""

import skia

from ..brush import EDGE, box, fade, fill, stroke
from ..palette import WHITE, mix
from ..stage import Stage


def weather(stage: Stage) -> None:
    """The last layer of a scene."""
    kind = stage.light.weather
    if kind == "mist":
        _mist(stage)
    elif kind == "rain":
        _rain(stage)
    elif kind == "snow":
        _snow(stage)


def _mist(stage: Stage) -> None:
    fog = mix(stage.light.fog, stage.light.horizon, 0.2)
    stage.canvas.drawRect(
        skia.Rect(0, 0, EDGE, EDGE),
        fade(stage.horizon - 70, EDGE, (fog, 0.0), (fog, 0.34), (fog, 0.16)),
    )


def _rain(stage: Stage) -> None:
    rng, light = stage.rng, stage.light
    stage.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(light.middle, 0.12))
    tone = mix(light.horizon, (0.88, 0.94, 1.0), 0.62)
    slant = rng.uniform(0.1, 0.32)
    for width, alpha, count, length in ((0.8, 0.32, 90, 9.0), (1.2, 0.42, 55, 14.0)):
        streaks = skia.Path()
        for _ in range(count):
            x, y = rng.uniform(-10, EDGE + 20), rng.uniform(-14, EDGE)
            reach = length * rng.uniform(0.7, 1.3)
            streaks.moveTo(x, y)
            streaks.lineTo(x - reach * slant, y + reach)
        stage.canvas.drawPath(streaks, stroke(tone, width, alpha))


def _snow(stage: Stage) -> None:
    rng = stage.rng
    tone = mix(WHITE, stage.light.horizon, 0.12 * stage.light.darkness)
    for radius, count in ((1.0, 80), (1.5, 45), (2.3, 22)):
        flakes = skia.Path()
        for _ in range(count):
            flakes.addCircle(
                rng.uniform(0, EDGE), rng.uniform(0, EDGE), radius * rng.uniform(0.8, 1.2)
            )
        stage.canvas.drawPath(flakes, fill(tone, 0.88))
