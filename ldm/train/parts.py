"""Parts of drawings to be painted by the U-Net while it sees the rest as it is.

Inpainting shows the model what surrounds a part only through noise, unless it has learned to be
shown it clean, as models for inpainting are (Rombach et al. 2022, arXiv 2112.10752, section 4.5).
Here the clean surroundings take the place of the noisy ones in the same channels, so the U-Net
stays the one that draws whole pictures. Who paints over a part says what shall be there, "a red
boat", and not what is around it already: half of the parts are told so. The drawing program knows
where a thing stands and what it is called.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ldm.train.scenes import BACKGROUNDS, CELLS, PLACES, Spec, is_held_out, labels
from ldm.train.scenes.captions.landscape import SceneWriter
from ldm.train.scenes.captions.thing_words import phrase

OF_THINGS = 0.7  # of the parts, where a picture has a thing that can be named
NAMED = 0.7  # of those: told the thing's name alone; of the others the whole picture
MARGIN = (1, 3)  # cells that are painted around a thing, on each side
SIDES = (4, 13)  # cells of other parts, in height and in width

# The element that shows where a subject of a landscape is, if it has another name.
_DRAWN_AS = {
    "man_boat": "boat",
    "woman_boat": "boat",
    "sailboats": "sailboat",
    "cabin": "house",
    "palms": "palm",
    "parasol": "umbrella",
    "umbrellas": "umbrella",
    "umbrella_man": "umbrella",
    "umbrella_woman": "umbrella",
    "cacti": "cactus",
    "cars": "car",
    "pickers": "person",
    "people": "person",
}


def names(spec: Spec, rng: random.Random) -> dict[str, str]:
    """What a picture's things and subjects are called, by the label of their cells."""
    found = {thing.code: phrase(thing, rng).text for thing in spec.things}
    for index, subject in enumerate(spec.subjects):
        alone = replace(spec, subjects=(subject,), options=spec.options if index == 0 else ())
        found[_DRAWN_AS.get(subject, subject)] = SceneWriter(alone, rng).subject_nouns()
    return found


def surrounding(marked: Tensor) -> list[int]:
    """The smallest box [top, left, bottom, right] around the cells of (h, w) that are marked; the
    last two are the first row and column beyond it.
    """
    rows, columns = marked.any(1).nonzero()[:, 0], marked.any(0).nonzero()[:, 0]
    return [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]


def part_of(spec: Spec, cells: Tensor, seed: int) -> tuple[list[int], str]:
    """A thing of a picture: the box around its cells, and its name; [0, 0, 0, 0] and "" if none can
    be named, or its name is held out. cells (CELLS, CELLS): indices of `labels()`.
    """
    rng = random.Random(seed)
    known = labels()
    shown = {known[index] for index in cells.flatten().tolist()} - {*PLACES, *BACKGROUNDS}
    called = {
        label: name
        for label, name in names(spec, rng).items()
        if label in shown and not is_held_out(name)
    }
    if not called:
        return [0, 0, 0, 0], ""
    label = rng.choice(sorted(called))
    return surrounding(cells == known.index(label)), called[label]


@dataclass(frozen=True)
class Parts:
    """A thing of each of N drawings: boxes (N, 4) of cells as `part_of` has them, tokens (N, L) of
    its name.
    """

    boxes: Tensor
    tokens: Tensor

    def choose(self, chosen: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """For drawings of these indices: where to paint, (B, CELLS, CELLS) of bool, and which are
        told the part's name alone, (B,) of bool.
        """
        painted = torch.zeros(len(chosen), CELLS, CELLS, dtype=torch.bool)
        told = torch.zeros(len(chosen), dtype=torch.bool)

        def draw(low: int, high: int) -> int:
            return int(torch.randint(low, high + 1, (), generator=generator))

        def chance(share: float) -> bool:
            return bool(torch.rand((), generator=generator) < share)

        for row, index in enumerate(chosen):
            top, left, bottom, right = self.boxes[index].tolist()
            if bottom and chance(OF_THINGS):
                top, left = (max(0, start - draw(*MARGIN)) for start in (top, left))
                bottom, right = bottom + draw(*MARGIN), right + draw(*MARGIN)
                told[row] = chance(NAMED)
            else:
                height, width = draw(*SIDES), draw(*SIDES)
                top, left = draw(0, CELLS - height), draw(0, CELLS - width)
                bottom, right = top + height, left + width
            painted[row, top:bottom, left:right] = True
        return painted, told
