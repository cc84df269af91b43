"""People: men, women and children, standing, walking or sitting, with what they carry.

A man wears trousers and short hair, a woman a dress and long hair: captions rely on it.
"""

import skia

from ..brush import box, curve, fill, oval, polygon, stroke
from ..cells import shows
from ..palette import WHITE, Colour, mix, scaled
from ..stage import Stage

SKIN: tuple[Colour, ...] = ((0.93, 0.74, 0.60), (0.80, 0.58, 0.43), (0.56, 0.38, 0.27))
HAIR: tuple[Colour, ...] = ((0.55, 0.36, 0.16), (0.34, 0.20, 0.11), (0.13, 0.10, 0.10))
NEAR = 80.0  # how tall somebody near the viewer is: as small as a face can be seen
TROUSERS: tuple[Colour, ...] = ((0.16, 0.19, 0.30), (0.24, 0.22, 0.20), (0.30, 0.34, 0.42))


def _skin_and_hair(stage: Stage, kind: str) -> tuple[Colour, Colour]:
    """Man, woman and child differ, so that people of all three kinds are to be seen."""
    number = (("man", "woman", "child").index(kind) + stage.layout) % len(SKIN)
    return stage.light.near(SKIN[number]), stage.light.near(HAIR[number])


def _long_hair(stage: Stage, x: float, y: float, radius: float, hair: Colour) -> None:
    """Hair falling behind the shoulders; to be drawn before the body."""
    stage.canvas.drawRoundRect(
        box(x - radius * 1.2, y - radius * 1.1, radius * 2.4, radius * 3.1),
        radius,
        radius,
        fill(hair),
    )


def _head(stage: Stage, x: float, y: float, radius: float, skin: Colour, hair: Colour) -> None:
    stage.canvas.drawCircle(x, y, radius, fill(skin))
    cap = skia.Path()
    cap.addArc(oval(x, y, radius * 1.14, radius * 1.14), 180, 180)
    cap.close()
    stage.canvas.drawPath(cap, fill(hair))
    for side in (-1, 1):
        eye = x + side * radius * 0.38, y + radius * 0.28
        stage.canvas.drawCircle(*eye, radius * 0.15, fill(scaled(hair, 0.5)))


@shows
def person(
    stage: Stage,
    kind: str,
    x: float,
    y: float,
    height: float,
    clothes: Colour,
    walking: bool = False,
) -> None:
    """`kind` is man, woman or child; feet at (x, y); a child is drawn two thirds as tall."""
    light, canvas = stage.light, stage.canvas
    if kind == "child":
        height *= 0.68
    cloth = light.near(clothes)
    skin, hair = _skin_and_hair(stage, kind)
    radius = height * (0.105 if kind != "child" else 0.14)
    head_y = y - height * 0.81 - radius * 0.75
    canvas.drawOval(oval(x, y, height * 0.22, height * 0.035), fill((0.0, 0.0, 0.05), 0.25))
    stride = height * (0.13 if walking else 0.06)
    legs = skin if kind == "woman" else light.near(stage.rng.choice(TROUSERS))
    if kind == "woman":
        _long_hair(stage, x, head_y, radius, hair)
    width = height * (0.07 if kind == "woman" else 0.105)
    for side in (-1, 1):
        canvas.drawLine(
            x + side * height * 0.04,
            y - height * 0.44,
            x + side * stride,
            y - height * 0.02,
            stroke(legs, width),
        )
    shoulder, arm = y - height * 0.76, height * 0.075
    for side in (-1, 1):
        canvas.drawLine(
            x + side * height * 0.12,
            shoulder + height * 0.02,
            x + side * height * 0.17,
            y - height * 0.45,
            stroke(scaled(cloth, 0.82), arm),
        )
    if kind == "woman":
        canvas.drawPath(
            polygon(
                [
                    (x - height * 0.10, shoulder - height * 0.03),
                    (x + height * 0.10, shoulder - height * 0.03),
                    (x + height * 0.08, y - height * 0.55),
                    (x + height * 0.21, y - height * 0.24),
                    (x - height * 0.21, y - height * 0.24),
                    (x - height * 0.08, y - height * 0.55),
                ]
            ),
            fill(cloth),
        )
    else:
        canvas.drawRoundRect(
            box(x - height * 0.135, shoulder - height * 0.05, height * 0.27, height * 0.40),
            height * 0.07,
            height * 0.07,
            fill(cloth),
        )
    _head(stage, x, head_y, radius, skin, hair)


def people(stage: Stage, x: float, y: float) -> None:
    """Man, woman, child or couple of the spec at (x, y), near the viewer."""
    walking = stage.rng.random() < 0.4
    if stage.has("couple"):
        person(stage, "man", x - NEAR * 0.2, y, NEAR, (0.25, 0.40, 0.75), walking)
        person(stage, "woman", x + NEAR * 0.22, y, NEAR * 0.93, (0.90, 0.30, 0.36), walking)
    for kind in ("man", "woman", "child"):
        if stage.has(kind):
            person(stage, kind, x, y, NEAR, stage.colour(), walking)


@shows
def sitting(stage: Stage, kind: str, x: float, y: float, height: float, clothes: Colour) -> None:
    """Upper body of someone seated, waist at (x, y); `height` as if standing."""
    light, radius = stage.light, height * 0.115
    skin, hair = _skin_and_hair(stage, kind)
    head_y = y - height * 0.36 - radius * 0.75
    if kind == "woman":
        _long_hair(stage, x, head_y, radius, hair)
    torso = box(x - height * 0.14, y - height * 0.36, height * 0.28, height * 0.42)
    stage.canvas.drawRoundRect(torso, height * 0.08, height * 0.08, fill(light.near(clothes)))
    _head(stage, x, head_y, radius, skin, hair)


@shows
def umbrella(stage: Stage, x: float, y: float, height: float, colour: Colour) -> None:
    """An open umbrella over someone of `height` whose feet are at (x, y)."""
    canvas, light = stage.canvas, stage.light
    tone = mix(light.near(colour), colour, 0.35)
    top, half = y - height * 1.28, height * 0.44
    hand = x + height * 0.15
    canvas.drawLine(hand, y - height * 0.5, hand, top, stroke((0.12, 0.12, 0.15), height * 0.035))
    arc = oval(hand, top + half * 0.62, half, half * 0.72)
    canvas.drawArc(arc, 180, 180, True, fill(tone))
    canvas.drawArc(
        oval(hand, top + half * 0.62, half * 0.36, half * 0.72),
        180,
        180,
        True,
        fill(mix(tone, WHITE, 0.2)),
    )


def basket(stage: Stage, x: float, y: float, height: float) -> None:
    """A wicker basket with leaves at the hip of someone of `height` whose feet are at (x, y)."""
    wicker, leaves = stage.light.near((0.80, 0.58, 0.28)), stage.light.near((0.36, 0.66, 0.26))
    left, top, wide, tall = x + height * 0.06, y - height * 0.50, height * 0.27, height * 0.22
    stage.canvas.drawOval(oval(left + wide / 2, top, wide * 0.48, tall * 0.32), fill(leaves))
    stage.canvas.drawRoundRect(box(left, top, wide, tall), tall * 0.25, tall * 0.25, fill(wicker))
    middle = top + tall * 0.5
    weave = stroke(scaled(wicker, 0.7), height * 0.02)
    stage.canvas.drawLine(left, middle, left + wide, middle, weave)


def straw_hat(stage: Stage, x: float, y: float, height: float) -> None:
    """A wide conical hat on someone of `height` whose feet are at (x, y)."""
    straw = stage.light.near((0.90, 0.76, 0.46))
    top = y - height * 1.06
    stage.canvas.drawPath(
        curve(
            (x - height * 0.22, top + height * 0.16),
            (x, top + height * 0.2),
            (x + height * 0.22, top + height * 0.16),
            (x + height * 0.1, top + height * 0.02),
            (x, top),
            (x - height * 0.1, top + height * 0.02),
            (x - height * 0.22, top + height * 0.16),
        ),
        fill(straw),
    )
