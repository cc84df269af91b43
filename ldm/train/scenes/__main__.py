"""`python -m ldm.train.scenes --count 48 --seed 0 --out sheet.png`: a contact sheet."""

import argparse
from pathlib import Path

from ldm.train.contact_sheet import contact_sheet

from . import FOLDER, KINDS, open_sprites, sample


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.scenes", description=__doc__)
    parser.add_argument("--count", type=int, default=48, help="number of pictures")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--size", type=int, default=256, help="edge of a picture in pixels")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--sprites", type=Path, default=FOLDER, help="what make train-data wrote")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    try:
        sprites = None if set(chosen.kinds) == {"landscape"} else open_sprites(chosen.sprites)
    except FileNotFoundError as error:
        parser.error(str(error))
    drawn = [
        sample(chosen.seed + index, chosen.size, sprites=sprites, kinds=chosen.kinds)
        for index in range(chosen.count)
    ]
    images, captions = [each.image for each in drawn], [each.caption for each in drawn]
    contact_sheet(images, captions, chosen.columns).save(chosen.out)


if __name__ == "__main__":
    main()
