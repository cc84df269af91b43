"""The engine that the settings ask for. Loads no model yet."""

from typing import TypeVar

from ldm.engine import Engine
from ldm.ui.settings import Settings

Kind = TypeVar("Kind", bound=Engine)


def engine_of(settings: Settings, kind: type[Kind]) -> Kind:
    """An engine, of this kind of it, with all that the settings say."""
    return kind(
        settings.models,
        max_pixels=settings.max_pixels,
        max_rows=settings.max_together,
        max_waiting=settings.max_waiting,
        loras=settings.loras,
        memory=settings.memory,
        max_seconds=settings.max_seconds,
        strict=settings.strict,
        compile_unet=settings.compile_unet,
    )
