"""A sheet of pictures for a list of captions, to be looked at: a loss value is not a picture.

`python -m ldm.train.sheet --out sheet.png` draws 24 captions that no one tuned for, all rows
together.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ldm.checkpoints.load import Checkpoint, load
from ldm.pipeline import Request, advance, finish, own_recipe
from ldm.train.contact_sheet import contact_sheet

CAPTIONS = (
    "a man boating on a lake surrounded by mountains at twilight",
    "a tea garden with mist in the early morning",
    "a rainy evening in a city street",
    "a lighthouse by the sea at sunset",
    "palm trees on a sandy beach on a sunny day",
    "a snowy village at night",
    "an autumn forest in the fog",
    "cacti in the desert under a starry sky",
    "a tent on a hill at dusk",
    "a sailboat on the ocean at dawn",
    "a waterfall in the mountains at noon",
    "a field of sunflowers under a blue sky",
    "a small island with palm trees at sunset",
    "cars on a city street at night",
    "workers picking tea leaves in the afternoon",
    "a river through a valley in the rain",
    "forest, snow, night",
    "beach, twilight",
    "a woman with a red umbrella in the city in the rain",
    "a lone tree on a hill under an orange sky",
    "a wooden cabin by a lake in winter",
    "the moon over a calm sea",
    "houses in a valley in the morning mist",
    "sand dunes at golden hour",
)


Settings = Mapping[str, Any]  # fields of a recipe, by name


def draw(
    checkpoint: Checkpoint, captions: Sequence[str], seed: int, settings: Settings
) -> list[Image.Image]:
    """One picture a caption, eight rows a U-Net call; picture i has seed + i.

    settings: fields of a recipe that are not to be the model's own.
    """
    recipe = own_recipe(checkpoint.defaults, "", checkpoint.name)
    requests = [
        Request(checkpoint, replace(recipe, **settings, prompt=caption, seed=seed + index))
        for index, caption in enumerate(captions)
    ]
    for start in range(0, len(requests), 8):
        rows = [request.rows[0] for request in requests[start : start + 8]]
        while not rows[0].finished:
            advance(checkpoint, rows)
    return [finish(checkpoint, request.rows[0]).image for request in requests]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.sheet", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/models/vignette"))
    parser.add_argument("--out", type=Path, default=Path("sheet.png"))
    parser.add_argument("--size", type=int, default=0, help="side in pixels; 0: the model's own")
    parser.add_argument("--steps", type=int, default=0, help="0: the model's own")
    parser.add_argument("--guidance", type=float, default=0.0, help="0: the model's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--columns", type=int, default=8)
    options = parser.parse_args()
    checkpoint = load(options.model)
    given = {
        "width": options.size,
        "height": options.size,
        "num_inference_steps": options.steps,
        "guidance_scale": options.guidance,
    }
    settings = {field: value for field, value in given.items() if value}
    images = draw(checkpoint, CAPTIONS, options.seed, settings)
    contact_sheet(images, CAPTIONS, options.columns).save(options.out)


if __name__ == "__main__":
    main()
