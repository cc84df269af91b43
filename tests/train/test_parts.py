"""Parts that are painted alone: where they are, what they are called, and how they are learned."""

import random
import re

import pytest
import torch

from ldm.train import parts
from ldm.train.parts import Parts, part_of, surrounding
from ldm.train.scenes import (
    CELLS,
    Spec,
    SpriteStore,
    Thing,
    drawing_seed,
    is_held_out,
    labels,
    shown,
    spec_of,
)
from ldm.train.scenes.things.catalogue import concepts

NOTHING = ([0, 0, 0, 0], "")


def cells_of(spec: Spec, seed: int, sprites: SpriteStore | None) -> torch.Tensor:
    return torch.from_numpy(shown(spec, drawing_seed(seed), sprites))[0]


def test_the_smallest_box() -> None:
    marked = torch.zeros(8, 8, dtype=torch.bool)
    marked[2, 3] = marked[5, 6] = True
    assert surrounding(marked) == [2, 3, 6, 7]


def test_a_thing_is_called_by_its_own_name(sprites: SpriteStore) -> None:
    """Of two things either one, each by a name that the other does not have."""
    first, second = [c for c in concepts() if c.core and not c.unfit and not c.face][:2]
    things = tuple(
        Thing(each.name, each.code, "noto", where=where)
        for each, where in ((first, "left"), (second, "right"))
    )
    spec = Spec("", "", "", things=things, background="white")
    cells = cells_of(spec, 0, sprites)
    found = {part_of(spec, cells, seed)[1]: part_of(spec, cells, seed)[0] for seed in range(40)}
    for concept, left in ((first, True), (second, False)):
        names = [*concept.names, *concept.plurals]
        mine = [text for text in found if any(name in text for name in names)]
        assert mine
        for text in mine:
            top, start, bottom, end = found[text]
            assert (end <= CELLS // 2 + 1) if left else (start >= CELLS // 2 - 1)
            box = torch.zeros(CELLS, CELLS, dtype=torch.bool)
            box[top:bottom, start:end] = True
            assert box[cells == labels().index(concept.code)].all()


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("boat", r"^an? .*(boat|dinghy|rowboat)$"),
        ("man_boat", r"(man|person|fisherman|someone) .*boat$"),
        ("sailboat", r"^a .*(sailboat|sails|yacht|sailing boat)$"),
    ],
)
def test_a_subject_of_a_landscape_has_its_colour(subject: str, words: str) -> None:
    spec = Spec("lake", "day", "clear", subjects=(subject,), options=("red",))
    cells = cells_of(spec, 3, None)
    texts = [part_of(spec, cells, seed)[1] for seed in range(20)]
    said = [text for text in texts if text]
    assert len(said) > 10 and any("red" in text for text in said)
    for text in said:
        assert re.search(words, text), text
        assert "lake" not in text and "{" not in text


def test_pictures_without_anything_to_name_have_no_part() -> None:
    spec = Spec("lake", "day", "clear")
    assert part_of(spec, cells_of(spec, 0, None), 0) == NOTHING


def test_no_name_is_one_that_is_held_out(sprites: SpriteStore) -> None:
    for seed in range(150):
        spec = spec_of(seed, sprites)
        _, text = part_of(spec, cells_of(spec, seed, sprites), seed)
        assert not text or not is_held_out(text)


def test_names_follow_from_the_seed(sprites: SpriteStore) -> None:
    spec = spec_of(5, sprites)
    cells = cells_of(spec, 5, sprites)
    random.seed(1)
    assert part_of(spec, cells, 5) == part_of(spec, cells, 5)


def test_what_is_painted_covers_the_thing_that_is_told() -> None:
    """With one to three cells more on each side, as far as there are any; other parts are as large
    as they may be, and told the whole picture."""
    boxes = torch.tensor([[4, 5, 8, 9], [0, 0, 0, 0], [0, 10, 5, 16]])
    chosen = Parts(boxes, torch.zeros(3, 4, dtype=torch.int64))
    generator = torch.Generator().manual_seed(0)
    counts = {"told": 0, "all": 0}
    for _ in range(100):
        painted, told = chosen.choose([0, 1, 2], generator)
        assert painted.shape == (3, CELLS, CELLS) and not told[1]
        for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
            box = surrounding(painted[row])
            assert painted[row].sum() == (box[2] - box[0]) * (box[3] - box[1])
            if told[row]:
                low, high = parts.MARGIN
                for found, own, sign in zip(
                    box, (top, left, bottom, right), (1, 1, -1, -1), strict=True
                ):
                    edge = 0 if sign > 0 else CELLS
                    assert low <= sign * (own - found) <= high or found == edge
            elif row == 1:
                assert parts.SIDES[0] <= box[2] - box[0] <= parts.SIDES[1]
        counts["told"] += int(told[[0, 2]].sum())
        counts["all"] += 2
    share = parts.OF_THINGS * parts.NAMED  # within four standard deviations of 200 draws
    assert abs(counts["told"] / counts["all"] - share) < 4 * (share * (1 - share) / 200) ** 0.5
