"""Where recordings stand while their visitors look at them: so many bytes, the oldest go first.

Thread safe. Knows nothing of visitors: who holds a key has the recording.
"""

import secrets
from collections import OrderedDict
from threading import Lock

from ldm.explain.recording import Recording

MAX_BYTES = 512 << 20


class Shelf:
    """Recordings by keys that cannot be guessed; what was looked at longest ago goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[str, Recording] = OrderedDict()
        self._lock = Lock()

    def put(self, recording: Recording) -> str:
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[key] = recording
            while self._bytes() > self.max_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> Recording | None:
        """The recording, or None where there is none any more."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def drop(self, key: str) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def _bytes(self) -> int:
        return sum(recording.nbytes for recording in self._kept.values())
