"""What happens when a button is pressed: a request is read, run and shown step by step.

One `Runs` belongs to one page tree. It holds a switch for each run under way, under its visitor's
session, and nothing else: no picture, no prompt, nothing one visitor could see of another.
This module does *not* know the tabs: each hands over how it reads its request.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

import gradio as gr
from PIL import Image

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Event, Preview, Progress, Queued, Result
from ldm.imaging import ImageError
from ldm.pipeline import DrawingError
from ldm.recipe import Recipe, RecipeError
from ldm.ui import texts
from ldm.ui.form import Form, Updates, Values, plain_words
from ldm.ui.stage import empty_stage, finished_stage, preview_stage, status_line, waiting_stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A recipe and the pixels that travel beside it."""

    recipe: Recipe
    init_image: Image.Image | None = None
    mask: Image.Image | None = None


ReadRequest = Callable[[Values], Request]


@dataclass(frozen=True)
class Runs:
    """The switches that stop the runs under way, each under its visitor and tab."""

    switches: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)

    @contextmanager
    def switch(self, visitor: str, tab: str) -> Iterator[asyncio.Event]:
        """The switch of one run, there for as long as the run is."""
        key = (visitor, tab)
        if key in self.switches:
            self.switches[key].set()  # a run of this tab that lost its page gives way
        mine = self.switches[key] = asyncio.Event()
        try:
            yield mine
        finally:
            if self.switches.get(key) is mine:
                del self.switches[key]

    def stop(self, visitor: str, tab: str) -> None:
        if switch := self.switches.get((visitor, tab)):
            switch.set()


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


@dataclass
class _Seen:
    """What a run has shown so far, for the moment it is stopped or fails."""

    recipe: Recipe
    steps: int
    step: int = 0
    preview: Preview | None = None

    def left(self) -> str:
        """The stage of a run that gave no picture."""
        if self.preview is not None:
            return preview_stage(self.preview.images, "stopped")
        return empty_stage(self.recipe.width, self.recipe.height)


def _shown(form: Form, event: Event, seen: _Seen) -> Updates:
    """The page's part of one event."""
    match event:
        case Queued(position, seconds):
            return {form.status: status_line(texts.queued(position, seconds), 0)}
        case Progress(step, steps, seconds_left):
            seen.step, seen.steps = step, steps
            line = texts.step_of(step, steps, seconds_left)
            return {form.status: status_line(line, step / steps)}
        case Preview(images, _):
            seen.preview = event
            return {form.stage: preview_stage(images)}
        case Result(pictures, seconds):
            stage = finished_stage(pictures, form.stage)
            return {form.stage: stage, **form.ready(status_line(texts.done(seconds)))}


def _refused(form: Form, error: Exception) -> Updates:
    """The message of a run that could not be, beside its field where it has one."""
    if isinstance(error, (RecipeError, ImageError)):
        problem = form.problems.show(form.tab, error.field, plain_words(error))
        return {**form.ready(status_line(texts.NOT_STARTED, problem=True)), **problem}
    if isinstance(error, (CheckpointError, EngineBusy, EngineClosed, DrawingError)):
        return form.ready(status_line(str(error), problem=True))
    log.exception("a run failed", exc_info=error)
    return form.ready(status_line(texts.PROBLEM_ELSEWHERE, problem=True))


async def run(
    form: Form, engine: Engine, runs: Runs, request: Request, visitor: str
) -> AsyncGenerator[Updates, None]:
    """Everything the page shows of one run, from the start to a result, a stop or an error.

    Closing it, or cancelling the task that reads it, ends the run in the engine within one step.
    """
    recipe = request.recipe
    seen = _Seen(recipe, recipe.num_inference_steps)
    frame = {form.stage: waiting_stage(recipe.width, recipe.height, recipe.num_images)}
    begun = ended = False
    yield form.running(recipe.seed)
    try:
        with runs.switch(visitor, form.tab) as stop:
            stream = engine.stream(recipe, request.init_image, request.mask, visitor=visitor)
            async with aclosing(stream), aclosing(until_stopped(stream, stop)) as events:
                async for event in events:
                    updates = _shown(form, event, seen)
                    yield updates if begun else frame | updates
                    begun, ended = True, isinstance(event, Result)
    except Exception as error:
        yield _refused(form, error) | ({form.stage: seen.left()} if begun else {})
        return
    if not ended:
        line = status_line(texts.stopped(seen.step, seen.steps))
        yield form.ready(line) | ({form.stage: seen.left()} if begun else {})


def connect(form: Form, engine: Engine, runs: Runs, read: ReadRequest) -> None:
    """Generate runs what `read` makes of the page, Stop ends it; both for this visitor alone."""

    async def generate(values: Values, request: gr.Request) -> AsyncIterator[Updates]:
        try:
            wanted = await asyncio.to_thread(read, values)
        except (RecipeError, ImageError) as error:
            yield _refused(form, error)
            return
        async with aclosing(run(form, engine, runs, wanted, request.session_hash or "")) as shown:
            async for updates in shown:
                yield updates

    async def stop(request: gr.Request) -> None:
        runs.stop(request.session_hash or "", form.tab)

    gr.on(
        form.generate.click,
        generate,
        inputs=form.inputs(),
        outputs=form.outputs(),
        concurrency_limit=None,
        preprocess=False,  # Gradio's range checks do not name the field; Recipe's do
        show_progress="hidden",
        api_visibility="private",
    )
    form.stop.click(
        stop, queue=False, show_progress="hidden", api_visibility="private", trigger_mode="multiple"
    )
