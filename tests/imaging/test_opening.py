"""What `open_image` reads: every mode, depth, profile and orientation, as upright RGB.

Expected pixels are worked out here with numpy from what the formats say, not by the code tested.
"""

import io
import struct
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldm import imaging
from tests.imaging.pictures import NOISE, RNG, SMOOTH, encoded, pixels, png


def notes(source: bytes | Image.Image) -> tuple[str, ...]:
    return imaging.open_image(source, "init_image").notes


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_their_very_pixels(kind, options):
    opened = imaging.open_image(encoded(NOISE, kind, **options), "init_image")
    assert opened.image.mode == "RGB"
    assert opened.notes == ()
    np.testing.assert_array_equal(np.asarray(opened.image), NOISE)


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {})])
def test_lossy_formats_come_close(kind, options):
    found = pixels(encoded(SMOOTH, kind, **options)).astype(int)
    assert np.abs(found - SMOOTH).mean() < 4  # a smooth ramp loses little; a wrong order 60 or more


def test_a_path_a_string_and_bytes_are_the_same(tmp_path):
    path = tmp_path / "picture.with.dots"  # the name says nothing
    path.write_bytes(encoded(NOISE, "PNG"))
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(pixels(source), NOISE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "RGBX"])
def test_opaque_modes(mode):
    image = Image.fromarray(NOISE).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(pixels(image), expected)
    assert notes(image) == ()


def test_the_given_image_is_not_changed():
    image = Image.fromarray(NOISE)
    image.info["comment"] = "mine"
    opened = imaging.open_image(image, "init_image").image
    ImageDraw.Draw(opened).rectangle((0, 0, 9, 9), "red")
    np.testing.assert_array_equal(np.asarray(image), NOISE)
    assert image.info == {"comment": "mine"}


def test_nothing_about_the_photographer_goes_further():
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    opened = imaging.open_image(encoded(NOISE, "JPEG", exif=exif, comment=b"me"), "init_image")
    assert opened.image.info == {}
    assert not opened.image.getexif()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_cut(kind):
    values = np.array([[0, 128, 129, 255, 256, 257], [32767, 32768, 40000, 65278, 65407, 65535]])
    opened = imaging.open_image(encoded(values.astype(np.uint16), kind), "init_image")
    expected = np.rint(values / 257).astype(np.uint8)  # 65535 / 257 = 255
    np.testing.assert_array_equal(np.asarray(opened.image), np.stack([expected] * 3, -1))
    assert opened.notes == ("converted from 16-bit",)


def test_16_bit_grey_of_either_byte_order():
    values = np.array([[0x1234, 0xFF00]], dtype=np.uint16)
    for mode, kind in (("I;16", "<u2"), ("I;16B", ">u2")):
        image = Image.frombytes(mode, (2, 1), values.astype(kind).tobytes())
        assert pixels(image)[0, :, 0].tolist() == [round(0x1234 / 257), round(0xFF00 / 257)]


def test_16_bit_colour_keeps_its_high_byte_and_says_so():
    source = png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 0x12FF, 0x8000, 0xFFFF))
    opened = imaging.open_image(source, "init_image")
    assert opened.image.getpixel((0, 0)) == (0x12, 0x80, 0xFF)
    assert opened.notes == ("converted from 16-bit",)


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_areas_become_white(kind):
    alpha = RNG.integers(0, 256, (24, 32, 1), dtype=np.uint8)
    alpha[:4] = 0
    rgba = np.concatenate([NOISE, alpha], -1)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    opened = imaging.open_image(encoded(rgba, kind, **options), "init_image")
    # 1 level: PIL blends in whole numbers.
    np.testing.assert_allclose(np.asarray(opened.image).astype(float), on_white(rgba), atol=1)
    assert (np.asarray(opened.image)[:4] == 255).all()
    assert opened.notes == ("transparent areas were filled with white",)


def test_an_opaque_alpha_channel_changes_nothing():
    rgba = np.concatenate([NOISE, np.full((24, 32, 1), 255, np.uint8)], -1)
    np.testing.assert_array_equal(pixels(encoded(rgba, "PNG")), NOISE)
    assert notes(encoded(rgba, "PNG")) == ()


def test_grey_with_alpha():
    grey_alpha = np.array([[[10, 255], [10, 0], [10, 128]]], np.uint8)
    found = pixels(encoded(Image.fromarray(grey_alpha, "LA"), "PNG"))[0, :, 0].tolist()
    assert found[:2] == [10, 255]
    assert found[2] == pytest.approx(10 * 128 / 255 + 255 * 127 / 255, abs=1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_entry(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    source = encoded(image, kind, transparency=0)
    assert pixels(source).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert "white" in notes(source)[0]


def test_a_colour_named_as_transparent():
    source = encoded(np.array([[[9, 9, 9], [9, 9, 8]]], np.uint8), "PNG", transparency=(9, 9, 9))
    assert pixels(source).tolist() == [[[255, 255, 255], [9, 9, 8]]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile(kind):
    ink = np.full((16, 16, 4), (0, 128, 255, 64), np.uint8)
    source = encoded(Image.fromarray(ink, "CMYK"), kind)
    # The plain rule: each colour is what its ink and black leave of white. 3 for JPEG's rounding.
    expected = [(255 - c) * (255 - 64) / 255 for c in (0, 128, 255)]
    np.testing.assert_allclose(pixels(source).mean((0, 1)), expected, atol=3)
    assert notes(source) == ("converted from CMYK",)


def profile_of_display_p3() -> bytes:
    """A minimal ICC v2 profile: Display P3's primaries adapted to D50, gamma 2.2."""

    def s15f16(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    name = b"Display P3 for a test"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" * 79
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    xyz = b"XYZ \0\0\0\0"
    tags = {
        b"desc": description + b"\0" * (-len(description) % 4),
        b"wtpt": xyz + s15f16(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz + s15f16(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz + s15f16(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz + s15f16(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for signature, content in tags.items():
        table += signature + struct.pack(">II", offset + len(data), len(content))
        data += content
    header = bytearray(128)
    header[0:4] = struct.pack(">I", offset + len(data))
    header[8:12] = bytes([2, 0x20, 0, 0])
    header[12:24] = b"mntrRGB XYZ "
    header[36:40] = b"acsp"
    header[68:80] = s15f16(0.9642, 1.0, 0.8249)
    return bytes(header) + table + data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_photo_in_display_p3_becomes_srgb(mode):
    colour = (200, 120, 60)
    image = Image.new("RGB", (4, 4), colour)
    image = image.quantize() if mode == "P" else image.convert(mode)
    source = encoded(image, "PNG", icc_profile=profile_of_display_p3())
    # P3 to linear light, the matrix between the two RGB spaces (CSS Color 4, D65), sRGB's curve.
    linear = (np.array(colour) / 255) ** 2.2
    matrix = np.array(
        [
            [1.2249402, -0.2249402, 0],
            [-0.0420570, 1.0420570, 0],
            [-0.0196376, -0.0786361, 1.0982736],
        ]
    )
    light = matrix @ linear
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    # 2 levels: the profile's 16-bit fractions and 8-bit rounding.
    np.testing.assert_allclose(pixels(source)[0, 0], expected, atol=2)
    assert notes(source) == ("colours converted from its own profile to sRGB",)


def test_a_broken_profile_is_left_out_and_named():
    source = encoded(NOISE, "PNG", icc_profile=b"no profile")
    np.testing.assert_array_equal(pixels(source), NOISE)
    assert notes(source) == ("its colour profile could not be read and was left out",)


# What each EXIF orientation asks a viewer to do with the stored rows and columns.
ORIENTATIONS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_rotated_photos_stand_upright(kind, orientation):
    stored = SMOOTH.copy()
    stored[:8, :8] = (255, 0, 0)  # a corner to know it by
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    opened = imaging.open_image(encoded(stored, kind, exif=exif, **options), "init_image")
    expected = ORIENTATIONS[orientation](stored)
    found = np.asarray(opened.image)
    assert found.shape == expected.shape
    limit = 6 if kind == "JPEG" else 0  # JPEG blurs the corner's edge; a wrong turn gives over 50
    assert np.abs(found.astype(int) - expected).mean() <= limit
    assert opened.notes == (("EXIF rotation applied",) if orientation > 1 else ())


@pytest.mark.parametrize("exif", [b"garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xffmore garbage"])
def test_a_photo_with_damaged_exif_still_opens(exif):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's, about this very damage
        assert pixels(encoded(NOISE, "JPEG", exif=exif)).shape == NOISE.shape


def test_still_pictures_in_formats_that_can_move():
    assert pixels(encoded(NOISE, "GIF")).shape == NOISE.shape
    assert pixels(encoded(NOISE, "PNG", save_all=True)).shape == NOISE.shape


def test_a_photo_with_a_depth_map_is_one_picture():
    second = Image.fromarray(NOISE[::2, ::2].copy())
    source = encoded(SMOOTH, "MPO", save_all=True, append_images=[second])
    assert pixels(source).shape == SMOOTH.shape
    assert pixels(Image.open(io.BytesIO(source))).shape == SMOOTH.shape


def test_of_several_pages_the_first_is_read():
    source = encoded(NOISE, "TIFF", save_all=True, append_images=[Image.new("RGB", (5, 5))])
    np.testing.assert_array_equal(pixels(source), NOISE)
    assert notes(source) == ("only the first page of several was read",)
