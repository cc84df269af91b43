"""The named endpoints `text_to_image`, `image_to_image` and `inpaint` for other programs.

Each takes a recipe's fields and plain files, and returns the PNG files (recipe inside) and the
recipe of the request. What is left out takes the model's own choice. It does *not* touch the page.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.events import api
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder, is_in_or_equal

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine, EngineBusy, EngineClosed
from ldm.events import Result
from ldm.imaging import ImageError, open_image, open_mask
from ldm.pipeline import DrawingError
from ldm.recipe import LIMITS, Recipe, RecipeError
from ldm.ui.handlers import Request
from ldm.ui.stage import file_name

Answer = tuple[list[FileData], dict[str, Any]]
REFUSALS = (RecipeError, ImageError, CheckpointError, EngineBusy, EngineClosed, DrawingError)


def uploaded(file: object, field: str) -> Path:
    """The path of a file that was sent to this server; any other path is refused."""
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not is_in_or_equal(Path(path).resolve(), get_upload_folder()):
        raise ImageError(field, "no uploaded file", "a file sent with the request")
    return Path(path)


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
            "sampler": sampler,
            "schedule": schedule,
            "model": model,
        }

        def read() -> Request:
            recipe = read_fields(engine, "inpaint", given)
            picture = open_image(uploaded(image, "image"), "image").image
            return Request(recipe, picture, open_mask(uploaded(mask, "mask"), "mask", picture.size))

        return await reply(read, request.session_hash)

    for endpoint in (text_to_image, image_to_image, inpaint):
        api(endpoint, api_name=endpoint.__name__, concurrency_limit=None)
