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

from ldm.checkpoints.load import Defaults
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.engine import Engine
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, Recipe
from ldm.ui import texts
from ldm.ui.filling import size_choices
from ldm.ui.form import CUSTOM, NO_PROBLEM, SPEED_UPS, Field, Size, Updates, size_value
from ldm.ui.lora_picker import build_lora_picker
from ldm.ui.model_card import model_facts
from ldm.ui.size_dropdown import SizeDropdown
from ldm.ui.stage import empty_stage, status_line
from ldm.ui.texts import label, say


def build_slider(
    tab: str, name: str, value: float, info: str | None = None, maximum: float | None = None
) -> gr.Slider:
    """A slider over the range that the recipe's field `name` may have."""
    limit = LIMITS[name]
    return gr.Slider(
        limit.minimum,
        limit.maximum if maximum is None else maximum,
        value=value,
        step=limit.step,
        label=label(name),
        info=None if info is None else label(info),
        elem_id=f"{tab}-{name}",
        buttons=[],
    )


def build_prompt(tab: str, title: str, value: str = "") -> tuple[gr.Textbox, gr.HTML]:
    """The caption, first and large, with the place for a message about it."""
    prompt = gr.Textbox(
        value=value,
        label=label(title),
        placeholder=label("prompt_placeholder"),
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
            label("generate"),
            variant="primary",
            size="lg",
            elem_id=f"{tab}-generate",
            elem_classes="ldm-generate",
        )
        stop = gr.Button(
            label("stop"),
            size="lg",
            interactive=False,
            elem_id=f"{tab}-stop",
            elem_classes="ldm-stop",
        )
    return generate, stop


def build_stage(tab: str, size: tuple[int, int]) -> tuple[gr.HTML, gr.HTML]:
    """The status line and the stage under it."""
    status = gr.HTML(status_line(say("ready")), elem_id=f"{tab}-status", elem_classes="ldm-line")
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
    gr.HTML(f"<h2>{say('examples')}</h2>", elem_classes="ldm-heading")
    with gr.Row(elem_classes="ldm-chips"):
        buttons = [
            gr.Button(caption, size="sm", icon=picture, elem_classes="ldm-chip")
            for caption, picture in zip_longest(captions, pictures)
        ]
    for button in buttons:
        # Gradio would delete them with the results that have grown old.
        button.keep_in_cache |= button.temp_files
    return buttons


@dataclass(frozen=True)
class Choices:
    """What `build_settings` made."""

    fields: Mapping[str, Field]
    model: gr.Dropdown  # one of them
    size: Size
    randomise: gr.Checkbox
    problem: gr.HTML


def build_dropdown(
    tab: str,
    name: str,
    choices: Sequence[tuple[str, str | int]],
    value: str | int,
    kind: type[gr.Dropdown] = gr.Dropdown,
) -> gr.Dropdown:
    return kind(
        choices,
        value=value,
        label=label(name),
        filterable=False,
        min_width=100,
        elem_id=f"{tab}-{name}",
    )


SWAP_SIZE = """(preset, width, height) => {
  const turned = preset.includes("x") ? preset.split("x").reverse().join("x") : preset;
  return [turned, height, width];
}"""


def _build_size(tab: str, engine: Engine, model: str, visible: bool) -> tuple[Size, gr.Dropdown]:
    """The size with its orientation, and beside it how many pictures."""
    native = engine.defaults(model).native_size
    counts = LIMITS["num_images"]
    numbers = range(int(counts.minimum), int(counts.maximum) + 1)
    with gr.Row(visible=visible, elem_classes="ldm-pair ldm-size-row"):
        sizes = size_choices(engine, model)
        preset = build_dropdown(tab, "size", sizes, size_value(*native), SizeDropdown)
        swap = gr.Button("⇄", elem_id=f"{tab}-size_swap", elem_classes="ldm-swap", min_width=42)
        num_images = build_dropdown(tab, "num_images", [(str(n), n) for n in numbers], numbers[0])
    with gr.Row(visible=False, elem_classes="ldm-pair") as own:
        width = gr.Number(native[0], label=label("width"), min_width=80, elem_id=f"{tab}-width")
        height = gr.Number(native[1], label=label("height"), min_width=80, elem_id=f"{tab}-height")
    preset.change(
        lambda chosen: gr.update(visible=chosen == CUSTOM),
        preset,
        own,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    swap.click(None, [preset, width, height], [preset, width, height], js=SWAP_SIZE)
    return Size(preset, width, height, own), num_images


def _build_model(tab: str, engine: Engine) -> tuple[gr.Dropdown, gr.HTML]:
    """The choice of model, which is part of the request, and what it is."""
    names = engine.names()
    titles = [engine.defaults(name).title for name in names]
    model = gr.Dropdown(
        list(zip(titles, names, strict=True)),
        value=names[0],
        label=label("model"),
        filterable=len(names) > 12,
        elem_id=f"{tab}-model",
    )
    facts = gr.HTML(
        model_facts(engine, names[0]), elem_id=f"{tab}-model-facts", elem_classes="ldm-facts"
    )
    return model, facts


def _build_seed(tab: str) -> tuple[gr.Number, gr.Checkbox]:
    with gr.Row(elem_classes="ldm-pair ldm-seed-row"):
        seed = gr.Number(0, label=label("seed"), min_width=120, elem_id=f"{tab}-seed")
        randomise = gr.Checkbox(
            True, label=label("randomise"), min_width=120, elem_id=f"{tab}-randomise"
        )
    return seed, randomise


def _build_variation(tab: str) -> tuple[gr.Slider, gr.Number]:
    """How far from the seed's own picture, and towards which other."""
    varied = build_slider(tab, "variation_strength", 0, "variation_strength_info")
    other = gr.Number(
        0,
        label=label("variation_seed"),
        visible=False,
        elem_id=f"{tab}-variation_seed",
    )
    varied.change(
        lambda strength: gr.update(visible=bool(strength)),
        varied,
        other,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return varied, other


def _build_speed_ups(tab: str, start: Defaults) -> Mapping[str, gr.Slider]:
    own = {name: getattr(Recipe, name) for name in SPEED_UPS} | {"guidance_end": start.guidance_end}
    with gr.Accordion(label("speed_ups"), open=False, elem_classes="ldm-fold ldm-speed-ups"):
        return {name: build_slider(tab, name, own[name], f"{name}_info") for name in SPEED_UPS}


def build_settings(tab: str, engine: Engine, sized: bool = True) -> Choices:
    """Size and number of pictures, and the folded rest, as the first model wants them.

    sized: whether a visitor chooses size and number.
    """
    names = engine.names()
    start = engine.defaults(names[0])
    problem = gr.HTML(NO_PROBLEM, elem_classes="ldm-slot")
    size, num_images = _build_size(tab, engine, names[0], sized)
    with gr.Accordion(label("settings"), open=False, elem_classes="ldm-fold ldm-settings"):
        model, facts = _build_model(tab, engine)
        negative = gr.Textbox(
            value="",
            label=label("negative_prompt"),
            info=label("negative_prompt_info"),
            lines=1,
            max_lines=4,
            elem_id=f"{tab}-negative_prompt",
        )
        seed, randomise = _build_seed(tab)
        varied, variation_seed = _build_variation(tab)
        steps = build_slider(tab, "num_inference_steps", start.num_inference_steps, "steps_info")
        guidance = build_slider(tab, "guidance_scale", start.guidance_scale, "guidance_info")
        with gr.Row(elem_classes="ldm-pair"):
            samplers = [(sampler.title, name) for name, sampler in SAMPLERS.items()]
            schedules = [(title, name) for name, title in SCHEDULES.items()]
            sampler = build_dropdown(tab, "sampler", samplers, start.sampler)
            schedule = build_dropdown(tab, "schedule", schedules, start.schedule)
        loras = build_lora_picker(tab, engine, names[0])
        rescale = build_slider(tab, "guidance_rescale", 0, "guidance_rescale_info")
        clip_skip = build_slider(tab, "clip_skip", 0, "clip_skip_info")
        speed_ups = _build_speed_ups(tab, start)

    def take_defaults(chosen: str) -> Updates:
        new = engine.defaults(chosen)
        return {
            size.preset: gr.update(
                choices=size_choices(engine, chosen), value=size_value(*new.native_size)
            ),
            steps: new.num_inference_steps,
            guidance: new.guidance_scale,
            speed_ups["guidance_end"]: new.guidance_end,
            sampler: new.sampler,
            schedule: new.schedule,
            facts: model_facts(engine, chosen),
        }

    # Not `change`: that fires as well when the folded settings are first opened, and would take
    # back what the visitor has just typed.
    model.input(
        take_defaults,
        model,
        [size.preset, steps, guidance, speed_ups["guidance_end"], sampler, schedule, facts],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    fields: dict[str, Field] = {
        "model": model,
        "num_images": num_images,
        "negative_prompt": negative,
        "seed": seed,
        "variation_seed": variation_seed,
        "variation_strength": varied,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "guidance_rescale": rescale,
        **speed_ups,
        "clip_skip": clip_skip,
        "loras": loras,
        "sampler": sampler,
        "schedule": schedule,
    }
    return Choices(fields, model, size, randomise, problem)


def build_strength(
    tab: str, value: float, words: tuple[tuple[float, str], ...]
) -> tuple[gr.Slider, gr.HTML]:
    """Strength, and under it what the chosen strength means."""
    strength = build_slider(tab, "strength", value)
    said = gr.HTML(texts.strength_in_words(value, words), elem_classes="ldm-words")
    table = json.dumps([(limit, say(key)) for limit, key in words])
    strength.change(
        fn=None,
        inputs=strength,
        outputs=said,
        js=f"(s) => ({table}.find(([limit]) => s <= limit) ?? [0, ''])[1]",
    )
    return strength, said
