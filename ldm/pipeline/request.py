"""One request's run: its rows on their way, and the events that they give rise to.

Does not know with whom its rows share U-Net calls (see `calls`).
"""

import time
from collections.abc import Iterator

import torch
from PIL import Image

from ldm import imaging
from ldm.checkpoints.defaults import Defaults
from ldm.checkpoints.load import Checkpoint
from ldm.events import Event, Preview, Progress, Result
from ldm.pipeline.calls import advance
from ldm.pipeline.pictures import finish
from ldm.pipeline.rows import Row, Watcher, prepare
from ldm.preview import approximate, linear_map
from ldm.recipe import Recipe

PREVIEW_EVERY = 4  # steps from one preview to the next
PREVIEWS = 4  # about so many where steps are few: the page takes 60 ms to show one


def own_recipe(defaults: Defaults, prompt: str, model: str, seed: int = 0) -> Recipe:
    """What a model draws of a caption when it is told nothing else."""
    return Recipe(
        prompt,
        model=model,
        sampler=defaults.sampler,
        schedule=defaults.schedule,
        num_inference_steps=defaults.num_inference_steps,
        guidance_scale=defaults.guidance_scale,
        guidance_end=defaults.guidance_end,
        width=defaults.native_size[0],
        height=defaults.native_size[1],
        seed=seed,
    )


class Request:
    """One recipe's rows, and the events that they give rise to.

    preview_every: steps from one preview to the next, 0 for none; None: as suits their number.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        preview_every: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.checkpoint, self.recipe = checkpoint, recipe
        self.start = time.monotonic()
        self.rows = prepare(checkpoint, recipe, init_image, mask)
        self.rows[0].watcher = watcher
        self.total = len(self.rows[0].sigmas) - 1
        if preview_every is None:
            preview_every = min(PREVIEW_EVERY, max(1, self.total // PREVIEWS))
        self.preview_every = preview_every
        if preview_every and checkpoint.preview_vae is None:
            with checkpoint.autoencoding():
                linear_map(checkpoint.vae)  # fitted now, so that no step waits for it
        self.reported = 0

    @property
    def unfinished(self) -> list[Row]:
        """The rows that are not at their end; they may be at different steps."""
        return [row for row in self.rows if not row.finished]

    @property
    def finished(self) -> bool:
        return not self.unfinished

    @property
    def step(self) -> int:
        """How many steps are done, on the average of the rows."""
        return sum(row.step for row in self.rows) // len(self.rows)

    def report(self) -> Iterator[Event]:
        """Progress and previews since the last call; to be read after rows have moved."""
        step = self.step
        if step == self.reported:
            return  # between the two evaluations of one step
        self.reported = step
        spent = time.monotonic() - self.start
        yield Progress(step, self.total, spent / step * (self.total - step))
        due = self.preview_every and (step == 1 or step % self.preview_every == 0)
        if due and not self.finished:
            yield Preview(self.preview(), step)

    def result(self) -> Result:
        """The finished pictures. Raises DrawingError for numbers that are none."""
        pictures = tuple(finish(self.checkpoint, row) for row in self.rows)
        return Result(pictures, time.monotonic() - self.start)

    @torch.no_grad()
    def preview(self) -> tuple[Image.Image, ...]:
        """What each row's picture looks like now, at the recipe's size; noise before its start."""
        x0 = torch.cat([row.seen for row in self.rows])
        if self.checkpoint.preview_vae is not None:
            pixels = self.checkpoint.preview_vae.decode(x0).float()
        else:
            pixels = approximate(self.checkpoint.vae, x0)
        images = [imaging.to_image(each.clamp(-1, 1)) for each in pixels.cpu()]
        return tuple(
            imaging.paste_back(row.picture, image, row.mask)
            if row.picture is not None and row.mask is not None
            else image
            for row, image in zip(self.rows, images, strict=True)
        )


def run(
    checkpoint: Checkpoint,
    recipe: Recipe,
    init_image: Image.Image | None = None,
    mask: Image.Image | None = None,
    preview_every: int | None = None,
) -> Iterator[Event]:
    """Draw one request alone: progress, previews, then the result. Closing it stops the work.

    The recipe must have passed `check` and `check_pictures`.
    """
    request = Request(checkpoint, recipe, init_image, mask, preview_every)
    while not request.finished:
        advance(checkpoint, request.unfinished)
        yield from request.report()
    yield request.result()
