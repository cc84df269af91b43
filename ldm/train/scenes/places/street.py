"""City: a street in perspective, or a row of façades across the road."""

import skia

from ..brush import EDGE, box, fade, fill, glow, polygon, stroke
from ..elements.people import person, umbrella
from ..elements.plants import tree
from ..elements.sky import sky
from ..elements.vessels import bus, car
from ..elements.water import puddles
from ..palette import PAINTS, Colour, mix, scaled
from ..stage import Stage
from .facades import ASPHALT, PAVEMENT, View, facade, front, lamp_posts, skyline


def _perspective(stage: Stage) -> None:
    """Looking down the middle or the side of a street."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    stage.horizon = rng.uniform(126, 156)
    view = View(rng.uniform(92, 164), stage.horizon)
    sky(stage)
    skyline(stage, view.vanish_x, 44, stage.horizon, rng.uniform(34, 58))
    road, kerb = rng.uniform(36, 44), rng.uniform(60, 70)
    canvas.drawRect(
        box(0, stage.horizon, EDGE, EDGE),
        fade(stage.horizon, EDGE, light.ground(PAVEMENT, 0.6), light.ground(PAVEMENT, 0.05)),
    )
    carriageway = polygon(
        [
            view.at(-road, 0, 12),
            view.at(road, 0, 12),
            view.at(road, 0, 0.18),
            view.at(-road, 0, 0.18),
        ]
    )
    tarmac = mix(ASPHALT, (0.86, 0.88, 0.92), 0.5) if light.snowy else ASPHALT
    canvas.drawPath(
        carriageway,
        fade(
            stage.horizon,
            EDGE,
            light.far(tarmac, 0.55),
            light.far(tarmac, 0.05),
            light.far(scaled(tarmac, 0.84), 0.0),
        ),
    )
    low, high = rng.choice(((60, 110), (90, 190), (110, 240)))
    for side in (-1, 1):
        depth = 8.0
        while depth > 0.5:
            far, depth = depth, max(0.48, depth * rng.uniform(0.62, 0.80))
            facade(stage, view, side * kerb, depth, far, rng.uniform(low, high))
    if not light.snowy:
        for depth in (5.0, 3.4, 2.4, 1.7, 1.25, 0.95, 0.72):
            dash = [
                view.at(-1.1, 0, depth),
                view.at(1.1, 0, depth),
                view.at(1.1, 0, depth * 0.86),
                view.at(-1.1, 0, depth * 0.86),
            ]
            canvas.drawPath(polygon(dash), fill(light.far((0.95, 0.93, 0.86), 0.1), 0.8))
    lamp_posts(stage, view, (road + kerb) / 2 + 2)
    if stage.light.weather != "rain" and rng.random() < 0.35:
        for depth in (3.4, 2.1, 1.35):
            for side in (-1, 1):
                tree(
                    stage,
                    *view.at(side * (kerb - 8), 0, depth),
                    52 / depth,
                    distance=min(0.5, depth / 9),
                )
    _traffic(stage, view, road)
    if light.weather == "rain":
        puddles(stage, carriageway, stage.horizon + 12, 0.42)
    _walkers(stage, view, road, kerb)


def _traffic(stage: Stage, view: View, road: float) -> None:
    rng = stage.rng
    if stage.has("bus"):
        x, y = view.at(-road * 0.5, 0, rng.uniform(0.92, 1.1))
        bus(stage, x, y, rng.uniform(50, 58), stage.colour("red", "blue", "yellow"))
    if stage.has("cars"):
        slots = [(3.2, -0.5), (2.0, 0.5), (rng.uniform(0.9, 1.1), rng.choice((-0.5, 0.5)))]
        for depth, lane in slots:
            x, y = view.at(road * lane, 0, depth)
            car(
                stage,
                x,
                y,
                44 / depth,
                PAINTS[rng.choice(("red", "blue", "yellow", "white", "green", "orange"))],
                lane > 0,
            )


def _walkers(stage: Stage, view: View, road: float, kerb: float) -> None:
    rng = stage.rng
    walk = (road + kerb) / 2
    clothes: tuple[Colour, ...] = (
        (0.85, 0.30, 0.28),
        (0.28, 0.48, 0.82),
        (0.92, 0.74, 0.26),
        (0.30, 0.58, 0.40),
    )
    hues = [name for name in PAINTS if name != "white"]
    if stage.has("people", "umbrellas"):
        for depth, side in ((2.0, -1), (1.6, 1), (1.1, rng.choice((-1, 1)))):
            x, y = view.at(side * walk, 0, depth)
            x, tall = min(max(x, 20), EDGE - 20), 58 / depth**0.8
            person(stage, rng.choice(("man", "woman")), x, y, tall, rng.choice(clothes), True)
            if stage.has("umbrellas"):
                umbrella(stage, x, y, tall, PAINTS[rng.choice(hues)])
    for subject, kind in (("umbrella_man", "man"), ("umbrella_woman", "woman")):
        if stage.has(subject):
            x, y = view.at(rng.uniform(-walk, walk) * 0.7, 0, rng.uniform(0.62, 0.76))
            x, y = min(max(x, 44), EDGE - 44), min(y, 238)
            tall = rng.uniform(66, 84)
            person(
                stage,
                kind,
                x,
                y,
                tall,
                rng.choice(((0.28, 0.30, 0.38), (0.46, 0.30, 0.26), (0.36, 0.42, 0.50))),
                True,
            )
            umbrella(stage, x, y, tall, stage.colour("red", "yellow", "blue"))


def _row(stage: Stage) -> None:
    """Across the road: façades side by side, pavement, kerb, road."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas
    foot = rng.uniform(178, 194)
    stage.horizon = foot - rng.uniform(44, 60)
    sky(stage)
    skyline(stage, EDGE / 2, EDGE / 2 + 8, foot - 40, rng.uniform(70, 100))
    x = rng.uniform(-36, -6)
    while x < EDGE:
        wide = rng.uniform(50, 78)
        front(stage, x, foot, wide, rng.uniform(86, 158))
        x += wide
    canvas.drawRect(
        box(0, foot, EDGE, 22),
        fade(
            foot, foot + 22, light.ground(scaled(PAVEMENT, 0.86), 0.1), light.ground(PAVEMENT, 0.0)
        ),
    )
    tarmac = mix(ASPHALT, (0.86, 0.88, 0.92), 0.5) if light.snowy else ASPHALT
    road = box(0, foot + 22, EDGE, EDGE)
    canvas.drawRect(
        road, fade(foot + 22, EDGE, light.far(tarmac, 0.1), light.far(scaled(tarmac, 0.8), 0.0))
    )
    canvas.drawRect(box(0, foot + 21, EDGE, 2.4), fill(light.ground(scaled(PAVEMENT, 0.62))))
    if not light.snowy:
        for dash in range(5):
            canvas.drawRect(
                box(dash * 60 + 8, foot + 45, 30, 2.6),
                fill(light.far((0.95, 0.93, 0.86), 0.05), 0.8),
            )
    for lamp in (rng.uniform(20, 60), rng.uniform(180, 236)):
        canvas.drawLine(
            lamp, foot + 18, lamp, foot - 52, stroke(light.far((0.16, 0.17, 0.20), 0.0), 2.4)
        )
        canvas.drawCircle(
            lamp,
            foot - 54,
            4.2,
            fill((1.0, 0.93, 0.70) if light.lamps else light.near((0.88, 0.88, 0.86))),
        )
        if light.lamps:
            glow(canvas, lamp, foot - 54, 40, (1.0, 0.78, 0.42), 0.7)
    if light.weather == "rain":
        area = skia.Path()
        area.addRect(skia.Rect(0, foot + 23, EDGE, EDGE))
        puddles(stage, area, foot + 20, 0.42)
    _in_front(stage, foot)


def _in_front(stage: Stage, foot: float) -> None:
    """Walkers on the near side, traffic seen head-on is left to the perspective view."""
    rng = stage.rng
    hues = [name for name in PAINTS if name != "white"]
    clothes: tuple[Colour, ...] = (
        (0.85, 0.30, 0.28),
        (0.28, 0.48, 0.82),
        (0.92, 0.74, 0.26),
        (0.30, 0.58, 0.40),
    )
    if stage.has("people", "umbrellas"):
        for slot in range(3):
            x, tall = 44 + slot * 82 + rng.uniform(-20, 20), rng.uniform(52, 60)
            y = foot + rng.uniform(12, 20)
            person(stage, rng.choice(("man", "woman")), x, y, tall, rng.choice(clothes), True)
            if stage.has("umbrellas"):
                umbrella(stage, x, y, tall, PAINTS[rng.choice(hues)])
    for subject, kind in (("umbrella_man", "man"), ("umbrella_woman", "woman")):
        if stage.has(subject):
            x, tall = stage.spot(56), rng.uniform(66, 80)
            person(
                stage,
                kind,
                x,
                foot + 44,
                tall,
                rng.choice(((0.28, 0.30, 0.38), (0.46, 0.30, 0.26))),
                True,
            )
            umbrella(stage, x, foot + 44, tall, stage.colour("red", "yellow", "blue"))


def city(stage: Stage) -> None:
    """One of the two views; traffic needs the perspective."""
    if stage.has("row"):
        _row(stage)
    else:
        _perspective(stage)
