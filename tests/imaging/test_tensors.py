"""Between pictures and tensors nothing is lost, and the size asked for is the size that comes."""

import math
import resource

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ldm import imaging
from ldm.imaging import ImageError
from tests.imaging.pictures import NOISE


def test_fit_leaves_a_picture_of_the_right_size_alone():
    np.testing.assert_array_equal(np.asarray(imaging.fit(Image.fromarray(NOISE), 32, 24)), NOISE)


@pytest.mark.parametrize(
    ("size", "target"), [((300, 200), (64, 64)), ((200, 300), (96, 64)), ((50, 40), (128, 64))]
)
def test_fit_crops_the_middle_and_keeps_the_shape(size, target):
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    found = imaging.fit(image, *target)
    assert found.size == target
    expected = ImageOps.fit(image, target, Image.Resampling.LANCZOS)
    # PIL's own fit cuts at whole pixels of the source first: half a source pixel apart.
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).mean() < 2


def test_fit_of_a_thread_thin_picture_costs_little():
    thread = Image.new("RGB", (1, 1_000_000), "red")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert imaging.fit(thread, 256, 256).getcolors() == [(256 * 256, (255, 0, 0))]
    # Resized as a whole it would be 256 x 256,000,000.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_every_byte_survives_the_way_to_a_tensor_and_back():
    ramp = np.stack([np.arange(256), np.arange(256)[::-1], np.roll(np.arange(256), 9)], -1)
    image = Image.fromarray(ramp.reshape(8, 32, 3).astype(np.uint8))
    tensor = imaging.to_tensor(image)
    assert tensor.shape == (1, 3, 8, 32)
    assert tensor.dtype == torch.float32
    assert (tensor[0, 0, 0, 0], tensor[0, 1, 0, 0]) == (-1, 1)
    assert tensor[0, 0, 1, 5].item() == pytest.approx(37 / 127.5 - 1)
    for batch in (tensor, tensor[0]):
        assert imaging.to_image(batch).tobytes() == image.tobytes()


def test_to_image_rounds_to_the_nearest_and_cuts_what_is_beyond():
    values = torch.tensor([-9.0, -1.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1, 1.0, 9.0])
    image = imaging.to_image(values.expand(3, 1, 6).to(torch.float64))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]
    assert np.asarray(imaging.to_image(torch.zeros(3, 1, 1, dtype=torch.bfloat16)))[0, 0, 0] == 128


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.full((1, 3, 2, 2), math.nan), "NaN"),
        (torch.full((3, 2, 2), math.inf), "infinite"),
        (torch.zeros(2, 3, 4, 4), r"the shape \(2, 3, 4, 4\)"),
        (torch.zeros(4, 4, 4), r"the shape \(4, 4, 4\)"),
    ],
)
def test_to_image_refuses_what_is_no_picture(tensor, words):
    with pytest.raises(ImageError, match=words):
        imaging.to_image(tensor)


def test_to_tensor_wants_rgb():
    with pytest.raises(ImageError, match="mode L"):
        imaging.to_tensor(Image.new("L", (8, 8)))
