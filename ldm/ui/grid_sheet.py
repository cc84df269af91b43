"""A grid's pictures on one sheet, each row and column under its label."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

GAP = 6
PAPER, INK = "#ffffff", "#161d1b"
MOST_SIDE = 320  # pixels a cell takes on the sheet


def _label(text: str, width: int, height: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    """`text` in the middle of a strip, cut where it does not fit."""
    strip = Image.new("RGB", (width, height), PAPER)
    # The font that comes with PIL has Latin letters; others would be boxes.
    shown = text.encode("latin-1", "replace").decode("latin-1")
    while shown and font.getlength(shown) > width:
        shown = shown[:-1] if len(shown) < 4 else f"{shown[:-4]}..."
    ImageDraw.Draw(strip).text((width / 2, height / 2), shown, INK, font, anchor="mm")
    return strip


def draw_sheet(
    pictures: Sequence[Image.Image | None], across: Sequence[str], down: Sequence[str]
) -> Image.Image:
    """Pictures row by row (None where one failed) under the labels of columns and rows."""
    present = [picture for picture in pictures if picture is not None]
    shrink = min(1.0, MOST_SIDE / max(present[0].size))
    width, height = (max(1, round(side * shrink)) for side in present[0].size)
    strip = max(20, min(width, height) // 8)
    font = ImageFont.load_default(strip * 0.62)
    assert isinstance(font, ImageFont.FreeTypeFont)
    left = strip + GAP if any(down) else 0
    top = strip + GAP if any(across) else 0
    size = (left + len(across) * (width + GAP) + GAP, top + len(down) * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    for column, text in enumerate(across):
        sheet.paste(
            _label(text, width, strip, font), (left + GAP + column * (width + GAP), GAP // 2)
        )
    for row, text in enumerate(down):
        turned = _label(text, height, strip, font).transpose(Image.Transpose.ROTATE_90)
        if left:
            sheet.paste(turned, (GAP // 2, top + GAP + row * (height + GAP)))
    for index, picture in enumerate(pictures):
        row, column = divmod(index, len(across))
        if picture is not None:
            place = (left + GAP + column * (width + GAP), top + GAP + row * (height + GAP))
            sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    return sheet
