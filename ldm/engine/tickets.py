"""Requests as the engine keeps them, whose turn it is, and why one ends without a picture.

Plain data and rules: no thread runs here and nothing is drawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from ldm.collection import Lease
from ldm.diffusion.samplers import SAMPLERS
from ldm.events import Event
from ldm.pipeline import DrawingError, Request, Watcher
from ldm.recipe import Recipe


class EngineBusy(RuntimeError):
    """The queue is full. `seconds`: about how long until there is room, where known."""

    def __init__(self, waiting: int, seconds: float | None) -> None:
        super().__init__(waiting, seconds)  # both, so that the error survives pickling
        self.waiting, self.seconds = waiting, seconds

    def __str__(self) -> str:
        again = f" Please try again in about {self.seconds:.0f} seconds." if self.seconds else ""
        return (
            f"{self.waiting} requests are waiting already, which is all this machine takes.{again}"
        )


class EngineClosed(RuntimeError):
    """The engine was shut down before the request ended."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "the engine has been shut down"


class TimeLimit(DrawingError):
    """The request was drawn for as long as one may be, `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"the time limit of {self.seconds:g} seconds for one request is over; fewer steps, "
            "fewer pictures or a smaller size may fit"
        )


class OutOfMemory(DrawingError):
    """The device's memory does not suffice for the request alone."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "there is not enough memory for this picture; a smaller size may fit"


@dataclass(eq=False)
class Ticket:
    """A submitted request, until it ends.

    Attributes:
        deliver: takes an event, or the error that ended the request, in any thread.
        watcher: of its first picture.
        begun: when (monotonic seconds) it first had a place; None while it waits.
        lease: of its model, and request: its rows, from when it has been prepared.
        ended: whether it has had its result, its error or its cancel.
        position: in the queue, as last told.
    """

    recipe: Recipe
    init_image: Image.Image | None
    mask: Image.Image | None
    visitor: str
    deliver: Callable[[Event | Exception], None]
    watcher: Watcher | None = None
    begun: float | None = None
    lease: Lease | None = None
    request: Request | None = None
    ended: bool = False
    position: int = -1

    @property
    def unfinished(self) -> int:
        """How many of its pictures are not at their last step."""
        return self.recipe.num_images if self.request is None else len(self.request.unfinished)

    @property
    def evaluations(self) -> int:
        """About how many evaluations of the model its pictures still need."""
        recipe, request = self.recipe, self.request
        each = SAMPLERS[recipe.sampler].evaluations_per_step
        if request is None:
            return each * recipe.num_images * recipe.num_inference_steps
        return each * sum(request.total - row.step for row in request.rows)


Place = tuple[int, int]  # rank among the visitor's own pictures, then order of arrival


def places(tickets: Sequence[Ticket]) -> list[tuple[Place, Ticket]]:
    """Every unfinished picture, in the order of turns, of tickets in the order of arrival.

    Round robin: each visitor's first picture, then each one's second, and so on; of one rank, who
    came first.
    """
    ranks: dict[str, int] = defaultdict(int)
    found: list[tuple[Place, Ticket]] = []
    for arrival, ticket in enumerate(tickets):
        for _ in range(ticket.unfinished):
            found.append(((ranks[ticket.visitor], arrival), ticket))
            ranks[ticket.visitor] += 1
    return sorted(found, key=lambda each: each[0])


def share(tickets: Sequence[Ticket], most: int) -> Counter[Ticket]:
    """How many pictures of each request are drawn next, `most` in all."""
    return Counter(ticket for _, ticket in places(tickets)[:most])


def waiting(tickets: Sequence[Ticket]) -> list[Ticket]:
    """The requests that have not begun, whose turn comes first standing first."""
    return list(dict.fromkeys(t for _, t in places(tickets) if t.begun is None))
