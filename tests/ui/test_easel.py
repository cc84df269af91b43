"""What goes onto the easel and what comes back from it."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ldm.imaging import ImageError
from ldm.ui.easel import STROKES_HEAD, clean_sheet, read_strokes, sheet_over, sheet_size


def as_value(image: Image.Image) -> dict[str, object]:
    data = BytesIO()
    image.save(data, "PNG")
    head = clean_sheet(*image.size)
    return {**head, "strokes": STROKES_HEAD + base64.b64encode(data.getvalue()).decode()}


def test_strokes_come_back_as_they_were_drawn() -> None:
    drawn = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8), "RGBA"
    )
    read = read_strokes(as_value(drawn), "mask")
    assert read is not None
    assert read.tobytes() == drawn.tobytes()


def test_nothing_drawn_is_none() -> None:
    assert read_strokes(None, "mask") is None
    assert read_strokes(clean_sheet(8, 8), "mask") is None
    assert read_strokes(as_value(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), "mask") is None


@pytest.mark.parametrize(
    "strokes",
    ["no base64!", STROKES_HEAD + "AAAA", 5, STROKES_HEAD + base64.b64encode(b"GIF89a").decode()],
)
def test_anything_else_is_refused(strokes: object) -> None:
    with pytest.raises(ImageError) as caught:
        read_strokes({"strokes": strokes}, "mask")
    assert caught.value.field == "mask"


def test_truncated_and_huge_strokes_are_refused(png: bytes) -> None:
    cut = STROKES_HEAD + base64.b64encode(png[:50]).decode()
    with pytest.raises(ImageError):
        read_strokes({"strokes": cut}, "mask")
    with pytest.raises(ImageError, match="4096"):
        read_strokes(as_value(Image.new("RGBA", (5000, 1), (1, 2, 3, 4))), "mask")


@pytest.mark.parametrize(
    ("size", "sheet"),
    [
        ((256, 256), (512, 512)),
        ((128, 64), (512, 256)),
        ((512, 300), (512, 300)),
        ((4000, 2000), (1024, 512)),
        ((3000, 1), (1024, 1)),
    ],
)
def test_a_sheet_has_the_pictures_shape(size: tuple[int, int], sheet: tuple[int, int]) -> None:
    assert sheet_size(*size) == sheet


def test_strokes_over_a_picture_keep_their_place() -> None:
    strokes = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    strokes.paste((255, 0, 0, 255), (64, 64, 128, 96))
    value = sheet_over(Image.new("RGB", (256, 256), "white"), strokes)
    read = read_strokes(value, "mask")
    assert read is not None
    assert read.size == (value["width"], value["height"]) == (512, 512)
    assert read.getchannel("A").getbbox() == (128, 128, 256, 192)
