"""Pictures in a grid with their captions underneath, for looking at many at once."""

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_MARGIN, _LINE, _LINES = 6, 13, 3  # pixels, pixels, lines of text


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], columns: int
) -> Image.Image:
    """One page of pictures of one size, row by row. Captions are cut after three lines."""
    width, height = images[0].size
    wide, tall = width + _MARGIN, height + _MARGIN + _LINE * _LINES
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * wide + _MARGIN, rows * tall + _MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = _MARGIN + index % columns * wide, _MARGIN + index // columns * tall
        sheet.paste(image, (x, y))
        lines = textwrap.wrap(caption, width // 6)[:_LINES]
        pen.multiline_text(
            (x, y + height + 1), "\n".join(lines), fill="black", font=font, spacing=2
        )
    return sheet
