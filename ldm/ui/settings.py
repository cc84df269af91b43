"""The environment variables of the app, read and checked in this one place.

Knows which variables there are and what they may hold; it does *not* load a model.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ldm.checkpoints.load import choose_device
from ldm.collection import find_models
from ldm.models.compiled import KINDS

PROJECT = Path(__file__).resolve().parents[2]
LOCAL_HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
INDEX = "model_index.json"
WEIGHTS = ".safetensors"

# Whole numbers: variable -> (where absent, least, most).
NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "PORT": (7860, 1, 65535),
    "LDM_MAX_UPLOAD_MB": (40, 1, 1000),
    "LDM_MAX_WAITING": (100, 1, 10_000),
    "LDM_MAX_TOGETHER": (16, 1, 256),
    "LDM_MAX_PIXELS": (0, 0, 4096 * 4096),
    "LDM_CLASSES": (0, 0, 1000),
    "LDM_MAX_SECONDS": (1800, 1, 1_000_000),
    "LDM_MEMORY_MB": (0, 0, 10_000_000),
    "LDM_STRICT": (0, 0, 1),
    "LDM_COMPILE": (0, 0, 1),
}


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
    models: Mapping[str, Path]  # name -> folder or file; the first is chosen when the page opens
    max_upload_megabytes: int
    loras: Mapping[str, Path] = field(default_factory=dict)  # name -> file
    clip: str = ""  # folder or Hub id of a CLIP model; empty: none
    classes: int = 0  # walls of school classes at once
    max_waiting: int = 100  # requests
    max_together: int = 16  # pictures
    max_pixels: int | None = None  # width times height; None: as the machine can
    max_seconds: int = 1800  # that a request is drawn
    memory: int | None = None  # bytes, for models and drawing; None: what is free
    strict: bool = False  # see `ldm.engine.Engine`
    compile_unet: bool = False  # see `ldm.models.compiled`
    accounts: tuple[tuple[str, str], ...] = ()  # names and passwords; empty: for everyone


def _number(environment: Mapping[str, str], variable: str) -> int:
    default, least, most = NUMBERS[variable]
    text = environment.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise SettingsError(variable, text, f"a whole number from {least} to {most}")
    return int(text)


def _paths(environment: Mapping[str, str], variable: str) -> list[Path]:
    return [Path(part) for part in environment.get(variable, "").split(os.pathsep) if part]


def _models_at(path: Path) -> dict[str, Path]:
    """The models of one path of LDM_MODELS: itself, or what lies in it."""
    if (path / INDEX).is_file():
        return {path.name: path}
    if path.suffix == WEIGHTS and path.is_file():
        return {path.stem: path}
    inside = sorted(path.iterdir()) if path.is_dir() else []
    found = {each.name: each for each in inside if (each / INDEX).is_file()}
    found |= {each.stem: each for each in inside if each.suffix == WEIGHTS}
    if not found:
        allowed = f"model folders (with a {INDEX}), {WEIGHTS} files, or folders of these"
        raise SettingsError("LDM_MODELS", str(path), allowed)
    return found


def _models(environment: Mapping[str, str]) -> dict[str, Path]:
    """The models that ship with the app and those of LDM_MODELS, by name; the chosen one first."""
    models = find_models()
    for path in _paths(environment, "LDM_MODELS"):
        models |= _models_at(path)
    chosen = environment.get("LDM_MODEL", "")
    if chosen and chosen not in models:
        raise SettingsError("LDM_MODEL", chosen, ", ".join(models) or "no model is there")
    return {chosen: models[chosen]} | models if chosen else models


def _loras(environment: Mapping[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _paths(environment, "LDM_LORAS"):
        files = sorted(path.glob(f"*{WEIGHTS}")) if path.is_dir() else [path]
        if not files or not all(file.suffix == WEIGHTS and file.is_file() for file in files):
            raise SettingsError("LDM_LORAS", str(path), f"{WEIGHTS} files, or folders of these")
        found |= {file.stem: file for file in files}
    return found


def _accounts(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    text = environment.get("LDM_AUTH", "")
    accounts = [part.partition(":") for part in text.split(",") if part.strip()]
    if not all(name.strip() and password for name, _, password in accounts):
        # The value is a secret and does not belong into a log.
        raise SettingsError("LDM_AUTH", "...", "name:password, several with commas between them")
    return tuple((name.strip(), password) for name, _, password in accounts)


def _compile_unet(environment: Mapping[str, str]) -> bool:
    wanted = _number(environment, "LDM_COMPILE") == 1
    if wanted and (device := choose_device().type) not in KINDS:
        raise SettingsError("LDM_COMPILE", f"1, with {device}", f"1 with {', '.join(KINDS)}; 0")
    return wanted


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` (as `os.environ`) asks for.

    PORT               the port, 7860 where absent
    LDM_HOST           the address to listen on; where absent 127.0.0.1, on a Space 0.0.0.0
    LDM_MODELS         further models: folders, files, or folders of these, separated as in PATH
    LDM_MODEL          the name of the model chosen when the page opens; the first where absent
    LDM_LORAS          LoRA files that a request may use, or folders of these
    LDM_CLIP           a CLIP model that compares captions and pictures: a folder or a Hub id
    LDM_CLASSES        how many school classes may have a wall at once; none where absent
    LDM_AUTH           who may use the page: name:password, several with commas between them
    LDM_MAX_UPLOAD_MB  the largest file a visitor may send, 40 where absent
    LDM_MAX_WAITING    how many requests may wait, 100 where absent
    LDM_MAX_TOGETHER   how many pictures are drawn at once, 16 where absent
    LDM_MAX_PIXELS     width times height of a picture; as the machine can where absent or 0
    LDM_MAX_SECONDS    how long a request may be drawn, 1800 where absent
    LDM_MEMORY_MB      memory for models and drawing; what is free where absent or 0
    LDM_STRICT         1 gives every picture U-Net calls of its own; 0 where absent
    LDM_COMPILE        1 compiles the U-Net, on a GPU of NVIDIA's or AMD's; 0 where absent

    Raises `SettingsError` for anything else.
    """
    own_host = EVERY_HOST if environment.get("SPACE_ID") else LOCAL_HOST
    return Settings(
        host=environment.get("LDM_HOST") or own_host,
        port=_number(environment, "PORT"),
        models=_models(environment),
        loras=_loras(environment),
        clip=environment.get("LDM_CLIP", "").strip(),
        classes=_number(environment, "LDM_CLASSES"),
        accounts=_accounts(environment),
        max_upload_megabytes=_number(environment, "LDM_MAX_UPLOAD_MB"),
        max_waiting=_number(environment, "LDM_MAX_WAITING"),
        max_together=_number(environment, "LDM_MAX_TOGETHER"),
        max_pixels=_number(environment, "LDM_MAX_PIXELS") or None,
        max_seconds=_number(environment, "LDM_MAX_SECONDS"),
        memory=_number(environment, "LDM_MEMORY_MB") * 1024 * 1024 or None,
        strict=_number(environment, "LDM_STRICT") == 1,
        compile_unet=_compile_unet(environment),
    )
