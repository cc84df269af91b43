"""Which drawings are learned from next: the more often, the worse the things in them are known.

Drawn alike, a common thing is known long before a rare one is; what is left to learn is in the
drawings of large error (Schaul et al. 2016, arXiv 1511.05952, prioritise so what an agent replays).
"""

import torch
from torch import Tensor

from ldm.train.scenes import labels
from ldm.train.shown import is_ground

SHARES = (0.25, 4.0)  # how far a thing's error is believed to be from the mean of all things'
MEMORY = 0.95  # of what a thing's error was, each time that it is seen again


class Practice:
    """cells (N, CELLS, CELLS): what each drawing shows, as indices of `labels()`.

    A drawing weighs 1, and the mean error of the different things and elements in it, as a multiple
    of the mean of all; 1 for none. The mean and not the sum, which would have pictures of four
    things so often that a caption of one is drawn as four.
    """

    def __init__(self, cells: Tensor) -> None:
        self.shows = torch.zeros(len(cells), len(labels()))
        self.shows.scatter_(1, cells.flatten(1).long(), 1.0)
        self.shows[:, is_ground()] = 0
        self.errors = torch.ones(len(labels()))

    def weights(self) -> Tensor:
        """(N,) how often each drawing is to be chosen, in proportion."""
        count = self.shows.sum(1)
        mean = self.shows @ self.errors.clamp(*SHARES) / count.clamp(min=1)
        return 1 + torch.where(count == 0, 1.0, mean)

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) indices of drawings."""
        return torch.multinomial(self.weights(), count, replacement=True, generator=generator)

    def saw(self, names: Tensor, errors: Tensor) -> None:
        """Take in the errors, (B, h, w), of cells that show `names`, in the same shape."""
        things = ~is_ground()[names]
        if not things.any():
            return
        names, errors = names[things], errors[things]
        seen, place = names.unique(return_inverse=True)
        means = torch.zeros(len(seen)).scatter_reduce_(
            0, place, errors / errors.mean(), "mean", include_self=False
        )
        self.errors[seen] += (1 - MEMORY) * (means - self.errors[seen])
