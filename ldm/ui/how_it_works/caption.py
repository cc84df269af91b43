"""Panel 3, *Words*: tokens, embeddings and neighbours, attention among them, a swapped word."""

import re
from dataclasses import replace

import gradio as gr
from torch import Tensor

from ldm.explain import colours
from ldm.explain.measures import cosines
from ldm.explain.tokens import Place
from ldm.explain.words import (
    attention_between_tokens,
    embedding_cosines,
    nearest,
    numbers_of,
    position_embeddings,
)
from ldm.models.text_encoder import TextEncoder
from ldm.models.text_encoder_pair import TextEncoderPair
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    connect_button,
    entitle,
    introduce,
    pressed,
)
from ldm.ui.how_it_works.visuals import Chip, Shown, chips, heading, named, pictures, titled
from ldm.ui.texts import Text, joined, label, say

NAME = "words"
MOST_TOKENS = 24  # in the matrices
MEAN = "mean"
SIGNS = {"begin": "⊢", "end": "⊣"}


def clip_of(scene: Scene) -> TextEncoder:
    """The CLIP text model that reads the caption; the first where there are two."""
    encoder = scene.lab.checkpoint(scene.recording).text_encoder
    if isinstance(encoder, TextEncoderPair):
        encoder = encoder.first
    if not isinstance(encoder, TextEncoder):
        raise LabError(say("panel_words_no_clip"))
    return encoder


def chunks_of(scene: Scene, limit: int) -> list[tuple[Place, ...]]:
    places, size = scene.recording.places, limit + 2
    return [tuple(places[first : first + size]) for first in range(0, len(places), size)]


def cut(scene: Scene, limit: int, chosen: int) -> str:
    """The tokens with their numbers, chunk by chunk; padding is counted, not listed."""
    parts = []
    chunks = chunks_of(scene, limit)
    for index, chunk in enumerate(chunks):
        tokens = [place for place in chunk if place.kind == "token"]
        padding = sum(place.kind == "padding" for place in chunk)
        items = [Chip(say("how_begin"), "", "", "begin")]
        items += [
            Chip(
                place.text, str(place.position), f"{place.number}", chosen=place.position == chosen
            )
            for place in tokens
        ]
        items.append(Chip(say("how_end"), "", "", "end"))
        if padding:
            items.append(Chip(joined(say("how_padding"), f" × {padding}"), "", "", "padding"))
        numbers = {"index": index + 1, "of": len(chunks), "used": len(tokens), "limit": limit}
        note = say("panel_words_chunk", **numbers)
        parts.append(heading(say("panel_words_tokens"), note) + chips(items, "panel_words_tokens"))
    return "".join(parts)


def labels(places: list[Place]) -> list[str]:
    """Names in a chart, where no text can stand: begin and end by a sign."""
    return [SIGNS.get(place.kind, place.text) for place in places]


def layer_map(
    scene: Scene, encoder: TextEncoder, layer: int, head: str
) -> tuple[Tensor, list[str]]:
    """(L, L) of a layer, of one head or the mean of all, for the first chunk without padding."""
    chunk = chunks_of(scene, encoder.limit)[0]
    with scene.lab.asking():
        found = attention_between_tokens(encoder, numbers_of(encoder, chunk))
    chosen = found[min(layer, len(found)) - 1]
    picked = chosen.mean(0) if head == MEAN else chosen[min(int(head), len(chosen)) - 1]
    shown = [place for place in chunk if place.kind != "padding"][:MOST_TOKENS]
    return picked[: len(shown), : len(shown)], labels(shown)


def swapped(caption: str, old: str, new: str) -> str:
    """The caption with the first `old` replaced, as a whole word. Raises LabError without it."""
    changed, count = re.subn(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, caption, count=1)
    if not old or not count:
        raise LabError(say("panel_words_no_such_word", word=old))
    return changed


def build_words(hooks: Hooks) -> Panel:
    introduce(NAME)
    token = gr.State("")
    tokens = area("words-tokens")
    with gr.Row(elem_classes="how-charts"):
        with gr.Column():
            near_title = area("words-near-title")
            near = chart("words-near")
        with gr.Column():
            entitle("panel_words_cosines")
            alike = chart("words-alike")
    entitle("panel_words_between", "panel_words_between_note")
    with gr.Row(elem_classes="how-row how-fields"):
        layer = gr.Slider(
            1, 4, value=1, step=1, label=label("panel_words_layer"), elem_id="how-layer", buttons=[]
        )
        head = gr.Dropdown(
            [(label("panel_words_mean"), MEAN)],
            value=MEAN,
            label=label("panel_words_head"),
            elem_id="how-head",
            filterable=False,
        )
    with gr.Row(elem_classes="how-charts"):
        between = chart("words-between")
        positions = area("words-positions")
    with gr.Row(elem_classes="how-row how-fields"):
        old = gr.Textbox("", label=label("panel_words_swap_from"), elem_id="how-swap-from")
        new = gr.Textbox("", label=label("panel_words_swap_to"), elem_id="how-swap-to")
        swap = gr.Button(label("panel_words_swap"), elem_id="how-swap")
    redrawn = area("words-swapped")
    conclude(NAME)

    def token_in(scene: Scene) -> Place:
        places = [place for place in scene.recording.places if place.kind == "token"]
        if not places:
            raise LabError(say("panel_words_no_tokens"))
        asked = str(scene.values[token])
        longest = max(places[:4], key=lambda place: len(place.text))
        return next((p for p in places if str(p.position) == asked), longest)

    def draw(scene: Scene) -> Updates:
        encoder, chosen = clip_of(scene), token_in(scene)
        found = [place for place in scene.recording.places if place.kind == "token"]
        shown = found[:MOST_TOKENS]
        likeness = embedding_cosines(encoder, [p.number for p in shown if p.number is not None])
        neighbours = nearest(encoder, chosen.number or 0)
        map_, names = layer_map(scene, encoder, int(scene.values[layer]), str(scene.values[head]))
        by_place = cosines(position_embeddings(encoder))
        return {
            tokens: cut(scene, encoder.limit, chosen.position),
            near_title: heading(
                say("panel_words_nearest", token=chosen.text), say("panel_words_nearest_note")
            ),
            near: plots.bars(
                [(each.text, each.cosine) for each in neighbours],
                plots.WORDS,
                horizontal=True,
                height=280,
            ),
            alike: plots.matrix(labels(shown), likeness.tolist(), plots.WORDS, 0.0, 1.0),
            between: plots.matrix(names, map_.tolist(), plots.WORDS, 0.0, 0.6),
            positions: pictures(
                [
                    titled(
                        colours.signed(by_place, 1.0),
                        Text("panel_words_positions"),
                        say("panel_words_positions_note"),
                        "latents",
                    )
                ],
                least=240,
            ),
        }

    def fresh(scene: Scene) -> Updates:
        layers = clip_of(scene).text_model.config.num_hidden_layers
        heads = clip_of(scene).text_model.config.num_attention_heads
        mean = (str(label("panel_words_mean")), MEAN)
        numbered = [(str(i), str(i)) for i in range(1, heads + 1)]
        return {
            token: "",
            layer: gr.update(maximum=layers, value=min(2, layers)),
            head: gr.update(choices=[mean, *numbered], value=MEAN),
            old: scene.recording.words[-1].text if scene.recording.words else "",
        }

    async def redraw(scene: Scene, visitor: str) -> str:
        run = scene.recording
        first, second = (str(scene.values[box] or "").strip() for box in (old, new))
        if not second:
            raise LabError(say("panel_words_nothing"))
        prompt = swapped(run.recipe.prompt, first, second)
        picture = await scene.lab.draw(
            replace(run.recipe, prompt=prompt), visitor, None, *run.given
        )
        items = (
            Shown(run.picture, named("how_yours"), run.recipe.prompt, kind="picture"),
            Shown(picture.image, prompt, prompt, kind="picture"),
        )
        return pictures(items, least=220)

    connect_button(swap, redrawn, hooks, (old, new), redraw)
    tokens.select(
        pressed,
        None,
        token,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    return Panel(
        NAME,
        draw,
        (token, layer, head),
        (tokens, near_title, near, alike, between, positions),
        results=(redrawn,),
        fresh=fresh,
        controls=(old, new),
        follows_step=False,
    )
