"""What happens when a button is pressed: a request is read, run and shown step by step.

A run is a job (`jobs`), which this module watches and shows; when the page is gone the job goes on,
and `recover` shows it to the visitor who comes back. This module does *not* know the tabs: each
hands over how it reads its request.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from PIL import Image

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.events import Event, Loading, Preview, Progress, Queued, Result
from ldm.imaging import ImageError
from ldm.recipe import RecipeError
from ldm.ui import texts
from ldm.ui.failures import known_failure
from ldm.ui.form import Form, Updates, Values, plain_words
from ldm.ui.jobs import Job, Jobs, Request
from ldm.ui.result import finished_stage
from ldm.ui.stage import empty_stage, preview_stage, status_line, waiting_stage
from ldm.ui.texts import Markup, say

log = logging.getLogger(__name__)

ReadRequests = Callable[[Values], list[Request]]
Show = Callable[[Job], AsyncGenerator[Updates, None]]
SECRET = re.compile(r"[0-9a-f-]{32,64}")


def visitor_of(visit: object, session: str | None) -> str:
    """Whose a request is: the secret that their browser's tab made, else Gradio's session."""
    known = isinstance(visit, str) and SECRET.fullmatch(visit)
    return visit if known and isinstance(visit, str) else session or ""


@dataclass
class _Seen:
    """What a run has shown so far, for the moment it is stopped or fails."""

    request: Request
    steps: int
    step: int = 0
    preview: Preview | None = None

    def left(self) -> str:
        """The stage of a run that gave no picture."""
        if self.preview is not None:
            return preview_stage(self.preview.images, "stopped")
        return empty_stage(self.request.recipe.width, self.request.recipe.height)


def waiting_line(event: Loading | Queued, model: str) -> str:
    """The status line of a run that has not begun."""
    match event:
        case Loading(share):
            return status_line(say("loading_model", model=model), share)
        case Queued(position, seconds):
            return status_line(texts.queued(position, seconds), 0)


def _shown(form: Form, event: Event, seen: _Seen) -> Updates:
    """The page's part of one event."""
    match event:
        case Loading() | Queued():
            return {form.status: waiting_line(event, seen.request.recipe.model)}
        case Progress(step, steps, seconds_left):
            seen.step, seen.steps = step, steps
            line = texts.step_of(step, steps, seconds_left)
            return {form.status: status_line(line, step / steps)}
        case Preview(images, _):
            seen.preview = event
            return {form.stage: preview_stage(images)}
        case Result(pictures, seconds):
            asked = seen.request.recipe.prompt
            stage = finished_stage(pictures, form.stage, before_of(seen.request), seconds, asked)
            line = status_line(say("done", seconds=round(seconds, 1)))
            return {form.stage: stage, **form.ready(line)}


def before_of(request: Request) -> Image.Image | None:
    """What the result is compared with."""
    return request.init_image if request.before is None else request.before


def refused(form: Form, error: Exception) -> Updates:
    """The message of a run that could not be, beside its field where it has one."""
    if isinstance(error, (RecipeError, ImageError)):
        problem = form.problems.show(form.tab, error.field, plain_words(error))
        return {**form.ready(status_line(say("not_started"), problem=True)), **problem}
    return form.ready(status_line(failure(error), problem=True))


def failure(error: Exception) -> Markup:
    """Why a run ended without a picture, for a person; what is unexpected goes to the log alone."""
    words = known_failure(error)
    if words is None:
        log.exception("a run failed", exc_info=error)
        return say("problem_elsewhere")
    return words


async def show(form: Form, job: Job) -> AsyncGenerator[Updates, None]:
    """Everything the page shows of a job of one request, from now to a result, a stop or an error.

    Closing it leaves the job as it is.
    """
    (request,) = job.requests
    recipe = request.recipe
    seen = _Seen(request, recipe.num_inference_steps)
    frame: Updates = {form.stage: waiting_stage(recipe.width, recipe.height, recipe.num_images)}
    begun = False
    yield form.running(recipe)
    async with aclosing(job.watch()) as news:
        async for events in news:
            updates: Updates = {} if begun else frame
            for _, event in events:
                if isinstance(event, Exception):
                    yield refused(form, event) | ({form.stage: seen.left()} if begun else {})
                    return
                updates |= _shown(form, event, seen)
            yield updates
            begun = True
            if any(isinstance(event, Result) for _, event in events):
                return
    if job.superseded:  # where it came from the same page, that shows the later run
        yield {form.generate: gr.update(interactive=True)}
        return
    line = status_line(say("stopped", step=seen.step, steps=seen.steps))
    yield form.ready(line) | ({form.stage: seen.left()} if begun else {})


def connect(
    form: Form,
    engine: Engine,
    jobs: Jobs,
    visit: gr.Textbox,
    read: ReadRequests,
    shown: Show | None = None,
    also: Sequence[Any] = (),
) -> Show:
    """Generate runs what `read` makes of the page, Stop ends it; both for this visitor alone.

    shown: how the job is shown, `show` where absent, which is for one request; also what is
    returned. also: events of components that do what Generate does; a run under way gives way to
    theirs.
    """
    show_job = partial(show, form) if shown is None else shown

    async def generate(values: Values, request: gr.Request) -> AsyncIterator[Updates]:
        try:
            wanted = await asyncio.to_thread(read, values)
        except (RecipeError, ImageError, CheckpointError) as error:
            yield refused(form, error)
            return
        visitor = visitor_of(values[visit], request.session_hash)
        async with aclosing(show_job(jobs.start(engine, (visitor, form.tab), wanted))) as news:
            async for updates in news:
                yield updates

    async def stop(secret: str, request: gr.Request) -> None:
        jobs.stop((visitor_of(secret, request.session_hash), form.tab))

    gr.on(
        [form.generate.click, *also],
        generate,
        inputs={*form.inputs(), visit},
        outputs=form.outputs(),
        concurrency_limit=None,
        preprocess=False,  # Gradio's range checks do not name the field; Recipe's do
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
    )
    form.stop.click(
        stop,
        visit,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
    )
    return show_job


async def recover(
    shows: Mapping[str, Show], jobs: Jobs, visitor: str
) -> AsyncGenerator[Updates, None]:
    """The visitor's newest run, as far as it is, to its end; nothing where there is none.

    shows: how each tab shows a job.
    """
    found = jobs.latest(visitor)
    if found is None:
        return
    tab, job = found
    async with aclosing(shows[tab](job)) as shown:
        async for updates in shown:
            yield updates
