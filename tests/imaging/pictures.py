"""Pictures for the tests of `ldm.imaging`, some of them made by hand, byte by byte."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from ldm import imaging

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)  # (H, W, 3)
RAMPS = np.meshgrid(np.arange(32) * 8, np.arange(24) * 10)
SMOOTH = np.stack([*RAMPS, np.full((24, 32), 90)], -1).astype(np.uint8)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def encoded(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(source: bytes | Image.Image | Path) -> np.ndarray:
    return np.asarray(imaging.open_image(source, "init_image").image)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def forged_size(kind: str, width: int, height: int) -> bytes:
    """A real small file whose header claims another size."""
    source = bytearray(encoded(NOISE, kind, **({"lossless": True} if kind == "WEBP" else {})))
    if kind == "PNG":
        return png(width, height, 8, 2, b"\0" * 1000)
    if kind == "JPEG":
        frame = source.index(b"\xff\xc0")
        source[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        source[6:10] = struct.pack("<HH", width, height)
    elif kind == "BMP":
        source[18:26] = struct.pack("<ii", width, height)
    elif kind == "WEBP":  # 14 bits each of width - 1 and height - 1 behind the signature byte
        source[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        directory = struct.unpack("<I", source[4:8])[0]
        for entry in range(directory + 2, directory + 2 + 24, 12):
            tag = struct.unpack("<H", source[entry : entry + 2])[0]
            value = {256: width, 257: height}[tag]
            source[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(source)
