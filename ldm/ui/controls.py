"""The controls the tabs share, and reading them into a `Recipe`.

Owns how a request is asked for; ranges and defaults come from `ldm.recipe` and the engine, texts
from `texts`. It does *not* run anything: `handlers` does.
"""

import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.engine import Engine
from ldm.imaging import ImageError
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, Recipe, RecipeError
from ldm.ui import texts
from ldm.ui.stage import empty_stage, status_line

Values = Mapping[Component, Any]  # what the page sends: raw, checked by Recipe alone
Updates = dict[Component, Any]

CUSTOM = "custom"
SEEDS = int(LIMITS["seed"].maximum) + 1
NO_PROBLEM = ""
SPECIAL_PROBLEMS = {
    ("prompt", ""): texts.EMPTY_PROMPT,
}


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
        text = html.escape(message)
        body = f'<p class="ldm-problem" role="alert" data-field="{tab}-{field}">{text}</p>'
        return {**self.clear(), self._beside(field): body}


@dataclass(frozen=True)
class Form:
    """The components of one tab; `fields` are those whose value is a field of the recipe."""

    tab: str  # the task's name, and the head of every element's id
    fields: Mapping[str, Component]
    size: gr.Dropdown
    randomise: gr.Checkbox
    generate: gr.Button
    stop: gr.Button
    status: gr.HTML
    stage: gr.HTML
    problems: Problems
    others: tuple[Component, ...] = ()  # what the tab reads besides

    def inputs(self) -> set[Component]:
        return {*self.fields.values(), self.size, self.randomise, *self.others}

    def outputs(self) -> list[Component]:
        shown = [self.generate, self.stop, self.status, self.stage, self.fields["seed"]]
        return [*shown, *self.problems.clear()]

    def ready(self, status: str) -> Updates:
        """What a tab at rest shows, with `status` as its line."""
        return {
            self.generate: gr.update(interactive=True),
            self.stop: gr.update(interactive=False),
            self.status: status,
        }

    def running(self, seed: int) -> Updates:
        return {
            self.generate: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
            self.status: status_line(texts.STARTING, 0),
            self.fields["seed"]: seed,
            **self.problems.clear(),
        }


def plain_words(error: RecipeError | ImageError) -> str:
    """`error` for a person: the field's own name, what came and what is allowed."""
    if isinstance(error, RecipeError) and isinstance(error.got, str):
        special = SPECIAL_PROBLEMS.get((error.field, error.got.strip()))
        if special:
            return special
    return texts.problem(error.field, str(error).removeprefix(f"{error.field}: "))


def chosen_size(form: Form, values: Values) -> tuple[Any, Any]:
    """(width, height) of the preset, or of the two numbers where the size is custom."""
    preset = values[form.size]
    if preset == CUSTOM:
        return values[form.fields["width"]], values[form.fields["height"]]
    width, _, height = str(preset).partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise RecipeError("width", preset, "one of the sizes in the list")
    return int(width), int(height)


def read_recipe(form: Form, values: Values, init_image: str = "", mask: str = "") -> Recipe:
    """The request on the page; raises `RecipeError` with the field that cannot be used."""
    fields = {name: values[component] for name, component in form.fields.items()}
    fields["width"], fields["height"] = chosen_size(form, values)
    if values[form.randomise]:
        fields["seed"] = secrets.randbelow(SEEDS)
    return Recipe(**fields, task=form.tab, init_image=init_image, mask=mask)


def size_value(width: int, height: int) -> str:
    return f"{width}x{height}"


def size_choices(engine: Engine, model: str) -> list[tuple[str, str]]:
    sizes = engine.defaults(model).sizes
    presets = [(texts.size_title(*size), size_value(*size)) for size in sizes]
    return [*presets, (texts.CUSTOM_SIZE, CUSTOM)]


def nearest_size(engine: Engine, model: str, size: tuple[int, int]) -> tuple[int, int]:
    """The model's preset whose shape is nearest to that of a picture of `size`."""
    shape = size[0] / size[1]

    def distance(preset: tuple[int, int]) -> float:
        ratio = preset[0] / preset[1] / shape
        return max(ratio, 1 / ratio)

    return min(engine.defaults(model).sizes, key=distance)


def _slider(tab: str, name: str, title: str, value: float, info: str | None = None) -> gr.Slider:
    limit = LIMITS[name]
    return gr.Slider(
        limit.minimum,
        limit.maximum,
        value=value,
        step=limit.step,
        label=title,
        info=info,
        elem_id=f"{tab}-{name}",
        buttons=[],
    )


def build_prompt(tab: str, title: str, value: str = "") -> tuple[gr.Textbox, gr.HTML]:
    """The caption, first and large, with the place for a message about it."""
    prompt = gr.Textbox(
        value=value,
        label=title,
        placeholder=texts.PROMPT_PLACEHOLDER,
        lines=3,
        max_lines=8,
        max_length=MAX_PROMPT_CHARACTERS * 8,  # the page says what is too long, it does not cut
        elem_id=f"{tab}-prompt",
        elem_classes="ldm-prompt",
    )
    return prompt, gr.HTML(NO_PROBLEM, elem_classes="ldm-slot")


def build_buttons(tab: str) -> tuple[gr.Button, gr.Button]:
    with gr.Row(elem_classes="ldm-buttons"):
        generate = gr.Button(
            texts.GENERATE,
            variant="primary",
            size="lg",
            elem_id=f"{tab}-generate",
            elem_classes="ldm-generate",
        )
        stop = gr.Button(
            texts.STOP,
            size="lg",
            interactive=False,
            elem_id=f"{tab}-stop",
            elem_classes="ldm-stop",
        )
    return generate, stop


def build_stage(tab: str, size: tuple[int, int]) -> tuple[gr.HTML, gr.HTML]:
    """The status line and the stage under it."""
    status = gr.HTML(status_line(texts.READY), elem_id=f"{tab}-status", elem_classes="ldm-line")
    stage = gr.HTML(
        empty_stage(*size),
        apply_default_css=False,
        elem_id=f"{tab}-stage",
        elem_classes="ldm-stage-block",
    )
    return status, stage


def build_examples(
    captions: Sequence[str], pictures: Sequence[Path | None] = ()
) -> list[gr.Button]:
    """A heading and one button a caption (and picture); the tab says what each brings."""
    gr.HTML(f"<h2>{texts.EXAMPLES}</h2>", elem_classes="ldm-heading")
    with gr.Row(elem_classes="ldm-chips"):
        return [
            gr.Button(caption, size="sm", icon=picture, elem_classes="ldm-chip")
            for caption, picture in zip_longest(captions, pictures)
        ]


@dataclass(frozen=True)
class Choices:
    """What `build_settings` made."""

    fields: Mapping[str, Component]
    size: gr.Dropdown
    randomise: gr.Checkbox
    problem: gr.HTML


def _dropdown(
    tab: str, name: str, title: str, choices: Sequence[tuple[str, str | int]], value: str | int
) -> gr.Dropdown:
    return gr.Dropdown(
        choices,
        value=value,
        label=title,
        filterable=False,
        min_width=100,
        elem_id=f"{tab}-{name}",
    )


def _build_size(
    tab: str, engine: Engine, model: str
) -> tuple[gr.Dropdown, gr.Number, gr.Number, gr.Dropdown]:
    """Size, width, height, and beside the size how many pictures."""
    native = engine.defaults(model).native_size
    counts = LIMITS["num_images"]
    numbers = range(int(counts.minimum), int(counts.maximum) + 1)
    with gr.Row(elem_classes="ldm-pair ldm-size-row"):
        size = _dropdown(
            tab, "size", texts.SIZE, size_choices(engine, model), size_value(*native)
        )
        num_images = _dropdown(
            tab, "num_images", texts.NUM_IMAGES, [(str(n), n) for n in numbers], numbers[0]
        )
    with gr.Row(visible=False, elem_classes="ldm-pair") as own:
        width = gr.Number(native[0], label=texts.WIDTH, min_width=80, elem_id=f"{tab}-width")
        height = gr.Number(native[1], label=texts.HEIGHT, min_width=80, elem_id=f"{tab}-height")
    size.change(
        lambda chosen: gr.update(visible=chosen == CUSTOM),
        size,
        own,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return size, width, height, num_images


def _build_model(tab: str, engine: Engine) -> gr.Dropdown:
    """The choice of model, which is part of the request; hidden where there is only one."""
    names = engine.names()
    titles = [texts.model_line(d.title, d.licence) for d in map(engine.defaults, names)]
    return gr.Dropdown(
        list(zip(titles, names, strict=True)),
        value=names[0],
        label=texts.MODEL,
        visible=len(names) > 1,
        elem_id=f"{tab}-model",
    )


def _build_seed(tab: str) -> tuple[gr.Number, gr.Checkbox]:
    with gr.Row(elem_classes="ldm-pair ldm-seed-row"):
        seed = gr.Number(
            0, label=texts.SEED, info=texts.SEED_INFO, min_width=120, elem_id=f"{tab}-seed"
        )
        randomise = gr.Checkbox(
            True, label=texts.RANDOMISE, min_width=120, elem_id=f"{tab}-randomise"
        )
    return seed, randomise


def build_settings(tab: str, engine: Engine) -> Choices:
    """Size and number of pictures, and the folded rest, as the first model wants them."""
    names = engine.names()
    start = engine.defaults(names[0])
    problem = gr.HTML(NO_PROBLEM, elem_classes="ldm-slot")
    model = _build_model(tab, engine)
    size, width, height, num_images = _build_size(tab, engine, names[0])
    with gr.Accordion(texts.SETTINGS, open=False, elem_classes="ldm-settings"):
        negative = gr.Textbox(
            value="",
            label=texts.NEGATIVE_PROMPT,
            info=texts.NEGATIVE_PROMPT_INFO,
            lines=1,
            max_lines=4,
            elem_id=f"{tab}-negative_prompt",
        )
        seed, randomise = _build_seed(tab)
        steps = _slider(
            tab, "num_inference_steps", texts.STEPS, start.num_inference_steps, texts.STEPS_INFO
        )
        guidance = _slider(
            tab, "guidance_scale", texts.GUIDANCE, start.guidance_scale, texts.GUIDANCE_INFO
        )
        rescale = _slider(
            tab, "guidance_rescale", texts.GUIDANCE_RESCALE, 0, texts.GUIDANCE_RESCALE_INFO
        )
        with gr.Row(elem_classes="ldm-pair"):
            samplers = [(sampler.title, name) for name, sampler in SAMPLERS.items()]
            schedules = [(title, name) for name, title in SCHEDULES.items()]
            sampler = _dropdown(tab, "sampler", texts.SAMPLER, samplers, start.sampler)
            schedule = _dropdown(tab, "schedule", texts.SCHEDULE, schedules, start.schedule)

    def take_defaults(chosen: str) -> Updates:
        new = engine.defaults(chosen)
        return {
            size: gr.update(choices=size_choices(engine, chosen), value=size_value(*new.native_size)),
            steps: new.num_inference_steps,
            guidance: new.guidance_scale,
            sampler: new.sampler,
            schedule: new.schedule,
        }

    model.change(
        take_defaults,
        model,
        [size, steps, guidance, sampler, schedule],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    fields = {
        "model": model,
        "width": width,
        "height": height,
        "num_images": num_images,
        "negative_prompt": negative,
        "seed": seed,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "guidance_rescale": rescale,
        "sampler": sampler,
        "schedule": schedule,
    }
    return Choices(fields, size, randomise, problem)


def build_strength(
    tab: str, value: float, words: tuple[tuple[float, str], ...]
) -> tuple[gr.Slider, gr.HTML]:
    """Strength, and under it what the chosen strength means."""
    strength = _slider(tab, "strength", texts.STRENGTH, value)
    said = gr.HTML(texts.strength_in_words(value, words), elem_classes="ldm-words")
    table = [[limit, text] for limit, text in words]
    strength.change(
        fn=None,
        inputs=strength,
        outputs=said,
        js=f"(s) => ({table!r}.find(([limit]) => s <= limit) ?? [0, ''])[1]",
    )
    return strength, said
