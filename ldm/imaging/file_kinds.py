"""What a file is, told from its first bytes and never from its name.

Knows the six formats that are read, and plain words for the files people most often send instead.
It does *not* decode anything.
"""

FORMATS = "PNG, JPEG, WebP, GIF, BMP or TIFF"
HEAD_BYTES = 4096  # how much of a file's beginning the functions here want to see

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_OTHER_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\1\0", "an icon file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x1a\x45\xdf\xa3", "a video"),
)
# The major brand, at byte 8 of a file in the ISO base media format (ISO/IEC 14496-12).
_BRANDS = {
    b"heic": "a HEIC photo",
    b"heix": "a HEIC photo",
    b"hevc": "a HEIC photo",
    b"mif1": "a HEIC photo",
    b"msf1": "a HEIC photo",
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
}
_CONTROL_CHARACTERS = bytes(set(range(32)) - set(b"\t\n\f\r"))


def picture_format(head: bytes) -> str | None:
    """The format ("PNG", "JPEG" ...) whose signature `head` begins with, or None."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    # "BM" may begin a sentence too, so the size of the second header has to be one that exists.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return None


def other_kind(head: bytes) -> str:
    """Plain words for a file that is in none of the six formats."""
    if not head:
        return "an empty file"
    for signature, words in _OTHER_SIGNATURES:
        if head.startswith(signature):
            return words
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video")
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not is_utf16 and head.translate(None, _CONTROL_CHARACTERS) != head:
        return "a file of an unknown kind"
    start = head.decode("utf-16" if is_utf16 else "latin-1", errors="ignore").lower()
    if "<svg" in start:
        return "an SVG drawing, which has lines and no pixels"
    if "<html" in start or "<!doctype html" in start:
        return "a web page"
    return "a text file"
