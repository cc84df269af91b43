"""Where the things of a landscape stand, and how they are drawn: on land, on water, in the air.

Knows nothing of captions or of how the place itself is drawn.
"""

import skia

from ..brush import EDGE, box, fill, height_at, ridge
from ..elements.land import GRASS, ground
from ..palette import WHITE, Colour, mix, scaled
from ..spec import Thing
from ..stage import Stage
from .catalogue import by_code
from .paste import HEIGHT, Spot, contact_shadow, light_filter, paste, stood
from .store import SpriteStore

COLUMNS = {"left": 64.0, "middle": 128.0, "right": 192.0}
SUNK = {"vehicles": 0.05, "animals": 0.13}  # the share of a thing that is under water
NEAR, LOWEST = 232.0, 248.0  # where feet stand on land


def _columns(stage: Stage) -> list[float]:
    """One x a copy, in the things' order."""
    things = stage.spec.things
    first = things[0]
    if stage.spec.relation:  # the first in front of the second
        return [80.0, 160.0]
    if len(things) == 2 or first.count == 2:
        return [64.0, 192.0]
    if first.count == 3:
        return [48.0, 128.0, 208.0]
    return [COLUMNS[first.where]]


def _copies(stage: Stage) -> list[Thing]:
    return [thing for thing in stage.spec.things for _ in range(thing.count)]


def _tint(stage: Stage) -> Colour:
    """The light things stand in: a little more than falls on the land, above all in the dark."""
    return mix(stage.light.near(WHITE), WHITE, 0.12 + 0.26 * stage.light.darkness)


def _shore(stage: Stage) -> None:
    """A grassy bank before the water, for places that are all water near the viewer."""
    line = ridge(stage.noise, stage.rng.uniform(200, 210), 4, 2, 0.3)
    ground(stage, line, scaled(GRASS, 0.9))
    stage.land = line


def _on_land(stage: Stage, sprites: SpriteStore) -> None:
    light, spec = stage.light, stage.spec
    if spec.place in ("lake", "river", "waterfall"):
        _shore(stage)
    copies, columns = _copies(stage), _columns(stage)
    spots: list[Spot] = []
    for index, (thing, x) in enumerate(zip(copies, columns, strict=True)):
        if spec.place == "island" and stage.land is not None:
            x, y = float(stage.land[0].mean()), float(stage.land[1].mean()) + 2
        else:
            first = max(206.0, stage.horizon + 62)
            if stage.land is not None:
                first = min(height_at(stage.land, x) + 14, 236.0)
            y = max(first, NEAR)
            if spec.relation:
                y = LOWEST if index == 0 else first
        spots.append(stood(thing, x, y, sprites))
    tint, far = _tint(stage), 0.12 * light.haze
    shadow = 0.55 if light.weather == "clear" and light.darkness < 0.5 else 0.42
    for spot in sorted(spots, key=lambda each: each.y):
        contact_shadow(stage, spot, shadow)
        paste(stage, spot, sprites, light_filter(tint, light.horizon, far))


def _afloat(stage: Stage, sprites: SpriteStore) -> None:
    light, canvas = stage.light, stage.canvas
    top = stage.horizon
    low = 232.0 if stage.spec.place == "island" else 226.0
    copies = _copies(stage)
    for thing, x in zip(copies, _columns(stage), strict=True):
        if stage.spec.place == "river":
            x = sum(stage.channel) / 2
        high = {"island": 206.0, "river": 214.0}.get(stage.spec.place, max(top + 44, 168.0))
        spot = stood(thing, x, (high + low) / 2 + 8, sprites)
        y = spot.y - SUNK.get(by_code()[thing.code].group, 0.1) * spot.height
        tint = light_filter(_tint(stage), light.horizon, 0.12 * light.haze)
        canvas.save()
        canvas.clipRect(box(0, y, EDGE, EDGE - y))
        canvas.translate(0, 2 * y)
        canvas.scale(1, -1)
        paste(stage, spot, sprites, tint, 0.24)
        canvas.restore()
        canvas.save()
        canvas.clipRect(box(0, 0, EDGE, y))
        paste(stage, spot, sprites, tint)
        canvas.restore()
        rings = skia.Path()
        for ring in range(3):
            half = spot.width * (0.46 + 0.14 * ring)
            rings.addOval(box(spot.x - half, y - 1 + ring * 3.5, 2 * half, 2.6))
        canvas.drawPath(rings, fill(mix(light.horizon, WHITE, 0.3), 0.34))


def _airborne(stage: Stage, sprites: SpriteStore) -> None:
    light, copies = stage.light, _copies(stage)
    for thing, x in zip(copies, _columns(stage), strict=True):
        middle = max(HEIGHT / 2 + 6, stage.horizon * 0.45)
        spot = stood(thing, x, middle + HEIGHT / 2, sprites)
        tint = light_filter(_tint(stage), light.middle, 0.18 * light.haze)
        paste(stage, spot, sprites, tint)


def land_things(stage: Stage, sprites: SpriteStore) -> None:
    """Draw the things of the spec into the painted place; the weather comes after."""
    zone = stage.spec.things[0].zone
    if zone == "ground":
        _on_land(stage, sprites)
    elif zone == "water":
        _afloat(stage, sprites)
    else:
        _airborne(stage, sprites)
