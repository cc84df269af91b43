"""The named endpoints `text_to_image`, `image_to_image`, `inpaint`, `upscale` for other programs.

Each takes a recipe's fields and plain files, and returns the PNG files (recipe inside) and the
recipe of the request. What is left out takes the model's own choice. It does *not* touch the page.
"""

import asyncio
import inspect
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import fields, replace
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.events import api
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from ldm.checkpoints.load import CheckpointError
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Picture, Result
from ldm.imaging import ImageError, open_image, open_mask
from ldm.pipeline import DrawingError, own_recipe
from ldm.pipeline.tiled import STRENGTH
from ldm.recipe import LIMITS, Recipe, RecipeError
from ldm.ui.enlarging import enlarging, whole_of
from ldm.ui.jobs import Request
from ldm.ui.result import file_name
from ldm.ui.uploads import uploaded

RECIPE_FIELDS = {field.name for field in fields(Recipe)} - {"init_image", "mask"}
Answer = tuple[list[FileData], dict[str, Any]]
REFUSALS = (RecipeError, ImageError, CheckpointError, EngineBusy, EngineClosed, DrawingError)


# What each argument means, for the documentation of the endpoints and for tools (MCP).
MEANING: Mapping[str, str] = {
    "prompt": "the caption; (word:1.3) and [word] weigh words, BREAK begins a new part",
    "negative_prompt": "what the picture should not show",
    "image": "the picture to start from, as a file",
    "mask": "a picture of the same shape, white (or opaque) where to repaint",
    "strength": "how far to depart from the picture",
    "mask_feather": "pixels over which the new part blends into the old",
    "padding_mask_crop": "draws only the masked part, with so many pixels around it",
    "factor": "2 or 4: how many times as large, with a model that is not made for it",
    "noise_level": "how freely an upscaler redraws the picture",
    "seed": "of the first picture; the same seed and fields draw the same picture",
    "variation_seed": "of the noise that the seed's is blended into",
    "variation_strength": "how far; 0 draws the seed's own picture",
    "width": "in pixels",
    "height": "in pixels",
    "num_images": "how many pictures, with seeds in a row",
    "num_inference_steps": "denoising steps",
    "guidance_scale": "how closely to follow the caption; 1 is off",
    "guidance_rescale": "tames contrast at high guidance; 0 is off",
    "guidance_start": "where on the way from noise (0) to picture (1) guidance begins; before it "
    "a step costs half",
    "guidance_end": "where it ends; after it a step costs half",
    "cache_interval": "the whole U-Net runs only at each n-th evaluation; 1 is off",
    "token_merging_ratio": "share of similar tokens that self-attention merges; 0 is off",
    "clip_skip": "last layers of the text model to leave out",
    "loras": "pairs of a LoRA's name and its weight",
    "sampler": ", ".join(SAMPLERS),
    "schedule": ", ".join(SCHEDULES),
    "model": "its name; where absent the first of the host",
}


def documented(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """`endpoint` with its arguments explained in its docstring, ranges included."""
    names = [name for name in inspect.signature(endpoint).parameters if name in MEANING]
    ranges = {name: f" ({LIMITS[name]})" for name in names if name in LIMITS}
    lines = [f"    {name}: {MEANING[name]}{ranges.get(name, '')}" for name in names]
    endpoint.__doc__ = "\n".join([endpoint.__doc__ or "", "", "Args:", *lines])
    return endpoint


def read_fields(engine: Engine, task: str, given: Mapping[str, Any]) -> Recipe:
    """The recipe of the fields that are not None; the rest are the model's defaults."""
    chosen = {name: value for name, value in given.items() if value is not None}
    model = chosen.setdefault("model", engine.names()[0])
    seed = secrets.randbelow(int(LIMITS["seed"].maximum) + 1)
    own = own_recipe(engine.defaults(model), "", model, seed)
    return replace(own, **chosen, task=task)


async def drawn(engine: Engine, request: Request, visitor: str) -> Sequence[Picture]:
    """A request's pictures."""
    events = engine.stream(request.recipe, request.init_image, request.mask, visitor=visitor)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Result):
                return event.pictures
    raise RuntimeError("the engine ended a run without a result")


def kept(recipe: Recipe, pictures: Sequence[Picture]) -> Answer:
    """Files of the pictures where Gradio serves and deletes them, and the recipe of all."""
    files: list[FileData] = []
    for picture in pictures:
        name = file_name(picture.recipe)
        path = save_bytes_to_cache(picture.png, name, get_upload_folder())
        files.append(FileData(path=path, orig_name=name))
    return files, json.loads(recipe.to_json())


@contextmanager
def told() -> Iterator[None]:
    """What is refused, and what went wrong, as the message that a program gets."""
    try:
        yield
    except REFUSALS as error:
        raise gr.Error(str(error), print_exception=False) from error


def of_recipe(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of an endpoint's arguments that are fields of a recipe as they are."""
    return {name: arguments[name] for name in RECIPE_FIELDS if name in arguments}


def build_api(engine: Engine) -> None:
    """Publish the endpoints in the Blocks being built."""

    async def reply(read: Callable[[], Request], visitor: str | None) -> Answer:
        with told():
            asked = await asyncio.to_thread(read)
            return kept(asked.recipe, await drawn(engine, asked, visitor or ""))

    async def text_to_image(
        prompt: str,
        request: gr.Request,
        negative_prompt: str | None = None,
        seed: int | None = None,
        variation_seed: int | None = None,
        variation_strength: float | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        guidance_start: float | None = None,
        guidance_end: float | None = None,
        cache_interval: int | None = None,
        token_merging_ratio: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Draw pictures of a caption. Returns PNG files that carry their recipe, and the recipe."""
        given = of_recipe(locals())
        return await reply(
            lambda: Request(read_fields(engine, "text_to_image", given)), request.session_hash
        )

    async def image_to_image(
        prompt: str,
        image: FileData,
        request: gr.Request,
        strength: float | None = None,
        negative_prompt: str | None = None,
        seed: int | None = None,
        variation_seed: int | None = None,
        variation_strength: float | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        guidance_start: float | None = None,
        guidance_end: float | None = None,
        cache_interval: int | None = None,
        token_merging_ratio: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Draw a sketch or picture anew, the more freely the higher `strength` (0.01 to 1)."""
        given = of_recipe(locals())

        def read() -> Request:
            recipe = read_fields(engine, "image_to_image", given)
            return Request(recipe, open_image(uploaded(image, "image"), "image").image)

        return await reply(read, request.session_hash)

    async def inpaint(
        prompt: str,
        image: FileData,
        mask: FileData,
        request: gr.Request,
        strength: float | None = None,
        mask_feather: int | None = None,
        padding_mask_crop: int | None = None,
        negative_prompt: str | None = None,
        seed: int | None = None,
        variation_seed: int | None = None,
        variation_strength: float | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        guidance_start: float | None = None,
        guidance_end: float | None = None,
        cache_interval: int | None = None,
        token_merging_ratio: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Repaint where `mask` is white (or opaque); all else keeps its pixels exactly."""
        given = of_recipe(locals()) | {"strength": 1.0 if strength is None else strength}

        def read() -> Request:
            recipe = read_fields(engine, "inpaint", given)
            picture = open_image(uploaded(image, "image"), "image").image
            return Request(recipe, picture, open_mask(uploaded(mask, "mask"), "mask", picture.size))

        return await reply(read, request.session_hash)

    async def upscale(
        image: FileData,
        request: gr.Request,
        prompt: str = "",
        factor: int = 2,
        strength: float = STRENGTH,
        noise_level: int | None = None,
        negative_prompt: str | None = None,
        seed: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Make a picture larger: by a model that is made for it and decides how much, or in tiles,
        which any other model redraws.
        """
        given = of_recipe(locals())

        def read() -> list[Request]:
            picture = open_image(uploaded(image, "image"), "image").image
            return [*enlarging(engine, read_fields(engine, "upscale", given), picture, factor)]

        with told():
            asked = await asyncio.to_thread(read)
            visitor = request.session_hash or ""
            all_drawn = await asyncio.gather(*(drawn(engine, each, visitor) for each in asked))
            one_each = {index: pictures[0] for index, pictures in enumerate(all_drawn)}
            whole = await asyncio.to_thread(whole_of, asked, one_each)
            return kept(whole.recipe, [whole])

    for endpoint in (text_to_image, image_to_image, inpaint, upscale):
        api(documented(endpoint), api_name=endpoint.__name__, concurrency_limit=None)
