"""What the lessons on latents and on the U-Net measure."""

import torch

from ldm import imaging
from ldm.explain import colours
from ldm.explain.latents import cost_at, round_trip
from ldm.explain.measures import detail, distance, psnr
from ldm.explain.recording import Recorder
from ldm.models.unet import UNet2DConditionModel
from ldm.ui.how_it_works.lessons.measuring import band, percent, tensor
from ldm.ui.how_it_works.lessons.walk import Found, picture, side_by_side
from ldm.ui.how_it_works.network import edits_of, parts_to_switch
from ldm.ui.how_it_works.panel import Scene

FEW, MANY = 5, 30  # times as many numbers in the picture
BUSY = 0.25  # the share of the cells with the most detail, and that with the least
SAME = 25.0  # decibels of PSNR: the same picture, a little off
GRAINY = 3.0  # times the picture's detail: noise
ALL_WORDS = "words:"


# --- lesson 2: latents ---


def how_packed(scene: Scene) -> Found:
    """How many numbers of the picture come to one of the latents."""
    run = scene.recording
    pixels = 3 * run.recipe.width * run.recipe.height
    numbers = run.final.numel()
    ratio = pixels / numbers
    channels, rows, columns = run.final.shape
    shape = {"channels": channels, "rows": rows, "columns": columns}
    values = {"pixels": pixels, "latents": numbers, "times": round(ratio, 1), **shape}
    return Found(band(ratio, FEW, MANY), values, "")


def where_it_is_lost(scene: Scene) -> Found:
    """Whether the round trip loses more where the picture has detail or where it is even."""
    run = scene.recording
    with scene.lab.asking():
        trip = round_trip(scene.lab.checkpoint(run), run.picture)
    grey = trip.original.mean(0)
    steps = torch.zeros_like(grey)
    steps[:, 1:] += grey.diff(dim=1).abs()
    steps[1:] += grey.diff(dim=0).abs()
    busy = torch.nn.functional.avg_pool2d(steps[None, None], 8)[0, 0].flatten()
    lost = torch.nn.functional.avg_pool2d(trip.error[None, None], 8)[0, 0].flatten()
    order = busy.argsort()
    count = max(1, round(BUSY * len(order)))
    even, rich = float(lost[order[:count]].mean()), float(lost[order[-count:]].mean())
    ratio = rich / max(even, 1e-9)
    shown = [
        picture(imaging.to_image(trip.original), "lesson_yours"),
        picture(imaging.to_image(trip.decoded), "lesson_unpacked"),
        picture(
            colours.error(trip.error, max(float(trip.error.max()), 1e-6)),
            "lesson_lost_here",
            "error",
        ),
    ]
    # In the order of the choices: where there is detail, everywhere alike, where it is even.
    right = 2 - band(ratio, 0.8, 1.25)
    return Found(right, {"times": round(ratio, 1)}, side_by_side(shown))


def price_of_pixels(scene: Scene) -> Found:
    """Whether a step on pixels would cost as many times more as there are more places."""
    run = scene.recording
    unet = scene.lab.checkpoint(run).unet
    assert isinstance(unet, UNet2DConditionModel)
    _, rows, columns = run.final.shape
    height, width = run.recipe.height, run.recipe.width
    small, large = (
        cost_at(unet, h, w, len(run.places)).operations
        for h, w in ((rows, columns), (height, width))
    )
    places, dearer = height * width / (rows * columns), large / small
    right = band(dearer / places, 0.9, 1.1)
    return Found(right, {"places": round(places), "times": round(dearer)}, "")


# --- lesson 5: network ---


def channels_below(scene: Scene) -> Found:
    """Whether the numbers a place holds grow on the way down."""
    plan = scene.lab.plan(scene.recording)
    top = plan.blocks[0]
    middle = next(block for block in plan.blocks if block.side == "middle")
    values = {"top": top.channels, "middle": middle.channels, "smaller": middle.scale}
    right = 0 if middle.channels < top.channels else 2 if middle.channels > top.channels else 1
    return Found(right, values, "")


async def skips_cut(scene: Scene, visitor: str) -> Found:
    """Which skip connection the picture misses more: the first or the last on the way down."""
    run, plan = scene.recording, scene.lab.plan(scene.recording)
    pairs = [part.key for part in parts_to_switch(plan) if part.key.startswith("skip:")]
    order = [block.name for block in plan.blocks]
    pairs.sort(key=lambda key: order.index(key.split(":")[1]))
    cuts = [Recorder(edits_of(plan, key), with_words=False) for key in (pairs[0], pairs[-1])]
    found = await scene.lab.variations(run, [run.recipe] * 2, visitor, cuts)
    top, bottom = (each.image for each in found)
    first, second = (distance(tensor(run.picture), tensor(image)) / 2 for image in (top, bottom))
    shown = [
        picture(run.picture, "lesson_yours"),
        picture(top, "lesson_top_cut"),
        picture(bottom, "lesson_bottom_cut"),
    ]
    # In the order of the choices: the topmost, both alike, the lowest.
    right = 2 - band(first / max(second, 1e-9), 0.9, 1.1)
    return Found(right, {"top": percent(first), "bottom": percent(second)}, side_by_side(shown))


async def without_words(scene: Scene, visitor: str) -> Found:
    """What is drawn with every cross-attention switched off."""
    run, plan = scene.recording, scene.lab.plan(scene.recording)
    deaf = Recorder(edits_of(plan, ALL_WORDS), with_words=False)
    (found,) = await scene.lab.variations(run, [run.recipe], visitor, [deaf])
    alike = min(psnr(tensor(run.picture), tensor(found.image)), 99.0)
    grain = detail(tensor(found.image)) / max(detail(tensor(run.picture)), 1e-6)
    shown = [picture(run.picture, "lesson_yours"), picture(found.image, "lesson_deaf")]
    right = 0 if alike > SAME else 2 if grain > GRAINY else 1
    values = {"decibels": round(alike, 1), "percent": percent(grain)}
    return Found(right, values, side_by_side(shown))
