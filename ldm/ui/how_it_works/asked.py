""" "Explain this picture", from a result in any tab: its recipe is drawn again, and recorded.

A component nobody sees brings the recipe from the page; it stands outside the tabs, which are made
only when they are first opened. The recipe is checked as any stranger's input.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm.recipe import Recipe
from ldm.ui.form import Updates
from ldm.ui.how_it_works import texts
from ldm.ui.how_it_works.asking import TAB
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import words_of
from ldm.ui.how_it_works.tab import HowItWorks
from ldm.ui.stage import status_line

# A figure carries its recipe (`ldm.ui.result`); its button is marked with what it does.
SCRIPT = """
let turn = 0;
document.addEventListener('click', (event) => {
  const figure = event.target.closest?.('button[data-do="explain"]')?.closest('figure');
  if (!figure) return;
  props.value = { recipe: figure.dataset.recipe, turn: ++turn };
  trigger('change');
  window.scrollTo({ top: 0, behavior: 'smooth' });
});
"""


def asked_recipe(message: object) -> Recipe:
    """The recipe in a message of the page. Raises RecipeError, or LabError for one that cannot be
    explained without the picture it was made from.
    """
    text = message.get("recipe") if isinstance(message, dict) else None
    recipe = Recipe.from_json(text if isinstance(text, str) else "")
    if recipe.task != "text_to_image":
        raise LabError(texts.TEXT_ONLY)
    return recipe


def build_asked(made: HowItWorks, tabs: gr.Tabs) -> None:
    """The component, in the Blocks being built. tabs: the page's."""
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
        try:
            recipe = asked_recipe(values[asked])
        except Exception as error:
            yield {**opened, made.status: status_line(words_of(error), problem=True)}
            return
        visitor = request.session_hash or ""
        yield {**opened, **made.asking.filled(recipe)}
        async with aclosing(made.explain(recipe, (), visitor, values[made.key])) as updates:
            async for each in updates:
                yield each

    gr.on(
        asked.change,
        take,
        inputs={asked, made.key},
        outputs=[tabs, *made.asking.parts(), *made.outputs],
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
