"""Backgrounds for things on their own: flat colours, gradients, patterns, tables, floors, lawns.

Knows neither the things nor how captions are built; each background brings its own words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import skia

from ..brush import EDGE, box, fade, fill, glow, polygon, puff, puff_paint, stroke
from ..palette import WHITE, Colour, mix, scaled
from ..stage import Board

COLOURS: dict[str, Colour] = {
    "white": (0.97, 0.97, 0.97),
    "grey": (0.62, 0.63, 0.65),
    "black": (0.07, 0.07, 0.08),
    "red": (0.84, 0.18, 0.18),
    "orange": (0.97, 0.56, 0.16),
    "yellow": (0.99, 0.84, 0.26),
    "green": (0.24, 0.62, 0.32),
    "blue": (0.18, 0.42, 0.84),
    "purple": (0.48, 0.27, 0.68),
    "pink": (0.97, 0.60, 0.74),
    "brown": (0.48, 0.31, 0.20),
    "light blue": (0.66, 0.84, 0.97),
    "light green": (0.72, 0.90, 0.68),
    "dark blue": (0.08, 0.13, 0.36),
    "turquoise": (0.20, 0.72, 0.70),
    "lavender": (0.80, 0.74, 0.94),
    "beige": (0.94, 0.88, 0.77),
}
SYNONYMS: dict[str, tuple[str, ...]] = {
    "white": ("white", "plain white"),
    "grey": ("grey", "gray"),
    "dark blue": ("dark blue", "navy blue"),
    "turquoise": ("turquoise", "teal"),
    "beige": ("beige", "cream coloured"),
    "lavender": ("lavender", "light purple"),
    "light blue": ("light blue", "sky blue", "pale blue"),
    "light green": ("light green", "pale green"),
}


@dataclass(frozen=True)
class Background:
    """`phrases` follow a thing ("on a blue background"), `tags` stand alone. `floor` is where
    things stand (y of their feet, nearest and farthest); None: they hang in the middle.
    """

    paint: Callable[[Board], None]
    phrases: tuple[str, ...]
    tags: tuple[str, ...]
    weight: float
    floor: tuple[float, float] | None = None


def _jitter(board: Board, colour: Colour) -> Colour:
    """The same colour by name, a little lighter or darker."""
    share = board.rng.uniform(-0.10, 0.12)
    if max(colour) < 0.1 or min(colour) > 0.95:
        share *= 0.3
    return mix(colour, WHITE, share) if share > 0 else scaled(colour, 1 + share)


def _flat(name: str, board: Board) -> None:
    colour = _jitter(board, COLOURS[name])
    board.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(colour))
    if board.rng.random() < 0.5:  # a soft light behind the thing
        glow(board.canvas, 128, 118, 190, mix(colour, WHITE, 0.5), 0.35)


def _gradient(one: str, other: str, board: Board) -> None:
    above, below = _jitter(board, COLOURS[one]), _jitter(board, COLOURS[other])
    board.canvas.drawRect(box(0, 0, EDGE, EDGE), fade(0, EDGE, above, below))


def _dots(ground: str, dot: str, board: Board) -> None:
    rng = board.rng
    board.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(COLOURS[ground]))
    step, radius = rng.uniform(26, 38), rng.uniform(6, 9)
    path = skia.Path()
    rows = int(EDGE / step) + 2
    for row in range(rows):
        for column in range(rows):
            x = column * step + (step / 2 if row % 2 else 0)
            path.addCircle(x, row * step, radius)
    board.canvas.drawPath(path, fill(COLOURS[dot], 0.9))


def _stripes(one: str, other: str, board: Board) -> None:
    board.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(COLOURS[one]))
    wide = board.rng.uniform(14, 26)
    path = skia.Path()
    for index in range(int(EDGE / wide / 2) + 1):
        path.addRect(box(index * wide * 2, 0, wide, EDGE))
    board.canvas.drawPath(path, fill(COLOURS[other]))


def _checked(one: str, other: str, board: Board) -> None:
    board.canvas.drawRect(box(0, 0, EDGE, EDGE), fill(COLOURS[one]))
    side = EDGE / board.rng.choice((6, 8, 10))
    path = skia.Path()
    for row in range(10):
        for column in range(10):
            if (row + column) % 2:
                path.addRect(box(column * side, row * side, side, side))
    board.canvas.drawPath(path, fill(COLOURS[other]))


def _planks(board: Board, top: float, wood: Colour) -> None:
    """Boards running towards the viewer from y = top down."""
    canvas, rng = board.canvas, board.rng
    canvas.drawRect(
        box(0, top, EDGE, EDGE - top), fade(top, EDGE, scaled(wood, 0.82), mix(wood, WHITE, 0.08))
    )
    seam = stroke(scaled(wood, 0.62), 1.2, 0.8)
    for line in range(-6, 7):
        canvas.drawLine(128 + line * 40, top, 128 + line * 66, EDGE, seam)
    grain = stroke(scaled(wood, 0.74), 0.8, 0.4)
    for _ in range(14):
        x, y = rng.uniform(0, EDGE), rng.uniform(top + 4, EDGE)
        canvas.drawLine(x, y, x + (x - 128) * 0.06, y + rng.uniform(4, 12), grain)


def _table(wall: str, board: Board) -> None:
    top = board.rng.uniform(150, 168)
    colour = _jitter(board, COLOURS[wall])
    board.canvas.drawRect(
        box(0, 0, EDGE, top), fade(0, top, scaled(colour, 0.92), mix(colour, WHITE, 0.12))
    )
    _planks(board, top, (0.70, 0.47, 0.28))
    board.canvas.drawRect(box(0, top - 1, EDGE, 3), fill((0.42, 0.26, 0.15)))


def _room(wall: str, floor: str, board: Board) -> None:
    """A wall and a floor of plain colours, with a skirting board."""
    top = board.rng.uniform(146, 170)
    wall_colour, floor_colour = _jitter(board, COLOURS[wall]), _jitter(board, COLOURS[floor])
    board.canvas.drawRect(
        box(0, 0, EDGE, top), fade(0, top, mix(wall_colour, WHITE, 0.1), wall_colour)
    )
    board.canvas.drawRect(
        box(0, top, EDGE, EDGE - top),
        fade(top, EDGE, scaled(floor_colour, 0.78), mix(floor_colour, WHITE, 0.06)),
    )
    board.canvas.drawRect(box(0, top - 7, EDGE, 7), fill(mix(wall_colour, WHITE, 0.6)))


def _wooden_floor(wall: str, board: Board) -> None:
    top = board.rng.uniform(146, 170)
    colour = _jitter(board, COLOURS[wall])
    board.canvas.drawRect(box(0, 0, EDGE, top), fill(colour))
    _planks(board, top, (0.80, 0.60, 0.40))
    board.canvas.drawRect(box(0, top - 7, EDGE, 7), fill(mix(colour, WHITE, 0.6)))


def _ground(
    sky: tuple[Colour, Colour], near: Colour, far: Colour, blades: bool, board: Board
) -> None:
    rng, top = board.rng, board.rng.uniform(140, 164)
    board.canvas.drawRect(box(0, 0, EDGE, top), fade(0, top, *sky))
    board.canvas.drawRect(box(0, top, EDGE, EDGE - top), fade(top, EDGE, far, near))
    if blades:
        path = skia.Path()
        for _ in range(260):
            share = rng.random() ** 0.8
            x, y, tall = rng.uniform(0, EDGE), top + (EDGE - top) * share, 3 + 8 * share
            path.moveTo(x, y)
            path.lineTo(x + rng.uniform(-2, 2), y - tall)
        board.canvas.drawPath(path, stroke(scaled(near, 0.8), 1.3, 0.7))
    else:
        path = skia.Path()
        for _ in range(70):
            path.addCircle(rng.uniform(0, EDGE), rng.uniform(top + 4, EDGE), rng.uniform(0.5, 1.1))
        board.canvas.drawPath(path, fill(scaled(near, 0.86), 0.6))


def _clouds(board: Board) -> None:
    rng = board.rng
    board.canvas.drawRect(
        box(0, 0, EDGE, EDGE), fade(0, EDGE, (0.30, 0.60, 0.94), (0.76, 0.90, 1.0))
    )
    cotton = puff_paint(WHITE, 0.95)
    for index in range(5):
        x, y = (index + rng.random()) * EDGE / 5, rng.uniform(20, 236)
        for lobe in range(5):
            puff(board.canvas, x + (lobe - 2) * 13, y - 5 * (2 - abs(lobe - 2)), 22, 15, cotton)


def _stars(board: Board) -> None:
    rng = board.rng
    board.canvas.drawRect(
        box(0, 0, EDGE, EDGE), fade(0, EDGE, (0.03, 0.03, 0.12), (0.10, 0.10, 0.30))
    )
    for radius, count in ((0.7, 70), (1.2, 30), (1.9, 9)):
        path = skia.Path()
        for _ in range(count):
            path.addCircle(rng.uniform(0, EDGE), rng.uniform(0, EDGE), radius)
        board.canvas.drawPath(path, fill((1.0, 1.0, 0.92), 0.9))


def _stage_light(board: Board) -> None:
    """A spotlight on a dark floor."""
    canvas = board.canvas
    canvas.drawRect(box(0, 0, EDGE, EDGE), fade(0, EDGE, (0.05, 0.05, 0.09), (0.16, 0.14, 0.20)))
    beam = polygon([(112, -4), (144, -4), (236, 222), (20, 222)])
    canvas.drawPath(beam, fade(0, 222, ((1.0, 0.96, 0.80), 0.40), ((1.0, 0.96, 0.80), 0.12)))
    puff(canvas, 128, 214, 122, 30, puff_paint((1.0, 0.96, 0.82), 0.5))


def _named(phrase: str, *names: str) -> tuple[str, ...]:
    """The phrase with each spelling of the colours it is to name, one at a time."""
    spelled = [SYNONYMS.get(name, (name,)) for name in names]
    if len(spelled) == 1:
        return tuple(phrase.format(a=a) for a in spelled[0])
    return tuple(phrase.format(a=a, b=b) for a in spelled[0] for b in spelled[1][:1])


def _flats() -> dict[str, Background]:
    made = {}
    for name in COLOURS:
        phrases = (
            _named("on a {a} background", name) * 4
            + _named("against a {a} background", name)
            + _named("in front of a {a} wall", name)
            + _named("on {a}", name)
        )
        if name == "white":
            phrases += ("isolated on white", "on a plain background", "on a white background")
        weight = 3.0 if name == "white" else 1.5
        tags = (f"{name} background", f"{name} background", name)
        made[name] = Background(partial(_flat, name), phrases, tags, weight)
    return made


def _gradients() -> dict[str, Background]:
    pairs = (
        ("pink", "orange"),
        ("blue", "purple"),
        ("light blue", "white"),
        ("yellow", "orange"),
        ("turquoise", "blue"),
        ("lavender", "pink"),
        ("light green", "turquoise"),
        ("grey", "white"),
        ("dark blue", "purple"),
        ("red", "yellow"),
    )
    made = {}
    for one, other in pairs:
        phrases = (
            f"on a {one} and {other} background",
            f"on a gradient from {one} to {other}",
            f"on a {one} to {other} gradient",
            f"on a soft {one} and {other} gradient background",
        )
        tags = (f"{one} and {other} background", f"{one} {other} gradient")
        made[f"{one} to {other}"] = Background(partial(_gradient, one, other), phrases, tags, 0.7)
    return made


def _patterns() -> dict[str, Background]:
    made: dict[str, Background] = {}
    for ground, dot in (("pink", "white"), ("light blue", "white"), ("yellow", "orange")):
        phrases = (
            f"on a {ground} background with {dot} polka dots",
            f"on a dotted {ground} background",
            f"on a {ground} and {dot} polka dot background",
        )
        tags = (f"{ground} polka dots", "polka dot background")
        made[f"{ground} dots"] = Background(partial(_dots, ground, dot), phrases, tags, 0.6)
    for one, other in (("white", "light blue"), ("white", "pink"), ("beige", "red")):
        phrases = (
            f"on a striped {other} and {one} background",
            f"on a background with {other} and {one} stripes",
            f"in front of {other} and {one} stripes",
        )
        tags = (f"{other} stripes", "striped background")
        made[f"{other} stripes"] = Background(partial(_stripes, one, other), phrases, tags, 0.6)
    for one, other in (("white", "light green"), ("white", "red"), ("grey", "white")):
        phrases = (
            f"on a checkered {other} and {one} background",
            f"on a {other} and {one} checked background",
        )
        tags = ("checkered background", f"{other} and {one} checks")
        made[f"{other} and {one} checks"] = Background(
            partial(_checked, one, other), phrases, tags, 0.4
        )
    return made


def _interiors() -> dict[str, Background]:
    made: dict[str, Background] = {}
    for wall in ("beige", "light blue", "white", "green", "dark blue", "pink"):
        phrases = (
            "on a wooden table",
            "on a wooden table",
            "on a table",
            f"on a wooden table in front of a {wall} wall",
            f"on a table with a {wall} wall behind it",
        )
        tags = ("wooden table", "table")
        made[f"table, {wall}"] = Background(
            partial(_table, wall), phrases, tags, 0.8, (196.0, 236.0)
        )
    rooms = (("yellow", "grey"), ("light blue", "beige"), ("pink", "white"), ("red", "black"))
    for wall, floor in (*rooms, ("light green", "brown"), ("lavender", "purple")):
        phrases = (
            f"in a {wall} room",
            f"in an empty {wall} room",
            f"in a room with {wall} walls",
            f"in a {wall} room with a {floor} floor",
            f"on a {floor} floor in front of a {wall} wall",
        )
        tags = (f"{wall} room", f"{wall} wall, {floor} floor")
        made[f"{wall} room"] = Background(
            partial(_room, wall, floor), phrases, tags, 0.7, (196.0, 236.0)
        )
    for wall in ("white", "orange", "turquoise"):
        phrases = (
            "on a wooden floor",
            f"on a wooden floor in front of a {wall} wall",
            f"in a {wall} room with a wooden floor",
        )
        tags = ("wooden floor", f"{wall} room, wooden floor")
        made[f"wooden floor, {wall}"] = Background(
            partial(_wooden_floor, wall), phrases, tags, 0.7, (196.0, 236.0)
        )
    return made


def _outside() -> dict[str, Background]:
    blue: tuple[Colour, Colour] = ((0.36, 0.66, 0.95), (0.84, 0.94, 1.0))
    pale: tuple[Colour, Colour] = ((0.72, 0.80, 0.90), (0.90, 0.94, 0.98))
    floor = (196.0, 240.0)
    return {
        "lawn": Background(
            partial(_ground, blue, (0.34, 0.66, 0.26), (0.46, 0.74, 0.36), True),
            ("on green grass", "on the grass", "on a lawn", "on grass", "standing on a green lawn"),
            ("green grass", "grass", "lawn"),
            2.2,
            floor,
        ),
        "sand": Background(
            partial(_ground, blue, (0.95, 0.84, 0.60), (0.90, 0.78, 0.54), False),
            ("on sand", "on yellow sand", "on the sand", "on sandy ground"),
            ("sand", "yellow sand"),
            1.0,
            floor,
        ),
        "snow": Background(
            partial(_ground, pale, (0.98, 0.99, 1.0), (0.86, 0.91, 0.96), False),
            ("on snow", "on white snow", "standing on snow", "on snowy ground"),
            ("snow", "white snow"),
            1.0,
            floor,
        ),
        "clouds": Background(
            _clouds,
            ("on a background of clouds", "among the clouds", "on a sky with white clouds"),
            ("clouds background", "among clouds"),
            1.0,
        ),
        "stars": Background(
            _stars,
            ("on a starry background", "among the stars", "in space", "in outer space"),
            ("starry background", "space", "stars"),
            1.2,
        ),
        "spotlight": Background(
            _stage_light,
            ("in a spotlight", "on a dark stage", "on a stage in a spotlight"),
            ("spotlight", "dark stage"),
            0.8,
            (206.0, 222.0),
        ),
    }


BACKGROUNDS: dict[str, Background] = {
    **_flats(),
    **_gradients(),
    **_patterns(),
    **_interiors(),
    **_outside(),
}
