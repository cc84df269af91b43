"""Rows on their way: the model evaluation that they share, and the events of one request's run."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from PIL import Image
from torch import Tensor

from ldm import imaging
from ldm.checkpoints.load import Checkpoint
from ldm.conditioning import Conditioning, stack
from ldm.diffusion.denoiser import scale_input, to_x0
from ldm.diffusion.guidance import combine
from ldm.events import Event, Preview, Progress, Result
from ldm.models.k_unet import KUNet2DConditionModel
from ldm.models.kinds import QUICK, UNet
from ldm.models.unet_2d import UNet2DModel
from ldm.pipeline.pictures import decode, finish
from ldm.pipeline.rows import Row, Watcher, prepare
from ldm.preview import approximate
from ldm.recipe import Recipe

PREVIEW_EVERY = 4  # steps; 0 for none


def predict(unet: UNet, sample: Tensor, timesteps: Tensor, told: Conditioning) -> Tensor:
    """A U-Net's raw output (B, C, h, w) for latents (B, C, h, w), with what it is told beside."""
    if isinstance(unet, UNet2DModel) or told.states is None:
        return unet(sample, timesteps)
    states = told.states.to(sample.dtype)
    if isinstance(unet, KUNet2DConditionModel):
        assert told.class_labels is not None
        # Its last channel is a variance, which no sampler here asks for.
        return unet(sample, timesteps, states, told.class_labels.to(sample.dtype))[:, :-1]
    return unet(
        sample,
        timesteps,
        states,
        pooled=told.pooled,
        time_ids=told.time_ids,
        class_labels=told.class_labels,
        guidance=told.guidance,
    )


@contextmanager
def watched(unet: UNet, rows: Sequence[Row], guided: Sequence[int]) -> Iterator[None]:
    """Surrounds one U-Net call of `rows`, then of the negative prompts of the `guided` ones, with
    their watchers.
    """
    with ExitStack() as stack:
        for index, row in enumerate(rows):
            if row.watcher is not None:
                negative = [len(rows) + guided.index(index)] if index in guided else []
                stack.enter_context(row.watcher.watch(row, unet, [index, *negative]))
        yield


@torch.no_grad()
def advance(checkpoint: Checkpoint, rows: Sequence[Row]) -> None:
    """One model evaluation for every row, in one U-Net call, and one move of each row's sampler.

    The rows must be of one kind (`Row.kind`). A row with guidance takes two places in the call, one
    without takes one.
    """
    checkpoint.loras.use(rows[0].recipe.loras)
    guided = [index for index, row in enumerate(rows) if row.unconditional is not None]
    x = torch.cat([row.x for row in rows])
    sigma = torch.tensor([row.sigma for row in rows], dtype=torch.float64)
    sample = scale_input(x, sigma)
    extras = [row.extra for row in rows if row.extra is not None]
    if extras:
        sample = torch.cat([sample, torch.cat(extras)], dim=1)
    sample = sample.to(checkpoint.dtype)
    timesteps = checkpoint.noise_schedule.timestep(sigma).to(checkpoint.device)
    negatives = [row.unconditional for row in rows if row.unconditional is not None]
    told = stack([row.conditional for row in rows] + negatives)
    with watched(checkpoint.unet, rows, guided):
        output = predict(
            checkpoint.unet,
            torch.cat([sample, sample[guided]]),
            torch.cat([timesteps, timesteps[guided]]),
            told,
        ).float()

    conditional, unconditional = output[: len(rows)], output[len(rows) :]
    combined = conditional.clone()
    if guided:
        recipes = [rows[index].recipe for index in guided]
        combined[guided] = combine(
            unconditional,
            conditional[guided],
            torch.tensor([recipe.guidance_scale for recipe in recipes]),
            torch.tensor([recipe.guidance_rescale for recipe in recipes]),
        )

    def clean(output: Tensor, rows: list[int]) -> Tensor:
        return to_x0(output, x[rows], sigma[rows], checkpoint.noise_schedule.prediction_type)

    every = list(range(len(rows)))
    x0, of_prompt, of_negative = (
        clean(combined, every),
        clean(conditional, every),
        clean(unconditional, guided),
    )
    for index, row in enumerate(rows):
        mine = slice(index, index + 1)
        if row.watcher is not None:
            negative = of_negative[[guided.index(index)]] if index in guided else None
            row.watcher.saw(row, of_prompt[mine], negative, x0[mine])
        row.take(x0[mine])


class Request:
    """One recipe's rows, and the events that they give rise to."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        preview_every: int = PREVIEW_EVERY,
        watcher: Watcher | None = None,
    ) -> None:
        self.checkpoint, self.recipe, self.preview_every = checkpoint, recipe, preview_every
        self.start = time.monotonic()
        self.rows = prepare(checkpoint, recipe, init_image, mask)
        self.rows[0].watcher = watcher
        self.total = len(self.rows[0].sigmas) - 1
        self.reported = 0

    @property
    def finished(self) -> bool:
        return self.rows[0].finished

    def report(self) -> Iterator[Event]:
        """The events since the last call; to be read after each `advance` of all rows."""
        step = self.rows[0].step
        if step == self.reported:
            return  # between the two evaluations of one step
        self.reported = step
        spent = time.monotonic() - self.start
        yield Progress(step, self.total, spent / step * (self.total - step))
        if self.finished:
            pictures = tuple(finish(self.checkpoint, row) for row in self.rows)
            yield Result(pictures, time.monotonic() - self.start)
        elif self.preview_every and (step == 1 or step % self.preview_every == 0):
            yield Preview(self.preview(), step)

    def preview(self) -> tuple[Image.Image, ...]:
        """What each row's picture looks like now, at the recipe's size."""
        x0 = torch.cat([row.x0 for row in self.rows if row.x0 is not None])
        if self.checkpoint.preview_vae is not None:
            pixels = self.checkpoint.preview_vae.decode(x0).float()
        elif isinstance(self.checkpoint.vae, QUICK):
            pixels = decode(self.checkpoint, x0)
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
    preview_every: int = PREVIEW_EVERY,
) -> Iterator[Event]:
    """Draw one request alone: progress, previews, then the result. Closing it stops the work.

    The recipe must have passed `check` and `check_pictures`.
    """
    request = Request(checkpoint, recipe, init_image, mask, preview_every)
    while not request.finished:
        advance(checkpoint, request.rows)
        yield from request.report()
