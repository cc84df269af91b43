"""Files that a visitor sent to this server, told apart from any other path."""

from pathlib import Path

from gradio.utils import get_upload_folder, is_in_or_equal

from ldm.imaging import ImageError


def uploaded(file: object, field: str) -> Path:
    """The path of a file that was sent to this server; any other path is refused."""
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not is_in_or_equal(Path(path).resolve(), get_upload_folder()):
        raise ImageError(field, "no uploaded file", "a file sent with the request")
    return Path(path)
