"""`python -m ldm.train.sweep`: which settings the embedded model draws best with.

Every combination of the values given draws the same held-out captions; the probe of `evaluate`
reads them. A model's defaults are chosen from such a table, and by looking at the sheets.
"""

import argparse
import itertools
import time
from pathlib import Path

from ldm.checkpoints.load import load
from ldm.diffusion import SAMPLERS, SCHEDULES
from ldm.recipe import LIMITS
from ldm.train.contact_sheet import contact_sheet
from ldm.train.data import Source
from ldm.train.evaluate import CEILING_SEEDS, generated_pixels, held_out_captions, probe_of
from ldm.train.probe import (
    ATTRIBUTES,
    accuracy,
    draw_examples,
    features,
    frechet_distance,
    labels,
)

NAMED = {"sampler": [*SAMPLERS], "schedule": [*SCHEDULES]}
SWEPT = (
    *NAMED,
    "guidance_scale",
    "guidance_rescale",
    "guidance_start",
    "guidance_end",
    "num_inference_steps",
    "cache_interval",
    "token_merging_ratio",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.sweep", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/models/vignette"))
    for field, names in NAMED.items():
        parser.add_argument(f"--{field}", choices=names, nargs="+")
    for field in SWEPT[len(NAMED) :]:
        kind = int if isinstance(LIMITS[field].step, int) else float
        parser.add_argument(f"--{field}", type=kind, nargs="+", help=str(LIMITS[field]))
    parser.add_argument("--captions", type=int, default=96)
    parser.add_argument("--drawings", type=int, default=12_000, help="as for evaluate")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path(".train/evaluation"))
    parser.add_argument("--sheets", type=Path, help="write a sheet of each setting here")
    options = parser.parse_args()
    source = Source()
    probe = probe_of(options.folder, options.drawings, options.epochs, source)
    scenes = held_out_captions(options.captions, source)
    truth = labels([spec for spec, _ in scenes])
    drawings = draw_examples(options.folder, CEILING_SEEDS, options.captions, source)
    drawn = features(probe, drawings.pixels)
    checkpoint = load(options.model)

    swept = [field for field in SWEPT if getattr(options, field)]
    print("  ".join([*swept, *ATTRIBUTES, "frechet", "seconds a picture"]))
    for number, values in enumerate(itertools.product(*(getattr(options, f) for f in swept))):
        start = time.perf_counter()
        settings = dict(zip(swept, values, strict=True))
        images, pixels = generated_pixels(checkpoint, scenes, settings)
        seconds = (time.perf_counter() - start) / len(images)
        score = accuracy(probe, pixels, truth)
        distance = frechet_distance(features(probe, pixels), drawn)
        shares = [f"{score[key]:.1%}" for key in ATTRIBUTES]
        row = [*map(str, values), *shares, f"{distance:.1f}", f"{seconds:.2f}"]
        print("  ".join(row), flush=True)
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            captions = [caption for _, caption in scenes]
            sheet = contact_sheet(images[:48], captions[:48], columns=8)
            sheet.save(options.sheets / f"{number}.png")


if __name__ == "__main__":
    main()
