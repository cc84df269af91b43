"""Things on a background: one, two, four, or several of a kind; where, with what shadow.

Nothing is left to chance but what the words leave open: where a thing may be anywhere, what is
learned of it in noise is the mean of all places.

Knows nothing of captions.
"""

from dataclasses import replace

from ..spec import CORNERS, Thing
from ..stage import Board
from .backgrounds import BACKGROUNDS
from .landing import COLUMNS
from .paste import Spot, contact_shadow, on_grid, paste, stood
from .store import SpriteStore

LEVELS = {"top": 64.0, "bottom": 192.0}  # of a thing's middle
MIDDLE = 126.0
# Where so many of a kind are: there each thing is seen on its own, or among four.
COPIES = {2: ("left", "right"), 3: ("top", "bottom left", "bottom right"), 4: CORNERS}


def _spots(thing: Thing, sprites: SpriteStore) -> list[Spot]:
    """One a copy."""
    spots: list[Spot] = []
    for where in COPIES.get(thing.count, (thing.where,)):
        words = where.split()
        x = next((COLUMNS[word] for word in words if word in COLUMNS), COLUMNS["middle"])
        middle = LEVELS.get(words[0], MIDDLE)
        spot = stood(thing, x, middle, sprites)
        spots.append(on_grid(replace(spot, y=middle + spot.height / 2)))
    return spots


def draw_still(board: Board, sprites: SpriteStore) -> None:
    """Background, then shadows, then things."""
    background, things = BACKGROUNDS[board.spec.background], board.spec.things
    background.paint(board)
    spots = [spot for thing in things for spot in _spots(thing, sprites)]
    if background.floor is not None:
        near = background.floor[0] + (background.floor[1] - background.floor[0]) * 0.7
        spots = [on_grid(replace(spot, y=near)) for spot in spots]
    stands = all(thing.stands for thing in things)
    for spot in spots:
        if stands:
            contact_shadow(board, spot, 0.5)
        paste(board, spot, sprites)
