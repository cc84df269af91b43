"""From a recipe to pictures: encode, prepare, denoise, decode, for every task in one loop.

The tasks differ in where a row's latents start, at which noise level, what is blended into each
prediction, and how the picture is finished; the loop is the same. Work is done by the row, one row
a picture: rows of many requests can share one U-Net call (`advance`), each with its own step,
sampler, noise level, guidance and random numbers. `run` drives one request alone. This module does
not know of threads, queues or visitors.
"""

import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from ldm import __version__, imaging
from ldm.checkpoints.load import Checkpoint
from ldm.diffusion.denoiser import scale_input, to_x0
from ldm.diffusion.guidance import combine
from ldm.diffusion.samplers import SAMPLERS, Steps, initial
from ldm.diffusion.schedule import SCHEDULES, truncated
from ldm.events import Event, Picture, Preview, Progress, Result
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.prompt import PromptError
from ldm.models.text_encoder import encode_prompts
from ldm.preview import approximate
from ldm.recipe import Recipe, RecipeError

PREVIEW_EVERY = 4  # steps; 0 for none


class DrawingError(RuntimeError):
    """The model put out numbers that are no picture (NaN or infinite), in float32 as well."""


# --- checking ---


def check(recipe: Recipe, checkpoint: Checkpoint, max_pixels: int) -> None:
    """Refuse what this model or machine cannot draw. Raises RecipeError with the field's name."""
    for field, known in (("sampler", SAMPLERS), ("schedule", SCHEDULES)):
        if getattr(recipe, field) not in known:
            raise RecipeError(field, getattr(recipe, field), ", ".join(known))
    factor = checkpoint.vae.factor
    for field in ("width", "height"):
        if getattr(recipe, field) % factor:
            raise RecipeError(field, getattr(recipe, field), f"a multiple of {factor}")
    if recipe.width * recipe.height > max_pixels:
        side = int(max_pixels**0.5) // factor * factor
        size = f"{recipe.width} x {recipe.height}"
        raise RecipeError("width", size, f"at most {max_pixels} pixels, such as {side} x {side}")
    layers = checkpoint.text_encoder.layers
    if recipe.clip_skip >= layers:
        raise RecipeError("clip_skip", recipe.clip_skip, f"0 to {layers - 1} with this model")
    for field in ("prompt", "negative_prompt"):
        try:
            checkpoint.text_encoder.chunks(getattr(recipe, field))
        except PromptError as error:
            raise RecipeError(field, error.got, error.allowed) from error


def check_pictures(
    recipe: Recipe, init_image: Image.Image | None, mask: Image.Image | None
) -> Recipe:
    """The recipe with the digests of the pictures that came with it.

    Raises RecipeError where the task needs a picture that is missing, has one it does not use, or
    the recipe was made for other pixels.
    """
    needed = {
        "init_image": recipe.task in ("image_to_image", "inpaint"),
        "mask": recipe.task == "inpaint",
    }
    digests = {}
    for field, image in (("init_image", init_image), ("mask", mask)):
        if needed[field] and image is None:
            raise RecipeError(field, None, f"a picture, for the task {recipe.task}")
        if not needed[field] and image is not None:
            raise RecipeError(field, "a picture", f"nothing, for the task {recipe.task}")
        digest = imaging.pixel_digest(image) if image is not None else ""
        if getattr(recipe, field) not in ("", digest):
            raise RecipeError(
                field, f"pixels {digest[:12]}", f"those of {getattr(recipe, field)[:12]}"
            )
        digests[field] = digest
    return replace(recipe, **digests)


# --- rows ---


@dataclass(eq=False)
class Row:
    """One picture on its way: its sampler, where that stands, and what the model is told.

    x (1, C, h, w) float32 on the model's device, sigma: what the sampler wants denoised next; x0:
    the last answer. conditional, unconditional (1, L, D): the prompt's states and the negative
    prompt's (None without guidance). original (1, C, h, w) and repaint (1, 1, h, w) in 0..1:
    inpainting's latents to keep and where not to keep them.
    """

    recipe: Recipe
    steps: Steps
    sigmas: Tensor
    x: Tensor
    sigma: float
    conditional: Tensor
    unconditional: Tensor | None
    original: Tensor | None = None
    repaint: Tensor | None = None
    picture: Image.Image | None = None  # the given picture as fitted, to be pasted back
    mask: Image.Image | None = None  # feathered, of the same size
    x0: Tensor | None = None
    finished: bool = False

    @property
    def step(self) -> int:
        """How many of the sampler's steps are done."""
        total = len(self.sigmas) - 1
        return total if self.finished else int((self.sigmas[:-1] > self.sigma).sum())

    def take(self, x0: Tensor) -> None:
        """Hand the denoised latents to the sampler and let it say what it wants next."""
        if self.original is not None and self.repaint is not None:
            # Known latents replace the prediction itself, before the sampler uses it: every noise
            # level of every sampler then agrees with them, and no noise has to be made for them.
            x0 = self.original + self.repaint * (x0 - self.original)
        self.x0 = x0
        try:
            self.x, self.sigma = self.steps.send(x0)
        except StopIteration as stop:
            self.x, self.finished = stop.value, True


def encode_picture(checkpoint: Checkpoint, image: Image.Image) -> Tensor:
    """Latents (1, C, h, w) float32 of a picture of the recipe's size."""
    pixels = imaging.to_tensor(image).to(checkpoint.device)
    return checkpoint.vae.encode(pixels).float()


@torch.no_grad()
def prepare(
    checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image | None, mask: Image.Image | None
) -> list[Row]:
    """The rows of a request, one for each of its pictures, standing at their first step.

    init_image: RGB; mask: L of the same size. Both are brought to the recipe's size by covering it
    and cropping. Raises ValueError (of ldm.imaging or ldm.diffusion) that names the field.
    """
    guided = recipe.guidance_scale != 1
    # Unused, a long negative prompt must not lengthen the prompt's states either.
    captions = [recipe.prompt, recipe.negative_prompt if guided else ""]
    states = encode_prompts(checkpoint.text_encoder, captions, recipe.clip_skip)
    sampler = SAMPLERS[recipe.sampler]
    sigmas = checkpoint.noise_schedule.sigmas(
        recipe.num_inference_steps, recipe.schedule, grid=sampler.grid
    )
    picture = original = repaint = feathered = None
    if init_image is not None:
        picture = imaging.fit(init_image, recipe.width, recipe.height)
        original = encode_picture(checkpoint, picture)
        sigmas = start_at(sigmas, recipe)
    if mask is not None:
        fitted = imaging.fit_mask(mask, recipe.width, recipe.height)
        feathered = imaging.feather(fitted, recipe.mask_feather)
        marked = feathered.point(lambda value: 255 if value else 0)
        repaint = imaging.mask_to_latents(marked, checkpoint.vae.factor).to(checkpoint.device)
    factor = checkpoint.vae.factor
    shape = (1, checkpoint.vae.latent_channels, recipe.height // factor, recipe.width // factor)

    rows = []
    for index in range(recipe.num_images):
        alone = recipe.for_image(index)
        # On the CPU for every device: a seed means the same numbers everywhere.
        generator = torch.Generator().manual_seed(alone.seed)

        def noise(generator: torch.Generator = generator) -> Tensor:
            return torch.randn(shape, generator=generator).to(checkpoint.device)

        if original is None or (mask is not None and recipe.strength == 1):
            x = initial(noise(), sigmas)
        else:
            x = original + float(sigmas[0]) * noise()
        steps = sampler.function(x, sigmas, noise)
        x, sigma = next(steps)
        rows.append(
            Row(
                recipe=alone,
                steps=steps,
                sigmas=sigmas,
                x=x,
                sigma=sigma,
                conditional=states[:1],
                unconditional=states[1:] if guided else None,
                original=original if mask is not None else None,
                repaint=repaint,
                picture=picture if mask is not None else None,
                mask=feathered,
            )
        )
    return rows


def start_at(sigmas: Tensor, recipe: Recipe) -> Tensor:
    """The levels that a given picture goes through. Raises RecipeError if strength leaves none."""
    try:
        return truncated(sigmas, recipe.strength)
    except ValueError as error:
        steps = recipe.num_inference_steps
        allowed = f"{1 / steps:.3g} to 1 at {steps} steps"
        raise RecipeError("strength", recipe.strength, allowed) from error


@torch.no_grad()
def advance(checkpoint: Checkpoint, rows: Sequence[Row]) -> None:
    """One model evaluation for every row, in one U-Net call, and one move of each row's sampler.

    The rows' latents must have one shape and their contexts one length. A row with guidance takes
    two places in the call, one without takes one.
    """
    negatives = [row.unconditional for row in rows if row.unconditional is not None]
    guided = [index for index, row in enumerate(rows) if row.unconditional is not None]
    x = torch.cat([row.x for row in rows])
    sigma = torch.tensor([row.sigma for row in rows], dtype=torch.float64)
    sample = scale_input(x, sigma).to(checkpoint.dtype)
    timesteps = checkpoint.noise_schedule.timestep(sigma).to(checkpoint.device)
    context = torch.cat([row.conditional for row in rows] + negatives).to(checkpoint.dtype)
    output = checkpoint.unet(
        torch.cat([sample, sample[guided]]), torch.cat([timesteps, timesteps[guided]]), context
    ).float()

    conditional, unconditional = output[: len(rows)], output[len(rows) :]
    if guided:
        recipes = [rows[index].recipe for index in guided]
        conditional[guided] = combine(
            unconditional,
            conditional[guided],
            torch.tensor([recipe.guidance_scale for recipe in recipes]),
            torch.tensor([recipe.guidance_rescale for recipe in recipes]),
        )
    x0 = to_x0(conditional, x, sigma, checkpoint.noise_schedule.prediction_type)
    for index, row in enumerate(rows):
        row.take(x0[index : index + 1])


# --- pictures ---


@torch.no_grad()
def decode(checkpoint: Checkpoint, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) of latents (B, C, h, w); what is not finite is decoded again in
    float32.

    Half precision overflows in some autoencoders (a black picture elsewhere). Raises DrawingError
    if float32 does not help.
    """
    decoded = checkpoint.vae.decode(latents).float()
    if decoded.isfinite().all():
        return decoded
    dtype = next(checkpoint.vae.parameters()).dtype
    try:
        decoded = checkpoint.vae.float().decode(latents.float())
    finally:
        checkpoint.vae.to(dtype)
    if not decoded.isfinite().all():
        raise DrawingError(
            "the model put out numbers that are no picture; "
            "another seed or a lower guidance may help"
        )
    return decoded


def finish(checkpoint: Checkpoint, row: Row) -> Picture:
    """Decode a finished row, paste the original back outside the mask, and write the PNG."""
    last = torch.tensor([float(row.sigmas[-1])], dtype=torch.float64)
    image = imaging.to_image(decode(checkpoint, scale_input(row.x, last)))
    changed = None
    if row.picture is not None and row.mask is not None:
        image = imaging.paste_back(row.picture, image, row.mask)
        changed = imaging.changed_outside(row.picture, image, row.mask)
    text = {"recipe": row.recipe.to_json(), "made_with": made_with(checkpoint)}
    return Picture(image, imaging.encode_png(image, text), row.recipe, changed, row.mask)


def made_with(checkpoint: Checkpoint) -> str:
    """JSON of what else decides the bytes: program, weights, number type, device."""
    return json.dumps(
        {
            "ldm": __version__,
            "model": checkpoint.name,
            "model_hash": checkpoint.digest,
            "dtype": str(checkpoint.dtype).removeprefix("torch."),
            "device": checkpoint.device.type,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }
    )


class Request:
    """One recipe's rows, and the events that they give rise to."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        preview_every: int = PREVIEW_EVERY,
    ) -> None:
        self.checkpoint, self.recipe, self.preview_every = checkpoint, recipe, preview_every
        self.start = time.monotonic()
        self.rows = prepare(checkpoint, recipe, init_image, mask)
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
        if isinstance(self.checkpoint.vae, PatchAutoencoder):  # quick enough to decode for real
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
