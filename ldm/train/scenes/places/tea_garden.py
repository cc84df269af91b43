"""Tea garden: hills covered with clipped rows of bushes."""

import numpy as np
import skia

from ..brush import EDGE, Line, argb, fade, height_at, land_path, ridge
from ..elements.buildings import hut
from ..elements.land import GREEN_HILL, mist_bank, mountains
from ..elements.people import basket, person, straw_hat
from ..elements.plants import tree
from ..elements.sky import sky
from ..palette import Colour, mix, scaled
from ..stage import Stage

TEA_FAR: Colour = (0.30, 0.56, 0.26)
TEA_NEAR: Colour = (0.18, 0.48, 0.15)
SHADE_TREE: Colour = (0.20, 0.44, 0.20)
CLOTHES: tuple[Colour, ...] = (
    (0.88, 0.22, 0.30),
    (0.96, 0.68, 0.16),
    (0.30, 0.40, 0.85),
    (0.75, 0.28, 0.62),
)


def _dots(colour: Colour, width: float) -> skia.Paint:
    return skia.Paint(
        AntiAlias=True, Color=argb(colour), StrokeWidth=width, StrokeCap=skia.Paint.kRound_Cap
    )


def _rows(stage: Stage, line: Line, base: Colour, size: float) -> None:
    """Bushes on rows that follow the hill; `size` is a bush's width."""
    x, y = line
    rng, light = stage.rng, stage.light
    slant = rng.uniform(-0.25, 0.25)
    shade, leaf = (
        _dots(scaled(base, 0.6), size * 1.5),
        _dots(mix(base, light.sun, 0.16), size * 1.12),
    )
    tip = _dots(mix(base, light.sun, 0.34), size * 0.55)
    points = skia.Canvas.PointMode.kPoints_PointMode
    for row in range(max(3, int(64 / (size * 1.6)))):
        offset = rng.uniform(0, size)
        across = np.arange(-8.0 + offset, EDGE + 8, size * 1.2)
        down = (
            np.interp(across, x, y)
            + size * 0.7
            + row * size * 1.75
            + slant * (across - 128) * row * 0.06
        )
        keep = down < EDGE + size
        bushes = list(zip(across[keep].tolist(), down[keep].tolist(), strict=True))
        for paint, dx, dy in ((shade, 0.0, 0.0), (leaf, -0.10, -0.26), (tip, -0.24, -0.5)):
            stage.canvas.drawPoints(
                points, [skia.Point(a + dx * size, b + dy * size) for a, b in bushes], paint
            )


def _worker(
    stage: Stage, kind: str, x: float, y: float, height: float, picking: bool, clothes: Colour
) -> None:
    person(stage, kind, x, y, height, clothes)
    if picking:
        basket(stage, x, y, height)
        straw_hat(stage, x, y, height)


def tea(stage: Stage) -> None:
    """Terraced slopes before soft mountains."""
    rng, light = stage.rng, stage.light
    stage.horizon = rng.uniform(84, 126)
    sky(stage)
    mountains(stage, 2, rng.uniform(34, 58), GREEN_HILL, False, rng.choice((0.0, 1.0)))
    hills = rng.choice((4, 5))
    drop = (EDGE - 46 - stage.horizon) / (hills - 1)
    swell = rng.uniform(9, 17)
    tilt = rng.uniform(-16, 16)
    for index in range(hills):
        near = index / (hills - 1)
        level = stage.horizon + 3 + drop * index * (0.7 + 0.3 * near)
        x, y = ridge(stage.noise, level, swell * (1 - 0.45 * near), 2, 0.3)
        line = (x, y + tilt * near * (x - 128) / 128)
        base = light.far(mix(TEA_FAR, TEA_NEAR, near), 0.55 * (1 - near))
        path = land_path(line)
        stage.canvas.drawPath(
            path, fade(level - 10, level + 60, mix(base, light.sun, 0.12), scaled(base, 0.72))
        )
        stage.canvas.save()
        stage.canvas.clipPath(path, True)
        _rows(stage, line, base, 2.4 + 5.6 * near)
        stage.canvas.restore()
        if stage.light.weather == "mist" or (light.time == "dawn" and index < 2):
            mist_bank(stage, level + 2, 15, 0.75 * (1 - near) + 0.1)
        _on_hill(stage, line, index, hills, near)


def _on_hill(stage: Stage, line: Line, index: int, hills: int, near: float) -> None:
    rng = stage.rng
    if index < hills - 1 and rng.random() < 0.55:
        x = rng.uniform(16, 240)
        tree(stage, x, height_at(line, x) + 2, 20 + 26 * near, SHADE_TREE, 0.45 * (1 - near))
    if stage.has("tree") and index == hills - 2:
        x = stage.spot(50)
        tree(stage, x, height_at(line, x) + 4, 84, SHADE_TREE, 0.05)
    if stage.has("hut") and index == hills - 3:
        x = stage.spot(50)
        hut(stage, x, height_at(line, x) + 7, 50)
    if stage.has("pickers") and index >= hills - 2:
        for slot in range(2):
            x = 26 + slot * 112 + rng.uniform(8, 84)
            y = min(height_at(line, x) + 20 + 12 * near, 250)
            _worker(
                stage,
                rng.choice(("woman", "woman", "man")),
                x,
                y,
                33 + 12 * near,
                True,
                rng.choice(CLOTHES),
            )
    if stage.has("woman", "man") and index == hills - 1:
        x = stage.spot(50)
        kind = "woman" if stage.has("woman") else "man"
        _worker(stage, kind, x, min(height_at(line, x) + 26, 250), 52, False, stage.colour())
