"""The stage: where a picture waits, sharpens and stays, and the line above it that says how far.

Owns the markup of both and the files of finished pictures. Previews travel inside the page, so
that no preview ever becomes a file. It does *not* know where pictures come from: it is handed
`Picture`s and the like and returns what the components should show.
"""

import base64
import html
import json
import re
from collections.abc import Sequence

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from ldm.events import Picture
from ldm.imaging import encode_jpeg
from ldm.recipe import Recipe
from ldm.ui import texts

PREVIEW_QUALITY = 80
PREVIEW_SIDE = 512  # pixels; a preview is looked at for a fraction of a second
MASK_TINT = (214, 64, 96)
NOT_SHOWN_IN_RECIPE = {"recipe", "prompt", "task", "num_images"}
USED_BY = {
    "image_to_image": {"strength", "init_image"},
    "inpaint": {"strength", "mask_feather", "init_image", "mask"},
}


def data_url(image: Image.Image, quality: int = PREVIEW_QUALITY) -> str:
    """`image` as JPEG inside a URL."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, quality)).decode()


def tinted(image: Image.Image, mask: Image.Image) -> Image.Image:
    """`image` with the area of `mask` (L, same size) tinted as strongly as the mask is white."""
    tint = Image.new("RGB", image.size, MASK_TINT)
    return Image.composite(Image.blend(image, tint, 0.55), image, mask)


def file_name(recipe: Recipe) -> str:
    """A name for the download: the caption's first words and the seed."""
    words = re.findall(r"[a-z0-9]+", recipe.prompt.lower())[:8]
    return "-".join([*(words or ["picture"]), f"seed{recipe.seed}"])[:80] + ".png"


def status_line(text: str, share: float | None = None, problem: bool = False) -> str:
    """The line above the picture: `text`, and a bar where `share` (0 to 1) of a run is done.

    Read out are the quarters of a run alone: a step is over before its number is said.
    """
    kind = ' data-kind="problem"' if problem else ""
    bar, spoken = "", text
    if share is not None:
        percent = round(100 * share)
        spoken = texts.spoken(percent // 25 * 25)
        bar = (
            f'<div class="ldm-bar" role="progressbar" aria-label="{texts.PROGRESS}" '
            f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
            f'<span style="width:{percent}%"></span></div>'
        )
    return (
        f'<div class="ldm-status"{kind}><p aria-hidden="true">{html.escape(text)}</p>'
        f'<p class="ldm-sr" role="status" aria-live="polite">{html.escape(spoken)}</p>{bar}</div>'
    )


def _columns(count: int) -> int:
    return 1 if count == 1 else 2 if count <= 4 else 3


def _stage(state: str, items: Sequence[str], width: int, height: int, below: str = "") -> str:
    style = f"--w:{width};--h:{height};--columns:{_columns(len(items))}"
    busy = "true" if state in ("waiting", "drawing") else "false"
    return (
        f'<div class="ldm-stage" data-state="{state}" aria-busy="{busy}" style="{style}">'
        f'<div class="ldm-pictures">{"".join(items)}</div>{below}</div>'
    )


def _figure(source: str, alt: str, caption: str = "") -> str:
    image = f'<img src="{html.escape(source)}" alt="{html.escape(alt)}" draggable="false">'
    return f'<figure><div class="ldm-frame">{image}</div>{caption}</figure>'


def empty_stage(width: int, height: int) -> str:
    """A frame of the picture's shape with a word of welcome."""
    welcome = (
        f'<figure><div class="ldm-frame"><p>{texts.STAGE_EMPTY}</p>'
        f"<p><kbd>{texts.KEYS_HINT}</kbd></p></div></figure>"
    )
    return _stage("empty", [welcome], width, height)


def waiting_stage(width: int, height: int, count: int) -> str:
    """`count` empty frames: the run has started and there is no preview yet."""
    return _stage(
        "waiting", ['<figure><div class="ldm-frame"></div></figure>'] * count, width, height
    )


def preview_stage(images: Sequence[Image.Image], state: str = "drawing") -> str:
    """The pictures as far as they are; `state` is "drawing", or "stopped" for the last ones."""
    small = [image.copy() for image in images]
    for image in small:
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    items = [_figure(data_url(image), texts.PREVIEW_ALT) for image in small]
    return _stage(state, items, *images[0].size)


def _recipe_rows(recipe: Recipe) -> str:
    """What decided the picture: name and value of each field that its task uses."""
    unused = set().union(*USED_BY.values()) - USED_BY.get(recipe.task, set())
    values = {
        name: value
        for name, value in json.loads(recipe.to_json()).items()
        if value != "" and name not in NOT_SHOWN_IN_RECIPE | unused
    }
    return "".join(
        f"<div><dt>{html.escape(texts.field_name(name))}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in values.items()
    )


def _recipe_panel(recipe: Recipe) -> str:
    return (
        f'<details class="ldm-recipe"><summary>{texts.RECIPE}</summary>'
        f"<blockquote>{html.escape(recipe.prompt)}</blockquote>"
        f"<dl>{_recipe_rows(recipe)}</dl><p>{texts.RECIPE_NOTE}</p>"
        f"<pre>{html.escape(recipe.to_json())}</pre></details>"
    )


def _truth(picture: Picture) -> str:
    """The mask as it was used and what changed outside it, where there was a mask."""
    if picture.mask is None or picture.changed_outside is None:
        return ""
    shown = data_url(tinted(picture.image, picture.mask))
    return (
        f'<div class="ldm-truth"><img src="{shown}" alt="{texts.MASK_USED}">'
        f"<p><span>{texts.MASK_USED}</span>"
        f'<strong data-changed="{picture.changed_outside}">'
        f"{texts.changed_outside(picture.changed_outside)}</strong></p></div>"
    )


def _caption(picture: Picture, url: str, alone: bool) -> str:
    recipe = picture.recipe
    size = f"<span>{recipe.width} × {recipe.height}</span>" if alone else ""
    return (
        f'<figcaption><span class="ldm-seed">{texts.SEED_SHOWN} <b>{recipe.seed}</b></span>'
        f'{size}<a class="ldm-download" href="{html.escape(url)}" download="{file_name(recipe)}">'
        f"{texts.DOWNLOAD}</a></figcaption>"
    )


def finished_stage(pictures: Sequence[Picture], component: gr.HTML) -> str:
    """The finished pictures with seed, download and recipe.

    Each PNG is written as it is into `component`'s cache, from which Gradio serves it and deletes
    it once it is old (`delete_cache`); the page fetches the bytes at once and keeps them.
    """
    items = []
    for picture in pictures:
        path = save_bytes_to_cache(picture.png, file_name(picture.recipe), component.GRADIO_CACHE)
        component.temp_files.add(path)
        url = f"gradio_api/file={path}"
        alt = texts.picture_alt(picture.recipe.prompt, picture.recipe.seed)
        items.append(
            _figure(url, alt, _caption(picture, url, len(pictures) == 1) + _truth(picture))
        )
    first = pictures[0]
    return _stage("done", items, *first.image.size, below=_recipe_panel(first.recipe))
