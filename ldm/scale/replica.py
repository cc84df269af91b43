"""One engine as a replica of a Ray Serve deployment, and the deployment of all of them.

Owns what a replica is given and tells back. Does not know who asks. `serve run
ldm.scale.replica:build` serves the engines alone, with the settings of the environment.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from PIL import Image
from ray import serve  # pyright: ignore[reportMissingImports]

from ldm.engine import Engine
from ldm.events import Event
from ldm.recipe import Recipe
from ldm.scale.limits import LIMITS, Limits
from ldm.ui.engines import engine_of
from ldm.ui.settings import Settings, read_settings

NAME = "ldm"  # of the deployment, by which a page finds it whatever its application is called


@dataclass(frozen=True)
class Order:
    """What is to be drawn: all that a replica needs to know, so that another can draw it again."""

    recipe: Recipe
    init_image: Image.Image | None
    mask: Image.Image | None
    visitor: str


class Replica:
    """An engine, which draws its requests together."""

    def __init__(self, settings: Settings) -> None:
        self.engine = engine_of(settings, Engine)

    @serve.multiplexed(max_num_models_per_replica=LIMITS.models)
    async def model(self, name: str) -> str:
        """Load a model, and let Ray know that its requests are best given to this replica."""
        await asyncio.to_thread(self.engine.checkpoint, name)
        return name

    async def draw(self, order: Order) -> AsyncGenerator[Event | Exception, None]:
        """As `Engine.stream`; what that raises comes as the last event."""
        try:
            if order.recipe.model in self.engine.names():
                await self.model(order.recipe.model)
            stream = self.engine.stream(order.recipe, order.init_image, order.mask, order.visitor)
            async with aclosing(stream) as events:
                async for event in events:
                    yield event
        except Exception as error:
            yield error


def application(settings: Settings, limits: Limits = LIMITS) -> serve.Application:
    """The deployment of as many replicas as the limits say."""
    deployment = serve.deployment(Replica).options(
        name=NAME,
        max_ongoing_requests=limits.requests,
        max_queued_requests=settings.max_waiting,
        autoscaling_config={
            "min_replicas": limits.least,
            "max_replicas": limits.most,
            "target_ongoing_requests": limits.wanted,
        },
        ray_actor_options={"num_cpus": limits.cpus, "num_gpus": limits.gpus},
    )
    return deployment.bind(settings)


def build(arguments: dict[str, str]) -> serve.Application:
    """For `serve run`; takes no arguments, since the environment's variables say it all."""
    if arguments:
        raise ValueError(f"arguments: got {', '.join(arguments)}, allowed: none")
    return application(read_settings(os.environ))
