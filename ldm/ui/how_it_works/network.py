"""Panel 5, *The U-Net*: its plan, what a block puts out, and what breaks without a part."""

from dataclasses import dataclass

import gradio as gr
import torch
from PIL import Image
from torch import Tensor, nn

from ldm import imaging
from ldm.explain import colours
from ldm.explain.diagram import Block, Plan
from ldm.explain.edits import Edit, WordsOff
from ldm.explain.questions import look_inside
from ldm.explain.recording import Recorder, Recording
from ldm.models.packed import plain_weight
from ldm.ui.form import Updates
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    conclude,
    connect_button,
    connect_place,
    introduce,
    pressed,
)
from ldm.ui.how_it_works.plan_drawing import drawing, number_of, title_of
from ldm.ui.how_it_works.visuals import (
    Shown,
    facts,
    heading,
    named,
    number,
    pictures,
    said,
    source,
    sum_of,
    titled,
)
from ldm.ui.texts import Text, attributes, joined, label, say

NAME = "network"
FIRST = "mid_block"
CHANNELS_SHOWN = 16
SHOWN_SIDE = 320


@dataclass(frozen=True)
class Part:
    """What can be switched off. choice: in a list, where a text that Gradio translates takes no
    values, but figures can stand behind it; title: what it is called elsewhere.
    """

    key: str
    choice: str
    title: Text


def _place(block: Block) -> str:
    """A block in figures: "↓ 2"."""
    return f"{'↓' if block.side == 'down' else '↑'} {number_of(block)}"


def _words(block: Block) -> Part:
    choice = (
        str(label("panel_network_choose_words_middle"))
        if block.side == "middle"
        else f"{label('panel_network_choose_words')} {_place(block)}"
    )
    title = Text("panel_network_words_off", {"block": title_of(block)})
    return Part(f"words:{block.name}", choice, title)


def _skip(source: Block, target: Block) -> Part:
    choice = (
        str(label("panel_network_choose_skip_in"))
        if source.side == "in"
        else f"{label('panel_network_choose_skip')} {_place(source)}"
    )
    ends = {"source": title_of(source), "target": title_of(target)}
    return Part(
        f"skip:{source.name}:{target.name}",
        f"{choice} → {_place(target)}",
        Text("panel_network_skip_off", ends),
    )


def parts_to_switch(plan: Plan) -> list[Part]:
    blocks = {block.name: block for block in plan.blocks}
    pairs = dict.fromkeys((skip.source, skip.target) for skip in plan.skips)
    return [
        Part("words:", str(label("panel_network_choose_all")), Text("panel_network_choose_all")),
        *(_words(block) for block in plan.blocks if block.cross),
        *reversed([_skip(blocks[source], blocks[target]) for source, target in pairs]),
    ]


def edits_of(plan: Plan, key: str) -> tuple[Edit, ...]:
    kind, _, rest = key.partition(":")
    if kind == "words":
        return (WordsOff(rest),)
    source, _, target = rest.partition(":")
    return tuple(s.edit for s in plan.skips if (s.source, s.target) == (source, target))


def real_kernel(scene: Scene) -> str:
    """The first convolution that meets the picture's own pixels, at one place, worked through."""
    vae, image = scene.lab.checkpoint(scene.recording).vae, scene.recording.picture
    found = (m for m in vae.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 3)
    layer = next(found, None)
    if layer is None:
        return said(say("panel_network_no_kernel"))
    weight = plain_weight(layer)[0].float().cpu()  # (3, k, k), of its first output
    side = weight.shape[-1]
    pixels = imaging.to_tensor(image)[0]
    detail = (pixels.diff(dim=2).abs().sum(0)[:-side, :-side]).flatten().argmax().item()
    down, across = divmod(int(detail), pixels.shape[2] - 1 - side)
    down, across = (max(0, place - side // 2) // side * side for place in (down, across))
    patch = pixels[:, down : down + side, across : across + side]
    products = (patch * weight).sum(0)
    bias = 0.0 if layer.bias is None else float(layer.bias[0].detach())
    limit = float(products.abs().max()) or 1.0
    with torch.no_grad():
        whole = torch.nn.functional.conv2d(pixels[None], weight[None], padding=side // 2)[0, 0]
    spread = float(whole.std()) or 1.0
    items = (
        titled(imaging.to_image(patch), Text("panel_network_patch"), f"{side} × {side}", "picture"),
        titled(imaging.to_image(weight / weight.abs().max()), Text("panel_network_kernel")),
        titled(
            colours.signed(products, limit),
            Text("panel_network_products"),
            say("panel_network_sum", total=number(float(products.sum()) + bias)),
            "latents",
        ),
        titled(
            colours.signed(whole / spread, 3.0), Text("panel_network_everywhere"), kind="latents"
        ),
    )
    slides = "panel_network_slides" if layer.stride[0] > 1 else "panel_network_slides_one"
    note = joined(say("panel_network_convolution_note"), " ", say(slides, pixels=layer.stride[0]))
    return heading(say("panel_network_convolution"), note) + sum_of(items, ("×", "=", "→"))


def picture_to_press(run: Recording) -> str:
    """The picture, every place of which is a choice."""
    return (
        heading(say("panel_network_places"), say("panel_network_places_note"))
        + f'<div class="how-place"><img src="{source(run.picture)}" alt="" draggable="false">'
        '<button type="button" data-choice="place"'
        f"{attributes({'aria-label': 'panel_network_places'})}></button></div>"
    )


def looked_from(scene: Scene, across: float, down: float) -> str:
    """Where one place of the picture looks, in the self-attention of each resolution."""
    run, lab = scene.recording, scene.lab
    with lab.asking():
        inside = look_inside(lab.checkpoint(run), run, scene.frame, (across, down))
    by_size: dict[tuple[int, int], list[Tensor]] = {}
    for map_ in inside.cells.values():
        by_size.setdefault((map_.shape[0], map_.shape[1]), []).append(map_)
    items = []
    for (rows, columns), maps in sorted(by_size.items(), reverse=True):
        mean = torch.stack(maps).mean(0)
        low, high = float(mean.min()), float(mean.max())
        lit = colours.overlaid(run.picture, (mean - low) / max(high - low, 1e-9))
        note = say("how_from_to", low=number(100 * low, 2), high=number(100 * high, 2))
        items.append(
            Shown(lit, named("panel_network_looked"), f"{columns} × {rows}", note, "words")
        )
    return pictures(items, least=190)


def build_network(hooks: Hooks) -> Panel:
    introduce(NAME)
    block = gr.State(FIRST)
    plan_area = area("network-plan")
    features = area("network-features")
    with gr.Row(elem_classes="how-row how-fields"):
        off = gr.Dropdown(
            [],
            label=label("panel_network_switch_off"),
            elem_id="how-switch-off",
            filterable=False,
        )
        again = gr.Button(label("how_draw_again"), elem_id="how-switch-off-again")
    broken = area("network-broken")
    with gr.Row(elem_classes="how-split"):
        place, looked = area("network-place"), area("network-looked")
    kernel = area("network-kernel")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        plan, run = scene.lab.plan(scene.recording), scene.recording
        chosen = next((b for b in plan.blocks if b.name == scene.values[block]), plan.blocks[0])
        with scene.lab.asking():
            inside = look_inside(scene.lab.checkpoint(run), run, scene.frame)
            kernel_shown = real_kernel(scene)
        output = inside.features[chosen.name]
        colour = colours.by_directions(output, *colours.main_directions(output))
        spread = float(output.std()) or 1.0
        order = output.flatten(1).std(1).argsort(descending=True)[:CHANNELS_SHOWN]
        some = pictures(
            (
                Shown(
                    colours.signed((output[i] - output[i].mean()) / spread, 3.0),
                    named("how_channel", number=int(i) + 1),
                    note=f"{int(i) + 1}",
                    kind="latents",
                )
                for i in order
            ),
            least=68,
        )
        ratio = output.shape[1] / output.shape[2]
        main = colour.resize(
            (SHOWN_SIDE, max(1, round(SHOWN_SIDE * ratio))), Image.Resampling.NEAREST
        )
        rows, columns = output.shape[1:]
        shape = say("panel_network_shape", channels=chosen.channels, columns=columns, rows=rows)
        weights = (
            ("panel_network_weights_here", chosen.parameters),
            ("panel_network_weights_all", plan.parameters),
            ("panel_network_weights_words", plan.text_parameters),
        )
        pca, pca_note = say("panel_network_pca"), say("panel_network_pca_note")
        return {
            plan_area: drawing(plan, chosen.name, (run.final.shape[1], run.final.shape[2])),
            features: heading(say("panel_network_puts_out", block=title_of(chosen)), shape)
            + '<div class="how-side">'
            + pictures(
                [Shown(main, named("panel_network_pca_alt"), pca, pca_note, "latents")], least=240
            )
            + f"<div>{some}</div></div>"
            + facts(
                (say(name), say("panel_network_millions", count=round(count / 1e6, 2)))
                for name, count in weights
            ),
            place: picture_to_press(run),
            looked: looked_from(scene, 0.5, 0.5),
            kernel: kernel_shown,
        }

    def fresh(scene: Scene) -> Updates:
        parts = parts_to_switch(scene.lab.plan(scene.recording))
        choices = [(part.choice, part.key) for part in parts]
        return {off: gr.update(choices=choices, value=parts[0].key)}

    async def without(scene: Scene, visitor: str) -> str:
        run, key = scene.recording, str(scene.values[off])
        plan = scene.lab.plan(run)
        titles = {part.key: part.title for part in parts_to_switch(plan)}
        if key not in titles:
            raise LabError(say("panel_network_nothing"))
        recorder = Recorder(edits_of(plan, key), with_words=False)
        picture = await scene.lab.draw(run.recipe, visitor, recorder, *run.given)
        items = (
            Shown(run.picture, named("how_yours"), say("how_as_it_was"), kind="picture"),
            titled(picture.image, titles[key], kind="picture"),
        )
        return pictures(items, least=220)

    connect_place(place, looked, hooks, looked_from)
    connect_button(again, broken, hooks, (off,), without)
    plan_area.select(
        pressed,
        None,
        block,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    return Panel(
        NAME,
        draw,
        (block,),
        (features, plan_area, place, looked, kernel),
        results=(broken,),
        fresh=fresh,
        controls=(off,),
    )
