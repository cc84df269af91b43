"""One drawing function a place; `PAINTERS` is the list."""

from collections.abc import Callable

from ..stage import Stage
from .coast import beach, island, sea
from .country import field, hill, village
from .desert import desert
from .fresh_water import lake, river, waterfall
from .grounds import garden, temple
from .indoors import room
from .street import city
from .tea_garden import tea
from .woods import forest

PAINTERS: dict[str, Callable[[Stage], None]] = {
    "lake": lake,
    "sea": sea,
    "beach": beach,
    "tea": tea,
    "forest": forest,
    "desert": desert,
    "village": village,
    "hill": hill,
    "city": city,
    "river": river,
    "waterfall": waterfall,
    "field": field,
    "island": island,
    "garden": garden,
    "temple": temple,
    "room": room,
}
