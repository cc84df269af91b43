"""Class walls: apart from one another, bounded, expiring, and in their teacher's hands alone."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from ldm.ui.how_it_works.classes import (
    CAPTION_CHARACTERS,
    IDLE_SECONDS,
    MAX_POSTS,
    POSTS_EACH,
    SIDE,
    ClassError,
    Classes,
)
from ldm.ui.how_it_works.wall import hung

PICTURE = Image.new("RGB", (512, 256), "teal")


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def captions(classes: Classes, code: str) -> list[str]:
    return [post.caption for post in classes.wall(code).posts]


def test_classes_do_not_see_one_another() -> None:
    classes = Classes(2)
    (first, _), (second, _) = classes.open(), classes.open()
    classes.post(first, "a", PICTURE, "a lake")
    assert captions(classes, first) == ["a lake"]
    assert captions(classes, second) == []


def test_a_host_that_was_not_asked_keeps_none_and_others_so_many() -> None:
    with pytest.raises(ClassError, match="LDM_CLASSES"):
        Classes().open()
    classes = Classes(1)
    classes.open()
    with pytest.raises(ClassError, match="as many"):
        classes.open()


def test_only_the_teacher_takes_down() -> None:
    classes = Classes(2)
    (code, key), (_, others_key) = classes.open(), classes.open()
    for caption in ("one", "two"):
        classes.post(code, "a", PICTURE, caption)
    number = classes.wall(code).posts[0].number
    for wrong in ("", others_key, "é"):
        assert not classes.is_teacher(code, wrong)
        with pytest.raises(ClassError, match="Only the teacher"):
            classes.remove(code, wrong, number)
        with pytest.raises(ClassError, match="Only the teacher"):
            classes.clear(code, wrong)
    classes.remove(code, key, number)
    assert captions(classes, code) == ["two"]
    classes.clear(code, key)
    assert captions(classes, code) == []


def test_a_class_ends_when_nobody_has_used_it() -> None:
    clock = Clock()
    classes = Classes(1, clock)
    code, _ = classes.open()
    clock.at = IDLE_SECONDS - 1
    classes.wall(code)  # a look counts as use
    clock.at += IDLE_SECONDS - 1
    assert classes.wall(code).posts == ()
    clock.at += IDLE_SECONDS + 1
    with pytest.raises(ClassError, match="ended"):
        classes.wall(code)
    classes.open()  # there is room again


def test_a_wall_is_bounded() -> None:
    classes = Classes(1)
    code, _ = classes.open()
    for i in range(POSTS_EACH + 1):
        classes.post(code, "a", PICTURE, f"{i}" * 1000)
    posts = classes.wall(code).posts
    assert [post.caption[0] for post in posts] == ["1", "2", "3"]
    assert all(len(post.caption) == CAPTION_CHARACTERS for post in posts)
    with Image.open(BytesIO(posts[0].jpeg)) as kept:
        assert kept.size == (SIDE, SIDE // 2)
    for i in range(MAX_POSTS - POSTS_EACH):
        classes.post(code, f"student {i}", PICTURE, "")
    with pytest.raises(ClassError, match="full"):
        classes.post(code, "late", PICTURE, "")
    classes.post(code, "a", PICTURE, "in place of an own one")


def test_thirty_post_at_once() -> None:
    classes = Classes(1)
    code, _ = classes.open()
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda i: classes.post(code, f"{i}", PICTURE, f"{i}"), range(30)))
    wall = classes.wall(code)
    assert sorted(int(post.caption) for post in wall.posts) == [*range(30)]
    assert len({post.number for post in wall.posts}) == 30
    assert wall.version == 30


def test_captions_on_the_wall_are_escaped_and_only_teachers_get_buttons() -> None:
    classes = Classes(1)
    code, _ = classes.open()
    classes.post(code, "a", PICTURE, '<b onclick="x">')
    posts = classes.wall(code).posts
    assert "<b onclick" not in hung(posts, True)
    assert "data-choice" in hung(posts, True)
    assert "data-choice" not in hung(posts, False)
