"""The validated request that the page, the command line, the HTTP API and the PNG text share.

Owns what a request may say: its fields, their ranges, and the JSON form. It does *not* know which
models, samplers, schedules or size multiples exist (``ldm.pipeline.check`` asks the loaded
checkpoint), and it holds no pixels: only digests of the pictures that travel beside it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, fields, replace
from typing import Any

from ldm.alternatives import chosen

VERSION = 1
TASKS = ("text_to_image", "image_to_image", "inpaint", "upscale")
WITH_PICTURE = TASKS[1:]  # the tasks that start from a picture
MAX_PROMPT_CHARACTERS = 2000
MAX_NAME_CHARACTERS = 300
MAX_LORAS = 16
MAX_JSON_CHARACTERS = 100_000  # two prompts with every character escaped, and room to spare
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Range:
    """The closed range of one number, and the step a slider moves by (which is not enforced).

    A range whose step is an int takes whole numbers only.
    """

    minimum: float
    maximum: float
    step: float

    def __str__(self) -> str:
        kind = "a whole number" if isinstance(self.step, int) else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:.10g}"


LIMITS: dict[str, Range] = {
    "num_inference_steps": Range(1, 150, 1),
    "guidance_scale": Range(0.0, 30.0, 0.1),  # 1 switches guidance off
    "guidance_rescale": Range(0.0, 1.0, 0.05),
    "guidance_start": Range(0.0, 1.0, 0.05),  # 0 is noise, 1 the picture
    "guidance_end": Range(0.0, 1.0, 0.05),
    "cache_interval": Range(1, 10, 1),  # 1 switches the speed-up off
    "token_merging_ratio": Range(0.0, 0.75, 0.05),  # 0 is off; a quarter of the tokens stays
    "clip_skip": Range(0, 11, 1),  # what the model has layers for is its own affair
    "seed": Range(0, 2**32 - 1, 1),
    "variation_seed": Range(0, 2**32 - 1, 1),
    "variation_strength": Range(0.0, 1.0, 0.01),  # 0 leaves the seed's own picture
    "width": Range(64, 2048, 8),  # which multiples work is the model's affair
    "height": Range(64, 2048, 8),
    "num_images": Range(1, 8, 1),
    "strength": Range(0.01, 1.0, 0.01),
    "mask_feather": Range(0, 64, 1),  # pixels
    "noise_level": Range(0, 999, 1),  # how much of it a model was trained with is its own affair
}
CROP_PADDING = Range(0, 256, 8)  # pixels
LORA_WEIGHT = Range(-10.0, 10.0, 0.05)  # 1 is what a LoRA was trained for


class Described(str):
    """What came, in words; a value of the request is shown as it is written."""


def _shown(got: object) -> str:
    """``repr(got)`` in at most ``SHOWN_CHARACTERS``; a long text keeps its true length."""
    if isinstance(got, Described):
        return str(got)
    if isinstance(got, int) and got.bit_length() > 256:
        return "a number of more than 70 digits"  # Python refuses to print the longest ones
    text = repr(got[: 2 * SHOWN_CHARACTERS] if isinstance(got, str) else got)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    tail = f"... ({len(got)} characters)" if isinstance(got, str) else "..."
    return text[: SHOWN_CHARACTERS - len(tail)] + tail


class RecipeError(ValueError):
    """A field of a request that cannot be used: which one, what came, what is allowed."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(field, got, allowed)  # all three, so that the error survives pickling
        self.field = field
        self.got = got
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.field}: got {_shown(self.got)}, allowed: {self.allowed}"


def _checked_number(field: str, value: object) -> int | float:
    """`value` as the field's own type; text and True are no numbers, and NaN is in no range."""
    limit = LIMITS[field]
    whole = isinstance(limit.step, int)
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else (int, float))
        or not limit.minimum <= value <= limit.maximum
    ):
        raise RecipeError(field, value, str(limit))
    return int(value) if whole else float(value)


def _check_padding(value: object) -> None:
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not CROP_PADDING.minimum <= value <= CROP_PADDING.maximum
    ):
        raise RecipeError("padding_mask_crop", value, f"nothing, or {CROP_PADDING}")


def _check_text(field: str, value: object, minimum: int, maximum: int) -> None:
    allowed = f"{minimum} to {maximum} characters"
    if not isinstance(value, str) or not minimum <= len(value) <= maximum:
        raise RecipeError(field, value, allowed)
    if minimum and not value.strip():
        raise RecipeError(field, value, f"{allowed}, not only spaces")
    if re.search("[\ud800-\udfff]", value):
        raise RecipeError(field, value, "text that can be written as UTF-8")


def _check_choice(field: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise RecipeError(field, value, ", ".join(choices))


def _check_digest(field: str, value: object, tasks: Sequence[str], task: str) -> None:
    if task not in tasks and value != "":
        raise RecipeError(field, value, f"'' (nothing) for the task {task}")
    if not isinstance(value, str) or not re.fullmatch("([0-9a-f]{64})?", value):
        raise RecipeError(field, value, "'' or a SHA-256 of 64 digits 0-9a-f")


def _checked_loras(value: object) -> tuple[tuple[str, float], ...]:
    """Pairs of a name and a weight, as the field's own type."""
    allowed = f"at most {MAX_LORAS} pairs of a name and a weight"
    if not isinstance(value, list | tuple) or len(value) > MAX_LORAS:
        raise RecipeError("loras", value, allowed)
    found: dict[str, float] = {}
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RecipeError("loras", pair, allowed)
        name, weight = pair
        _check_text("loras", name, 1, MAX_NAME_CHARACTERS)
        if re.search(r"[/\\]", name):
            raise RecipeError("loras", name, "a name, which is no path")
        if name in found:
            raise RecipeError("loras", name, "each name once")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not LORA_WEIGHT.minimum <= weight <= LORA_WEIGHT.maximum:
            raise RecipeError("loras", weight, f"{LORA_WEIGHT} as the weight of {name}")
        found[name] = float(weight)
    return tuple(found.items())


def _object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RecipeError(
            "recipe", Described(f"the field {_shown(twice)} more than once"), "each field once"
        )
    return values


def _json_object(text: str) -> dict[str, Any]:
    allowed = "one JSON object, as a recipe is written"
    if not isinstance(text, str) or len(text) > MAX_JSON_CHARACTERS:
        raise RecipeError("recipe", text, f"{allowed}, of at most {MAX_JSON_CHARACTERS} characters")
    try:
        values = json.loads(text, object_pairs_hook=_object_of_unique_names)
    except RecipeError:
        raise
    except (ValueError, RecursionError) as error:
        raise RecipeError("recipe", text, allowed) from error
    if not isinstance(values, dict):
        raise RecipeError("recipe", text, allowed)
    return values


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a picture, apart from the pixels of `init_image` and `mask`.

    Every field is checked on construction; one that cannot be used raises `RecipeError`. Whole
    numbers are taken where fractions are allowed (and stored as float), nothing else is converted.
    Two equal recipes with the same model files and pixels give the same pictures.
    """

    prompt: str  # which models can do without, and when, is their own affair
    _: KW_ONLY
    negative_prompt: str = ""
    task: str = "text_to_image"
    model: str = "vignette"
    loras: tuple[tuple[str, float], ...] = ()  # names and weights; of which files, the host says
    sampler: str = "dpmpp_2m"
    schedule: str = "uniform"
    num_inference_steps: int
    guidance_scale: float  # 1 is off
    guidance_rescale: float = 0.0
    guidance_start: float = 0.0  # share of the way from noise to picture before which it is off
    guidance_end: float = 1.0  # and after which
    cache_interval: int = 1  # every so many evaluations the U-Net's deep levels run
    token_merging_ratio: float = 0.0  # share of the first level's tokens that self-attention merges
    clip_skip: int = 0  # last layers of the text model to leave out; elsewhere often counted from 1
    seed: int = 0  # of the first picture; picture i of the request has seed + i
    variation_seed: int = 0  # of the noise that the seed's is blended into
    variation_strength: float = 0.0  # how far; above 0 the seed stays and this seed counts up
    width: int  # pixels, of the result
    height: int  # pixels
    num_images: int = 1
    strength: float = 0.75  # share of the steps that a given picture goes through
    mask_feather: int = 4  # pixels
    padding_mask_crop: int | None = None  # pixels around the mask that alone are drawn; None: all
    noise_level: int = 20  # timestep up to which an upscaler adds noise to what it is given
    init_image: str = ""  # ldm.imaging.pixel_digest of the opened picture, before it is fitted
    mask: str = ""  # the same of the mask, at the size of the opened picture

    def __post_init__(self) -> None:
        _check_choice("task", self.task, TASKS)
        _check_text("prompt", self.prompt, 0, MAX_PROMPT_CHARACTERS)
        _check_text("negative_prompt", self.negative_prompt, 0, MAX_PROMPT_CHARACTERS)
        for name in ("model", "sampler", "schedule"):
            _check_text(name, getattr(self, name), 1, MAX_NAME_CHARACTERS)
        object.__setattr__(self, "loras", _checked_loras(self.loras))
        for name in LIMITS:
            # The one conversion, int to float, so that equal recipes have equal JSON.
            object.__setattr__(self, name, _checked_number(name, getattr(self, name)))
        if self.guidance_end < self.guidance_start:
            allowed = f"at least {self.guidance_start:g}, the guidance_start"
            raise RecipeError("guidance_end", self.guidance_end, allowed)
        _check_padding(self.padding_mask_crop)
        _check_digest("init_image", self.init_image, WITH_PICTURE, self.task)
        _check_digest("mask", self.mask, ("inpaint",), self.task)

    def to_json(self) -> str:
        """One line of JSON: the version under ``"recipe"``, then the fields in their order."""
        return json.dumps({"recipe": VERSION} | asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The recipe that `to_json` wrote; absent fields with a default take it.

        Raises `RecipeError` for text that is no JSON object, another version, a missing, unknown
        or repeated field, and for every value that the constructor refuses.
        """
        values = _json_object(text)
        version = values.pop("recipe", None)
        if isinstance(version, bool) or version != VERSION:
            raise RecipeError("recipe", version, f"{VERSION} (the version this program reads)")
        known = {field.name: field for field in fields(cls)}
        for name in values:
            if name not in known:
                raise RecipeError(
                    "recipe", Described(f"the field {_shown(name)}"), f"only {', '.join(known)}"
                )
        for name, field in known.items():
            if field.default is MISSING and name not in values:
                raise RecipeError(name, None, "a value (the field is missing)")
        return cls(**values)

    def for_image(self, index: int) -> "Recipe":
        """The recipe that draws picture `index` (from 0) of this request alone, with the
        alternatives that its captions take (`ldm.alternatives`).
        """
        if not 0 <= index < self.num_images:
            raise RecipeError("index", index, f"0 to {self.num_images - 1}")
        seed, other = self.seed, self.variation_seed
        if self.variation_strength:
            other = (other + index) % 2**32
        else:
            seed = (seed + index) % 2**32
        return replace(
            self,
            prompt=chosen(self.prompt, seed),
            negative_prompt=chosen(self.negative_prompt, seed),
            seed=seed,
            variation_seed=other,
            num_images=1,
        )
