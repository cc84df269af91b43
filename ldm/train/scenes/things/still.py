"""Things on a background: one, two, or several of a kind; where, how big, with what shadow.

Knows nothing of captions.
"""

from dataclasses import replace

from ..brush import EDGE
from ..spec import Spec, Thing
from ..stage import Board
from .backgrounds import BACKGROUNDS
from .catalogue import by_code
from .landing import HEIGHTS
from .paste import Spot, contact_shadow, paste, spread
from .store import SpriteStore

SIDES = {"small": (58.0, 84.0), "medium": (104.0, 148.0), "large": (172.0, 206.0)}
COLUMNS = {"left": 62.0, "middle": 128.0, "right": 194.0}
LEVELS = {"top": 64.0, "middle": 126.0, "bottom": 192.0}  # of a thing's middle
ROWS = {2: (2,), 3: (3,), 4: (2, 2), 5: (3, 2)}


def _spot(
    board: Board, thing: Thing, x: float, middle: float, height: float, sprites: SpriteStore
) -> Spot:
    """A copy whose middle is at (x, middle), kept inside the picture."""
    sprite = sprites.by_code[thing.code][thing.style]
    tall, wide = spread(sprite, height)
    half, edge = wide / 2 + 3, tall / 2 + 4
    x = min(max(x, half), EDGE - half)
    middle = min(max(middle, edge), EDGE - edge)
    flipped = board.rng.random() < 0.5 and by_code()[thing.code].mirrors
    return Spot(sprite, x, middle + tall / 2, tall, wide, flipped, _paint(thing))


def _paint(thing: Thing) -> str:
    return thing.colour if thing.painted else ""


def _two(board: Board, spec: Spec, sprites: SpriteStore) -> list[Spot]:
    rng, (one, other) = board.rng, spec.things
    sizes = [HEIGHTS[by_code()[thing.code].size] for thing in (one, other)]
    usual = sum(sizes) / 2
    heights = [rng.uniform(88, 100) * (size / usual) ** 0.5 for size in sizes]
    if spec.relation == "above":
        x = rng.uniform(112, 144)
        return [
            _spot(board, thing, x + rng.uniform(-8, 8), middle, min(height, 100.0), sprites)
            for thing, middle, height in zip((one, other), (70.0, 188.0), heights, strict=True)
        ]
    columns = (rng.uniform(64, 72), rng.uniform(184, 192))
    return [
        _spot(board, thing, x, 128.0, min(height, 118.0), sprites)
        for thing, x, height in zip((one, other), columns, heights, strict=True)
    ]


def _several(board: Board, thing: Thing, sprites: SpriteStore, standing: bool) -> list[Spot]:
    """Copies in one or two rows, none touching another."""
    rng = board.rng
    rows = list(ROWS[thing.count])
    rng.shuffle(rows)
    widest = EDGE / max(rows)
    sprite = sprites.by_code[thing.code][thing.style]
    height = rng.uniform(0.62, 0.82) * widest
    if len(rows) == 2:
        height = min(height, 54.0 if standing else 92.0)
    tall, wide = spread(sprite, height)
    height *= min(1.0, 0.9 * widest / wide)
    flipped = rng.random() < 0.5 and by_code()[thing.code].mirrors
    spots: list[Spot] = []
    for row, count in enumerate(rows):
        tall, wide = spread(sprite, height)
        middle = 128.0 if len(rows) == 1 else 128.0 + (row - 0.5) * (tall + 22)
        for column in range(count):
            x = (column + 0.5) * EDGE / count + (128 - (column + 0.5) * EDGE / count) * 0.12
            x += rng.uniform(-3, 3)
            spots.append(Spot(sprite, x, middle + tall / 2, tall, wide, flipped, _paint(thing)))
    return spots


def _one(board: Board, thing: Thing, sprites: SpriteStore) -> list[Spot]:
    rng = board.rng
    words = thing.where.split()
    column = next((COLUMNS[word] for word in words if word in ("left", "right")), 128.0)
    level = next((LEVELS[word] for word in words if word in ("top", "bottom")), 126.0)
    height = rng.uniform(*SIDES[thing.size])
    x, y = column + rng.uniform(-10, 10), level + rng.uniform(-10, 10)
    return [_spot(board, thing, x, y, height, sprites)]


def _on_floor(board: Board, spots: list[Spot], floor: tuple[float, float]) -> list[Spot]:
    """The same copies standing; of two rows one behind the other."""
    low, high = min(spot.y for spot in spots), max(spot.y for spot in spots)
    near = board.rng.uniform(floor[0] + (floor[1] - floor[0]) * 0.4, floor[1])
    if high - low < 20:
        return [replace(spot, y=near) for spot in spots]
    return [replace(spot, y=floor[0] - 14 if spot.y - low < 20 else floor[1] + 4) for spot in spots]


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
