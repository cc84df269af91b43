"""PNG text, digests and previews: the same bytes each time, read by a parser written here."""

import copy
import hashlib
import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ldm import imaging
from ldm.imaging import ImageError
from tests.imaging.pictures import (
    NOISE,
    SMOOTH,
    encoded,
    pixels,
    png,
    png_chunk,
)

TEXTS = {
    "recipe": '{"prompt": "夕暮れの湖 🏔️ \\u0000 e\u0301"}',
    "empty": "",
    "Every plane": "\x01\n\r\n\t\u00ff\u0fff\ufffe\U00010000\U0010ffff",
    "long": "x" * 100_000,
}


def chunks(source: bytes) -> list[tuple[bytes, bytes]]:
    found, position = [], 8
    while position < len(source):
        (length,) = struct.unpack(">I", source[position : position + 4])
        kind = source[position + 4 : position + 8]
        data = source[position + 8 : position + 8 + length]
        assert struct.pack(">I", zlib.crc32(kind + data)) == source[position + 8 + length :][:4]
        found.append((kind, data))
        position += 12 + length
    return found


def test_png_text_of_any_unicode_comes_back(tmp_path):
    source = imaging.encode_png(Image.fromarray(NOISE), TEXTS)
    path = tmp_path / "a.png"
    path.write_bytes(source)
    for given in (source, path, str(path)):
        assert imaging.read_png_text(given) == TEXTS
    assert {type(value) for value in imaging.read_png_text(source).values()} == {str}
    np.testing.assert_array_equal(pixels(source), NOISE)


def test_png_text_stands_in_utf8_chunks_before_the_pixels():
    found = chunks(imaging.encode_png(Image.fromarray(NOISE), TEXTS))
    kinds = [kind for kind, _ in found]
    assert kinds == [b"IHDR", *[b"iTXt"] * len(TEXTS), b"IDAT", b"IEND"]
    # keyword, NUL, not compressed, method 0, no language, no translated keyword, text
    expected = [k.encode() + b"\0\0\0\0\0" + v.encode() for k, v in TEXTS.items()]
    assert [data for kind, data in found if kind == b"iTXt"] == expected


def test_the_same_picture_and_text_are_the_same_bytes():
    plain = Image.fromarray(NOISE)
    laden = Image.open(io.BytesIO(encoded(NOISE, "PNG", dpi=(72, 72), icc_profile=b"x" * 9)))
    laden.info["gamma"] = 0.5
    assert imaging.encode_png(plain, TEXTS) == imaging.encode_png(laden, TEXTS)
    assert imaging.encode_png(plain, TEXTS) != imaging.encode_png(plain, {})
    assert laden.info["gamma"] == 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"": "x"}, "keyword: got ''"),
        ({"k" * 80: "x"}, "keyword: got 'kkk"),
        ({"夕": "x"}, "keyword: got"),
        ({"a\nb": "x"}, "keyword: got"),
        ({"recipe": "a\0b"}, "text of recipe: got a NUL character"),
        ({"recipe": "\ud800"}, "text of recipe: got half a character"),
    ],
)
def test_text_that_a_png_cannot_hold_is_refused(text, words):
    with pytest.raises(ImageError, match=words):
        imaging.encode_png(Image.fromarray(NOISE), text)


def test_text_of_other_programs_is_read_too():
    latin = png_chunk(b"tEXt", b"Title\0Gr\xfc\xdfe")
    squeezed = png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a cat, Steps: 20"))
    numbers = png_chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1)) + png_chunk(b"gAMA", b"\0\0\xb1\x8f")
    source = png(1, 1, 8, 2, b"\0abc", latin + numbers + squeezed)
    late = source.replace(png_chunk(b"IEND", b""), png_chunk(b"tEXt", b"late\0yes"))
    late += png_chunk(b"IEND", b"")
    expected = {"Title": "Grüße", "parameters": "a cat, Steps: 20", "late": "yes"}
    assert imaging.read_png_text(late) == expected


def test_text_that_unpacks_to_a_flood_is_refused():
    flood = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"0" * 200_000_000, 9))
    with pytest.raises(ImageError, match="png: got a PNG that is damaged"):
        imaging.read_png_text(png(1, 1, 8, 2, b"\0abc", flood))


def test_text_is_looked_for_in_pngs_alone():
    with pytest.raises(ImageError, match=r"--from: got a JPEG picture, allowed: a PNG"):
        imaging.read_png_text(encoded(NOISE, "JPEG"), "--from")
    with pytest.raises(ImageError, match="png: got a text file"):
        imaging.read_png_text(b"hello")


def test_the_digest_is_of_mode_size_and_pixels():
    image = Image.fromarray(NOISE)
    expected = hashlib.sha256(b"RGB 32x24\n" + NOISE.tobytes()).hexdigest()
    assert imaging.pixel_digest(image) == expected
    assert imaging.pixel_digest(imaging.open_image(encoded(NOISE, "BMP"), "x").image) == expected
    others = [
        Image.fromarray(NOISE.reshape(32, 24, 3)),
        Image.frombytes("L", (32, 72), NOISE.tobytes()),
        Image.fromarray(NOISE ^ np.uint8(1)),
    ]
    assert expected not in map(imaging.pixel_digest, others)


def test_jpeg_previews():
    laden = Image.fromarray(SMOOTH)
    laden.info["comment"] = b"secret"
    small, large = imaging.encode_jpeg(laden, 30), imaging.encode_jpeg(laden, 95)
    assert small.startswith(b"\xff\xd8\xff")
    assert len(small) < len(large)
    assert b"secret" not in small
    assert np.abs(pixels(large).astype(int) - SMOOTH).mean() < 4
    for quality in (0, 96):
        with pytest.raises(ImageError, match="quality"):
            imaging.encode_jpeg(laden, quality)


def test_errors_survive_copying_and_pickling():
    """Worker processes hand their errors back by pickle."""
    error = ImageError("mask", "a text file", "a mask")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(other), other.field) == ("mask: got a text file, allowed: a mask", "mask")
