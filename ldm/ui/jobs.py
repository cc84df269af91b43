"""Runs under way and their results, kept for ten minutes: a page that was lost finds its own again.

A job belongs to a visitor (a secret that their browser's tab made, see `assets/page/visit.js`) and
to a tab of the page. It draws on when nobody watches, and ends when its visitor stops it, starts
another in the same tab, or has not come back in time. Whoever watches gets the newest event of
each kind: a slow connection skips previews, it does not fall behind. What comes at nearly the same
time comes together, as every message costs the page some 60 ms, whatever is in it. Nothing here
shows anything.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from PIL import Image

from ldm.engine import Engine
from ldm.events import Event
from ldm.recipe import Recipe

KEPT_SECONDS = 600
TOGETHER_SECONDS = 0.02  # a step's progress and preview, and those of a whole grid
MAX_KEPT = 100  # jobs that have ended, the oldest given up first


@dataclass(frozen=True)
class Request:
    """A recipe and the pixels that travel beside it.

    before: what the result is compared with, where that is more than `init_image`.
    """

    recipe: Recipe
    init_image: Image.Image | None = None
    mask: Image.Image | None = None
    before: Image.Image | None = None


News = tuple[int, Event | Exception]  # of which request, what


async def until_stopped(
    events: AsyncIterator[Event], stop: asyncio.Event
) -> AsyncGenerator[Event, None]:
    """The events until they end or `stop` is set; an event that is waited for is then given up."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            coming = asyncio.ensure_future(anext(events))
            try:
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
            if coming.cancelled():
                return
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        stopping.cancel()


@dataclass(eq=False)
class Job:
    """Requests that were made together and are drawn together."""

    requests: tuple[Request, ...]
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    switch: asyncio.Event = field(default_factory=asyncio.Event)
    superseded: bool = False  # by a later one of the same visitor in the same tab
    _news: dict[tuple[int, type], Event | Exception] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _watchers: int = 0
    _seen: float = field(default_factory=time.monotonic)

    def _tell(self, index: int, news: Event | Exception) -> None:
        kind = Exception if isinstance(news, Exception) else type(news)
        self._news.pop((index, kind), None)  # so that it stands last
        self._news[index, kind] = news
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _draw(self, engine: Engine, index: int, visitor: str) -> None:
        request = self.requests[index]
        stream = engine.stream(request.recipe, request.init_image, request.mask, visitor=visitor)
        try:
            async with aclosing(stream), aclosing(until_stopped(stream, self.switch)) as events:
                async for event in events:
                    self._tell(index, event)
        except Exception as error:
            self._tell(index, error)

    async def draw(self, engine: Engine, visitor: str) -> None:
        """Draw every request to its end."""
        try:
            await asyncio.gather(
                *(self._draw(engine, index, visitor) for index in range(len(self.requests)))
            )
        finally:
            self.ended = time.monotonic()
            self._wake()

    async def watch(self) -> AsyncGenerator[list[News], None]:
        """What is known now and what comes, in order, until the job ends."""
        told: dict[tuple[int, type], Event | Exception] = {}
        self._watchers += 1
        try:
            while True:
                changed, ended = self._changed, self.ended is not None
                fresh = {key: new for key, new in self._news.items() if told.get(key) is not new}
                if fresh:
                    told |= fresh
                    yield [(index, new) for (index, _), new in fresh.items()]
                if ended:
                    return
                await changed.wait()
                await asyncio.sleep(TOGETHER_SECONDS)
        finally:
            self._watchers -= 1
            self._seen = time.monotonic()

    def forgotten(self, now: float) -> bool:
        """Whether nobody has come back for it in time."""
        return not self._watchers and now - max(self._seen, self.ended or 0) > KEPT_SECONDS


Key = tuple[str, str]  # visitor, tab


@dataclass(frozen=True)
class Jobs:
    """The last job of each visitor in each tab."""

    jobs: dict[Key, Job] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, engine: Engine, key: Key, requests: Sequence[Request]) -> Job:
        """Begin to draw; an earlier job under the same key gives way."""
        self.tidy()
        if earlier := self.jobs.get(key):
            earlier.superseded = True
            earlier.switch.set()
        job = self.jobs[key] = Job(tuple(requests))
        task = asyncio.get_running_loop().create_task(job.draw(engine, key[0]))
        self.tasks.add(task)  # the loop itself keeps no hold of it
        task.add_done_callback(self._ended)
        return job

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        task.get_loop().call_later(KEPT_SECONDS + 1, self.tidy)

    def stop(self, key: Key) -> None:
        """End the job within one step; what it showed last stays."""
        if job := self.jobs.get(key):
            job.switch.set()

    def latest(self, visitor: str) -> tuple[str, Job] | None:
        """The visitor's newest job and its tab."""
        self.tidy()
        own = [(tab, job) for (whose, tab), job in self.jobs.items() if whose == visitor]
        return max(own, key=lambda found: found[1].started) if own and visitor else None

    def tidy(self) -> None:
        """Give up what nobody came back for, and the oldest beyond what is kept."""
        now = time.monotonic()
        ended = sorted((job.ended, key) for key, job in self.jobs.items() if job.ended is not None)
        surplus = [key for _, key in ended[: max(0, len(ended) - MAX_KEPT)]]
        for key in [*surplus, *(k for k, job in self.jobs.items() if job.forgotten(now))]:
            self.jobs.pop(key).switch.set()
