"""What the tasks differ in: where a request's latents start, at which noise level, what is kept.

Owns one function a task. Everything here is shared by the pictures of a request; what is each
picture's own, its noise above all, belongs to `rows`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ldm import imaging
from ldm.checkpoints.load import Checkpoint
from ldm.diffusion.samplers import SAMPLERS
from ldm.recipe import Recipe, RecipeError


@dataclass(frozen=True, eq=False)
class Start:
    """Where the rows of a request begin.

    Attributes:
        sigmas: (n + 1,) the levels they go through.
        latents: (1, C, h, w) float32 that the first level's noise is added to; None for noise
            alone.
        original, repaint: (1, C, h, w) latents to keep, and (1, 1, h, w) in 0..1 where not to.
        clean: whether the U-Net is shown what is kept as it is, rather than under noise.
        extra: (1, K, h, w) channels that the U-Net is given beside the latents.
        extra_signal: their share in the variance of what it is given; noise, of each picture's
            own, is the rest.
        picture: to be pasted back as fitted; mask: feathered, of its size.
    """

    sigmas: Tensor
    latents: Tensor | None = None
    original: Tensor | None = None
    repaint: Tensor | None = None
    clean: bool = False
    extra: Tensor | None = None
    extra_signal: float = 1.0
    picture: Image.Image | None = None
    mask: Image.Image | None = None


def encode_pixels(checkpoint: Checkpoint, pixels: Tensor) -> Tensor:
    """Latents (B, C, h, w) float32 of pictures (B, 3, H, W) in [-1, 1]."""
    return checkpoint.vae.encode(pixels.to(checkpoint.device)).float()


def encode_picture(checkpoint: Checkpoint, image: Image.Image) -> Tensor:
    """Latents (1, C, h, w) float32 of a picture of the recipe's size."""
    return encode_pixels(checkpoint, imaging.to_tensor(image))


def levels(checkpoint: Checkpoint, recipe: Recipe) -> Tensor:
    """The levels of a run from nothing. Raises ValueError for more steps than there can be."""
    schedule, grid = checkpoint.noise_schedule, SAMPLERS[recipe.sampler].grid
    return schedule.sigmas(recipe.num_inference_steps, recipe.schedule, grid=grid)


def levels_from_picture(checkpoint: Checkpoint, recipe: Recipe) -> Tensor:
    """Those that a given picture goes through. Raises RecipeError if strength leaves none."""
    levels(checkpoint, recipe)  # steps that cannot be are refused as such
    schedule, grid = checkpoint.noise_schedule, SAMPLERS[recipe.sampler].grid
    steps, strength = recipe.num_inference_steps, recipe.strength
    try:
        return schedule.sigmas(steps, recipe.schedule, grid=grid, strength=strength)
    except ValueError as error:
        allowed = f"{schedule.least_strength(steps, grid):.3g} to 1 at {steps} steps"
        raise RecipeError("strength", strength, allowed) from error


def masked_input(checkpoint: Checkpoint, pixels: Tensor, marked: Tensor) -> Tensor | None:
    """What an inpainting U-Net is told beside its latents; None for other families.

    Rombach et al., 2112.10752, section 4.5: the mask, then the latents of the picture whose marked
    pixels are grey, in the form of Stable Diffusion's inpainting models: a latent cell takes the
    mask of its first pixel.

    pixels (1, 3, H, W) in [-1, 1]; marked (1, 1, H, W), 1 where to repaint, else 0. Returns
    (1, 1 + C, h, w) float32.
    """
    if not checkpoint.family.masked_input:
        return None
    factor = checkpoint.vae.factor
    latents = encode_pixels(checkpoint, pixels * (1 - marked))
    cells = marked[..., ::factor, ::factor].to(latents)
    return torch.cat([cells, latents], dim=1)


def all_masked(checkpoint: Checkpoint, recipe: Recipe) -> Tensor | None:
    """`masked_input` where everything is to be repainted, as in a quarter of its training."""
    shape = (recipe.height, recipe.width)
    return masked_input(checkpoint, torch.zeros(1, 3, *shape), torch.ones(1, 1, *shape))


def text_to_image(checkpoint: Checkpoint, recipe: Recipe) -> Start:
    return Start(levels(checkpoint, recipe), extra=all_masked(checkpoint, recipe))


def image_to_image(checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image) -> Start:
    kept = levels_from_picture(checkpoint, recipe)
    picture = imaging.fit(init_image, recipe.width, recipe.height)
    return Start(
        kept,
        latents=encode_picture(checkpoint, picture),
        extra=all_masked(checkpoint, recipe),
    )


def inpaint(
    checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image, mask: Image.Image
) -> Start:
    kept = levels_from_picture(checkpoint, recipe)
    picture = imaging.fit(init_image, recipe.width, recipe.height)
    fitted = imaging.fit_mask(mask, recipe.width, recipe.height)
    feathered = imaging.feather(fitted, recipe.mask_feather)
    latents = encode_picture(checkpoint, picture)
    start = None if recipe.strength == 1 else latents
    if checkpoint.family.masked_input:
        # The model itself carries on what surrounds the mask, so nothing is blended.
        pixels, marked = imaging.to_tensor(picture), imaging.mask_to_latents(fitted, 1)
        extra = masked_input(checkpoint, pixels, marked)
        return Start(kept, start, extra=extra, picture=picture, mask=feathered)
    wide = feathered.point(lambda value: 255 if value else 0)
    repaint = imaging.mask_to_latents(wide, checkpoint.vae.factor).to(checkpoint.device)
    clean = checkpoint.defaults.clean_surroundings
    return Start(kept, start, latents, repaint, clean, picture=picture, mask=feathered)


def upscale(checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image) -> Start:
    """Noise alone, beside the small picture (as it is, with noise) or beside its latents."""
    way = checkpoint.family.upscaling
    assert way is not None  # see `ldm.pipeline.checks.check_task`
    small = imaging.fit(init_image, recipe.width // way.factor, recipe.height // way.factor)
    if way.given == "latents":
        extra = F.interpolate(encode_picture(checkpoint, small), scale_factor=way.factor)
    else:
        extra = imaging.to_tensor(small).to(checkpoint.device)
    noisy, signal = checkpoint.noisy_input, 1.0
    if noisy is not None:
        signal = float(noisy.schedule.alphas_cumprod[recipe.noise_level])
    return Start(levels(checkpoint, recipe), extra=extra, extra_signal=signal)


def start_of(
    checkpoint: Checkpoint,
    recipe: Recipe,
    init_image: Image.Image | None,
    mask: Image.Image | None,
) -> Start:
    """Where the recipe's task starts. init_image, mask: those it needs (see `check_pictures`)."""
    if recipe.task == "inpaint" and init_image is not None and mask is not None:
        return inpaint(checkpoint, recipe, init_image, mask)
    if recipe.task == "image_to_image" and init_image is not None:
        return image_to_image(checkpoint, recipe, init_image)
    if recipe.task == "upscale" and init_image is not None:
        return upscale(checkpoint, recipe, init_image)
    return text_to_image(checkpoint, recipe)
