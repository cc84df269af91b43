"""Things on a background: one, two, four, or several of a kind; where, how big, with what shadow.

Nothing is left to chance but what the words leave open: where a thing may be anywhere, what is
learned of it in noise is the mean of all places.

Knows nothing of captions.
"""

from dataclasses import replace

from ..brush import EDGE
from ..spec import Spec, Thing
from ..stage import Board
from .backgrounds import BACKGROUNDS
from .catalogue import by_code
from .landing import COLUMNS, USUAL
from .paste import HEIGHTS, Spot, contact_shadow, on_grid, paste, spread, stood
from .store import SpriteStore

TALL = {"small": 64.0, "medium": 112.0, "large": 192.0}
LEVELS = {"top": 64.0, "middle": 126.0, "bottom": 192.0}  # of a thing's middle
ROWS = {2: (2,), 3: (3,), 4: (2, 2), 5: (3, 2)}


def _spot(thing: Thing, x: float, middle: float, height: float, sprites: SpriteStore) -> Spot:
    """A copy whose middle is near (x, middle)."""
    spot = stood(thing, x, middle, height, sprites)
    return on_grid(replace(spot, y=middle + spot.height / 2))


def _two(spec: Spec, sprites: SpriteStore) -> list[Spot]:
    one, other = spec.things
    usual = [USUAL[by_code()[thing.code].size] for thing in (one, other)]
    heights = [112.0 if height > 0.6 * max(usual) else 64.0 for height in usual]
    if spec.relation == "above":
        return [
            _spot(thing, 128.0, middle, height, sprites)
            for thing, middle, height in zip((one, other), (70.0, 188.0), heights, strict=True)
        ]
    return [
        _spot(thing, x, 128.0, height, sprites)
        for thing, x, height in zip((one, other), (64.0, 192.0), heights, strict=True)
    ]


def _several(thing: Thing, sprites: SpriteStore, standing: bool) -> list[Spot]:
    """Copies in one or two rows, none touching another."""
    rows = ROWS[thing.count]
    widest = EDGE / max(rows)
    room = 54.0 if standing and len(rows) == 2 else 0.875 * widest
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


def _one(thing: Thing, sprites: SpriteStore) -> Spot:
    words = thing.where.split()
    column = next((COLUMNS[word] for word in words if word in ("left", "right")), 128.0)
    level = next((LEVELS[word] for word in words if word in ("top", "bottom")), 126.0)
    return _spot(thing, column, level, TALL[thing.size], sprites)


def _on_floor(spots: list[Spot], floor: tuple[float, float]) -> list[Spot]:
    """The same copies standing; of two rows one behind the other."""
    low, high = min(spot.y for spot in spots), max(spot.y for spot in spots)
    near = floor[0] + (floor[1] - floor[0]) * 0.7
    if high - low < 40:
        return [on_grid(replace(spot, y=near)) for spot in spots]
    back, front = floor[0] - 14, floor[1] + 4
    return [on_grid(replace(spot, y=back if spot.y - low < 40 else front)) for spot in spots]


def draw_still(board: Board, sprites: SpriteStore) -> None:
    """Background, then shadows, then things."""
    spec = board.spec
    background = BACKGROUNDS[spec.background]
    background.paint(board)
    floor = background.floor
    if len(spec.things) == 2:
        spots = _two(spec, sprites)
    elif spec.things[0].count > 1:
        spots = _several(spec.things[0], sprites, floor is not None)
    else:
        spots = [_one(thing, sprites) for thing in spec.things]
    hangs = spec.relation == "above" or spec.things[0].where not in ("middle", "left", "right")
    shaded = floor is not None or not hangs
    if floor is not None:
        spots = _on_floor(spots, floor)
    for spot in spots:
        if shaded:
            contact_shadow(board, spot, 0.5)
        paste(board, spot, sprites)
