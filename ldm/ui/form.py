"""A tab's form: its components as one thing, what they show at rest and running, and reading them.

Owns the way from what the page sends to a `Recipe`, and where a message about a field stands.
It does *not* build the components (`controls` does) and runs nothing (`handlers` does).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from ldm.imaging import ImageError
from ldm.recipe import CROP_PADDING, LIMITS, Recipe, RecipeError
from ldm.ui import texts
from ldm.ui.phrases import understood
from ldm.ui.stage import status_line
from ldm.ui.texts import Markup, markup, say

Values = Mapping[Component, Any]  # what the page sends: raw, checked by Recipe alone
Field = gr.Textbox | gr.Slider | gr.Dropdown | gr.Number | gr.HTML  # whose value is one of a recipe
Output = Component | BlockContext  # what an event may set
Updates = dict[Output, Any]

CUSTOM = "custom"
SEEDS = int(LIMITS["seed"].maximum) + 1
SEED_FIELDS = ("seed", "variation_seed")
PASSING = (*SEED_FIELDS, "variation_strength")  # of one picture, not for the next visit
# What makes drawing faster, and a picture another one; as the recipe has them they are off.
SPEED_UPS = ("guidance_start", "guidance_end", "cache_interval", "token_merging_ratio")
NO_PROBLEM = ""


def whole(field: str) -> bool:
    """Whether the field takes whole numbers alone."""
    return isinstance(LIMITS[field].step, int)


def within(field: str, value: object) -> bool:
    """Whether `value` is a number that `field` may have; whole where the field is."""
    limit = CROP_PADDING if field == "padding_mask_crop" else LIMITS[field]
    kinds = int if isinstance(limit.step, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    return limit.minimum <= value <= limit.maximum


@dataclass(frozen=True)
class Problems:
    """Where a tab says what is wrong: beside the caption, the picture or the settings."""

    prompt: gr.HTML
    picture: gr.HTML | None
    settings: gr.HTML

    def _beside(self, field: str) -> gr.HTML:
        if field == "prompt":
            return self.prompt
        return self.picture if self.picture and field in ("init_image", "mask") else self.settings

    def clear(self) -> Updates:
        slots = (self.prompt, self.picture, self.settings)
        return {slot: NO_PROBLEM for slot in slots if slot is not None}

    def show(self, tab: str, field: str, message: str) -> Updates:
        """`message` beside `field` (which the page marks), and no other message."""
        attributes = f'role="alert" data-field="{tab}-{field}"'
        body = f'<p class="ldm-problem" {attributes}>{markup(message)}</p>'
        return {**self.clear(), self._beside(field): body}


@dataclass(frozen=True)
class Size:
    """The choice of a size: a preset such as "256x256", or "custom" and two numbers in `own`."""

    preset: gr.Dropdown
    width: gr.Number
    height: gr.Number
    own: gr.Row

    def parts(self) -> set[Component]:
        return {self.preset, self.width, self.height}

    def read(self, values: Values) -> tuple[Any, Any]:
        """(width, height) as chosen, not yet checked."""
        preset = values[self.preset]
        if preset == CUSTOM:
            return values[self.width], values[self.height]
        width, _, height = str(preset).partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise RecipeError("width", preset, "one of the sizes in the list")
        return int(width), int(height)

    def usable(self, values: Values) -> tuple[int, int] | None:
        """(width, height) where a picture may have this size, else None."""
        try:
            sides = self.read(values)
        except RecipeError:
            return None
        return sides if within("width", sides[0]) and within("height", sides[1]) else None


@dataclass(frozen=True)
class Detail:
    """Whether the masked part alone is drawn, and how many pixels around it the model sees."""

    chosen: gr.Checkbox
    padding: gr.Slider

    def read(self, values: Values) -> Any:
        """`padding_mask_crop` as chosen, not yet checked."""
        return values[self.padding] if values[self.chosen] else None

    def filled(self, padding: Any) -> Updates:
        """The components for a recipe's `padding_mask_crop`."""
        if padding is None:
            return {self.chosen: False, self.padding: gr.update(visible=False)}
        return {self.chosen: True, self.padding: gr.update(value=padding, visible=True)}


@dataclass(frozen=True)
class Form:
    """The components of one tab; `fields` are those whose value is a field of the recipe as is."""

    tab: str  # the task's name, and the head of every element's id
    fields: Mapping[str, Field]
    size: Size
    randomise: gr.Checkbox
    generate: gr.Button
    stop: gr.Button
    status: gr.HTML
    stage: gr.HTML
    problems: Problems
    detail: Detail | None = None
    others: tuple[Component, ...] = ()  # what the tab reads besides

    def inputs(self) -> set[Component]:
        detail = () if self.detail is None else (self.detail.chosen, self.detail.padding)
        parts = self.size.parts()
        return {*self.fields.values(), *parts, self.randomise, *detail, *self.others}

    def seeds(self, recipe: Recipe) -> Updates:
        """The fields that show which seeds a run has."""
        return {self.fields[name]: getattr(recipe, name) for name in SEED_FIELDS}

    def kept(self) -> list[Field]:
        """What the browser keeps for the next visit."""
        own = [component for name, component in self.fields.items() if name not in PASSING]
        return [*own, self.size.preset, self.size.width, self.size.height]

    def outputs(self) -> list[Output]:
        seeds = [self.fields[name] for name in SEED_FIELDS]
        return [
            self.generate,
            self.stop,
            self.status,
            self.stage,
            *seeds,
            *self.problems.clear(),
        ]

    def ready(self, status: str) -> Updates:
        """What a tab at rest shows, with `status` as its line."""
        return {
            self.generate: gr.update(interactive=True),
            self.stop: gr.update(interactive=False),
            self.status: status,
        }

    def running(self, recipe: Recipe) -> Updates:
        return {
            self.generate: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
            self.status: status_line(say("starting"), 0),
            **self.seeds(recipe),
            **self.problems.clear(),
        }


class Missing(ImageError):
    """Something a tab cannot do without; `key` is the text that says so."""

    def __init__(self, field: str, key: str) -> None:
        super().__init__(field, "nothing", texts.plain(key))
        self.key = key


def plain_words(error: RecipeError | ImageError) -> Markup:
    """`error` for a person: the field's own name, what came and what is allowed."""
    if isinstance(error, Missing):
        return say(error.key)
    if isinstance(error, RecipeError) and error.field == "prompt" and not str(error.got).strip():
        return say("empty_prompt")
    words = str(error).removeprefix(f"{error.field}: got ")
    got, allowed = map(understood, words.rsplit(", allowed: ", 1))
    name = texts.field_name(error.field)
    return texts.joined(name, ": ", say("got_allowed", got=got), " ", texts.filled(allowed), ".")


def read_recipe(form: Form, values: Values, task: str = "") -> Recipe:
    """The request on the page; raises `RecipeError` with the field that cannot be used.

    task: where it is not the tab's name.
    """
    fields = {name: values[component] for name, component in form.fields.items()}
    fields["width"], fields["height"] = form.size.read(values)
    if form.detail is not None:
        fields["padding_mask_crop"] = form.detail.read(values)
    if values[form.randomise]:
        # Variations keep the seed: what is new each time is what they are varied by.
        counted = "variation_seed" if fields["variation_strength"] else "seed"
        fields[counted] = secrets.randbelow(SEEDS)
    return Recipe(**fields, task=task or form.tab)


def size_value(width: int, height: int) -> str:
    """The preset's value for a size."""
    return f"{width}x{height}"
