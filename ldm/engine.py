"""The engine: models at hand, and one thread that draws every live request.

Requests whose rows are of one kind share each U-Net call, whatever their steps, samplers, guidance
and seeds; a newcomer joins at the next step, and whoever stops leaves at once. Callers get a stream
of events, from plain Python (`run`) or async code (`stream`). Nothing here knows of pages or HTTP.
"""

import asyncio
import itertools
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.memory import Thrift
from ldm.collection import Collection
from ldm.events import Event, Queued, Result
from ldm.pipeline import PREVIEW_EVERY, Request, Row, Watcher, advance, check, check_pictures
from ldm.recipe import Recipe


class EngineBusy(RuntimeError):
    """The queue is full. `seconds`: about how long until there is room, where known."""

    def __init__(self, waiting: int, seconds: float | None) -> None:
        self.waiting, self.seconds = waiting, seconds
        again = f" Please try again in about {seconds:.0f} seconds." if seconds else ""
        super().__init__(
            f"{waiting} requests are waiting already, which is all this machine takes.{again}"
        )


class EngineClosed(RuntimeError):
    """The engine was shut down before the request ended."""

    def __init__(self) -> None:
        super().__init__("the engine has been shut down")


@dataclass(eq=False)
class Ticket:
    """A submitted request. deliver: takes an event, or the error that ended the request; any
    thread.
    """

    recipe: Recipe
    init_image: Image.Image | None
    mask: Image.Image | None
    visitor: str
    deliver: Callable[[Event | Exception], None]
    watcher: Watcher | None = None  # of its first picture
    cancelled: threading.Event = field(default_factory=threading.Event)
    request: Request | None = None
    position: int = -1  # as last told


def _needs_merging(tickets: Sequence[Ticket]) -> bool:
    """Whether other LoRAs must be added to the model's weights before these can be drawn."""
    request = tickets[0].request
    return request is not None and request.checkpoint.loras.used != request.recipe.loras


class Engine(Collection):
    """A collection of models that draws recipes on them, many at once.

    preview_every: steps from one preview to the next; 0 for none. max_rows: pictures drawn
    together; max_waiting: requests that may wait beside them. The rest: see `Collection`.
    Thread safe. `close` ends it; so does leaving a `with` block.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        preview_every: int = PREVIEW_EVERY,
        max_pixels: int | None = None,
        max_rows: int = 16,
        max_waiting: int = 100,
        extras: Mapping[str, Extras] | None = None,
        loras: Mapping[str, Path] | None = None,
        thrift: Thrift | None = None,
    ) -> None:
        super().__init__(models, device, dtype, max_pixels, extras, loras, thrift)
        self.preview_every, self.max_rows, self.max_waiting = preview_every, max_rows, max_waiting
        self._changed = threading.Condition()  # guards what follows
        self._waiting: deque[Ticket] = deque()
        self._active: list[Ticket] = []
        self._closed = False
        self._seconds_a_row: float | None = None  # moving average, for the estimate of waiting
        self._worker = threading.Thread(target=self._work, name="ldm-engine", daemon=True)
        self._worker.start()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- requests ---

    def run(
        self,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        visitor: str = "",
        watcher: Watcher | None = None,
    ) -> Iterator[Event]:
        """Draw a recipe. Events come as they happen, `Result` last; closing the iterator cancels.

        init_image: RGB, mask: L of its size, white where to repaint. visitor: whose request it is.
        watcher: looks at the first picture's evaluations, in the engine's thread.
        Raises at once: RecipeError, ImageError or CheckpointError for what cannot be drawn,
        EngineBusy when the queue is full. Raises later, in place of `Result`: what went wrong while
        drawing.
        """
        inbox: queue.SimpleQueue[Event | Exception] = queue.SimpleQueue()
        ticket = self._submit(recipe, init_image, mask, visitor, inbox.put, watcher)

        def events() -> Iterator[Event]:
            try:
                while True:
                    event = inbox.get()
                    if isinstance(event, Exception):
                        raise event
                    yield event
                    if isinstance(event, Result):
                        return
            finally:
                self._cancel(ticket)

        return events()

    async def stream(
        self,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        visitor: str = "",
        watcher: Watcher | None = None,
    ) -> AsyncGenerator[Event, None]:
        """As `run`, for async code. Errors are raised by the first read; `aclose` cancels."""
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Event | Exception] = asyncio.Queue()

        def deliver(event: Event | Exception) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(inbox.put_nowait, event)

        submitting = asyncio.ensure_future(
            asyncio.to_thread(self._submit, recipe, init_image, mask, visitor, deliver, watcher)
        )
        try:
            await asyncio.shield(submitting)
            while True:
                event = await inbox.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if isinstance(event, Result):
                    return
        finally:
            # Cancelled while still submitting: the ticket is dropped as soon as there is one.
            submitting.add_done_callback(
                lambda done: (
                    None if done.cancelled() or done.exception() else self._cancel(done.result())
                )
            )

    def close(self) -> None:
        """Stop within one step. Every request that has not ended raises EngineClosed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def _submit(
        self,
        recipe: Recipe,
        init_image: Image.Image | None,
        mask: Image.Image | None,
        visitor: str,
        deliver: Callable[[Event | Exception], None],
        watcher: Watcher | None,
    ) -> Ticket:
        recipe = check_pictures(recipe, init_image, mask)
        check(recipe, self.checkpoint(recipe.model), self.max_pixels(recipe.model), init_image)
        ticket = Ticket(recipe, init_image, mask, visitor, deliver, watcher)
        with self._changed:
            if self._closed:
                raise EngineClosed
            if len(self._waiting) >= self.max_waiting:
                raise EngineBusy(len(self._waiting), self._wait_at(len(self._waiting)))
            self._waiting.append(ticket)
            self._tell_positions()
            self._changed.notify_all()
        return ticket

    def _cancel(self, ticket: Ticket) -> None:
        ticket.cancelled.set()
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._tell_positions()

    # --- waiting (all with the lock held) ---

    def _wait_at(self, position: int) -> float | None:
        """Seconds until the request with `position` others before it starts; rows end one after
        another.
        """
        if self._seconds_a_row is None:
            return None
        ahead = [*self._active, *itertools.islice(self._waiting, position)]
        return self._seconds_a_row * sum(ticket.recipe.num_images for ticket in ahead)

    def _tell_positions(self) -> None:
        for position, ticket in enumerate(self._waiting):
            if position != ticket.position:
                ticket.position = position
                ticket.deliver(Queued(position, self._wait_at(position)))

    def _admit(self) -> list[Ticket]:
        """Take from the queue what fits, the visitor with the fewest live pictures first."""
        live: dict[str, int] = defaultdict(int)
        for ticket in self._active:
            live[ticket.visitor] += ticket.recipe.num_images
        rows, admitted = sum(live.values()), []
        while self._waiting:
            ticket = min(self._waiting, key=lambda waiting: live[waiting.visitor])
            if rows and rows + ticket.recipe.num_images > self.max_rows:
                break
            self._waiting.remove(ticket)
            admitted.append(ticket)
            rows += ticket.recipe.num_images
            live[ticket.visitor] += ticket.recipe.num_images
        self._active += admitted
        self._tell_positions()
        return admitted

    # --- drawing (the worker's thread alone) ---

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._active or self._waiting):
                    self._changed.wait()
                if self._closed:
                    ended = [*self._active, *self._waiting]
                    self._active, self._waiting = [], deque()
                    break
                admitted = self._admit()
            for ticket in admitted:
                self._prepare(ticket)
            self._round()
        for ticket in ended:
            ticket.deliver(EngineClosed())

    def _prepare(self, ticket: Ticket) -> None:
        try:
            checkpoint = self.checkpoint(ticket.recipe.model)
            ticket.request = Request(
                checkpoint,
                ticket.recipe,
                ticket.init_image,
                ticket.mask,
                self.preview_every,
                ticket.watcher,
            )
        except Exception as error:  # whatever it is ends this request alone, and is told
            self._end(ticket, error)

    def _end(self, ticket: Ticket, error: Exception | None = None) -> None:
        if error is not None:
            ticket.deliver(error)
        with self._changed:
            self._active.remove(ticket)

    def _round(self) -> None:
        """One evaluation for every live request; rows of one kind share a U-Net call."""
        kinds: dict[tuple[object, ...], list[Ticket]] = defaultdict(list)
        for ticket in list(self._active):
            if ticket.cancelled.is_set():
                self._end(ticket)
            elif ticket.request is not None:
                kinds[ticket.request.rows[0].kind].append(ticket)
        # Those whose LoRAs are in the weights already go first: one change a round is enough.
        for tickets in sorted(kinds.values(), key=_needs_merging):
            self._advance(tickets)

    def _advance(self, tickets: list[Ticket]) -> None:
        requests = [ticket.request for ticket in tickets if ticket.request is not None]
        rows: list[Row] = [row for request in requests for row in request.rows]
        start = time.monotonic()
        try:
            advance(requests[0].checkpoint, rows)
        except Exception as error:
            # Rows of a failed call have not moved, so each request can be tried alone; the one at
            # fault fails.
            if len(tickets) == 1:
                self._end(tickets[0], error)
                return
            for ticket in tickets:
                self._advance([ticket])
            return
        seconds = time.monotonic() - start
        for ticket, request in zip(tickets, requests, strict=True):
            self._report(ticket, request)
            if request.finished:
                self._learn(seconds / len(rows) * request.total)

    def _report(self, ticket: Ticket, request: Request) -> None:
        try:
            for event in request.report():
                ticket.deliver(event)
        except Exception as error:
            self._end(ticket, error)
            return
        if request.finished:
            self._end(ticket)

    def _learn(self, seconds_a_row: float) -> None:
        before = self._seconds_a_row
        self._seconds_a_row = (
            seconds_a_row if before is None else 0.8 * before + 0.2 * seconds_a_row
        )
