"""What `open_image` refuses, in words a visitor understands, before it costs time or memory."""

import io
import random
import resource
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from ldm import imaging
from ldm.imaging import ImageError
from tests.imaging.pictures import FORMATS, NOISE, encoded, forged_size, png, png_chunk


def refusal(source: object) -> str:
    with pytest.raises(ValueError) as caught:
        imaging.open_image(source, "init_image")
    assert isinstance(caught.value, ImageError)
    assert caught.value.field == "init_image"
    text = str(caught.value)
    assert text.startswith("init_image: got ")
    assert "allowed: a still picture (PNG, JPEG, WebP, GIF, BMP or TIFF)" in text
    assert text.isprintable()
    return text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"Dear sir,\r\n", "a text file"),
        ("Grüße, 夕暮れ".encode(), "a text file"),
        ("Grüße".encode("latin-1"), "a text file"),
        ("Grüße".encode("utf-16"), "a text file"),
        (b"BMW is a maker of cars and not of pictures", "a text file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        ("\ufeff<svg/>".encode("utf-16"), "an SVG drawing"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"%PDF-1.7\n\0", "a PDF document"),
        (b"PK\x03\x04\0\0", "a zip archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC photo"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (b"\0\0\1\0\1\0", "an icon file"),
        (b"\x80\x04\x95\0\0\0\0", "a file of an unknown kind"),
    ],
)
def test_other_files_are_named_whatever_they_are_called(content, words, tmp_path):
    path = tmp_path / "holiday.png"
    path.write_bytes(content)
    assert f"got holiday.png ({words}" in refusal(path)
    assert f"got {words}" in refusal(content)


def test_places_without_a_picture(tmp_path):
    assert "nothing.png (a file that does not exist)" in refusal(tmp_path / "nothing.png")
    assert "(a folder)" in refusal(tmp_path)
    assert "(not a regular file)" in refusal("/dev/zero")
    assert "(a file that cannot be opened: File name too long)" in refusal("x" * 5000)
    assert "a file" in refusal("nul\0byte.png")
    assert "a file" in refusal("half\udcff.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_short_is_refused(kind, tmp_path):
    source = encoded(NOISE, kind)
    words = "WebP" if kind == "WEBP" else kind
    for length in (len(source) // 2, len(source) * 9 // 10, 30):
        text = refusal(source[:length])
        assert f"a {words} that is damaged" in text
    path = tmp_path / "cut.jpg"
    path.write_bytes(source[: len(source) // 2])
    assert f"got cut.jpg (a {words} that is damaged" in refusal(path)


def test_an_image_opened_elsewhere_and_cut_short_is_refused():
    source = encoded(NOISE.repeat(4, axis=1), "JPEG")
    image = Image.open(io.BytesIO(source[: len(source) * 3 // 4]))
    assert "a JPEG that is damaged" in refusal(image)


@pytest.mark.parametrize("kind", FORMATS)
def test_too_many_pixels_are_refused_before_decoding(kind):
    width, height = (16_383, 16_383) if kind == "WEBP" else (30_000, 30_000)  # WebP ends there
    source = forged_size(kind, width, height)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert f"a picture of {width:,} x {height:,} pixels" in refusal(source)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000  # KiB; decoded, it would be 800,000 or more


def test_a_real_30_000_by_30_000_png_is_refused():
    row = zlib.compressobj()
    data = b"".join(row.compress(b"\0" * 3751) for _ in range(30_000)) + row.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    assert "30,000 x 30,000 pixels" in refusal(b"\x89PNG\r\n\x1a\n" + body)


def test_the_largest_picture_allowed_opens():
    assert imaging.MAX_PIXELS == 64_000_000
    opened = imaging.open_image(Image.new("1", (8000, 8000)), "init_image")
    assert opened.image.size == (8000, 8000)
    assert "8,000 x 8,001" in refusal(Image.new("1", (8000, 8001)))


@pytest.mark.parametrize("size", [(0, 0), (0, 7), (7, 0)])
def test_pictures_without_pixels_are_refused(size):
    assert "without pixels" in refusal(png(*size, 8, 2, b""))
    assert f"without pixels, {size[0]} x {size[1]}" in refusal(Image.new("RGB", size))


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_animations_are_refused_by_name(kind):
    frames = [Image.fromarray(np.roll(NOISE, shift)) for shift in (1, 2)]
    source = encoded(NOISE, kind, save_all=True, append_images=frames)
    assert f"got an animated {kind}, allowed: a still picture" in refusal(source)
    assert f"got an animated {kind}, allowed" in refusal(Image.open(io.BytesIO(source)))


def test_an_animated_webp_is_refused_by_name():
    frames = [Image.fromarray(np.roll(NOISE, shift)) for shift in (1, 2)]
    source = encoded(NOISE, "WEBP", save_all=True, append_images=frames)
    assert "got an animated WebP" in refusal(source)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("F", "floating-point pixels"), ("I", "32-bit pixels"), ("LAB", "Lab colours")],
)
def test_colours_of_no_known_range_are_refused(mode, words):
    assert f"a picture with {words}" in refusal(Image.new(mode, (3, 3)))


def test_damage_of_any_kind_is_an_image_error_and_nothing_else():
    """Bytes overwritten and cut at random (the same ones every time), in every format."""
    draw = random.Random(3)
    small = Image.fromarray(NOISE)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [encoded(small.convert(mode), "PNG", exif=exif) for mode in ("RGB", "P", "LA")]
    files += [encoded(small, kind, exif=exif) for kind in ("JPEG", "WEBP", "TIFF")]
    files += [encoded(small, kind) for kind in ("GIF", "BMP")]
    opened = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for attempt in range(800):
            damaged = bytearray(files[attempt % len(files)])
            for _ in range(draw.choice((1, 3, 20))):
                damaged[draw.randrange(min(len(damaged), draw.choice((60, 5000))))] = (
                    draw.randrange(256)
                )
            if draw.random() < 0.3:
                damaged = damaged[: draw.randrange(len(damaged))]
            try:
                opened += imaging.open_image(bytes(damaged), "init_image").image.mode == "RGB"
                imaging.read_png_text(bytes(damaged))
            except ImageError as error:
                assert str(error).isprintable()
    assert 80 < opened < 720  # some damage is harmless, some is not: the test has both
