"""What the page's script hands to the server: recipes, pictures sent to a tab, a seed to use again.

A component nobody sees carries each message (`assets/page/courier.js`). Owns what is made of them
and the notice that says so. Whatever comes is checked as any stranger's input.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ldm.engine import Engine
from ldm.imaging import ImageError
from ldm.recipe import RecipeError
from ldm.ui.filling import fill, fillable
from ldm.ui.form import PASSING, Form, Output, Updates, plain_words, within
from ldm.ui.given import Unreadable, read_message
from ldm.ui.picture_input import FIELD, PictureInput, opened_updates, picture_outputs
from ldm.ui.script import part
from ldm.ui.texts import attributes, joined, say
from ldm.ui.uploads import uploaded

VARIATION, VARIATIONS = 0.3, 4  # how far variations go, and how many there are at once
GENERATE = """(message) => {
  const button = message?.vary && document.querySelector(`#${message.tab}-generate`);
  if (button) setTimeout(() => button.click(), 0);
}"""


@dataclass(frozen=True)
class Desk:
    """The page's forms by tab, and the easels of those that have one."""

    forms: Mapping[str, Form]
    sources: Mapping[str, PictureInput]
    tabs: gr.Tabs
    notice: gr.HTML

    def outputs(self) -> list[Output]:
        found: list[Output] = [self.tabs, self.notice]
        for form in self.forms.values():
            found += fillable(form)
        for tab, source in self.sources.items():
            found += picture_outputs(self.forms[tab], source)
        return list(dict.fromkeys(found))


def notice(*lines: str) -> str:
    """A note over the page that stays until it is closed."""
    if not lines:
        return ""
    said = "".join(f"<p>{line}</p>" for line in lines)
    close = attributes({"aria-label": "close", "title": "close"})
    button = f'<button type="button" data-do="close"{close}>×</button>'
    return f'<div class="ldm-notice" role="status"><div>{said}</div>{button}</div>'


def take_recipe(engine: Engine, desk: Desk, message: Mapping[str, Any]) -> Updates:
    """The form of the recipe's tab filled, that tab opened, and what should be known said."""
    try:
        given = read_message(engine, message)
    except Unreadable:
        return {desk.notice: notice(say("recipe_unreadable"))}
    except RecipeError as error:
        refused = joined(say("recipe_refused"), " ", plain_words(error))
        return {desk.notice: notice(refused)}
    form = desk.forms.get(given.task)
    if form is None:
        return {desk.notice: notice(say("recipe_unreadable"))}
    return {
        **fill(form, engine, given.fields),
        desk.tabs: gr.Tabs(selected=given.task),
        desk.notice: notice(say("recipe_taken"), *given.notes),
    }


def take_picture(engine: Engine, desk: Desk, message: Mapping[str, Any]) -> Updates:
    """The picture on the easel of the tab it was sent to, with the caption it came with."""
    tab = str(message.get("tab"))
    if tab not in desk.sources:
        return {desk.notice: notice(say("recipe_unreadable"))}
    form, source = desk.forms[tab], desk.sources[tab]
    model = engine.names()[0]
    try:
        updates = opened_updates(form, source, engine, model, uploaded(message.get("file"), FIELD))
    except ImageError as error:
        return {desk.notice: notice(plain_words(error))}
    caption = message.get("caption")
    # Where a picture is enlarged, a tile that is told of the whole would draw all of it.
    if isinstance(caption, str) and caption and tab != "upscale":
        updates[form.fields["prompt"]] = caption
    return {**updates, desk.tabs: gr.Tabs(selected=tab), desk.notice: ""}


def take_seed(desk: Desk, message: Mapping[str, Any]) -> Updates:
    """A picture's seed, and what it was varied by, to be used again in the tab it came from.

    To vary it: several pictures that resemble it, each varied by another seed.
    """
    form = desk.forms.get(str(message.get("tab")))
    if form is None or not all(within(name, message.get(name)) for name in PASSING):
        return {desk.notice: notice(say("recipe_unreadable"))}
    again = {form.fields[name]: message[name] for name in PASSING}
    if message.get("vary") is not True:
        return {**again, form.randomise: False}
    return {
        **again,
        form.fields["variation_strength"]: VARIATION,
        form.fields["num_images"]: VARIATIONS,
        form.randomise: True,
    }


def build_courier(engine: Engine, desk: Desk) -> None:
    """The component, in the Blocks being built."""
    courier = gr.HTML(
        value={},
        html_template="<span></span>",
        js_on_load=part("courier"),
        apply_default_css=False,
        elem_id="ldm-courier",
        elem_classes="ldm-sr",
    )

    def take(message: object) -> Updates:
        if not isinstance(message, dict):
            return {desk.notice: ""}
        match message.get("kind"):
            case "recipe":
                return take_recipe(engine, desk, message)
            case "picture":
                return take_picture(engine, desk, message)
            case "seed":
                return take_seed(desk, message)
        return {desk.notice: ""}

    taken = courier.change(
        take,
        courier,
        desk.outputs(),
        preprocess=False,
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="always_last",  # of several at once the last is also the last to be answered
        api_visibility="private",
    )
    taken.then(None, courier, None, js=GENERATE, api_visibility="private")
