"""What a model wants where a request does not say: size, steps, guidance, sampler.

Read from the folder's ``defaults.json``, else worked out from its configurations, as its family
is commonly used. Needs no weights. Knows nothing of requests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

from ldm.checkpoints.files import CheckpointError, read_json
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.models.config import ConfigError, UNetConfig

Size = tuple[int, int]  # width, height in pixels

# diffusers' names of the samplers that this engine has. PNDM's comes with two ways to start, of
# which Stable Diffusion's models use ours.
_SAMPLER_OF: Mapping[str, str] = {
    "DDPMScheduler": "ddpm",
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "plms",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "HeunDiscreteScheduler": "heun",
    "LMSDiscreteScheduler": "lms",
    "KDPM2DiscreteScheduler": "dpm2",
    "KDPM2AncestralDiscreteScheduler": "dpm2_ancestral",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "UniPCMultistepScheduler": "unipc",
    "DEISMultistepScheduler": "deis",
    "LCMScheduler": "lcm",
    "TCDScheduler": "tcd",
}
# Fields of a scheduler's configuration that name a schedule.
_SCHEDULE_OF: Mapping[str, str] = {
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
}
# Schedulers of models that take their noise in another form than this engine's.
_OTHER_FORMS = ("EDM", "FlowMatch")
_FACTOR = 8  # pixels to a latent in every model that comes without a defaults.json
_STEP = 64  # pixels; sizes of those models are multiples of it
_COMMON_SIZE = 512  # pixels, where a configuration does not tell
_LICENCE = re.compile(r"\A---\s*\n(?:.*\n)*?licen[cs]e:\s*(\S+)")


@dataclass(frozen=True)
class Defaults:
    """A model's own choices."""

    title: str
    native_size: Size
    sizes: tuple[Size, ...]  # those it is known to draw well, the native one among them
    num_inference_steps: int
    guidance_scale: float
    sampler: str
    schedule: str
    licence: str


class _File:
    """A defaults.json whose values are checked as they are taken."""

    def __init__(self, path: Path) -> None:
        self.path, self.values = path, read_json(path)
        names = sorted(field.name for field in fields(Defaults))
        if sorted(self.values) != names:
            got = ", ".join(sorted(self.values)) or "no keys"
            raise CheckpointError(path, got, f"exactly the keys {', '.join(names)}")

    def refuse(self, key: str, allowed: str) -> NoReturn:
        raise CheckpointError(self.path, f"{key}: {self.values[key]!r}", allowed)

    def text(self, key: str, among: Collection[str] | None = None) -> str:
        value = self.values[key]
        if not isinstance(value, str) or not value or (among is not None and value not in among):
            self.refuse(key, "a text" if among is None else " or ".join(among))
        return value

    def count(self, key: str) -> int:
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(key, "a whole number of at least 1")
        return value

    def number(self, key: str) -> float:
        value = self.values[key]
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(key, "a number of at least 0")
        if not 0 <= value < math.inf:
            self.refuse(key, "a number of at least 0")
        return float(value)

    def size(self, key: str, value: object) -> Size:
        if isinstance(value, list) and len(value) == 2:
            width, height = value
            if type(width) is int and type(height) is int and width > 0 and height > 0:
                return width, height
        self.refuse(key, "[width, height], both whole numbers above 0")

    def sizes(self, key: str) -> tuple[Size, ...]:
        value = self.values[key]
        if not isinstance(value, list) or not value:
            self.refuse(key, "a list of [width, height]")
        return tuple(self.size(key, item) for item in value)


def _from_file(path: Path) -> Defaults:
    file = _File(path)
    return Defaults(
        title=file.text("title"),
        native_size=file.size("native_size", file.values["native_size"]),
        sizes=file.sizes("sizes"),
        num_inference_steps=file.count("num_inference_steps"),
        guidance_scale=file.number("guidance_scale"),
        sampler=file.text("sampler", SAMPLERS),
        schedule=file.text("schedule", SCHEDULES),
        licence=file.text("licence"),
    )


def _licence(folder: Path) -> str:
    """The licence that the front matter of a model card names."""
    card = folder / "README.md"
    if not card.is_file():
        return "not stated"
    found = _LICENCE.match(card.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "not stated"


def _sampler_and_schedule(path: Path) -> tuple[str, str]:
    """Those that scheduler_config.json was written for; of a class this engine has not, DPM++ 2M.

    CheckpointError for a class whose models this engine cannot run.
    """
    config = read_json(path)
    name = str(config.get("_class_name"))
    if name.startswith(_OTHER_FORMS):
        raise CheckpointError(path, f"_class_name: {name!r}", ", ".join(_SAMPLER_OF))
    sampler = _SAMPLER_OF.get(name, "dpmpp_2m")
    if sampler == "dpmpp_2m" and str(config.get("algorithm_type")).startswith("sde-"):
        sampler = "dpmpp_3m_sde" if config.get("solver_order") == 3 else "dpmpp_2m_sde"
    schedules = [value for field, value in _SCHEDULE_OF.items() if config.get(field) is True]
    return sampler, schedules[0] if schedules else "uniform"


def _from_family(folder: Path) -> Defaults:
    """As Stable Diffusion 1 and 2 are used: their size, 7.5 guidance, 25 steps."""
    path = folder / "unet" / "config.json"
    try:
        config = UNetConfig.from_dict(read_json(path))
    except ConfigError as error:
        raise CheckpointError(path, f"{error.field}: {error.got!r}", error.allowed) from error
    sampler, schedule = _sampler_and_schedule(folder / "scheduler" / "scheduler_config.json")
    # Stable Diffusion 1 and 2 base were trained at 64 x 64 latents, 2.x 768 at 96 x 96.
    side = config.sample_size[0] * _FACTOR if config.sample_size else _COMMON_SIZE
    side = max(_STEP, side // _STEP * _STEP)
    wide = max(_STEP, side * 3 // 2 // _STEP * _STEP)
    return Defaults(
        title=folder.resolve().name,
        native_size=(side, side),
        sizes=((side, side), (wide, side), (side, wide)),
        num_inference_steps=25,
        guidance_scale=7.5,
        sampler=sampler,
        schedule=schedule,
        licence=_licence(folder),
    )


def read_defaults(folder: Path) -> Defaults:
    """A model folder's defaults, without its weights.

    Raises:
        CheckpointError: what is read is missing or not allowed.
    """
    path = folder / "defaults.json"
    return _from_file(path) if path.exists() else _from_family(folder)
