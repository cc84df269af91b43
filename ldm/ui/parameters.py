"""A recipe as the text that AUTOMATIC1111's stable-diffusion-webui writes into PNGs, both ways.

The caption stands first, then a line "Negative prompt: ...", then one line of "Key: value" pairs
that begins with the steps; a value with a comma or colon in it is a JSON string. Other programs
read and write the same text. This module does *not* know which models are here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.recipe import Recipe

NEGATIVE = "Negative prompt:"
PAIR = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
MOST_CHARACTERS = 20_000

# Their name of a sampler, in small letters, where it differs from our title; theirs can end in the
# schedule's name ("DPM++ 2M Karras", as versions before 1.9 wrote).
OTHER_SAMPLERS = {
    "k_euler": "euler",
    "k_euler_a": "euler_ancestral",
    "dpm++ 2s a": "dpmpp_2s_ancestral",
    "dpm2 a": "dpm2_ancestral",
    "euler a": "euler_ancestral",
}
OTHER_SCHEDULES = {"automatic": "uniform", "normal": "uniform", "align your steps": "ays"}
SAMPLER_NAMES = {s.title.lower(): name for name, s in SAMPLERS.items()} | OTHER_SAMPLERS
SCHEDULE_NAMES = {title.lower(): name for name, title in SCHEDULES.items()} | OTHER_SCHEDULES
# Keys that say nothing a recipe would hold.
SILENT = {
    *("Model hash", "Version", "RNG", "Batch size", "Batch pos", "Model", "Lora hashes"),
    "Inpaint area",  # the padding says it
}


@dataclass(frozen=True)
class Foreign:
    """What a text of another program gives of a recipe, and the keys that have no place in one."""

    fields: Mapping[str, Any]
    left_out: tuple[str, ...]


def _number(text: str) -> int | float | str:
    """The number that `text` is, or the text itself, for Recipe to refuse by the field's name."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _sampler(text: str) -> dict[str, Any] | None:
    """The sampler, and the schedule where its name holds one."""
    name = text.strip().lower()
    for ending, schedule in ((f" {title}", known) for title, known in SCHEDULE_NAMES.items()):
        if name not in SAMPLER_NAMES and name.endswith(ending):
            found = _sampler(name.removesuffix(ending))
            return found and {**found, "schedule": schedule}
    return {"sampler": SAMPLER_NAMES[name]} if name in SAMPLER_NAMES else None


def _size(text: str) -> dict[str, Any] | None:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    return {"width": int(found[1]), "height": int(found[2])} if found else None


def _read(key: str, text: str) -> dict[str, Any] | None:
    """The recipe's fields of one pair; None for a pair that has no place there."""
    plain = {
        "Steps": "num_inference_steps",
        "CFG scale": "guidance_scale",
        "Seed": "seed",
        "Denoising strength": "strength",
        "Mask blur": "mask_feather",
        "Masked area padding": "padding_mask_crop",
        "Variation seed": "variation_seed",
        "Variation seed strength": "variation_strength",
        "Skip Early CFG": "guidance_start",
        "Token merging ratio": "token_merging_ratio",
    }
    if key in plain:
        return {plain[key]: _number(text)}
    match key:
        case "Sampler":
            return _sampler(text)
        case "Schedule type":
            known = SCHEDULE_NAMES.get(text.lower())
            return {"schedule": known} if known else None
        case "Size":
            return _size(text)
        case "Model":
            return {"model": text}
        case "Clip skip":  # theirs counts the layer that is read: 1 leaves none out
            number = _number(text)
            return {"clip_skip": number - 1 if isinstance(number, int) else number}
    return None


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text.strip()


def read_parameters(text: str) -> Foreign | None:
    """What such a text says; None for a text that is no such text."""
    *lines, last = text[:MOST_CHARACTERS].strip().split("\n")
    pairs = {match[1].strip(): _unquoted(match[2]) for match in PAIR.finditer(last)}
    if "Steps" not in pairs or len(pairs) < 3:
        return None
    parts: dict[str, list[str]] = {"prompt": [], "negative_prompt": []}
    part = "prompt"
    for line in lines:
        if line.strip().startswith(NEGATIVE):
            part, line = "negative_prompt", line.strip().removeprefix(NEGATIVE)
        parts[part].append(line.strip())
    fields: dict[str, Any] = {name: "\n".join(lines).strip() for name, lines in parts.items()}
    left_out = []
    for key, value in pairs.items():
        found = _read(key, value)
        if found is None:
            left_out += [] if key in SILENT else [key]
            continue
        # A schedule of its own stands behind the sampler and is the newer word.
        fields |= found
    return Foreign(fields, tuple(left_out))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:\n"]', text) else text


def write_parameters(recipe: Recipe, made_with: Mapping[str, str]) -> str:
    """`recipe` as such a text. made_with: what the PNG says beside it (`ldm`, `model_hash`)."""
    pairs = {
        "Steps": recipe.num_inference_steps,
        "Sampler": SAMPLERS[recipe.sampler].title,
        "Schedule type": SCHEDULES[recipe.schedule],
        "CFG scale": f"{recipe.guidance_scale:g}",
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        "Model hash": made_with.get("model_hash", "")[:10],
        "Model": recipe.model,
    }
    if recipe.task != "text_to_image":
        pairs["Denoising strength"] = f"{recipe.strength:g}"
    if recipe.task == "inpaint":
        pairs["Mask blur"] = recipe.mask_feather
        if recipe.padding_mask_crop is not None:
            pairs["Inpaint area"] = "Only masked"
            pairs["Masked area padding"] = recipe.padding_mask_crop
    if recipe.variation_strength:
        pairs["Variation seed"] = recipe.variation_seed
        pairs["Variation seed strength"] = f"{recipe.variation_strength:g}"
    if recipe.clip_skip:
        pairs["Clip skip"] = recipe.clip_skip + 1
    if recipe.guidance_start:
        pairs["Skip Early CFG"] = f"{recipe.guidance_start:g}"
    if recipe.token_merging_ratio:
        pairs["Token merging ratio"] = f"{recipe.token_merging_ratio:g}"
    version = made_with.get("ldm", "")
    if version:
        pairs["Version"] = f"ldm {version}"
    said = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in pairs.items() if value != "")
    lines = [recipe.prompt]
    if recipe.negative_prompt:
        lines.append(f"{NEGATIVE} {recipe.negative_prompt}")
    return "\n".join([*lines, said])
