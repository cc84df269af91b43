"""Panel 9, *Text and image together*: captions against pictures, by a CLIP model where there is
one.
"""

from functools import lru_cache

import gradio as gr
from PIL import Image

from ldm.explain.matching import Matcher, load_matcher
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    build_opened,
    chart,
    conclude,
    entitle,
    introduce,
    thumbnail,
)
from ldm.ui.how_it_works.visuals import Shown, named, pictures, said
from ldm.ui.texts import Text, filled, joined, label, say

NAME = "matching"
MOST_CAPTIONS = 8
SETTING = "LDM_CLIP"


@lru_cache(maxsize=1)
def matcher(name: str) -> Matcher:
    return load_matcher(name)


def captions_in(text: str, own: str) -> list[str]:
    """The run's caption, then the visitor's, without repetitions."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys([own, *lines]))[:MOST_CAPTIONS]


def images_of(scene: Scene, opened: object) -> list[tuple[Text, Image.Image]]:
    """Expected pictures on the way, the finished one, and the visitor's own."""
    film, frames = scene.lab.film(scene.recording), scene.recording.frames
    places = sorted({0, len(film) // 4, len(film) // 2})
    found = [(Text("how_at_step", {"step": frames[i].index + 1}), film[i]) for i in places]
    found.append((Text("how_yours"), scene.recording.picture))
    if isinstance(opened, Image.Image):
        found.append((Text("panel_matching_opened"), opened))
    return found


def build_matching(hooks: Hooks, opened: gr.State, clip: str) -> Panel:
    introduce(NAME)
    if clip:
        build_opened(opened)
    lines = gr.Textbox(
        "",
        label=label("panel_matching_captions"),
        info=label("panel_matching_captions_info"),
        lines=3,
        elem_id="how-captions",
        visible=bool(clip),
    )
    shown = area("matching-pictures")
    if clip:
        entitle("panel_matching_matrix", "panel_matching_matrix_note")
    figures = chart("matching-matrix")
    conclude(NAME, works=bool(clip))

    def draw(scene: Scene) -> Updates:
        if not clip:
            return {shown: said(say("panel_matching_needs", setting=SETTING)), figures: None}
        captions = captions_in(str(scene.values[lines] or ""), scene.recording.recipe.prompt)
        images = images_of(scene, scene.values[opened])
        with scene.lab.asking():
            found = matcher(clip).cosines(captions, [image for _, image in images])
        items = (
            Shown(
                thumbnail(image),
                named(name.key, **name.values),
                joined(f"{number} ", filled(name)),
                kind="picture",
            )
            for number, (name, image) in enumerate(images, 1)
        )
        return {
            shown: pictures(items, least=110),
            figures: plots.matrix(
                captions,
                found.tolist(),
                plots.WORDS,
                float(found.min()),
                float(found.max()),
                columns=[""] * len(images),  # numbered, as the pictures are
            ),
        }

    return Panel(NAME, draw, (lines, opened), (shown, figures), follows_step=False, slow=bool(clip))
