"""The two settings that a grid varies: their values as written, as recipe fields, as labels.

Knows nothing of pages or of drawing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.recipe import Described, Recipe, RecipeError
from ldm.ui.form import whole

# Settings in the order they are offered, each with values to begin with.
SETTINGS: Mapping[str, str] = {
    "num_inference_steps": "8, 16, 24",
    "guidance_scale": "1, 3, 5, 8",
    "seed": "1, 2, 3, 4",
    "variation_strength": "0, 0.1, 0.2, 0.4",
    "sampler": "DDIM, Euler, DPM++ 2M",
    "schedule": "Uniform, Karras",
    "clip_skip": "0, 1, 2",
    "guidance_rescale": "0, 0.35, 0.7",
    "guidance_start": "0, 0.2, 0.4",
    "guidance_end": "1, 0.8, 0.6",
    "cache_interval": "1, 2, 3, 5",
    "token_merging_ratio": "0, 0.25, 0.5, 0.75",
    "prompt": "",
}
NAMED: Mapping[str, Mapping[str, str]] = {
    "sampler": {name: sampler.title for name, sampler in SAMPLERS.items()},
    "schedule": dict(SCHEDULES),
}
MOST_CELLS = 24


@dataclass(frozen=True)
class Axis:
    """One setting and its values; an axis of no setting has one cell."""

    field: str
    values: tuple[Any, ...]

    def cells(self) -> list[dict[str, Any]]:
        return [{self.field: value} for value in self.values] if self.field else [{}]

    def labels(self) -> list[str]:
        titles = NAMED.get(self.field, {})
        if not self.field:
            return [""]
        return [titles.get(v, f"{v:g}" if isinstance(v, float) else str(v)) for v in self.values]


def _value(field: str, text: str) -> Any:
    """One value as the recipe's field holds it. Raises `RecipeError` for what is none."""
    if field in NAMED:
        known = {title.lower(): name for name, title in NAMED[field].items()}
        known |= {name: name for name in NAMED[field]}
        if text.lower() not in known:
            raise RecipeError(field, text, ", ".join(NAMED[field].values()))
        return known[text.lower()]
    if field == "prompt":
        return text
    try:
        return int(text) if whole(field) else float(text)
    except ValueError:
        kind = "whole numbers" if whole(field) else "numbers"
        raise RecipeError(field, text, f"{kind} with commas between them") from None


def read_axis(chosen: object) -> Axis:
    """The axis of what the page sends, {"field", "values"}; `RecipeError` where it cannot be used.

    Captions stand one a line, other values between commas.
    """
    sent = chosen if isinstance(chosen, dict) else {}
    field, text = str(sent.get("field") or ""), str(sent.get("values") or "")
    if not field:
        return Axis("", ())
    if field not in SETTINGS:
        raise RecipeError("field", field, ", ".join(SETTINGS))
    parts = text.split("\n") if field == "prompt" else text.replace("\n", ",").split(",")
    values = tuple(dict.fromkeys(_value(field, part.strip()) for part in parts if part.strip()))
    if not values:
        raise RecipeError(field, text, "at least one value")
    return Axis(field, values)


def cells_of(recipe: Recipe, across: Axis, down: Axis) -> list[Recipe]:
    """The recipe of every cell, row by row. Raises `RecipeError` for what cannot be drawn."""
    if across.field and across.field == down.field:
        raise RecipeError(down.field, down.field, "another setting than across")
    cells = [
        replace(recipe, num_images=1, **row, **column)
        for row in down.cells()
        for column in across.cells()
    ]
    if len(cells) > MOST_CELLS:
        raise RecipeError("values", Described(f"{len(cells)} pictures"), f"at most {MOST_CELLS}")
    return cells
