"""What the tab draws: the caption, and the folded rest.

Owns these controls and the recipe that they make. Does not draw.
"""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from ldm.diffusion import SAMPLERS
from ldm.engine import Engine
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, Recipe
from ldm.ui.form import Updates, Values
from ldm.ui.how_it_works.terms import SETTINGS, Terms
from ldm.ui.texts import TEXT_EXAMPLES, label

TAB = "how_it_works"


@dataclass(frozen=True)
class Asking:
    """The controls that say what is drawn."""

    model: gr.Dropdown
    prompt: gr.Textbox
    seed: gr.Number
    steps: gr.Slider
    guidance: gr.Slider
    sampler: gr.Dropdown

    def parts(self) -> list[Component]:
        return [self.model, self.prompt, self.seed, self.steps, self.guidance, self.sampler]

    def filled(self, recipe: Recipe) -> Updates:
        """The controls as they would say this recipe."""
        return {
            self.model: recipe.model,
            self.prompt: recipe.prompt,
            self.seed: recipe.seed,
            self.steps: recipe.num_inference_steps,
            self.guidance: recipe.guidance_scale,
            self.sampler: recipe.sampler,
        }

    def recipe(self, engine: Engine, values: Values, terms: Terms) -> Recipe:
        """Raises RecipeError for what cannot be drawn, or not under these terms."""
        defaults = engine.defaults(values[self.model])
        width, height = terms.size(engine, values[self.model])
        recipe = Recipe(
            values[self.prompt] or "",
            model=values[self.model],
            seed=values[self.seed],
            num_inference_steps=values[self.steps],
            guidance_scale=values[self.guidance],
            sampler=values[self.sampler],
            schedule=defaults.schedule,
            width=width,
            height=height,
        )
        terms.check(recipe)
        return recipe

    def under(self, terms: Terms) -> Updates:
        """The controls as a link sets them; those it does not leave free cannot be changed."""
        own = {
            "caption": self.prompt,
            "seed": self.seed,
            "steps": self.steps,
            "guidance": self.guidance,
            "sampler": self.sampler,
            "model": self.model,
        }
        found: Updates = {
            component: gr.update(
                value=terms.settings[SETTINGS[name]], interactive=terms.may_change(name)
            )
            for name, component in own.items()
        }
        most = LIMITS["num_inference_steps"].maximum
        found[self.steps]["maximum"] = terms.max_steps or most
        return found


def build_asking(engine: Engine) -> tuple[Asking, gr.Button]:
    names = engine.names()
    start = engine.defaults(names[0])
    prompt = gr.Textbox(
        TEXT_EXAMPLES[0],
        label=label("prompt"),
        lines=2,
        max_lines=4,
        max_length=MAX_PROMPT_CHARACTERS,
        elem_id=f"{TAB}-prompt",
        elem_classes="ldm-prompt",
    )
    go = gr.Button(
        label("how_draw"),
        variant="primary",
        size="lg",
        elem_id=f"{TAB}-generate",
        elem_classes="ldm-generate",
    )
    with gr.Accordion(label("settings"), open=False, elem_classes="ldm-settings ldm-fold"):
        model = gr.Dropdown(
            [(engine.defaults(name).title, name) for name in names],
            value=names[0],
            label=label("model"),
            visible=len(names) > 1,
            elem_id=f"{TAB}-model",
        )
        seed = gr.Number(1, label=label("seed"), precision=0, elem_id=f"{TAB}-seed")
        steps = gr.Slider(
            1,
            LIMITS["num_inference_steps"].maximum,
            value=start.num_inference_steps,
            step=1,
            label=label("num_inference_steps"),
            elem_id=f"{TAB}-steps",
            buttons=[],
        )
        guidance = gr.Slider(
            LIMITS["guidance_scale"].minimum,
            LIMITS["guidance_scale"].maximum,
            value=start.guidance_scale,
            step=LIMITS["guidance_scale"].step,
            label=label("guidance_scale"),
            info=label("guidance_info"),
            elem_id=f"{TAB}-guidance",
            buttons=[],
        )
        sampler = gr.Dropdown(
            [(each.title, name) for name, each in SAMPLERS.items()],
            value=start.sampler,
            label=label("sampler"),
            filterable=False,
            elem_id=f"{TAB}-sampler",
        )

    def take_defaults(chosen: str) -> Updates:
        new = engine.defaults(chosen)
        return {
            steps: new.num_inference_steps,
            guidance: new.guidance_scale,
            sampler: new.sampler,
        }

    model.input(
        take_defaults,
        model,
        [steps, guidance, sampler],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Asking(model, prompt, seed, steps, guidance, sampler), go
