"""`python -m ldm.train.scenes --count 48 --seed 0 --out sheet.png`: a contact sheet."""

import argparse
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from . import Drawn, sample

_MARGIN, _LINE, _LINES = 6, 13, 3


def contact_sheet(drawn: list[Drawn], columns: int) -> Image.Image:
    """The pictures in a grid, each with its caption underneath."""
    size = drawn[0].image.width
    wide, tall = size + _MARGIN, size + _MARGIN + _LINE * _LINES
    rows = -(-len(drawn) // columns)
    sheet = Image.new("RGB", (columns * wide + _MARGIN, rows * tall + _MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, item in enumerate(drawn):
        x, y = _MARGIN + index % columns * wide, _MARGIN + index // columns * tall
        sheet.paste(item.image, (x, y))
        lines = textwrap.wrap(item.caption, size // 6)[:_LINES]
        pen.multiline_text((x, y + size + 1), "\n".join(lines), fill="black", font=font, spacing=2)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.scenes", description=__doc__)
    parser.add_argument("--count", type=int, default=48, help="number of pictures")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--size", type=int, default=256, help="edge of a picture in pixels")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    drawn = [sample(chosen.seed + index, chosen.size) for index in range(chosen.count)]
    contact_sheet(drawn, chosen.columns).save(chosen.out)


if __name__ == "__main__":
    main()
