"""Class walls: what students of a class have posted, for their class alone, in memory, for hours.

Owns who may see, post and remove, and every limit. A class has a code, which its students' link
holds, and a key, which only its teacher's link holds. Of a student nothing is kept but the name of
their page's session, to count their posts. Thread safe. Knows no components.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from PIL import Image

from ldm.imaging import encode_jpeg
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.texts import say

IDLE_SECONDS = 4 * 3600  # without a post or a look, after which a class has ended
MAX_POSTS = 60  # on a wall
POSTS_EACH = 3  # of one student; a further one takes the place of their oldest
SIDE, QUALITY = 384, 85  # of a posted picture
CAPTION_CHARACTERS = 300


class ClassError(LabError):
    """What a class does not allow, said in a sentence."""


@dataclass(frozen=True)
class Post:
    """A picture on the wall: its number there, JPEG bytes, caption, and whose session posted it."""

    number: int
    jpeg: bytes
    caption: str
    by: str


@dataclass(eq=False)
class _Class:
    key: str
    used: float
    posts: list[Post] = field(default_factory=list)
    changes: int = 0
    count: int = 0  # of all posts ever, which numbers them


@dataclass(frozen=True)
class Wall:
    """A wall as it stands. version: another one wherever anything has changed."""

    version: int
    posts: tuple[Post, ...]


def _small(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return encode_jpeg(small, QUALITY)


class Classes:
    """All classes of a host. most: at once; 0 where the host keeps none."""

    def __init__(self, most: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self.most, self._now = most, now
        self._classes: dict[str, _Class] = {}
        self._lock = Lock()

    def _tidy(self) -> None:
        now = self._now()
        for code in [c for c, each in self._classes.items() if now - each.used > IDLE_SECONDS]:
            del self._classes[code]

    def _of(self, code: str) -> _Class:
        """The class, which counts as used. Raises ClassError where it is not there."""
        self._tidy()
        found = self._classes.get(code)
        if found is None:
            raise ClassError(say("class_ended"))
        found.used = self._now()
        return found

    def _for_teacher(self, code: str, key: str) -> _Class:
        found = self._of(code)
        if not secrets.compare_digest(found.key.encode(), key.encode()):
            raise ClassError(say("class_not_yours"))
        return found

    def open(self) -> tuple[str, str]:
        """A new class: its code and its teacher's key. Raises ClassError where there are too
        many.
        """
        with self._lock:
            self._tidy()
            if len(self._classes) >= self.most:
                raise ClassError(say("class_none" if not self.most else "class_full"))
            code, key = secrets.token_urlsafe(6), secrets.token_urlsafe(16)
            self._classes[code] = _Class(key, self._now())
            return code, key

    def wall(self, code: str) -> Wall:
        with self._lock:
            found = self._of(code)
            return Wall(found.changes, tuple(found.posts))

    def is_teacher(self, code: str, key: str) -> bool:
        with self._lock:
            return secrets.compare_digest(self._of(code).key.encode(), key.encode())

    def post(self, code: str, by: str, image: Image.Image, caption: str) -> None:
        """Put a picture on the wall. Raises ClassError where the wall is full."""
        jpeg = _small(image)
        with self._lock:
            found = self._of(code)
            own = [post for post in found.posts if post.by == by]
            if len(own) >= POSTS_EACH:
                found.posts.remove(own[0])
            if len(found.posts) >= MAX_POSTS:
                raise ClassError(say("class_wall_full", most=MAX_POSTS))
            found.count += 1
            found.changes += 1
            found.posts.append(Post(found.count, jpeg, caption[:CAPTION_CHARACTERS], by))

    def remove(self, code: str, key: str, number: int) -> None:
        """Take one picture down. Raises ClassError for anyone but the teacher."""
        with self._lock:
            found = self._for_teacher(code, key)
            found.posts = [post for post in found.posts if post.number != number]
            found.changes += 1

    def clear(self, code: str, key: str) -> None:
        """Take all pictures down. Raises ClassError for anyone but the teacher."""
        with self._lock:
            found = self._for_teacher(code, key)
            found.posts = []
            found.changes += 1
