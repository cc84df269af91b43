"""Opens a stranger's picture: checks it before and after decoding, and turns it upright and RGB.

Owns what is accepted as a picture and the words for what is not. It does *not* know what the
picture is for: sizes, masks and tensors are the neighbours' affair.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ldm.imaging.colours import UnknownColours, to_rgb
from ldm.imaging.file_kinds import FORMATS, HEAD_BYTES, other_kind, picture_format

MAX_PIXELS = 64_000_000
ALLOWED = f"a still picture ({FORMATS}) of at most {MAX_PIXELS // 10**6} million pixels"

# The readers themselves instead of Image.open: it hides the size of what it finds too large, and it
# takes a phone's photo with a depth map (MPO) for two frames.
_READERS: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
_ORIENTATION = 0x0112  # the EXIF tag; its values say how the stored picture was turned
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """A picture that cannot be used: the field it came in, what came, and what is allowed.

    `got` and `allowed` are words for the visitor, not values.
    """

    def __init__(self, field: str, got: str, allowed: str) -> None:
        super().__init__(field, got, allowed)  # all three, so that the error survives pickling
        self.field = field
        self.got = got
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.field}: got {self.got}, allowed: {self.allowed}"


@dataclass(frozen=True)
class Opened:
    """An upright RGB picture, and in plain words what was done to the file to make it one."""

    image: Image.Image
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where a picture comes from, in the words that an error about it begins with."""

    field: str
    name: str  # of the file, or ""

    def refuse(self, what: str, allowed: str = ALLOWED) -> ImageError:
        """The error to raise for a picture that is `what`."""
        return ImageError(self.field, f"{self.name} ({what})" if self.name else what, allowed)


@dataclass(frozen=True)
class Decoded:
    """Upright pixels still in the colours of the file."""

    image: Image.Image
    kind: str  # the format's name
    notes: tuple[str, ...]
    source: Source


def _short_name(path: Path) -> str:
    name = path.name if path.name.isprintable() else ascii(path.name)
    return name if len(name) <= 60 else f"{name[:40]}...{name[-17:]}"


@contextmanager
def _open_file(path: Path, source: Source) -> Iterator[BinaryIO]:
    try:
        if not path.exists():
            raise source.refuse("a file that does not exist")
        if not path.is_file():  # a folder, or a device that would never end
            raise source.refuse("a folder" if path.is_dir() else "not a regular file")
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "strerror", None) or "not a possible name of a file"
        raise source.refuse(f"a file that cannot be opened: {reason}") from error
    with stream:
        yield stream


def _read_header(stream: BinaryIO, source: Source) -> tuple[ImageFile, str]:
    """The picture with nothing but its header read, and the name of its format."""
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    kind = picture_format(head)
    if kind is None:
        raise source.refuse(other_kind(head))
    try:
        return _READERS[kind](stream), kind
    except Exception as error:
        # PIL raises nearly anything on bytes it did not expect; each means the same to a visitor.
        words = f"a {kind} that is damaged, cut short or without pixels"
        raise source.refuse(words) from error


def _is_sixteen_bit_colour(image: Image.Image, kind: str) -> bool:
    """Whether the file has 16 bits where PIL keeps the high 8: only the stored layout tells."""
    layouts = (tile[3] for tile in getattr(image, "tile", ()))
    names = (layout[0] if isinstance(layout, tuple) else layout for layout in layouts)
    colours = image.mode[0] != "I"
    return colours and kind in ("PNG", "TIFF") and any(";16" in str(name) for name in names)


def _check_header(image: Image.Image, kind: str, source: Source) -> tuple[str, ...]:
    """Refuse by size and frames; notes on what the decoding to come will leave out."""
    width, height = image.size
    if width < 1 or height < 1:
        raise source.refuse(f"a picture without pixels, {width} x {height}")
    if width * height > MAX_PIXELS:
        raise source.refuse(f"a picture of {width:,} x {height:,} pixels")
    several = getattr(image, "is_animated", False) and kind != "MPO"  # MPO: photo and depth map
    if several and kind != "TIFF":
        raise source.refuse(f"an animated {kind}")
    notes = ("only the first page of several was read",) if several else ()
    if _is_sixteen_bit_colour(image, kind):
        notes += ("converted from 16-bit",)
    return notes


def _decode(image: Image.Image, kind: str, source: Source) -> Decoded:
    try:
        notes = _check_header(image, kind, source)
        stored = image.getexif().get(_ORIENTATION)
        image.load()
        # A TIFF turns itself on loading and no longer carries the tag then.
        orientation = image.getexif().get(_ORIENTATION)
    except ImageError:
        raise
    except MemoryError as error:
        raise source.refuse("a picture that is too large for this machine's memory") from error
    except Exception as error:  # as in _read_header
        raise source.refuse(f"a {kind} that is damaged or cut short") from error
    if stored in _UPRIGHT:
        notes += ("EXIF rotation applied",)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return Decoded(image, kind, notes, source)


def decode(picture: str | Path | bytes | Image.Image, field: str) -> Decoded:
    """What `open_image` accepts, checked and decoded, with its colours and alpha as they are."""
    if isinstance(picture, Image.Image):
        return _decode(picture, picture.format or "picture", Source(field, ""))
    if isinstance(picture, bytes):
        source = Source(field, "")
        return _decode(*_read_header(BytesIO(picture), source), source)
    source = Source(field, _short_name(Path(picture)))
    with _open_file(Path(picture), source) as stream:
        return _decode(*_read_header(stream, source), source)


def open_image(source: str | Path | bytes | Image.Image, field: str) -> Opened:
    """The picture of a path, of a file's bytes, or of a PIL image, as upright RGB.

    Transparent areas are filled with white, 16 bits are scaled to 8, CMYK and pictures with a
    colour profile become sRGB, EXIF rotation is applied; `Opened.notes` names what was done. The
    source is not changed. `field` begins the message of the `ImageError` that is raised for
    anything else: other kinds of files whatever their name, damaged or cut-short files, animations,
    and more than `MAX_PIXELS` (known from the header, before anything is decoded).
    """
    decoded = decode(source, field)
    try:
        image, notes = to_rgb(decoded.image)
    except UnknownColours as error:
        raise decoded.source.refuse(f"a picture with {error}") from error
    return Opened(image, decoded.notes + notes)
