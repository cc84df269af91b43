"""The engine: a collection of models, and one thread that draws every live request.

Requests whose rows are of one kind share each U-Net call, whatever their steps, samplers, guidance
and seeds; a newcomer joins at the next step, and whoever stops leaves at once. What is not a step
(reading captions and pictures, writing finished ones) is done beside it by threads of its own.
Callers get a stream of events, from plain Python (`run`) or async code (`stream`). Nothing here
knows of pages or HTTP.
"""

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.memory import Thrift
from ldm.collection import Collection
from ldm.engine.steps import Steps, explained
from ldm.engine.tickets import (
    EngineBusy,
    EngineClosed,
    Ticket,
    TimeLimit,
    share,
    waiting,
)
from ldm.events import Event, Loading, Queued, Result
from ldm.models.apart import apart
from ldm.pipeline import Request, Row, Watcher, by_kind, check, check_pictures, own_recipe
from ldm.recipe import Recipe

LONGEST_SLEEP = 1.0  # seconds between looks at the clock while nothing can be drawn

Turns = dict[Row, tuple[Ticket, Request]]  # the rows that are to move, and whose they are


def _needs_merging(rows: Sequence[Row], turns: Turns) -> bool:
    """Whether other LoRAs must be added to the model's weights before these can be drawn."""
    _, request = turns[rows[0]]
    return request.checkpoint.loras.used != request.recipe.loras


class Engine(Collection):
    """A collection of models that draws recipes on them, many at once.

    preview_every: steps from one preview to the next, 0 for none; None: as suits their number.
    max_rows: pictures drawn together, in as many U-Net calls as memory asks for; visitors have
    their turns one picture each, so whoever asks for many gets what others leave. max_waiting:
    requests that may wait beside them. max_seconds: how long a request may be drawn. strict: each
    picture has its U-Net calls to itself, which makes its bytes the same whoever else is drawn, and
    takes longer. The rest: see `Collection`. Thread safe. `close` ends it; so does leaving a `with`
    block.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        preview_every: int | None = None,
        max_pixels: int | None = None,
        max_rows: int = 16,
        max_waiting: int = 100,
        extras: Mapping[str, Extras] | None = None,
        loras: Mapping[str, Path] | None = None,
        thrift: Thrift | None = None,
        memory: int | None = None,
        max_seconds: float = 1800,
        strict: bool = False,
        compile_unet: bool = False,
    ) -> None:
        super().__init__(
            models, device, dtype, max_pixels, extras, loras, thrift, memory, compile_unet
        )
        self.preview_every, self.max_rows, self.max_waiting = preview_every, max_rows, max_waiting
        self.max_seconds = max_seconds
        # Models take half of the memory; pictures are decoded while others are drawn.
        self._steps = Steps(self.memory // 4, strict)
        self._changed = threading.Condition()  # guards what follows
        self._tickets: list[Ticket] = []  # live, in the order they came
        self._closed = False
        self._seconds_a_row: float | None = None  # moving average of one evaluation
        # Apart, as preparing may wait for a model's room, which finishing makes.
        self._preparing = ThreadPoolExecutor(1, "ldm-prepare")
        self._finishing = ThreadPoolExecutor(1, "ldm-finish")
        self._worker = threading.Thread(target=self._work, name="ldm-engine", daemon=True)
        self._worker.start()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def warm_up(self, model: str) -> None:
        """Load a model and have it draw one step in this process, unseen, where it needs no picture
        to start from: a first picture takes as long again for laying out weights and choosing
        kernels.

        Raises CheckpointError, and what goes wrong while drawing; nothing where the engine is
        closed meanwhile.
        """
        reads = self.checkpoint(model).text_encoder is not None
        if "text_to_image" not in self.family(model).tasks:
            return
        own = own_recipe(self.defaults(model), "a picture" if reads else "", model)
        recipe = replace(own, num_inference_steps=1)
        try:
            for _ in Engine.run(self, recipe):  # here, even where replicas draw for visitors
                pass
        except EngineClosed:
            pass

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
        drawing, DrawingError (TimeLimit and OutOfMemory are such) or what the watcher raised.
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
                self._end(ticket)

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
                    None if done.cancelled() or done.exception() else self._end(done.result())
                )
            )

    def close(self) -> None:
        """Stop within one step. Every request that has not ended raises EngineClosed."""
        with self._changed:
            self._closed = True
            tickets = list(self._tickets)
            self._changed.notify_all()
        for ticket in tickets:
            self._end(ticket, EngineClosed())
        if threading.current_thread() is not self._worker:
            self._worker.join()
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._finishing.shutdown(wait=False, cancel_futures=True)

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
        checkpoint = self.checkpoint(recipe.model, lambda share: deliver(Loading(share)))
        check(recipe, checkpoint, self.max_pixels(recipe.model), init_image)
        ticket = Ticket(recipe, init_image, mask, visitor, deliver, watcher)
        with self._changed:
            if self._closed:
                raise EngineClosed
            before = waiting(self._tickets)
            if len(before) >= self.max_waiting:
                raise EngineBusy(len(before), self._wait_behind(before))
            self._tickets.append(ticket)
            self._tell_positions()
            self._places()  # what need not wait for the step under way
            self._changed.notify_all()
        return ticket

    def _end(self, ticket: Ticket, outcome: Result | Exception | None = None) -> None:
        """End a request, once: with its result or its error, or cancelled. From any thread."""
        with self._changed:
            if ticket.ended:
                return
            ticket.ended = True
            self._tickets.remove(ticket)
            ticket.request = None  # what it holds of the memory goes, whoever keeps the ticket
            self._tell_positions()
            self._changed.notify_all()
        if ticket.lease is not None:
            ticket.lease.release()
        if outcome is not None:
            self._tell(ticket, outcome)

    def _tell(self, ticket: Ticket, event: Event | Exception) -> None:
        try:
            ticket.deliver(event)
        except Exception:  # nobody is there to be told
            self._end(ticket)

    # --- waiting (all with the lock held) ---

    def _wait_behind(self, ahead: list[Ticket]) -> float | None:
        """Seconds until a request behind these starts, if pictures end one after another."""
        if self._seconds_a_row is None:
            return None
        begun = [ticket for ticket in self._tickets if ticket.begun is not None]
        return self._seconds_a_row * sum(ticket.evaluations for ticket in [*begun, *ahead])

    def _tell_positions(self) -> None:
        line = waiting(self._tickets)
        for position, ticket in enumerate(line):
            if position != ticket.position:
                ticket.position = position
                self._tell(ticket, Queued(position, self._wait_behind(line[:position])))

    def _places(self) -> Counter[Ticket]:
        """How many places each request has now; those that have one for the first time begin."""
        places = share(self._tickets, self.max_rows)
        begins = [ticket for ticket in places if ticket.begun is None]
        for ticket in begins:
            ticket.begun = time.monotonic()
            self._preparing.submit(apart, partial(self._prepare, ticket))
        if begins:
            self._tell_positions()
        return places

    # --- drawing (the worker's thread) ---

    def _work(self) -> None:
        while True:
            with self._changed:
                turns = self._next_turns()
                while not turns and not self._closed:
                    self._changed.wait(LONGEST_SLEEP if self._tickets else None)
                    turns = self._next_turns()
                if self._closed:
                    return
            self._round(turns)

    def _next_turns(self) -> Turns:
        """The rows whose turn it is. With the lock held."""
        now, turns = time.monotonic(), Turns()
        for ticket in list(self._tickets):
            if ticket.begun is not None and now - ticket.begun > self.max_seconds:
                self._end(ticket, TimeLimit(self.max_seconds))
        for ticket, count in self._places().items():
            if (request := ticket.request) is not None:
                turns |= {row: (ticket, request) for row in request.unfinished[:count]}
        return turns

    def _round(self, turns: Turns) -> None:
        """One evaluation of each of these rows, and what there is to tell of them."""
        # Those whose LoRAs are in the weights already go first: one change a round is enough.
        kinds = sorted(by_kind(turns), key=lambda rows: _needs_merging(rows, turns))
        for rows in kinds:
            start = time.monotonic()
            _, request = turns[rows[0]]
            failures = self._steps.move(request.checkpoint, rows)
            self._learn((time.monotonic() - start) / len(rows))
            for row, error in failures.items():
                self._end(turns[row][0], error)
            moved = dict.fromkeys(turns[row] for row in rows)
            for ticket, request in moved:
                self._report(ticket, request)
            for ticket, request in moved:
                if request.finished and not ticket.ended:
                    self._have_finished(ticket, request)

    def _report(self, ticket: Ticket, request: Request) -> None:
        if ticket.ended:
            return
        try:
            for event in [*request.report()]:  # a preview takes a while; what it goes with, waits
                self._tell(ticket, event)
        except Exception as error:
            self._end(ticket, explained(error))

    def _have_finished(self, ticket: Ticket, request: Request) -> None:
        """Apart, as long as others are drawn. This thread is quicker (see `apart`) where nothing
        waits for its next step; a newcomer waits for one picture, as it would for a step.
        """
        work = partial(self._finish, ticket, request)
        with self._changed:
            alone = len(request.rows) == 1 and not self._next_turns()
        if alone:
            work()
        else:
            self._finishing.submit(apart, work)

    def _learn(self, seconds_a_row: float) -> None:
        before = self._seconds_a_row
        self._seconds_a_row = (
            seconds_a_row if before is None else 0.9 * before + 0.1 * seconds_a_row
        )

    # --- beside the steps (one at a time of each kind) ---

    def _prepare(self, ticket: Ticket) -> None:
        """Read its captions and pictures."""
        if ticket.ended:
            return
        try:
            lease = self.lease(ticket.recipe.model)
        except Exception as error:
            self._end(ticket, explained(error))
            return
        with self._changed:
            if ticket.ended:
                lease.release()
                return
            ticket.lease = lease
        try:
            request = Request(
                lease.checkpoint,
                ticket.recipe,
                ticket.init_image,
                ticket.mask,
                self.preview_every,
                ticket.watcher,
            )
        except Exception as error:  # whatever it is ends this request alone, and is told
            self._end(ticket, explained(error))
            return
        with self._changed:
            if not ticket.ended:
                ticket.request = request
                self._changed.notify_all()

    def _finish(self, ticket: Ticket, request: Request) -> None:
        """Decode its pictures and write them."""
        if ticket.ended:
            return
        try:
            result = request.result()
        except Exception as error:
            self._end(ticket, explained(error))
        else:
            self._end(ticket, result)
