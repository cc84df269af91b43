"""The controls the tabs share: caption, buttons, stage, examples and settings.

Owns how a request is asked for; ranges and defaults come from `ldm.recipe` and the engine, texts
from `texts`. It does *not* read them (`form` does) and runs nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import gradio as gr
from gradio.components import Component

from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.engine import Engine
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS
from ldm.ui import texts
from ldm.ui.form import CUSTOM, NO_PROBLEM, Size, Updates, size_value
from ldm.ui.stage import empty_stage, status_line


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
    size: Size
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


def _build_size(tab: str, engine: Engine, model: str) -> tuple[Size, gr.Dropdown]:
    """The size, and beside it how many pictures."""
    native = engine.defaults(model).native_size
    counts = LIMITS["num_images"]
    numbers = range(int(counts.minimum), int(counts.maximum) + 1)
    with gr.Row(elem_classes="ldm-pair ldm-size-row"):
        preset = _dropdown(
            tab, "size", texts.SIZE, size_choices(engine, model), size_value(*native)
        )
        num_images = _dropdown(
            tab, "num_images", texts.NUM_IMAGES, [(str(n), n) for n in numbers], numbers[0]
        )
    with gr.Row(visible=False, elem_classes="ldm-pair") as own:
        width = gr.Number(native[0], label=texts.WIDTH, min_width=80, elem_id=f"{tab}-width")
        height = gr.Number(native[1], label=texts.HEIGHT, min_width=80, elem_id=f"{tab}-height")
    preset.change(
        lambda chosen: gr.update(visible=chosen == CUSTOM),
        preset,
        own,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Size(preset, width, height), num_images


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
        seed = gr.Number(0, label=texts.SEED, min_width=120, elem_id=f"{tab}-seed")
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
    size, num_images = _build_size(tab, engine, names[0])
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
            size.preset: gr.update(
                choices=size_choices(engine, chosen), value=size_value(*new.native_size)
            ),
            steps: new.num_inference_steps,
            guidance: new.guidance_scale,
            sampler: new.sampler,
            schedule: new.schedule,
        }

    # Not `change`: that fires as well when the folded settings are first opened, and would take
    # back what the visitor has just typed.
    model.input(
        take_defaults,
        model,
        [size.preset, steps, guidance, sampler, schedule],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    fields = {
        "model": model,
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
    table = json.dumps(words)
    strength.change(
        fn=None,
        inputs=strength,
        outputs=said,
        js=f"(s) => ({table}.find(([limit]) => s <= limit) ?? [0, ''])[1]",
    )
    return strength, said
