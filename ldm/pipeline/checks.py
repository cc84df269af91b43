"""What is refused before anything is drawn: what this model or machine cannot do, wrong pictures.

Does not know how any of it is drawn.
"""

from dataclasses import replace

from PIL import Image

from ldm import imaging
from ldm.checkpoints.family import Family
from ldm.checkpoints.load import Checkpoint
from ldm.checkpoints.lora_merge import LoraError
from ldm.diffusion.samplers import SAMPLERS
from ldm.diffusion.schedule import SCHEDULES
from ldm.models.prompt import PromptError
from ldm.models.unet import UNet2DConditionModel
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, WITH_PICTURE, Described, Recipe, RecipeError

LEAST_STEP = 8  # pixels


def size_step(checkpoint: Checkpoint) -> int:
    """Pixels: what the width and the height of a picture are best multiples of."""
    return max(LEAST_STEP, checkpoint.vae.factor)


def check_task(task: str, family: Family) -> None:
    """Refuse a task that models of this family cannot do. Raises RecipeError."""
    if task not in family.tasks:
        raise RecipeError("task", task, f"{', '.join(family.tasks)}, with {family.title} models")


def check_words(recipe: Recipe, checkpoint: Checkpoint) -> None:
    """Refuse captions that this model cannot read. Raises RecipeError with the field's name."""
    encoder, title = checkpoint.text_encoder, checkpoint.family.title
    if encoder is None:
        for field, unused in (
            ("prompt", ""),
            ("negative_prompt", ""),
            ("guidance_scale", 1),
            ("clip_skip", 0),
        ):
            got = getattr(recipe, field)
            if got != unused:
                allowed = f"{unused!r}, as {title} models read no caption"
                raise RecipeError(field, got, allowed)
        return
    if recipe.clip_skip >= encoder.layers:
        raise RecipeError(
            "clip_skip", recipe.clip_skip, f"0 to {encoder.layers - 1} with this model"
        )
    recipes = [recipe.for_image(index) for index in range(recipe.num_images)]
    for prompt, negative_prompt in dict.fromkeys((r.prompt, r.negative_prompt) for r in recipes):
        if not prompt.strip() and recipe.task not in WITH_PICTURE:
            rest = ", not only spaces" if recipe.prompt else ""
            allowed = f"1 to {MAX_PROMPT_CHARACTERS} characters{rest}"
            raise RecipeError("prompt", recipe.prompt, allowed)
        for field, caption in (("prompt", prompt), ("negative_prompt", negative_prompt)):
            try:
                encoder.chunks(caption)
            except PromptError as error:
                raise RecipeError(field, error.got, error.allowed) from error


def check_speed_ups(recipe: Recipe, checkpoint: Checkpoint) -> None:
    """Refuse those that this model's U-Net has no place for. Raises RecipeError."""
    unet = checkpoint.unet
    known = isinstance(unet, UNet2DConditionModel)
    for field, off, able in (
        ("cache_interval", 1, known and unet.can_be_shallow),
        ("token_merging_ratio", 0, known and unet.can_merge_tokens),
    ):
        got = getattr(recipe, field)
        if got != off and not able:
            allowed = f"{off}, which is off, with {checkpoint.family.title} models"
            raise RecipeError(field, got, allowed)


def described(picture: Image.Image) -> Described:
    return Described(f"a picture of {picture.width} x {picture.height} pixels")


def upscaled_size(family: Family, picture: Image.Image) -> tuple[int, int]:
    """Width and height of what a picture becomes, as models of this family enlarge it.

    Raises RecipeError where they do not, or not a picture of this size.
    """
    check_task("upscale", family)
    assert family.upscaling is not None
    way, got = family.upscaling, described(picture)
    width, height = way.small(picture.size)
    if min(width, height) < way.least:
        raise RecipeError("init_image", got, f"at least {way.least} pixels a side")
    most = int(LIMITS["width"].maximum) // way.factor  # and of the height
    if max(width, height) > most:
        allowed = f"at most {most} pixels a side, which becomes {way.factor} times as long"
        raise RecipeError("init_image", got, allowed)
    return width * way.factor, height * way.factor


def check_upscale(
    recipe: Recipe, checkpoint: Checkpoint, picture: Image.Image, max_pixels: int
) -> None:
    """Refuse a picture that is too large, a size that is not the picture's enlarged, and noise
    that the model does not know. Raises RecipeError with the field's name.
    """
    wanted = upscaled_size(checkpoint.family, picture)
    if wanted[0] * wanted[1] > max_pixels:
        got = Described(f"a picture that becomes {wanted[0]} x {wanted[1]}")
        raise RecipeError("init_image", got, f"one that becomes at most {max_pixels} pixels")
    for field, got, allowed in zip(
        ("width", "height"), (recipe.width, recipe.height), wanted, strict=True
    ):
        if got != allowed:
            of = f"{picture.width} x {picture.height}"
            raise RecipeError(
                field, got, f"{allowed}, as a picture of {of} becomes with this model"
            )
    noisy = checkpoint.noisy_input
    if noisy is not None and recipe.noise_level > noisy.max_level:
        raise RecipeError("noise_level", recipe.noise_level, f"0 to {noisy.max_level}")


def check(
    recipe: Recipe, checkpoint: Checkpoint, max_pixels: int, init_image: Image.Image | None = None
) -> None:
    """Refuse what this model or machine cannot draw. Raises RecipeError with the field's name.

    init_image: the picture that comes with the recipe, if one does.
    """
    check_task(recipe.task, checkpoint.family)
    for field, known in (("sampler", SAMPLERS), ("schedule", SCHEDULES)):
        if getattr(recipe, field) not in known:
            raise RecipeError(field, getattr(recipe, field), ", ".join(known))
    if recipe.task == "upscale" and init_image is not None:
        check_upscale(recipe, checkpoint, init_image, max_pixels)
    factor = checkpoint.vae.factor
    for field in ("width", "height"):
        if getattr(recipe, field) % factor:
            raise RecipeError(field, getattr(recipe, field), f"a multiple of {factor}")
    if recipe.width * recipe.height > max_pixels:
        side = int(max_pixels**0.5) // factor * factor
        size = f"{recipe.width} x {recipe.height}"
        raise RecipeError("width", size, f"at most {max_pixels} pixels, such as {side} x {side}")
    check_words(recipe, checkpoint)
    check_speed_ups(recipe, checkpoint)
    try:
        checkpoint.loras.check(recipe.loras)
    except LoraError as error:
        raise RecipeError("loras", f"{error.name}, {error.got}", error.allowed) from error


def check_pictures(
    recipe: Recipe, init_image: Image.Image | None, mask: Image.Image | None
) -> Recipe:
    """The recipe with the digests of the pictures that came with it.

    Raises RecipeError where the task needs a picture that is missing, has one it does not use, or
    the recipe was made for other pixels.
    """
    needed = {
        "init_image": recipe.task in WITH_PICTURE,
        "mask": recipe.task == "inpaint",
    }
    digests = {}
    for field, image in (("init_image", init_image), ("mask", mask)):
        if needed[field] and image is None:
            raise RecipeError(field, None, f"a picture, for the task {recipe.task}")
        if not needed[field] and image is not None:
            raise RecipeError(field, Described("a picture"), f"nothing, for the task {recipe.task}")
        digest = imaging.pixel_digest(image) if image is not None else ""
        if getattr(recipe, field) not in ("", digest):
            got = Described(f"pixels {digest[:12]}")
            raise RecipeError(field, got, f"those of {getattr(recipe, field)[:12]}")
        digests[field] = digest
    return replace(recipe, **digests)
