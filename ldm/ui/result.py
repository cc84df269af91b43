"""Finished pictures: each with its seed, its file, its recipe, and what can be done with it.

Owns their markup and the files behind the links. What the buttons do is the page's script's
(`assets/page/results.js`), which finds a picture's recipe on its figure.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from ldm.events import Picture
from ldm.imaging import fit, read_png_text
from ldm.recipe import Recipe
from ldm.ui import texts
from ldm.ui.form import SPEED_UPS
from ldm.ui.parameters import write_parameters
from ldm.ui.stage import alt_text, data_url, frame, stage, tinted
from ldm.ui.texts import Figure, attributes, markup, say

NOT_SHOWN_IN_RECIPE = {"recipe", "prompt", "task", "num_images"}
USED_BY = {
    "image_to_image": {"strength", "init_image"},
    "inpaint": {"strength", "mask_feather", "padding_mask_crop", "init_image", "mask"},
    "upscale": {"noise_level", "strength", "init_image"},
}
VARIED = ("text_to_image", "image_to_image", "inpaint")  # the tasks whose pictures have variations
BEFORE_QUALITY = 88
# Where a finished picture can go: the tab's id and the key of its title.
DESTINATIONS = (
    ("image_to_image", "sketch_tab"),
    ("inpaint", "inpaint_tab"),
    ("upscale", "upscale_tab"),
)


def file_name(recipe: Recipe) -> str:
    """A name for the download: the caption's first words and the seed."""
    words = re.findall(r"[a-z0-9]+", recipe.prompt.lower())[:8]
    seeds = [f"seed{recipe.seed}"]
    if recipe.variation_strength:
        seeds.append(f"var{recipe.variation_seed}")
    return "-".join([*(words or ["picture"]), *seeds])[:80] + ".png"


def shown_fields(recipe: Recipe) -> dict[str, object]:
    """What decided the picture: the value of each field that its task uses."""
    unused = set().union(*USED_BY.values()) - USED_BY.get(recipe.task, set())
    if not recipe.variation_strength:
        unused |= {"variation_seed", "variation_strength"}
    unused |= {name for name in SPEED_UPS if getattr(recipe, name) == getattr(Recipe, name)}
    return {
        name: value
        for name, value in json.loads(recipe.to_json()).items()
        if value not in ("", [], None) and name not in NOT_SHOWN_IN_RECIPE | unused
    }


def rows_of(recipe: Recipe) -> str:
    """What decided the picture, as the rows of a <dl>."""
    return "".join(
        f"<div><dt>{texts.field_name(name)}</dt><dd>{markup(_written(value))}</dd></div>"
        for name, value in shown_fields(recipe).items()
    )


def _written(value: object) -> str:
    return Figure(value) if isinstance(value, float) else str(value)


def _button(action: str, key: str, more: str = "") -> str:
    return f'<button type="button" data-do="{action}"{more}>{say(key)}</button>'


def _recipe_panel(recipe: Recipe) -> str:
    copies = "".join(
        _button(f"copy-{what}", f"copy_{what}") for what in ("link", "recipe", "parameters")
    )
    return (
        f'<details class="ldm-recipe"><summary>{say("recipe")}</summary>'
        f"<blockquote>{html.escape(recipe.prompt)}</blockquote>"
        f'<div class="ldm-actions">{copies}</div>'
        f"<dl>{rows_of(recipe)}</dl><p>{say('recipe_note')}</p>"
        f"<pre>{html.escape(recipe.to_json())}</pre></details>"
    )


def _truth(picture: Picture) -> str:
    """The mask as it was used and what changed outside it, where there was a mask."""
    if picture.mask is None or picture.changed_outside is None:
        return ""
    shown = data_url(tinted(picture.image, picture.mask))
    count = picture.changed_outside
    return (
        f'<div class="ldm-truth"><img src="{shown}"{attributes({"alt": "mask_used"})}>'
        f"<p>{say('mask_used')}"
        f'<strong data-changed="{count}">{say("changed_outside", pixels=count)}</strong></p></div>'
    )


def picture_file(picture: Picture, url: str) -> str:
    """The link to the file; its name says what it shows."""
    name = file_name(picture.recipe)
    head = f'<a class="ldm-download" href="{html.escape(url)}" download="{name}">'
    return f"{head}{say('download')}</a>"


def picture_data(picture: Picture) -> str:
    """The attributes by which the page's script knows a picture's recipe."""
    made_with = read_png_text(picture.png).get("made_with", "{}")
    about = {
        "recipe": picture.recipe.to_json(),
        "made": made_with,
        "parameters": write_parameters(picture.recipe, known_of(made_with)),
    }
    return "".join(f' data-{name}="{html.escape(text)}"' for name, text in about.items())


def keep_file(picture: Picture, component: gr.HTML) -> str:
    """The PNG, byte for byte, where Gradio serves it; its address.

    Gradio deletes it once it is old (`delete_cache`); the page fetches the bytes at once.
    """
    path = save_bytes_to_cache(picture.png, file_name(picture.recipe), component.GRADIO_CACHE)
    component.temp_files.add(path)
    return f"gradio_api/file={path}"


def _chosen(recipe: Recipe, asked: str) -> str:
    """The caption that the seed made of what was asked, where the two differ."""
    if asked in ("", recipe.prompt):
        return ""
    return f'<p class="ldm-chosen">{html.escape(recipe.prompt)}</p>'


def _caption(picture: Picture, url: str, alone: bool, compared: bool, asked: str) -> str:
    recipe = picture.recipe
    seed = f"{say('seed_shown')} <b>{recipe.seed}</b>"
    varied = ""
    if recipe.variation_strength:
        seed += f" {say('variation_shown', seed=recipe.variation_seed)}"
    elif recipe.task in VARIED:
        varied = _button("vary", "vary", attributes({"title": "vary_info"}))
    size = f"<span>{picture.image.width} × {picture.image.height}</span>" if alone else ""
    send = "".join(_button("send", key, f' data-to="{tab}"') for tab, key in DESTINATIONS)
    explain = _button("explain", "explain") if recipe.task in VARIED else ""
    compare = _button("compare", "compare", ' aria-pressed="false"') if compared else ""
    bare = _button("bare", "download_bare", attributes({"title": "download_bare_info"}))
    return (
        f'<figcaption>{_chosen(recipe, asked)}<p><span class="ldm-seed">{seed}</span>'
        f"{size}{_button('seed', 'reuse_seed')}{picture_file(picture, url)}</p>"
        f'<p class="ldm-actions">{varied}{bare}{compare}{explain}</p>'
        f'<p class="ldm-actions">{say("send_to")} {send}</p></figcaption>'
    )


def _compare(before: Image.Image) -> str:
    """The picture as it was, laid over the result up to where the slider stands."""
    return (
        f'<img class="ldm-before" src="{data_url(before, BEFORE_QUALITY)}"'
        f'{attributes({"alt": "before"})} draggable="false">'
        f'<input type="range" min="0" max="100" value="50"'
        f"{attributes({'aria-label': 'compare_slider'})}>"
    )


def _figure(picture: Picture, url: str, alone: bool, before: Image.Image | None, asked: str) -> str:
    alt = alt_text(picture.recipe)
    inside = "" if before is None else _compare(fit(before, *picture.image.size))
    caption = _caption(picture, url, alone, before is not None, asked)
    shown = frame(url, alt, inside)
    return f"<figure{picture_data(picture)}>{shown}{caption}{_truth(picture)}</figure>"


def known_of(made_with: str) -> Mapping[str, str]:
    """What `made_with` of a PNG says, as far as it is text; nothing where it is no JSON object."""
    try:
        values = json.loads(made_with)
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def finished_stage(
    pictures: Sequence[Picture],
    component: gr.HTML,
    before: Image.Image | None = None,
    seconds: float | None = None,
    asked: str = "",
) -> str:
    """The finished pictures, their files kept for `component`.

    before: what they are compared with. seconds: what drawing them took. asked: the caption of
    which each picture took its alternatives, and says which.
    """
    alone = len(pictures) == 1
    items = [_figure(one, keep_file(one, component), alone, before, asked) for one in pictures]
    first = pictures[0]
    return stage(
        "done", items, *first.image.size, below=_recipe_panel(first.recipe), seconds=seconds
    )
