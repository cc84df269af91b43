"""What falls or hangs in front of the finished picture: rain, snow, mist."""

from collections.abc import Iterator

import skia

from ..brush import EDGE, box, fade, fill, stroke
from ..cells import CELLS
from ..palette import WHITE, mix
from ..stage import Stage

CELL = EDGE / CELLS


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


def _in_every_cell() -> Iterator[tuple[float, float]]:
    """The corners of all cells, and of those beside the picture.

    Rain and snow are a pattern: what is the same in every cell of the latents, a network learns at
    once, while of flakes anywhere it has to know each one's place, and left most of them out.
    """
    steps = [CELL * index for index in range(-1, CELLS + 1)]
    return ((x, y) for y in steps for x in steps)


def _rain(stage: Stage) -> None:
    light = stage.light
    stage.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(light.middle, 0.12))
    tone = mix(light.horizon, (0.88, 0.94, 1.0), 0.62)
    for x, y, length, width, alpha in ((11.5, 1.0, 13.0, 1.7, 0.5), (4.0, 8.5, 9.0, 1.2, 0.42)):
        streaks = skia.Path()
        for left, top in _in_every_cell():
            streaks.moveTo(left + x, top + y)
            streaks.lineTo(left + x - 0.24 * length, top + y + length)
        stage.canvas.drawPath(streaks, stroke(tone, width, alpha))


def _snow(stage: Stage) -> None:
    tone = mix(WHITE, stage.light.horizon, 0.12 * stage.light.darkness)
    flakes = skia.Path()
    for left, top in _in_every_cell():
        for x, y, radius in ((4.5, 4.0, 2.2), (12.0, 9.0, 1.4), (6.5, 13.5, 1.0)):
            flakes.addCircle(left + x, top + y, radius)
    stage.canvas.drawPath(flakes, fill(tone, 0.88))
