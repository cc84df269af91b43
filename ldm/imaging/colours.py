"""Any colours PIL may find in a file, as 8-bit RGB on white.

Owns the conversions of modes, depths, profiles and transparency. It does *not* know files or the
words of an error: it says what the colours are, and the caller says where they came from.
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_OPAQUE = ("1", "L", "P", "RGB", "RGBX", "YCbCr", "HSV")
_WITH_ALPHA = ("LA", "PA", "RGBA", "RGBa")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


class UnknownColours(Exception):
    """Colours whose meaning cannot be told; the text reads on from "a picture with"."""


def is_sixteen_bit(image: Image.Image) -> bool:
    return image.mode in _SIXTEEN_BIT


def eight_bit(image: Image.Image) -> Image.Image:
    """A 16-bit grey picture as L: 0 to 65535 become 0 to 255, to the nearest."""
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _to_srgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """RGB, RGBA or CMYK through the picture's own profile; a CMYK picture becomes RGB anyhow."""
    result = "RGB" if image.mode == "CMYK" else image.mode
    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert(result), ()
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return image.convert(result), ()
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, own, srgb, outputMode=result)
    except (ImageCms.PyCMSError, OSError):
        return image.convert(result), ("its colour profile could not be read and was left out",)
    if converted is None:
        raise UnknownColours("a colour profile that gave no picture")
    return converted, ("colours converted from its own profile to sRGB",)


def on_white(image: Image.Image) -> Image.Image:
    """An RGBA picture as RGB, as it looks on white paper."""
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image).convert("RGB")


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """A new RGB picture without metadata, and notes on what was converted.

    Raises `UnknownColours` for floating-point, 32-bit and other pixels without a known range.
    """
    notes: tuple[str, ...] = ()
    if is_sixteen_bit(image):
        image, notes = eight_bit(image).convert("RGB"), ("converted from 16-bit",)
    elif image.mode == "CMYK":
        image, profile_notes = _to_srgb(image)
        notes = ("converted from CMYK", *profile_notes)
    elif image.mode in _WITH_ALPHA or (image.mode in _OPAQUE and image.has_transparency_data):
        image, notes = _to_srgb(image.convert("RGBA"))
        if image.getchannel("A").getextrema() != (255, 255):
            notes += ("transparent areas were filled with white",)
        image = on_white(image)
    elif image.mode in _OPAQUE:
        image, notes = _to_srgb(image.convert("RGB"))
    else:
        names = {"F": "floating-point pixels", "I": "32-bit pixels", "LAB": "Lab colours"}
        raise UnknownColours(names.get(image.mode, f"pixels of the kind {image.mode}"))
    image = image.copy()
    image.info = {}  # position, camera and author of a photo go no further
    return image, notes
