"""An engine that plays a script: what the page does with events needs no model."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.family import FAMILIES, Family
from ldm.checkpoints.load import Defaults
from ldm.events import Event, Loading, Picture, Preview, Progress, Queued, Result
from ldm.imaging import encode_png
from ldm.recipe import Recipe
from ldm.ui import jobs

DEFAULTS = Defaults(
    title="Scripted",
    native_size=(64, 64),
    sizes=((64, 64), (96, 64)),
    num_inference_steps=4,
    guidance_scale=3.0,
    sampler="ddim",
    schedule="uniform",
    licence="Apache-2.0",
)


class ScriptedEngine:
    """Plays steps until the result; `hold` makes it wait before a step until it is set free."""

    def __init__(self) -> None:
        self.models = Path(__file__).parent  # no weights lie there
        self.held_at: int | None = None
        self.error: Exception | None = None
        self.closed: list[str] = []
        self.asked: list[Recipe] = []

    def names(self) -> list[str]:
        return ["scripted", "other"]

    def defaults(self, model: str) -> Defaults:
        return DEFAULTS

    def extras(self, model: str) -> Extras:
        return Extras(loras={"soft light": Path("soft light.safetensors")})

    def captions(self, model: str) -> None:
        """It says nothing of its words."""

    def family(self, model: str) -> Family:
        return FAMILIES["sd1"]

    def folder(self, model: str) -> Path:
        return self.models

    def max_pixels(self, model: str) -> int:
        return 1024 * 1024

    def checkpoint(self, model: str) -> SimpleNamespace:
        vae = SimpleNamespace(factor=8)
        return SimpleNamespace(text_encoder=None, digest="weights of today", vae=vae)

    async def stream(
        self,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        visitor: str = "",
    ) -> AsyncIterator[Event]:
        self.asked.append(recipe)
        image = Image.new("RGB", (recipe.width, recipe.height), "teal")
        try:
            yield Loading(0.5)
            yield Queued(0, None)
            for step in range(1, recipe.num_inference_steps + 1):
                if self.held_at == step:
                    await asyncio.Event().wait()
                if self.error is not None and step == 2:
                    raise self.error
                yield Progress(step, recipe.num_inference_steps, 1.0)
                await asyncio.sleep(0.005)
                yield Preview((image,) * recipe.num_images, step)
                await asyncio.sleep(0.005)
            yield Result(tuple(self._pictures(recipe, image, mask)), 1.5)
        finally:
            self.closed.append(visitor)

    def _pictures(
        self, recipe: Recipe, image: Image.Image, mask: Image.Image | None
    ) -> list[Picture]:
        drawn = []
        for index in range(recipe.num_images):
            alone = recipe.for_image(index)
            png = encode_png(image, {"recipe": alone.to_json()})
            drawn.append(Picture(image, png, alone, None if mask is None else 0, mask))
        return drawn


@pytest.fixture(autouse=True)
def _each_event_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches sees each event: the engine above tells them five milliseconds apart."""
    monkeypatch.setattr(jobs, "TOGETHER_SECONDS", 0.0)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def png() -> bytes:
    """A small valid PNG."""
    data = BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 255)).save(data, "PNG")
    return data.getvalue()
