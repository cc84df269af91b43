"""Panel 2, *Latent space*: the round trip, its price, a walk between pictures, a map of many."""

import asyncio
from functools import lru_cache, partial

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from ldm import imaging
from ldm.explain import colours
from ldm.explain.latents import (
    Cost,
    LatentMap,
    between_four,
    cost_at,
    encode_many,
    map_of,
    round_trip,
    seconds_of,
)
from ldm.models.apart import apart
from ldm.models.unet import UNet2DConditionModel
from ldm.ui.form import Updates
from ldm.ui.how_it_works.both_ways import picture_for
from ldm.ui.how_it_works.noise import channels
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    build_opened,
    conclude,
    connect_button,
    connect_place,
    introduce,
    thumbnail,
)
from ldm.ui.how_it_works.visuals import facts, heading, number, pictures, said, source, titled
from ldm.ui.settings import PROJECT
from ldm.ui.texts import Figure, Text, attributes, joined, label, markup, say

NAME = "latents"
SHEET = PROJECT / "assets" / "examples" / "drawings.webp"
TILE = 128  # pixels of a drawing on the sheet
ALL = 64  # channels shown; public autoencoders have 4 to 32
MOST_SECONDS = 2.0  # of one timed evaluation
CORNERS = (1, 2, 74, 31)  # drawings of the sheet that the walk goes between


@lru_cache(maxsize=1)
def drawings() -> tuple[Image.Image, ...]:
    """The drawings that come with the app, cut from their sheet."""
    with Image.open(SHEET) as sheet:
        pixels = sheet.convert("RGB")
    places = [(x, y) for y in range(0, pixels.height, TILE) for x in range(0, pixels.width, TILE)]
    return tuple(pixels.crop((x, y, x + TILE, y + TILE)) for x, y in places)


class Atlas:
    """Each model's latents of the drawings and their map, and its costs; kept by the model's
    digest.
    """

    def __init__(self) -> None:
        self._maps: dict[str, tuple[Tensor, LatentMap]] = {}
        self._costs: dict[tuple[str, int, int], Cost] = {}

    def map(self, scene: Scene) -> tuple[Tensor, LatentMap]:
        checkpoint = scene.lab.checkpoint(scene.recording)
        if checkpoint.digest not in self._maps:
            with scene.lab.asking():
                latents = encode_many(checkpoint, drawings())
            self._maps[checkpoint.digest] = latents, map_of(latents)
        return self._maps[checkpoint.digest]

    def cost(self, scene: Scene, height: int, width: int) -> Cost:
        checkpoint = scene.lab.checkpoint(scene.recording)
        key = (checkpoint.digest, height, width)
        if key not in self._costs:
            assert isinstance(checkpoint.unet, UNet2DConditionModel)
            self._costs[key] = cost_at(checkpoint.unet, height, width, len(scene.recording.places))
        return self._costs[key]


def bench(scene: Scene, opened: object) -> str:
    """There and back, with what was lost."""
    run = scene.recording
    with scene.lab.asking():
        trip = round_trip(scene.lab.checkpoint(run), picture_for(scene, opened))
    limit = max(float(trip.error.max()), 1e-6)
    items = (
        titled(imaging.to_image(trip.original), Text("how_original"), kind="picture"),
        titled(
            imaging.to_image(trip.decoded),
            Text("panel_latents_unpacked"),
            Figure(f"{number(trip.psnr)} dB PSNR"),
            "picture",
        ),
        titled(
            colours.error(trip.error, limit),
            Text("panel_latents_error"),
            say("panel_latents_error_up_to", percent=number(100 * limit / 2, 2)),
            "error",
        ),
    )
    shape = "{} × {} × {}".format(*trip.latents.shape)
    values = (
        (say("panel_latents_in_picture"), number(trip.original.numel(), 9)),
        (say("panel_latents_in_latents"), f"{number(trip.latents.numel(), 9)} ({shape})"),
        (say("panel_latents_packed"), Figure(f"{number(trip.ratio)} : 1")),
    )
    return (
        heading(say("panel_latents_trip"))
        + pictures(items, least=200)
        + facts(values)
        + heading(say("panel_latents_channels"))
        + '<div class="how-channels">'
        + channels(trip.latents, "latents", "panel_latents_latents", ALL)
        + "</div>"
    )


def _cells(*figures: str) -> str:
    return "".join(f"<td>{markup(figure)}</td>" for figure in figures)


def _heads(*names: str) -> str:
    return "".join(f"<th scope=col>{say(f'panel_latents_{name}')}</th>" for name in names)


def price(scene: Scene, atlas: Atlas) -> str:
    """Operations and memory of one evaluation at the latents' size and at the pixels'."""
    recipe, final = scene.recording.recipe, scene.recording.final
    small = atlas.cost(scene, final.shape[1], final.shape[2])
    large = atlas.cost(scene, recipe.height, recipe.width)
    rows = (
        (say("panel_latents_operations"), small.operations, large.operations),
        (say("panel_latents_largest_map"), small.largest_map, large.largest_map),
    )
    body = "".join(
        f"<tr><th scope=row>{name}</th>{_cells(number(a), number(b))}"
        f"<td><b>{markup(Figure(f'× {number(b / a)}'))}</b></td></tr>"
        for name, a, b in rows
    )
    heads = _heads("on_latents", "on_pixels", "dearer")
    return (
        heading(say("panel_latents_cost"), say("panel_latents_cost_note"))
        + f'<table class="how-table"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def timings(scene: Scene, atlas: Atlas) -> str:
    """How long one evaluation takes at the latents' size and at twice the sides, and so on towards
    the pixels', as far as that takes no longer than `MOST_SECONDS`.
    """
    run, checkpoint = scene.recording, scene.lab.checkpoint(scene.recording)
    recipe, (_, rows, columns) = run.recipe, run.final.shape
    measured: list[tuple[int, int, float, int]] = []
    while rows <= recipe.height:
        operations = atlas.cost(scene, rows, columns).operations
        # Attention's memory makes large sizes slower than the count says, hence the margin.
        if measured and 2 * measured[-1][2] * operations / measured[-1][3] > MOST_SECONDS:
            break
        with scene.lab.asking():
            seconds = seconds_of(checkpoint, rows, columns, len(run.places))
        measured.append((rows, columns, seconds, operations))
        rows, columns = 2 * rows, 2 * columns
    first = measured[0]
    body = "".join(
        f"<tr><th scope=row>{w} × {h}</th>"
        f"{_cells(number(seconds), number(seconds / first[2]), number(count / first[3]))}</tr>"
        for h, w, seconds, count in measured
    )
    heads = _heads("places", "seconds", "in_time", "in_count")
    return (
        said(say("panel_latents_timed", limit=Figure(f"{MOST_SECONDS:g}")))
        + f'<table class="how-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def pad() -> str:
    """The square to walk in, a drawing at each corner."""
    corners = "".join(
        f'<img src="{source(thumbnail(drawings()[index], 96))}" alt="" draggable="false">'
        for index in CORNERS
    )
    return (
        heading(say("panel_latents_walk"), say("panel_latents_walk_note"))
        + f'<div class="how-pad">{corners}<button type="button" data-choice="pad"'
        f"{attributes({'aria-label': 'panel_latents_pad'})}></button></div>"
    )


def walked(scene: Scene, atlas: Atlas, across: float, down: float) -> str:
    """A point of the square between four drawings, mixed as latents and as pixels."""
    latents, _ = atlas.map(scene)
    mixed = between_four([latents[index] for index in CORNERS], across, down)
    corners = [imaging.to_tensor(drawings()[index])[0] for index in CORNERS]
    (decoded,) = scene.lab.pictures_of(scene.recording, mixed[None])
    items = (
        titled(decoded, Text("panel_latents_mixed_latents"), kind="latents"),
        titled(
            imaging.to_image(between_four(corners, across, down)),
            Text("panel_latents_mixed_pixels"),
            kind="picture",
        ),
    )
    return pictures(items, least=160)


def extent(points: Tensor) -> tuple[Tensor, Tensor]:
    """The corner of the map and its sides, with some room around the points."""
    low, high = points.amin(0), points.amax(0)
    room = 0.06 * (high - low)
    return low - room, high - low + 2 * room


def chart_of(scene: Scene, atlas: Atlas) -> str:
    """The drawings at their places."""
    _, found = atlas.map(scene)
    low, sides = extent(found.points)
    dots = "".join(
        f'<img src="{source(thumbnail(image, 40))}" alt="" draggable="false" '
        f'style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">'
        for image, (x, y) in zip(drawings(), ((found.points - low) / sides).tolist(), strict=True)
    )
    held = say("panel_latents_plane", percent=number(100 * found.explained, 2))
    return (
        heading(say("panel_latents_map"), joined(say("panel_latents_map_note"), " ", held))
        + f'<div class="how-atlas">{dots}<button type="button" data-choice="map"'
        f"{attributes({'aria-label': 'panel_latents_map'})}></button></div>"
    )


def unpacked_at(scene: Scene, atlas: Atlas, across: float, down: float) -> str:
    """What the latents of a place of the map decode to."""
    _, found = atlas.map(scene)
    low, sides = extent(found.points)
    point = low + sides * torch.tensor([across, down])
    (image,) = scene.lab.pictures_of(scene.recording, found.latents_at(point))
    return pictures([titled(image, Text("panel_latents_here"), kind="latents")], least=160)


def build_latents(hooks: Hooks, opened: gr.State) -> Panel:
    introduce(NAME)
    build_opened(opened)
    atlas = Atlas()
    round_, cost = area("latents-bench"), area("latents-cost")
    with gr.Row(elem_classes="how-row"):
        clock = gr.Button(label("panel_latents_time"), elem_id="how-time-it")
    timed = area("latents-timed")
    with gr.Row(elem_classes="how-split"):
        with gr.Column():
            square, mixed = area("latents-pad"), area("latents-mixed")
        with gr.Column():
            chart, unpacked = area("latents-map"), area("latents-unpacked")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        return {
            round_: bench(scene, scene.values[opened]),
            cost: price(scene, atlas),
            square: pad(),
            mixed: walked(scene, atlas, 0.5, 0.5),
            chart: chart_of(scene, atlas),
            unpacked: unpacked_at(scene, atlas, 0.5, 0.5),
        }

    async def measure(scene: Scene, visitor: str) -> str:
        return await asyncio.to_thread(apart, partial(timings, scene, atlas))

    connect_button(clock, timed, hooks, (), measure)
    connect_place(square, mixed, hooks, lambda scene, x, y: walked(scene, atlas, x, y))
    connect_place(chart, unpacked, hooks, lambda scene, x, y: unpacked_at(scene, atlas, x, y))
    return Panel(
        NAME,
        draw,
        (opened,),
        (round_, cost, square, mixed, chart, unpacked),
        results=(timed,),
        follows_step=False,
        slow=True,
    )
