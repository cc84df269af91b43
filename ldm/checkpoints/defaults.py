"""What a model wants where a request does not say: size, steps, guidance, sampler.

Read from the folder's ``defaults.json``, else worked out from its configurations, as its family
is commonly used. Needs no weights. Knows nothing of requests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import NoReturn

from ldm.checkpoints.family import Family
from ldm.checkpoints.files import CheckpointError, read_json
from ldm.checkpoints.source import Source
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.models.config import ConfigError, Reader

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
_HALVINGS = 3  # of a picture's sides, where an autoencoder's configuration does not tell
_STEP = 64  # pixels; sizes of those models are multiples of it
_COMMON_SIZE = 512  # pixels, where a configuration does not tell
_FEW_STEPS = ("lcm", "tcd")  # samplers of models that were distilled to need four
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
    guidance_end: float = 1.0  # the share of the way after which it draws better without
    # Whether its U-Net has learned to fill a part of latents whose rest is clean, not noisy.
    clean_surroundings: bool = False


class _File:
    """A defaults.json whose values are checked as they are taken."""

    def __init__(self, path: Path) -> None:
        self.path, self.values = path, read_json(path)
        every = {field.name: field.default for field in fields(Defaults)}
        needed = sorted(name for name, default in every.items() if default is MISSING)
        others = {name: every[name] for name in every if name not in needed}
        if sorted({*self.values} - {*others}) != needed:
            got = ", ".join(sorted(self.values)) or "no keys"
            allowed = f"exactly the keys {', '.join(needed)}, and {' and '.join(others)} or not"
            raise CheckpointError(path, got, allowed)
        self.values = others | self.values

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

    def share(self, key: str) -> float:
        if self.number(key) > 1:
            self.refuse(key, "a number from 0 to 1")
        return self.number(key)

    def flag(self, key: str) -> bool:
        value = self.values[key]
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

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
        guidance_end=file.share("guidance_end"),
        clean_surroundings=file.flag("clean_surroundings"),
    )


def _licence(folder: Path) -> str:
    """The licence that the front matter of a model card names."""
    card = folder / "README.md"
    if not card.is_file():
        return "not stated"
    found = _LICENCE.match(card.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "not stated"


def _sampler_and_schedule(source: Source) -> tuple[str, str]:
    """Those that the scheduler's configuration was written for; of a class that this engine has
    not, DPM++ 2M.

    CheckpointError for a class whose models this engine cannot run.
    """
    config = source.configs["scheduler"]
    name = str(config.get("_class_name"))
    if name.startswith(_OTHER_FORMS):
        path = source.config_path("scheduler")
        raise CheckpointError(path, f"_class_name: {name!r}", ", ".join(_SAMPLER_OF))
    sampler = _SAMPLER_OF.get(name, "dpmpp_2m")
    if sampler == "dpmpp_2m" and str(config.get("algorithm_type")).startswith("sde-"):
        sampler = "dpmpp_3m_sde" if config.get("solver_order") == 3 else "dpmpp_2m_sde"
    schedules = [value for field, value in _SCHEDULE_OF.items() if config.get(field) is True]
    return sampler, schedules[0] if schedules else "uniform"


def _sizes(side: int, family: Family) -> tuple[Size, ...]:
    """The family's shapes for a square of this side, in multiples of the step; each once."""

    def length(share: float) -> int:
        return max(_STEP, int(side * share) // _STEP * _STEP)

    return tuple(dict.fromkeys((length(width), length(height)) for width, height in family.shapes))


def _trained_side(source: Source, family: Family) -> int:
    """Height in pixels of the pictures that a model was trained to make."""
    path = source.config_path("unet")
    try:
        # Stable Diffusion 1 and 2 base: 64 x 64 latents, 2.x 768: 96 x 96, XL: 128 x 128.
        latents = Reader(source.configs["unet"]).size("sample_size")
    except ConfigError as error:
        raise CheckpointError(path, f"{error.field}: {error.got!r}", error.allowed) from error
    if latents is None:
        return _COMMON_SIZE * (1 if family.upscaling is None else family.upscaling.factor)
    levels = source.configs[family.autoencoder].get("block_out_channels", ())
    return latents[0] * 2 ** (len(levels) - 1 if isinstance(levels, list) else _HALVINGS)


def defaults_of(source: Source, family: Family) -> Defaults:
    """As a checkpoint's family is commonly used: its size, guidance and steps.

    Raises:
        CheckpointError: a configuration that is not allowed.
    """
    sampler, schedule = _sampler_and_schedule(source)
    side = max(_STEP, _trained_side(source, family) // _STEP * _STEP)
    steps, guidance = family.num_inference_steps, family.guidance_scale
    told_guidance = source.configs["unet"].get("time_cond_proj_dim") is not None
    if sampler in _FEW_STEPS and not told_guidance:
        # A distilled model whose U-Net is told no guidance, as with such a LoRA merged in.
        steps, guidance = 4, 1.0
    return Defaults(
        title=source.name,
        native_size=(side, side),
        sizes=_sizes(side, family),
        num_inference_steps=steps,
        guidance_scale=guidance,
        sampler=sampler,
        schedule=schedule,
        licence=_licence(source.path),
    )


def read_defaults_file(path: Path) -> Defaults | None:
    """What a model folder's own defaults.json says; None where there is none.

    Raises:
        CheckpointError: what it says is not allowed.
    """
    file = path / "defaults.json"
    return _from_file(file) if file.exists() else None
