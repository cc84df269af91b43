"""A picture with room around it: the picture itself stays, the room is masked."""

import numpy as np
import pytest
from PIL import Image

from ldm.imaging import ImageError
from ldm.imaging.margins import Margins, extend


def test_the_picture_keeps_its_pixels_and_the_margins_are_masked() -> None:
    values = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    extended, mask = extend(Image.fromarray(values), Margins(left=4, bottom=10, right=6))
    assert extended.size == mask.size == (40, 30)
    assert (np.asarray(extended)[:20, 4:34] == values).all()
    marked = np.asarray(mask)
    assert (marked[:20, 4:34] == 0).all()
    assert (marked > 0).sum() == 40 * 30 - 20 * 30
    assert (np.asarray(extended)[5, :4] == values[5, 0]).all()  # the edge's own colour


def test_nothing_to_add_is_false() -> None:
    assert not Margins()
    assert Margins(top=1)


@pytest.mark.parametrize("value", [-1, 5000])
def test_impossible_margins_are_refused(value: int) -> None:
    with pytest.raises(ImageError, match="left"):
        Margins(left=value)
    with pytest.raises(ImageError, match="4096"):
        extend(Image.new("RGB", (4000, 10)), Margins(left=100))
