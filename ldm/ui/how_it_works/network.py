"""Panel 5, *The U-Net*: its plan, what a block puts out, and what breaks without a part."""

import gradio as gr
import torch
from PIL import Image
from torch import Tensor, nn

from ldm import imaging
from ldm.explain import colours
from ldm.explain.diagram import Plan
from ldm.explain.edits import Edit, WordsOff
from ldm.explain.questions import look_inside
from ldm.explain.recording import Recorder, Recording
from ldm.ui.form import Updates
from ldm.ui.how_it_works import texts
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
from ldm.ui.how_it_works.plan_drawing import drawing, title_of
from ldm.ui.how_it_works.visuals import (
    Shown,
    facts,
    heading,
    number,
    pictures,
    said,
    source,
    sum_of,
)

NAME = "network"
FIRST = "mid_block"
CHANNELS_SHOWN = 16
SHOWN_SIDE = 320


def parts_to_switch(plan: Plan) -> list[tuple[str, str]]:
    """What can be switched off: (title, key)."""
    titles = {block.name: title_of(block) for block in plan.blocks}
    words = [(texts.words_off(titles[b.name]), f"words:{b.name}") for b in plan.blocks if b.cross]
    pairs = dict.fromkeys((skip.source, skip.target) for skip in plan.skips)
    skips = [(texts.skip_off(titles[a], titles[b]), f"skip:{a}:{b}") for a, b in pairs]
    return [(texts.ALL_WORDS_OFF, "words:"), *words, *reversed(skips)]


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
        return said(texts.NO_KERNEL)
    weight = layer.weight[0].detach().float().cpu()  # (3, k, k), of its first output
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
        Shown(imaging.to_image(patch), texts.PATCH, texts.PATCH, f"{side} × {side}", "picture"),
        Shown(imaging.to_image(weight / weight.abs().max()), texts.KERNEL, texts.KERNEL, "", ""),
        Shown(
            colours.signed(products, limit),
            texts.PRODUCTS,
            texts.PRODUCTS,
            texts.sum_is(number(float(products.sum()) + bias)),
            "latents",
        ),
        Shown(
            colours.signed(whole / spread, 3.0), texts.EVERYWHERE, texts.EVERYWHERE, "", "latents"
        ),
    )
    return heading(texts.CONVOLUTION, texts.convolution_note(layer.stride[0])) + sum_of(
        items, ("×", "=", "→")
    )


def picture_to_press(run: Recording) -> str:
    """The picture, every place of which is a choice."""
    return (
        heading(texts.PLACES, texts.PLACES_NOTE)
        + f'<div class="how-place"><img src="{source(run.picture)}" alt="" draggable="false">'
        f'<button type="button" data-choice="place" aria-label="{texts.PLACES}"></button></div>'
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
        note = texts.from_to(number(100 * low, 2), number(100 * high, 2))
        items.append(Shown(lit, texts.LOOKED, f"{columns} × {rows}", note, "words"))
    return pictures(items, least=190)


def build_network(hooks: Hooks) -> Panel:
    introduce(NAME)
    block = gr.State(FIRST)
    plan_area = area("network-plan")
    features = area("network-features")
    with gr.Row(elem_classes="how-row how-fields"):
        off = gr.Dropdown([], label=texts.SWITCH_OFF, elem_id="how-switch-off", filterable=False)
        again = gr.Button(texts.DRAW_AGAIN, elem_id="how-switch-off-again")
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
                    f"channel {int(i) + 1}",
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
        shape = f"{chosen.channels} channels of {output.shape[2]} × {output.shape[1]}"
        return {
            plan_area: drawing(plan, chosen.name, (run.final.shape[1], run.final.shape[2])),
            features: heading(f"{title_of(chosen)}: {texts.PUTS_OUT}", shape)
            + '<div class="how-side">'
            + pictures(
                [Shown(main, texts.PCA_ALT, texts.PCA, texts.PCA_NOTE, "latents")], least=240
            )
            + f"<div>{some}</div></div>"
            + facts(
                (
                    (texts.NUMBERS_HERE, texts.millions(chosen.parameters)),
                    (texts.NUMBERS_ALL, texts.millions(plan.parameters)),
                    (texts.NUMBERS_WORDS, texts.millions(plan.text_parameters)),
                )
            ),
            place: picture_to_press(run),
            looked: looked_from(scene, 0.5, 0.5),
            kernel: kernel_shown,
        }

    def fresh(scene: Scene) -> Updates:
        choices = parts_to_switch(scene.lab.plan(scene.recording))
        return {off: gr.update(choices=choices, value=choices[0][1])}

    async def without(scene: Scene, visitor: str) -> str:
        run, key = scene.recording, str(scene.values[off])
        plan = scene.lab.plan(run)
        titles = {key: title for title, key in parts_to_switch(plan)}
        if key not in titles:
            raise LabError(texts.NOTHING_SWITCHED)
        recorder = Recorder(edits_of(plan, key), with_words=False)
        picture = await scene.lab.draw(run.recipe, visitor, recorder, *run.given)
        items = (
            Shown(run.picture, "your picture", texts.AS_IT_WAS, kind="picture"),
            Shown(picture.image, titles[key], titles[key], kind="picture"),
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
