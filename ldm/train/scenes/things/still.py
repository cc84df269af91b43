"""Things on a background: one, two, or several of a kind; where, how big, with what shadow.

Knows nothing of captions.
"""

from dataclasses import replace

from ..brush import EDGE
from ..spec import Spec, Thing
from ..stage import Board
from .backgrounds import BACKGROUNDS
from .catalogue import by_code
from .landing import USUAL
from .paste import HEIGHTS, Spot, contact_shadow, on_grid, paste, spread, stood
from .store import SpriteStore

TALL = {"small": 64.0, "medium": 128.0, "large": 192.0}
COLUMNS = {"left": 62.0, "middle": 128.0, "right": 194.0}
LEVELS = {"top": 64.0, "middle": 126.0, "bottom": 192.0}  # of a thing's middle
ROWS = {2: (2,), 3: (3,), 4: (2, 2), 5: (3, 2)}


def _spot(thing: Thing, x: float, middle: float, height: float, sprites: SpriteStore) -> Spot:
    """A copy whose middle is near (x, middle)."""
    sprite = sprites.by_code[thing.code][thing.style]
    paint = thing.colour if thing.painted else ""
    spot = stood(sprite, x, middle, height, paint)
    return stood(sprite, x, middle + spot.height / 2, height, paint)


def _two(board: Board, spec: Spec, sprites: SpriteStore) -> list[Spot]:
    rng, (one, other) = board.rng, spec.things
    usual = [USUAL[by_code()[thing.code].size] for thing in (one, other)]
    heights = [96.0 if height > 0.6 * max(usual) else 64.0 for height in usual]
    if spec.relation == "above":
        x = rng.uniform(112, 144)
        return [
            _spot(thing, x, middle, height, sprites)
            for thing, middle, height in zip((one, other), (70.0, 188.0), heights, strict=True)
        ]
    columns = (rng.uniform(64, 72), rng.uniform(184, 192))
    return [
        _spot(thing, x, 128.0, height, sprites)
        for thing, x, height in zip((one, other), columns, heights, strict=True)
    ]


def _several(board: Board, thing: Thing, sprites: SpriteStore, standing: bool) -> list[Spot]:
    """Copies in one or two rows, none touching another."""
    rng = board.rng
    rows = list(ROWS[thing.count])
    rng.shuffle(rows)
    widest = EDGE / max(rows)
    room = 54.0 if standing and len(rows) == 2 else 0.75 * widest
    sprite = sprites.by_code[thing.code][thing.style]
    height = next(
        (each for each in reversed(HEIGHTS) if each <= room and spread(sprite, each)[1] < widest),
        HEIGHTS[0],
    )
    spots: list[Spot] = []
    for row, count in enumerate(rows):
        middle = 128.0 if len(rows) == 1 else 128.0 + (row - 0.5) * (height + 22)
        for column in range(count):
            x = (column + 0.5) * EDGE / count + (128 - (column + 0.5) * EDGE / count) * 0.12
            spots.append(_spot(thing, x, middle, height, sprites))
    return spots


def _one(board: Board, thing: Thing, sprites: SpriteStore) -> list[Spot]:
    rng = board.rng
    words = thing.where.split()
    column = next((COLUMNS[word] for word in words if word in ("left", "right")), 128.0)
    level = next((LEVELS[word] for word in words if word in ("top", "bottom")), 126.0)
    x, y = column + rng.uniform(-10, 10), level + rng.uniform(-10, 10)
    return [_spot(thing, x, y, TALL[thing.size], sprites)]


def _on_floor(board: Board, spots: list[Spot], floor: tuple[float, float]) -> list[Spot]:
    """The same copies standing; of two rows one behind the other."""
    low, high = min(spot.y for spot in spots), max(spot.y for spot in spots)
    near = board.rng.uniform(floor[0] + (floor[1] - floor[0]) * 0.4, floor[1])
    if high - low < 40:
        return [on_grid(replace(spot, y=near)) for spot in spots]
    back, front = floor[0] - 14, floor[1] + 4
    return [on_grid(replace(spot, y=back if spot.y - low < 40 else front)) for spot in spots]


def draw_still(board: Board, sprites: SpriteStore) -> None:
    """Background, then shadows, then things."""
    spec, rng = board.spec, board.rng
    background = BACKGROUNDS[spec.background]
    background.paint(board)
    floor = background.floor
    if len(spec.things) == 2:
        spots = _two(board, spec, sprites)
    elif spec.things[0].count > 1:
        spots = _several(board, spec.things[0], sprites, floor is not None)
    else:
        spots = _one(board, spec.things[0], sprites)
    hangs = spec.relation == "above" or spec.things[0].where not in ("middle", "left", "right")
    shaded = floor is not None or (not hangs and rng.random() < 0.6)
    if floor is not None:
        spots = _on_floor(board, spots, floor)
    for spot in spots:
        if shaded:
            contact_shadow(board, spot, 0.5)
        paste(board, spot, sprites)
