"""Masks mark what was marked, feathers have the shape they promise, pasting is exact outside."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ldm import imaging
from ldm.imaging import ImageError
from tests.imaging.pictures import RNG, encoded, forged_size


def disc(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, 255)
    return mask


def mask_refusal(source: object, size: tuple[int, int]) -> str:
    with pytest.raises(ImageError) as caught:
        imaging.open_mask(source, "mask", size)
    assert caught.value.field == "mask"
    return str(caught.value)


DISC = disc((96, 64), (20, 10, 60, 50))


def test_white_is_what_to_repaint():
    for kind in ("PNG", "BMP", "GIF"):
        mask = imaging.open_mask(encoded(DISC, kind), "mask", (96, 64))
        assert mask.mode == "L"
        assert mask.tobytes() == DISC.tobytes()


def test_grey_is_cut_at_one_half():
    levels = Image.fromarray(np.array([[0, 1, 127, 128, 254, 255]], np.uint8))
    mask = imaging.open_mask(levels, "mask", (6, 1))
    assert np.asarray(mask).tolist() == [[0, 0, 0, 255, 255, 255]]


def test_the_noise_of_a_jpeg_marks_nothing():
    mask = imaging.open_mask(encoded(DISC, "JPEG", quality=30), "mask", (96, 64))
    wrong = np.asarray(mask) != np.asarray(DISC)
    far = np.asarray(imaging.feather(DISC, 4)) == 0
    assert not (wrong & far).any()
    assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_16_bit_masks():
    values = (np.asarray(DISC).astype(np.uint16) // 255) * 65535
    assert imaging.open_mask(encoded(values, "PNG"), "mask", (96, 64)).tobytes() == DISC.tobytes()


def test_alpha_is_the_mask_where_it_varies():
    black_strokes = Image.new("RGBA", (96, 64), "black")
    black_strokes.putalpha(DISC)
    mask = imaging.open_mask(encoded(black_strokes, "PNG"), "mask", (96, 64))
    assert mask.tobytes() == DISC.tobytes()


def test_luminance_is_the_mask_where_alpha_does_not_vary():
    opaque = Image.merge("RGBA", [DISC] * 3 + [Image.new("L", (96, 64), 255)])
    assert imaging.open_mask(encoded(opaque, "PNG"), "mask", (96, 64)).tobytes() == DISC.tobytes()


def test_a_rotated_mask_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    source = encoded(DISC.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    assert imaging.open_mask(source, "mask", (96, 64)).tobytes() == DISC.tobytes()


def test_a_mask_of_another_size_and_the_same_shape_is_resized():
    twice = disc((192, 128), (40, 20, 121, 101))
    mask = imaging.open_mask(twice, "mask", (96, 64))
    assert mask.size == (96, 64)
    wrong = np.asarray(mask) != np.asarray(DISC)
    assert wrong.sum() < 40  # of 1,300 in the disc: its rim
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    # 675 x 506 from a picture of 1024 x 768 is a shape 0.05% apart.
    assert imaging.open_mask(disc((675, 506), (9, 9, 99, 99)), "mask", (1024, 768)).size == (
        1024,
        768,
    )


def test_a_mask_of_another_shape_is_refused_with_both_sizes():
    text = mask_refusal(DISC, (64, 64))
    assert text == (
        "mask: got a mask of 96 x 64 pixels, "
        "allowed: the picture's size, 64 x 64, or another size of the same shape"
    )
    assert "96 x 64" in mask_refusal(DISC, (64, 96))
    assert "96 x 64" in mask_refusal(DISC, (98, 64))  # 2% apart
    assert imaging.open_mask(DISC, "mask", (288, 193)).size == (288, 193)  # 0.5% apart


def test_empty_masks_are_refused():
    for size in ((96, 64), (192, 128)):
        text = mask_refusal(encoded(Image.new("L", size), "PNG"), (96, 64))
        assert text.startswith("mask: got a mask without any mark, allowed: a mask with at least")
    assert "without any mark" in mask_refusal(Image.new("RGBA", (96, 64)), (96, 64))
    dot = Image.new("L", (1920, 1280))
    dot.putpixel((7, 7), 255)
    assert "whose marks vanish at 96 x 64" in mask_refusal(dot, (96, 64))


def test_masks_are_opened_as_carefully_as_pictures(tmp_path):
    path = tmp_path / "mask.png"
    path.write_text("no mask")
    assert mask_refusal(path, (96, 64)).startswith("mask: got mask.png (a text file), allowed:")
    assert "30,000 x 30,000" in mask_refusal(forged_size("PNG", 30_000, 30_000), (96, 64))
    assert "floating-point" in mask_refusal(Image.new("F", (96, 64)), (96, 64))


def layer(mask: Image.Image, colour: str) -> Image.Image:
    painted = Image.new("RGBA", mask.size, colour)
    painted.putalpha(mask)
    return painted


def test_a_mask_is_the_union_of_the_layers_alphas_in_any_colour():
    other = disc((96, 64), (70, 5, 90, 25))
    layers = [np.asarray(layer(DISC, "black")), layer(other, "white"), Image.new("RGBA", (96, 64))]
    mask = imaging.mask_from_layers(layers, (96, 64))
    expected = np.maximum(np.asarray(DISC), np.asarray(other))
    np.testing.assert_array_equal(np.asarray(mask), expected)


def test_faint_strokes_count_from_one_half():
    alphas = np.zeros((1, 4, 4), np.uint8)
    alphas[0, :, 3] = (0, 127, 128, 255)
    assert np.asarray(imaging.mask_from_layers([alphas], (4, 1))).tolist() == [[0, 0, 255, 255]]


def test_layers_of_a_smaller_canvas_are_resized():
    small = layer(disc((48, 32), (10, 5, 30, 25)), "red")
    mask = imaging.mask_from_layers([small, layer(DISC, "red")], (96, 64))
    assert mask.size == (96, 64)
    assert (np.asarray(mask)[np.asarray(DISC) > 0] == 255).all()
    assert not np.asarray(mask)[np.asarray(imaging.feather(DISC, 3)) == 0].any()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "without any mark"),
        ([Image.new("RGBA", (96, 64))], "without any mark"),
        ([np.zeros((64, 96, 4), np.uint8)] * 2, "without any mark"),
        ([layer(DISC, "red").resize((64, 64))], "a mask of 64 x 64 pixels"),
        ([Image.new("RGB", (96, 64))], "a layer in the mode RGB"),
        ([np.zeros((64, 96, 3), np.uint8)], "a layer in the mode RGB"),
    ],
)
def test_layers_that_make_no_mask_are_refused(layers, words):
    with pytest.raises(ImageError, match=words):
        imaging.mask_from_layers(layers, (96, 64))


def test_a_mask_is_cropped_with_its_picture():
    picture = Image.merge("RGB", [DISC] * 3)
    mask = imaging.fit_mask(DISC, 32, 32)
    drawn = np.asarray(imaging.fit(picture, 32, 32))[..., 0] >= 128
    assert ((np.asarray(mask) > 0) != drawn).sum() <= 6  # the rim, where the two filters differ
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert imaging.fit_mask(DISC, 96, 64).tobytes() == DISC.tobytes()
    with pytest.raises(ImageError, match="without any mark in the part that is left at 32 x 64"):
        imaging.fit_mask(disc((96, 64), (0, 0, 9, 63)), 32, 64)


def test_one_masked_pixel_repaints_its_latent_cell():
    mask = Image.new("L", (32, 24))
    mask.putpixel((8, 15), 255)
    cells = imaging.mask_to_latents(mask, 8)
    assert cells.shape == (1, 1, 3, 4)
    assert cells.dtype == torch.float32
    assert cells[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_latent_cells_are_the_maximum_of_their_pixels():
    soft = Image.fromarray(RNG.integers(0, 256, (16, 32), dtype=np.uint8))
    expected = torch.nn.functional.max_pool2d(torch.from_numpy(np.array(soft))[None, None] / 255, 4)
    torch.testing.assert_close(imaging.mask_to_latents(soft, 4), expected, rtol=0, atol=1e-6)


def test_a_mask_that_does_not_divide_into_cells_is_refused():
    with pytest.raises(ImageError, match="30 x 24 pixels, allowed: sides divisible by 8"):
        imaging.mask_to_latents(Image.new("L", (30, 24)), 8)


@pytest.mark.parametrize("radius", [1, 2, 4, 9])
def test_a_feather_falls_with_the_distance_to_the_mask(radius):
    mask = disc((40, 30), (12, 8, 24, 18))
    mask.putpixel((39, 0), 255)  # a lone corner pixel too
    ys, xs = np.nonzero(np.asarray(mask))
    grid = np.mgrid[:30, :40]
    squares = (grid[0][..., None] - ys) ** 2 + (grid[1][..., None] - xs) ** 2
    distance = np.sqrt(squares.min(-1))  # to the nearest marked pixel, by trying them all
    line = np.where(distance <= radius, 255 * (1 - distance / (radius + 1)), 0)
    found = np.asarray(imaging.feather(mask, radius))
    np.testing.assert_array_equal(found, np.rint(line))
    assert (found[distance == 0] == 255).all()
    assert (found[distance > radius] == 0).all()
    assert (found[distance <= radius] > 0).all()


def test_a_feather_of_nothing_or_of_no_width_is_the_mask():
    assert imaging.feather(DISC, 0).tobytes() == DISC.tobytes()
    assert imaging.feather(Image.new("L", (9, 9)), 5).getbbox() is None
    full = Image.new("L", (20, 10), 255)
    assert imaging.feather(full, 64).tobytes() == full.tobytes()
    before = DISC.tobytes()
    imaging.feather(DISC, 64)
    assert DISC.tobytes() == before


@pytest.mark.parametrize("radius", [-1, 65])
def test_a_feather_beyond_the_range_is_refused(radius):
    with pytest.raises(ImageError, match=f"mask_feather: got {radius}, allowed: 0 to 64 pixels"):
        imaging.feather(DISC, radius)


@pytest.mark.parametrize("radius", [0, 4, 20])
def test_outside_the_feathered_mask_not_one_byte_changes(radius):
    original = Image.fromarray(RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    generated = Image.fromarray(RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    soft = imaging.feather(DISC, radius)
    result = imaging.paste_back(original, generated, soft)
    weight = np.asarray(soft)[..., None] / 255
    ideal = np.asarray(original) * (1 - weight) + np.asarray(generated) * weight
    np.testing.assert_allclose(np.asarray(result), ideal, atol=1)  # blended in whole numbers
    for value, source in ((0, original), (255, generated)):
        where = np.asarray(soft) == value
        np.testing.assert_array_equal(np.asarray(result)[where], np.asarray(source)[where])
    assert imaging.changed_outside(original, result, soft) == 0


def test_changes_outside_are_counted_in_pixels():
    original = Image.fromarray(RNG.integers(0, 200, (64, 96, 3), dtype=np.uint8))
    changed = np.array(original)
    changed[0, :5] += 1  # outside, three channels each
    changed[63, 95, 2] += 1  # outside, one channel
    changed[30, 40] += 1  # inside
    assert imaging.changed_outside(original, Image.fromarray(changed), DISC) == 6


def test_pictures_of_different_sizes_are_not_pasted():
    one, other = Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8))
    for arguments in ((one, other, Image.new("L", (8, 8))), (one, one, Image.new("L", (9, 8)))):
        for function in (imaging.paste_back, imaging.changed_outside):
            with pytest.raises(ImageError, match=r"8 x 8, .*pictures and mask of one size"):
                function(*arguments)
