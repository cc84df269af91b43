"""The engine's interface, with the drawing done by replicas elsewhere.

Owns the way of a request to a replica and of its events back, and what happens when a replica dies:
another draws the request again from its recipe, so that the visitor sees a pause and then the same
picture. Knows nothing of pages.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import ray  # pyright: ignore[reportMissingImports]
from PIL import Image
from ray import serve  # pyright: ignore[reportMissingImports]
from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]
from ray.serve.exceptions import BackPressureError  # pyright: ignore[reportMissingImports]
from ray.serve.handle import (  # pyright: ignore[reportMissingImports]
    DeploymentHandle,
    DeploymentResponseGenerator,
)

from ldm.engine import Engine, EngineBusy
from ldm.events import Event, Queued, Result
from ldm.pipeline import Watcher, check_pictures
from ldm.recipe import Recipe
from ldm.scale.limits import LIMITS, Limits
from ldm.scale.replica import NAME, Order, application
from ldm.ui.engines import engine_of
from ldm.ui.settings import Settings

PAUSE = 1.0  # seconds before a request is given to another replica


class RayEngine(Engine):
    """An engine whose requests are drawn by replicas.

    replicas: where they go; limits: how long one that died is waited for. Requests with a watcher
    are drawn here, by this process's own engine: who looks into a U-Net has to be beside it.
    """

    replicas: DeploymentHandle
    limits: Limits

    def run(
        self,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        visitor: str = "",
        watcher: Watcher | None = None,
    ) -> Iterator[Event]:
        """See `Engine.run`. EngineBusy: every replica has all it takes, and as many wait."""
        if watcher is not None:
            return super().run(recipe, init_image, mask, visitor, watcher)
        loop = asyncio.new_event_loop()
        stream = self.stream(recipe, init_image, mask, visitor)

        def end() -> None:
            loop.run_until_complete(stream.aclose())
            loop.close()

        def events(event: Event) -> Iterator[Event]:
            try:
                while not isinstance(event, Result):
                    yield event
                    event = loop.run_until_complete(anext(stream))
                yield event
            finally:
                end()

        try:
            first = loop.run_until_complete(anext(stream))  # a refusal is raised here
        except BaseException:
            end()
            raise
        return events(first)

    async def stream(
        self,
        recipe: Recipe,
        init_image: Image.Image | None = None,
        mask: Image.Image | None = None,
        visitor: str = "",
        watcher: Watcher | None = None,
    ) -> AsyncGenerator[Event, None]:
        """See `Engine.stream`. A replica that dies is a pause: `Queued`, then the steps from the
        first one on.
        """
        if watcher is not None:
            async with aclosing(
                super().stream(recipe, init_image, mask, visitor, watcher)
            ) as events:
                async for event in events:
                    yield event
            return
        order = Order(check_pictures(recipe, init_image, mask), init_image, mask, visitor)
        lost: float | None = None  # when a replica died, and none has begun since
        while True:
            answers = self._send(order)
            try:
                async for event in answers:
                    if isinstance(event, Exception):
                        raise event
                    lost = None
                    yield event
                    if isinstance(event, Result):
                        return
                raise RuntimeError("a replica ended a request without a result")
            except BackPressureError as error:
                raise EngineBusy(self.max_waiting, None) from error
            except RayTaskError:  # no death, but a mistake that another would make again
                raise
            except RayError:
                now = time.monotonic()
                lost = lost or now
                if now - lost > self.limits.seconds:
                    raise
            finally:
                answers.cancel()
            yield Queued(0, None)
            await asyncio.sleep(PAUSE)

    def _send(self, order: Order) -> DeploymentResponseGenerator:
        """To a replica that has the model in memory and room, else to one with room."""
        replicas = self.replicas.options(stream=True, multiplexed_model_id=order.recipe.model)
        return replicas.draw.remote(order)


def ray_engine(settings: Settings, limits: Limits = LIMITS) -> RayEngine:
    """An engine whose replicas are those that `serve run` started; where there are none, they are
    started, in the cluster of RAY_ADDRESS or on this machine alone.
    """
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    running = serve.status().applications.items()
    found = [name for name, application in running if NAME in application.deployments]
    if found:
        replicas = serve.get_app_handle(found[0])
    else:
        serve.start(proxy_location="Disabled")  # requests come from here, not over HTTP
        replicas = serve.run(application(settings, limits), name=NAME, route_prefix=None)
    engine = engine_of(settings, RayEngine)
    engine.replicas, engine.limits = replicas, limits
    return engine
