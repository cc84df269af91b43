"""The stage: where a picture waits and sharpens, and the line above it that says how far.

Owns the markup of both; finished pictures are `result`'s. Previews travel inside the page, so that
no preview ever becomes a file. It does *not* know where pictures come from.
"""

import base64
import html
from collections.abc import Sequence

from PIL import Image

from ldm.imaging import encode_jpeg
from ldm.recipe import Recipe
from ldm.ui import texts
from ldm.ui.texts import Markup, attributes, markup, say

PREVIEW_QUALITY = 80
PREVIEW_SIDE = 512  # pixels; a preview is looked at for a fraction of a second
MASK_TINT = (214, 64, 96)


def data_url(image: Image.Image, quality: int = PREVIEW_QUALITY) -> str:
    """`image` as JPEG inside a URL."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, quality)).decode()


def tinted(image: Image.Image, mask: Image.Image) -> Image.Image:
    """`image` with the area of `mask` (L, same size) tinted as strongly as the mask is white."""
    tint = Image.new("RGB", image.size, MASK_TINT)
    return Image.composite(Image.blend(image, tint, 0.55), image, mask)


def status_line(text: str, share: float | None = None, problem: bool = False) -> str:
    """The line above the picture: `text`, and a bar where `share` (0 to 1) of a run is done.

    Read out are the quarters of a run alone: a step is over before its number is said.
    """
    kind = ' data-kind="problem"' if problem else ""
    shown = markup(text)
    bar, spoken = "", shown
    if share is not None:
        percent = round(100 * share)
        spoken = say("spoken", percent=percent // 25 * 25)
        bar = (
            f'<div class="ldm-bar" role="progressbar"{attributes({"aria-label": "progress"})} '
            f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
            f'<span style="width:{percent}%"></span></div>'
        )
    return (
        f'<div class="ldm-status"{kind}><p aria-hidden="true">{shown}</p>'
        f'<p class="ldm-sr" role="status" aria-live="polite">{spoken}</p>{bar}</div>'
    )


def columns(count: int) -> int:
    return 1 if count == 1 else 2 if count <= 4 else 3


def stage(
    state: str,
    items: Sequence[str],
    width: int,
    height: int,
    below: str = "",
    seconds: float | None = None,
) -> str:
    """Figures side by side, each in a frame of the shape width : height.

    seconds: what drawing them took, for whoever wants to know what the page adds.
    """
    took = "" if seconds is None else f' data-seconds="{seconds:.3f}"'
    style = f"--w:{width};--h:{height};--columns:{columns(len(items))}"
    busy = "true" if state in ("waiting", "drawing") else "false"
    return (
        f'<div class="ldm-stage" data-state="{state}" aria-busy="{busy}" style="{style}"{took}>'
        f'<div class="ldm-pictures">{"".join(items)}</div>{below}</div>'
    )


def frame(source: str, alt: Markup, inside: str = "") -> str:
    """A picture in its frame; alt: the attribute."""
    image = f'<img src="{html.escape(source)}"{alt} draggable="false">'
    return f'<div class="ldm-frame">{image}{inside}</div>'


def empty_stage(width: int, height: int) -> str:
    """A frame of the picture's shape with a word of welcome."""
    welcome = (
        f'<figure><div class="ldm-frame"><p>{say("stage_empty")}</p>'
        f"<p><kbd>{say('keys_hint')}</kbd></p></div></figure>"
    )
    return stage("empty", [welcome], width, height)


def waiting_stage(width: int, height: int, count: int) -> str:
    """`count` empty frames: the run has started and there is no preview yet."""
    return stage(
        "waiting", ['<figure><div class="ldm-frame"></div></figure>'] * count, width, height
    )


def preview_stage(images: Sequence[Image.Image], state: str = "drawing") -> str:
    """The pictures as far as they are; `state` is "drawing", or "stopped" for the last ones."""
    small = [image.copy() for image in images]
    for image in small:
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    alt = attributes({"alt": "preview_alt"})
    items = [f"<figure>{frame(data_url(image), alt)}</figure>" for image in small]
    return stage(state, items, *images[0].size)


def alt_text(recipe: Recipe) -> Markup:
    """The attribute that says what a picture shows: its caption and its seed."""
    caption = recipe.prompt or texts.plain("init_image")
    if recipe.variation_strength:
        other = recipe.variation_seed
        return attributes({"alt": "variation_alt"}, caption=caption, seed=recipe.seed, other=other)
    return attributes({"alt": "picture_alt"}, caption=caption, seed=recipe.seed)
