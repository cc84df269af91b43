"""`python -m ldm.train.evaluate`: how well the embedded model does what its captions say.

A probe is trained on fresh drawings. Its accuracy on drawings it never saw is the ceiling; on
pictures generated for held-out captions it is the model's score; on the same pictures with the
captions shuffled it is the floor, what one gets without reading. With --json the last line is all
of it.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ldm.checkpoints.load import load
from ldm.train.contact_sheet import contact_sheet
from ldm.train.data import HELD_OUT_SEEDS
from ldm.train.probe import (
    SIDE,
    Probe,
    accuracy,
    attributes,
    draw_examples,
    features,
    frechet_distance,
    labels,
    to_pixels,
    train_probe,
)
from ldm.train.scenes import Spec, describe, is_held_out, random_spec
from ldm.train.sheet import draw

# Apart from each other and from every seed that training draws.
PROBE_SEEDS, CEILING_SEEDS, CAPTION_SEEDS = (HELD_OUT_SEEDS * k for k in (2, 3, 4))


def held_out_captions(count: int) -> list[tuple[Spec, str]]:
    """`count` scenes whose captions training never sees, in the captions' own distribution."""
    found: list[tuple[Spec, str]] = []
    seed = CAPTION_SEEDS
    while len(found) < count:
        rng = random.Random(seed)
        spec = random_spec(rng)
        caption = describe(spec, rng)
        if is_held_out(caption):
            found.append((spec, caption))
        seed += 1
    return found


def nearest(generated: list[Image.Image], own: torch.Tensor, probe: Probe) -> Image.Image:
    """Each generated picture beside the training drawing nearest to it in the probe's features."""
    pool = draw_examples(0, 3000)  # training's own seeds start at 0
    theirs = features(probe, pool.pixels)
    closest = torch.cdist(own, theirs).argmin(1).tolist()
    pictures, captions = [], []
    for image, index in zip(generated, closest, strict=False):
        pictures += [image.resize((SIDE, SIDE)), pool.drawn[index].image]
        captions += ["generated", f"nearest drawing: {pool.drawn[index].caption}"]
    return contact_sheet(pictures, captions, columns=8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/models/vignette"))
    parser.add_argument("--captions", type=int, default=500, help="pictures to generate")
    parser.add_argument("--drawings", type=int, default=6000, help="drawings the probe learns from")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--sheet", type=Path, help="write generated pictures here")
    parser.add_argument("--nearest", type=Path, help="write samples beside their nearest drawings")
    parser.add_argument("--json", action="store_true", help="the last line is a JSON object")
    options = parser.parse_args()

    print(f"training the probe on {options.drawings} drawings", flush=True)
    probe = train_probe(draw_examples(PROBE_SEEDS, options.drawings), options.epochs)
    fresh = draw_examples(CEILING_SEEDS, options.captions)
    ceiling = accuracy(probe, fresh.pixels, fresh.labels)

    checkpoint = load(options.model)
    scenes = held_out_captions(options.captions)
    captions = [caption for _, caption in scenes]
    print(f"generating {len(captions)} pictures", flush=True)
    images = draw(
        checkpoint,
        captions,
        checkpoint.defaults.native_size[0],
        checkpoint.defaults.num_inference_steps,
        checkpoint.defaults.guidance_scale,
        seed=0,
    )
    pixels = to_pixels([np.asarray(image) for image in images])
    truth = labels([spec for spec, _ in scenes])
    score = accuracy(probe, pixels, truth)
    shuffled = truth[torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))]
    floor = accuracy(probe, pixels, shuffled)

    second = draw_examples(CEILING_SEEDS + options.captions, options.captions)
    own, drawn = features(probe, pixels), features(probe, fresh.pixels)
    report: dict[str, object] = {**score, "ceiling": ceiling, "floor": floor}
    report["frechet"] = frechet_distance(own, drawn)
    report["frechet_of_drawings"] = frechet_distance(features(probe, second.pixels), drawn)

    print(f"{'':10}{'model':>8}{'ceiling':>9}{'floor':>8}")
    for key in attributes(scenes[0][0]):
        print(f"{key:10}{score[key]:8.1%}{ceiling[key]:9.1%}{floor[key]:8.1%}")
    print(f"Fréchet distance to drawings {report['frechet']:.3f},", end=" ")
    print(f"between two sets of drawings {report['frechet_of_drawings']:.3f}")
    if options.sheet:
        contact_sheet(images[:48], captions[:48], columns=8).save(options.sheet)
    if options.nearest:
        nearest(images[:12], own[:12], probe).save(options.nearest)
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
