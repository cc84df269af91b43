""" "Explain this picture", from a result in any tab: its recipe is drawn again, and recorded.

A component nobody sees brings the recipe from the page; it stands outside the tabs, which are made
only when they are first opened. The recipe is checked as any stranger's input; the pictures that it
started from are found among the visitor's own latest runs, as long as these are kept.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from ldm.checkpoints.load import Checkpoint
from ldm.imaging import pixel_digest
from ldm.imaging.region import size_for
from ldm.pipeline import size_step
from ldm.pipeline.rows import region_of
from ldm.recipe import Recipe
from ldm.ui.form import Updates
from ldm.ui.handlers import visitor_of
from ldm.ui.how_it_works.asking import TAB
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import words_of
from ldm.ui.how_it_works.tab import HowItWorks
from ldm.ui.jobs import Jobs
from ldm.ui.stage import status_line
from ldm.ui.texts import Text, say

EXPLAINED = ("text_to_image", "image_to_image", "inpaint")  # tasks

# A figure carries its recipe (`ldm.ui.result`); its button is marked with what it does. The history
# calls by name.
SCRIPT = """
let turn = 0;
window.ldmExplain = (recipe) => {
  props.value = { recipe, turn: ++turn };
  trigger('change');
  window.scrollTo({ top: 0, behavior: 'smooth' });
};
document.addEventListener('click', (event) => {
  const figure = event.target.closest?.('button[data-do="explain"]')?.closest('figure');
  if (figure) window.ldmExplain(figure.dataset.recipe);
});
"""

Given = tuple[Image.Image, ...]


def asked_recipe(message: object) -> Recipe:
    """The recipe in a message of the page. Raises RecipeError, or LabError for a task whose runs
    the panels do not know.
    """
    text = message.get("recipe") if isinstance(message, dict) else None
    recipe = Recipe.from_json(text if isinstance(text, str) else "")
    if recipe.task not in EXPLAINED:
        raise LabError(say("how_not_this_task"))
    return recipe


def given_for(recipe: Recipe, jobs: Jobs, visitor: str) -> Given:
    """The picture, and the mask, that a recipe started from: those of the visitor's own runs with
    the fingerprints that it names. Raises LabError where these are no longer kept.
    """
    if recipe.task == "text_to_image":
        return ()
    own = [job for (whose, _), job in jobs.jobs.items() if whose == visitor and visitor]
    for request in [request for job in own for request in job.requests]:
        pictures = tuple(p for p in (request.init_image, request.mask) if p is not None)
        digests = (recipe.init_image, recipe.mask) if recipe.mask else (recipe.init_image,)
        if tuple(map(pixel_digest, pictures)) == digests:
            return pictures
    raise LabError(say("how_start_gone", explain=Text("explain")))


def of_the_part(recipe: Recipe, given: Given, checkpoint: Checkpoint) -> tuple[Recipe, Given]:
    """Where only the part around the mask was drawn: the request that draws that part alone, which
    is the picture that the model saw.
    """
    if recipe.padding_mask_crop is None or len(given) != 2:
        return recipe, given
    region = region_of(recipe, *given)
    width, height = size_for(region.box, (recipe.width, recipe.height), size_step(checkpoint))
    part, part_mask = region.cut_out((width, height))
    alone = replace(
        recipe,
        width=width,
        height=height,
        padding_mask_crop=None,
        init_image=pixel_digest(part),
        mask=pixel_digest(part_mask),
    )
    return alone, (part, part_mask)


def build_asked(made: HowItWorks, tabs: gr.Tabs, jobs: Jobs, visit: gr.Textbox) -> None:
    """The component, in the Blocks being built. tabs: the page's; visit: the visitor's secret."""
    asked = gr.HTML(
        value={},
        html_template="<span></span>",
        js_on_load=SCRIPT,
        apply_default_css=False,
        elem_id="how-asked",
        elem_classes="ldm-sr",
    )

    async def take(
        values: dict[Component, Any], request: gr.Request
    ) -> AsyncGenerator[Updates, None]:
        opened: Updates = {tabs: gr.Tabs(selected=TAB)}
        visitor = visitor_of(values[visit], request.session_hash)
        try:
            recipe = asked_recipe(values[asked])
            found = await asyncio.to_thread(given_for, recipe, jobs, visitor)
            checkpoint = await asyncio.to_thread(made.lab.engine.checkpoint, recipe.model)
            part, given = await asyncio.to_thread(of_the_part, recipe, found, checkpoint)
            values[made.hooks.terms].check(part)
        except Exception as error:
            yield {**opened, made.status: status_line(words_of(error), problem=True)}
            return
        yield {**opened, **made.asking.filled(recipe)}
        own = request.session_hash or ""
        async with aclosing(made.explain(part, given, own, values[made.key])) as updates:
            async for each in updates:
                yield each

    gr.on(
        asked.change,
        take,
        inputs={asked, visit, made.key, made.hooks.terms},
        outputs=[tabs, *made.asking.parts(), *made.outputs],
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
