"""The environment variables of the app, read and checked in this one place.

Knows which variables there are and what they may hold; it does *not* load a model.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ldm.engine import find_models

PROJECT = Path(__file__).resolve().parents[2]
LOCAL_HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
MAX_UPLOAD_MEGABYTES = 40


class SettingsError(ValueError):
    """A variable that cannot be used: which one, what came, what is allowed."""

    def __init__(self, variable: str, got: object, allowed: str) -> None:
        super().__init__(f"{variable}: got {got!r}, allowed: {allowed}")
        self.variable = variable


@dataclass(frozen=True)
class Settings:
    """What `app.py` needs to know before it builds anything."""

    host: str
    port: int
    models: Mapping[str, Path]  # name -> folder; the first is chosen when the page opens
    max_upload_megabytes: int


def _whole_number(
    environment: Mapping[str, str], variable: str, default: int, minimum: int, maximum: int
) -> int:
    text = environment.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit()) or not minimum <= int(text) <= maximum:
        raise SettingsError(variable, text, f"a whole number from {minimum} to {maximum}")
    return int(text)


def _models(environment: Mapping[str, str]) -> dict[str, Path]:
    """The models that ship with the app and those of LDM_MODELS, by name."""
    named = [part for part in environment.get("LDM_MODELS", "").split(os.pathsep) if part]
    folders = [Path(part) for part in named]
    for folder in folders:
        if not (folder / "model_index.json").is_file():
            raise SettingsError("LDM_MODELS", str(folder), "folders with a model_index.json")
    return find_models(folders)


def _first_chosen(models: dict[str, Path], chosen: str) -> dict[str, Path]:
    if chosen and chosen not in models:
        raise SettingsError("LDM_MODEL", chosen, ", ".join(models) or "no model is there")
    return {chosen: models[chosen]} | models if chosen else models


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` (as `os.environ`) asks for.

    PORT        the port, 7860 where absent
    LDM_HOST    the address to listen on; where absent 127.0.0.1, on a Space (SPACE_ID) 0.0.0.0
    LDM_MODELS  further model folders, separated as in PATH
    LDM_MODEL   the name of the model chosen when the page opens; the first where absent
    LDM_MAX_UPLOAD_MB   the largest file a visitor may send, 40 where absent

    Raises `SettingsError` for anything else.
    """
    own_host = EVERY_HOST if environment.get("SPACE_ID") else LOCAL_HOST
    return Settings(
        host=environment.get("LDM_HOST") or own_host,
        port=_whole_number(environment, "PORT", 7860, 1, 65535),
        models=_first_chosen(_models(environment), environment.get("LDM_MODEL", "")),
        max_upload_megabytes=_whole_number(
            environment, "LDM_MAX_UPLOAD_MB", MAX_UPLOAD_MEGABYTES, 1, 1000
        ),
    )
