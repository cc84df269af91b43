"""What the panels work with: this visitor's recording, questions to its model, more pictures.

Owns the shelf of recordings, who may ask the model when, and what is worth keeping of the answers.
Everything that draws goes through the engine's queue; what is asked beside it (one evaluation, a
round trip through the autoencoder) is done one at a time, so that thirty visitors' questions wait
for one another and not the engine for them. Knows no components.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor

from ldm import imaging
from ldm.checkpoints.load import Checkpoint
from ldm.engine import Engine
from ldm.events import Picture, Result
from ldm.explain.diagram import Plan, plan_of
from ldm.explain.recording import Recorder, Recording
from ldm.explain.shelf import Shelf
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.pipeline import decode
from ldm.preview import approximate
from ldm.recipe import Recipe
from ldm.ui.texts import Text, say

FILM_BATCH = 8
TO_DRAW = Text("how_draw")  # what the button that draws says


class LabError(RuntimeError):
    """Something a panel cannot show, said in a sentence: `words`, plain or as markup."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Lab:
    """One for the page; what belongs to a visitor is reached by the key of their recording."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shelf = Shelf()
        self._asking = Lock()
        self._films: WeakKeyDictionary[Recording, list[Image.Image]] = WeakKeyDictionary()
        self._plans: dict[str, Plan] = {}  # by the weights' digest

    # --- what there is ---

    def recording(self, key: str) -> Recording:
        """Raises LabError where there is none, or its model has gone."""
        found = self.shelf.get(key) if key else None
        if found is None:
            raise LabError(say("how_run_gone" if key else "how_no_run", button=TO_DRAW))
        model = found.recipe.model
        if model not in self.engine.names() or self.checkpoint(found).digest != found.digest:
            raise LabError(say("how_model_gone", model=model, button=TO_DRAW))
        return found

    def checkpoint(self, recording: Recording) -> Checkpoint:
        return self.engine.checkpoint(recording.recipe.model)

    def check_explainable(self, model: str) -> None:
        """Raises LabError for a kind of model that the panels do not know."""
        checkpoint = self.engine.checkpoint(model)
        known = isinstance(checkpoint.unet, UNet2DConditionModel)
        if not known or checkpoint.text_encoder is None:
            raise LabError(say("how_not_explained", model=model))

    # --- asking beside the engine ---

    @contextmanager
    def asking(self) -> Iterator[None]:
        """One question at a time."""
        with self._asking, torch.no_grad():
            yield

    def plan(self, recording: Recording) -> Plan:
        checkpoint = self.checkpoint(recording)
        if checkpoint.digest not in self._plans:
            assert isinstance(checkpoint.unet, UNet2DConditionModel)
            self._plans[checkpoint.digest] = plan_of(checkpoint.unet)
        return self._plans[checkpoint.digest]

    def decodes_quickly(self, recording: Recording) -> bool:
        """Whether `pictures_of` decodes for real; else it gives the colours alone."""
        return isinstance(self.checkpoint(recording).vae, PatchAutoencoder)

    def pictures_of(self, recording: Recording, latents: Tensor) -> list[Image.Image]:
        """What latents (B, C, h, w) look like, in a fraction of a second."""
        checkpoint, found = self.checkpoint(recording), []
        quick = self.decodes_quickly(recording)
        with self.asking():
            for part in latents.to(checkpoint.device).split(FILM_BATCH):
                pixels = decode(checkpoint, part) if quick else approximate(checkpoint.vae, part)
                found += [imaging.to_image(each.clamp(-1, 1)) for each in pixels.cpu()]
        return found

    def film(self, recording: Recording) -> list[Image.Image]:
        """The clean picture that the model expected at each frame."""
        if recording not in self._films:
            clean = torch.stack([frame.x0 for frame in recording.frames])
            self._films[recording] = self.pictures_of(recording, clean)
        return self._films[recording]

    # --- drawing, in the engine's queue ---

    async def draw(
        self, recipe: Recipe, visitor: str, recorder: Recorder | None = None, *given: Image.Image
    ) -> Picture:
        """One picture. Raises what the engine raises."""
        stream = self.engine.stream(recipe, *given, visitor=visitor, watcher=recorder)
        async for event in stream:
            if isinstance(event, Result):
                return event.pictures[0]
        raise LabError(say("how_stopped"))

    async def variations(
        self,
        recording: Recording,
        recipes: Sequence[Recipe],
        visitor: str,
        recorders: Sequence[Recorder | None] = (),
    ) -> list[Picture]:
        """The run again in other ways, side by side: their rows share the model's calls."""
        watching = [*recorders, *[None] * (len(recipes) - len(recorders))]
        draws = (
            self.draw(recipe, visitor, recorder, *recording.given)
            for recipe, recorder in zip(recipes, watching, strict=True)
        )
        return list(await asyncio.gather(*draws))
