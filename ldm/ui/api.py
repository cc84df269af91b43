"""The named endpoints `text_to_image`, `image_to_image`, `inpaint`, `upscale` for other programs.

Each takes a recipe's fields and plain files, and returns the PNG files (recipe inside) and the
recipe of the request. What is left out takes the model's own choice. It does *not* touch the page.
"""

import asyncio
import inspect
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.events import api
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from ldm.checkpoints.load import CheckpointError
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Result
from ldm.imaging import ImageError, open_image, open_mask
from ldm.pipeline import DrawingError, upscaled_size
from ldm.recipe import LIMITS, Recipe, RecipeError
from ldm.ui.jobs import Request
from ldm.ui.result import file_name
from ldm.ui.uploads import uploaded

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
    "noise_level": "how freely an upscaler redraws the picture",
    "seed": "of the first picture; the same seed and fields draw the same picture",
    "width": "in pixels",
    "height": "in pixels",
    "num_images": "how many pictures, with seeds in a row",
    "num_inference_steps": "denoising steps",
    "guidance_scale": "how closely to follow the caption; 1 is off",
    "guidance_rescale": "tames contrast at high guidance; 0 is off",
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
    defaults = engine.defaults(model)
    own = {
        "num_inference_steps": defaults.num_inference_steps,
        "guidance_scale": defaults.guidance_scale,
        "sampler": defaults.sampler,
        "schedule": defaults.schedule,
        "width": defaults.native_size[0],
        "height": defaults.native_size[1],
        "seed": secrets.randbelow(int(LIMITS["seed"].maximum) + 1),
    }
    return Recipe(**(own | chosen), task=task)


async def answer(engine: Engine, request: Request, visitor: str) -> Answer:
    """Draw a request to its end and keep its files where Gradio serves and deletes them."""
    files: list[FileData] = []
    events = engine.stream(request.recipe, request.init_image, request.mask, visitor=visitor)
    async for event in events:
        if isinstance(event, Result):
            for picture in event.pictures:
                name = file_name(picture.recipe)
                path = save_bytes_to_cache(picture.png, name, get_upload_folder())
                files.append(FileData(path=path, orig_name=name))
    return files, json.loads(request.recipe.to_json())


def build_api(engine: Engine) -> None:
    """Publish the endpoints in the Blocks being built."""

    async def reply(read: Callable[[], Request], visitor: str | None) -> Answer:
        try:
            return await answer(engine, await asyncio.to_thread(read), visitor or "")
        except REFUSALS as error:
            raise gr.Error(str(error), print_exception=False) from error

    async def text_to_image(
        prompt: str,
        request: gr.Request,
        negative_prompt: str | None = None,
        seed: int | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Draw pictures of a caption. Returns PNG files that carry their recipe, and the recipe."""
        given = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "width": width,
            "height": height,
            "num_images": num_images,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "guidance_rescale": guidance_rescale,
            "clip_skip": clip_skip,
            "loras": loras,
            "sampler": sampler,
            "schedule": schedule,
            "model": model,
        }
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
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Draw a sketch or picture anew, the more freely the higher `strength` (0.01 to 1)."""
        given = {
            "prompt": prompt,
            "strength": strength,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "width": width,
            "height": height,
            "num_images": num_images,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "guidance_rescale": guidance_rescale,
            "clip_skip": clip_skip,
            "loras": loras,
            "sampler": sampler,
            "schedule": schedule,
            "model": model,
        }

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
        negative_prompt: str | None = None,
        seed: int | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        clip_skip: int | None = None,
        loras: list[tuple[str, float]] | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Repaint where `mask` is white (or opaque); all else keeps its pixels exactly."""
        given = {
            "prompt": prompt,
            "strength": 1.0 if strength is None else strength,
            "mask_feather": mask_feather,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "width": width,
            "height": height,
            "num_images": num_images,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "guidance_rescale": guidance_rescale,
            "clip_skip": clip_skip,
            "loras": loras,
            "sampler": sampler,
            "schedule": schedule,
            "model": model,
        }

        def read() -> Request:
            recipe = read_fields(engine, "inpaint", given)
            picture = open_image(uploaded(image, "image"), "image").image
            return Request(recipe, picture, open_mask(uploaded(mask, "mask"), "mask", picture.size))

        return await reply(read, request.session_hash)

    async def upscale(
        image: FileData,
        request: gr.Request,
        prompt: str = "",
        noise_level: int | None = None,
        negative_prompt: str | None = None,
        seed: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        model: str | None = None,
    ) -> Answer:
        """Make a picture larger, with a model that is made for it and decides how much."""
        given: dict[str, Any] = {
            "prompt": prompt,
            "noise_level": noise_level,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "sampler": sampler,
            "schedule": schedule,
            "model": model,
        }

        def read() -> Request:
            picture = open_image(uploaded(image, "image"), "image").image
            family = engine.family(model or engine.names()[0])
            width, height = upscaled_size(family, picture)
            size = {"width": width, "height": height}
            return Request(read_fields(engine, "upscale", given | size), picture)

        return await reply(read, request.session_hash)

    for endpoint in (text_to_image, image_to_image, inpaint, upscale):
        api(documented(endpoint), api_name=endpoint.__name__, concurrency_limit=None)
