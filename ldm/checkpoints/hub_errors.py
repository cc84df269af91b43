"""What can go wrong between here and the Hugging Face Hub, as what came and what is allowed.

Owns how a model of the Hub is called, as every message begins with that. Knows nothing of what is
fetched, or why.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from ldm.checkpoints.files import CheckpointError

MORE_ROOM = "more free space, or HF_HUB_CACHE set to a folder on another disk"
_AGAIN = "another try; what is complete already is kept"
_ID_FORM = "owner/name, as the model's page shows it"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


@dataclass(frozen=True)
class HubId:
    """A model on the Hub: a repository, or one file of it."""

    repo: str  # owner/name
    file: str = ""  # its path in the repository; empty: the repository is a model folder

    def __str__(self) -> str:
        return f"{self.repo}/{self.file}" if self.file else self.repo

    @property
    def page(self) -> str:
        return f"{constants.ENDPOINT}/{self.repo}"


def readable(size: float) -> str:
    """A number of bytes in words: 2.1 GB, 340 MB, 12 bytes."""
    unit, word = next((pair for pair in _UNITS if size >= pair[0]), _UNITS[-1])
    digits = 1 if unit > 1 and size < 10 * unit else 0
    return f"{size / unit:.{digits}f} {word}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _is_no_room(error: Exception) -> bool:
    """Also as transfers from Xet storage say it, in words of Rust."""
    return (isinstance(error, OSError) and error.errno in _NO_ROOM) or "os error 28" in str(error)


def _got_and_allowed(
    error: Exception, model: HubId, revision: str | None, cache: Path
) -> tuple[str, str]:
    hub, what = constants.ENDPOINT, _first_line(error)
    match error:
        case GatedRepoError():
            return (
                "no permission: its authors ask everyone to agree to their terms first",
                f"HF_TOKEN set to a token of an account that agreed at {model.page}",
            )
        case RepositoryNotFoundError():
            return f"no model of that name at {hub}", f"{_ID_FORM}; for a private one, HF_TOKEN too"
        case RevisionNotFoundError():
            return f"no revision {revision!r} of it", "a branch, a tag, a commit, or none: main"
        case HFValidationError():
            return f"an id that cannot be ({what})", _ID_FORM
        case RevisionResolutionError() | LocalEntryNotFoundError() | OfflineModeIsEnabled():
            cause = error.__cause__ or error
            offline = isinstance(cause, OfflineModeIsEnabled)
            why = "HF_HUB_OFFLINE is set" if offline else _first_line(cause)
            return (
                f"no way to {hub} ({why})",
                f"a connection; or a model that lies in {cache} whole; or a model's own folder",
            )
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            return f"no permission from {hub} ({what})", "an HF_TOKEN that it accepts, or none"
        case OSError() | RuntimeError() if _is_no_room(error):
            return f"no room for it in {cache}", f"{MORE_ROOM}; nothing half-written is kept"
        case OSError() if error.errno is not None:
            return (
                f"files that cannot be written ({error.strerror}: {error.filename or cache})",
                "HF_HUB_CACHE set to a folder that can be written to",
            )
    return f"a download that broke off ({what})", _AGAIN


@contextmanager
def plain_words(model: HubId, revision: str | None, cache: Path) -> Iterator[None]:
    """Every error of ``huggingface_hub`` as a CheckpointError that begins with the model's id."""
    try:
        yield
    except (
        HTTPError,
        OSError,
        HFValidationError,
        EntryNotFoundError,
        RevisionResolutionError,
        RuntimeError,  # what transfers from Xet storage raise for everything
    ) as error:
        got, allowed = _got_and_allowed(error, model, revision, cache)
        raise CheckpointError(str(model), got, allowed) from error
