"""Panel 4, *Where each word looks*: cross-attention over the picture, by word, step and size."""

from dataclasses import replace

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from ldm.explain import colours
from ldm.explain.attention import averaged
from ldm.explain.recording import Frame, Recording
from ldm.ui.form import Updates
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    conclude,
    connect_button,
    entitle,
    introduce,
    pressed,
    pressed_step,
    thumbnail,
)
from ldm.ui.how_it_works.visuals import (
    Chip,
    Shown,
    chips,
    heading,
    named,
    number,
    pictures,
    strip,
)
from ldm.ui.texts import Figure, Text, filled, label, say

NAME = "looks"
CLEAREST, ALL = "clearest", "all"
TILE, STEP, LARGE = 160, 112, 512  # pixels
FULL = 0.25  # the share of all attention from which on a chip is full


Part = tuple[str | Text, tuple[int, ...]]  # a word of the caption or what it is called, its places


def parts_of(run: Recording) -> dict[str, Part]:
    """What attention can go to, by key; words first, then begin, end and padding."""
    parts: dict[str, Part] = {f"w{i}": (w.text, w.positions) for i, w in enumerate(run.words)}
    for kind in ("begin", "end", "padding"):
        places = tuple(place.position for place in run.places if place.kind == kind)
        if places:
            parts[kind] = (Text(f"how_{kind}"), places)
    return parts


def first_noun(run: Recording) -> str:
    """The longest of the first words: more telling to start with than "a"."""
    words = list(enumerate(run.words))[:4]
    return f"w{max(words, key=lambda item: len(item[1].text))[0]}" if words else "begin"


_CHOICES = [
    (str(label("panel_looks_clearest")), CLEAREST),
    (str(label("panel_looks_all_sizes")), ALL),
]


def sizes_of(run: Recording) -> list[tuple[str, str]]:
    """Which layers there are to look at: the clearest, all, those of each resolution."""
    found = sorted({tuple(map_.shape[:2]) for map_ in run.frames[0].maps.values()}, reverse=True)
    each = [(f"{columns} × {rows}", f"{rows}x{columns}") for rows, columns in found]
    return [*_CHOICES, *each]


def attention_at(run: Recording, frame: Frame, size: str) -> Tensor:
    """(rows, columns, L), the mean of the layers that `size` (see `sizes_of`) chooses."""
    if size == CLEAREST:
        return frame.maps[run.clearest_layer].float()
    maps = [
        map_ for map_ in frame.maps.values() if size in (ALL, f"{map_.shape[0]}x{map_.shape[1]}")
    ]
    finest = max(maps, key=lambda map_: map_.shape[0] * map_.shape[1])
    return averaged(maps, *finest.shape[:2])


def of_part(attention: Tensor, places: tuple[int, ...]) -> Tensor:
    """(rows, columns), the attention that some places get together."""
    return attention[..., list(places)].sum(-1)


def spread(map_: Tensor, low: float, high: float) -> Tensor:
    """A map's numbers from low to high as 0 to 1."""
    return (map_ - low) / max(high - low, 1e-9)


class View:
    """The maps of one step and size, as pictures. Light is scaled from each picture's own least to
    its own most, which stand below it.
    """

    def __init__(self, scene: Scene, size: str) -> None:
        self.scene, self.run, self.size = scene, scene.recording, size
        self.parts = parts_of(self.run)
        attention = attention_at(self.run, scene.frame, size)
        self.maps = {key: of_part(attention, places) for key, (_, places) in self.parts.items()}

    def _lit(self, picture: Image.Image, key: str) -> tuple[Image.Image, str]:
        map_ = self.maps[key]
        low, high = float(map_.min()), float(map_.max())
        note = say("how_from_to", low=number(100 * low, 2), high=number(100 * high, 2))
        return colours.overlaid(picture, spread(map_, low, high)), note

    def large(self, key: str) -> str:
        picture = self.run.picture
        ratio = picture.height / picture.width
        lit, note = self._lit(picture.resize((LARGE, round(LARGE * ratio))), key)
        text = self.parts[key][0]
        alt, title = named("panel_looks_at", word=text), say("how_quoted", words=text)
        return pictures([Shown(lit, alt, title, note, "words")], least=300)

    def caption(self, key: str) -> str:
        """The parts, each with its share of all attention."""
        shares = {part: float(map_.mean()) for part, map_ in self.maps.items()}
        items = [
            Chip(
                text=filled(text),
                choice=part,
                note=Figure(f"{shares[part]:.1%}"),
                kind="token" if part.startswith("w") else part,
                level=min(1.0, shares[part] / FULL),
                chosen=part == key,
            )
            for part, (text, _) in self.parts.items()
        ]
        return chips(items, "panel_looks_caption")

    def over_steps(self, key: str) -> str:
        """One word at every step, on one scale."""
        text, places = self.parts[key]
        run = self.run
        maps = [of_part(attention_at(run, frame, self.size), places) for frame in run.frames]
        low, high = (float(f(torch.stack(maps))) for f in (torch.amin, torch.amax))
        film = self.scene.lab.film(self.run)
        items = (
            Shown(
                colours.overlaid(thumbnail(film[i], STEP), spread(map_, low, high)),
                named("how_at_step", step=frame.index + 1),
                note=str(frame.index + 1),
                kind="words",
                choice=i + 1,
                chosen=i == self.scene.step,
            )
            for i, (frame, map_) in enumerate(zip(self.run.frames, maps, strict=True))
        )
        title = say("panel_looks_over_steps_of", word=text)
        return heading(title) + strip(items, "panel_looks_over_steps")

    def tiles(self, key: str) -> str:
        """Every part at this step, over the picture as far as it is."""
        picture = thumbnail(self.scene.lab.film(self.run)[self.scene.step], TILE)
        items = []
        for part, (text, _) in self.parts.items():
            lit, note = self._lit(picture, part)
            alt = named("panel_looks_at", word=text)
            items.append(Shown(lit, alt, filled(text), note, "words", part, part == key))
        return pictures(items, least=104)


def weighted_caption(caption: str, start: int, end: int, weight: float) -> str:
    """The caption with the words in [start, end) weighing so much, in its own notation."""
    return f"{caption[:start]}({caption[start:end]}:{weight:g}){caption[end:]}"


def build_looks(hooks: Hooks) -> Panel:
    introduce(NAME)
    chosen, size_state = (
        gr.State(""),
        gr.Radio(
            _CHOICES,
            value=CLEAREST,
            label=label("panel_looks_size"),
            info=label("panel_looks_size_info"),
            elem_id="how-looks-size",
            elem_classes="how-radio",
        ),
    )
    caption = area("looks-caption")
    with gr.Row(elem_classes="how-split"):
        large = area("looks-large")
        with gr.Column():
            steps = area("looks-steps")
            entitle("panel_looks_all_words")
            tiles = area("looks-tiles")
    with gr.Row(elem_classes="how-row how-fields"):
        weight = gr.Slider(
            0,
            2,
            value=1.5,
            step=0.1,
            label=label("panel_looks_weight"),
            info=label("panel_looks_weight_info"),
            elem_id="how-looks-weight",
            buttons=[],
        )
        again = gr.Button(label("how_draw_again"), elem_id="how-looks-again")
    redrawn = area("looks-redrawn")
    conclude(NAME)

    def part_in(scene: Scene) -> str:
        key = scene.values[chosen]
        return key if key in parts_of(scene.recording) else first_noun(scene.recording)

    def size_in(scene: Scene) -> str:
        size = scene.values[size_state]
        return size if size in {key for _, key in sizes_of(scene.recording)} else CLEAREST

    def draw(scene: Scene) -> Updates:
        key = part_in(scene)
        view = View(scene, size_in(scene))
        return {
            large: view.large(key),
            caption: view.caption(key),
            steps: view.over_steps(key),
            tiles: view.tiles(key),
        }

    def fresh(scene: Scene) -> Updates:
        return {
            chosen: first_noun(scene.recording),
            size_state: gr.update(choices=sizes_of(scene.recording), value=CLEAREST),
        }

    async def redraw(scene: Scene, visitor: str) -> str:
        run, key = scene.recording, part_in(scene)
        if not key.startswith("w"):
            raise LabError(say("panel_looks_words_only"))
        word = run.words[int(key[1:])]
        places = [run.places[position] for position in word.positions]
        louder = weighted_caption(
            run.recipe.prompt, places[0].start, places[-1].end, scene.values[weight]
        )
        picture = await scene.lab.draw(
            replace(run.recipe, prompt=louder), visitor, None, *run.given
        )
        return pictures(
            (
                Shown(run.picture, named("how_yours"), say("how_as_it_was"), kind="picture"),
                Shown(picture.image, louder, louder, kind="picture"),
            ),
            least=220,
        )

    connect_button(again, redrawn, hooks, (chosen, weight), redraw)
    for place in (tiles, caption):
        place.select(
            pressed,
            None,
            chosen,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
    steps.select(
        pressed_step,
        None,
        hooks.step,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Panel(
        NAME,
        draw,
        (chosen, size_state),
        (large, caption, steps, tiles),
        results=(redrawn,),
        fresh=fresh,
        controls=(weight,),
    )
