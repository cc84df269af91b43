"""Merging tokens that are alike before an attention layer, and spreading its answers again.

Token merging for Stable Diffusion (Bolya & Hoffman 2023, arXiv 2303.17604). Of every 2 x 2 tokens
the first stays; of the others those most like one that stays become part of it, as many as are
asked for. Knows nothing of what attends to what.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 2  # tokens a side, of which one stays


def _staying(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of the tokens that stay, and of all others, of height x width tokens in rows."""
    stays = torch.zeros(size, dtype=torch.bool, device=device)
    stays[::BLOCK, ::BLOCK] = True
    return stays.flatten().nonzero()[:, 0], (~stays).flatten().nonzero()[:, 0]


class Merged:
    """Tokens (B, height * width, C) with a share `ratio` of them merged into others.

    Each row of the batch has its own matches, so that a row does not depend on its companions.

    Attributes:
        tokens: (B, n, C), the others first, the staying ones last.
    """

    def __init__(self, x: Tensor, size: tuple[int, int], ratio: float) -> None:
        self._stay, self._others = _staying(size, x.device)
        self._count = x.shape[1]
        merged = min(int(self._count * ratio), len(self._others))
        alike = F.normalize(x, dim=-1)
        likeness = alike[:, self._others] @ alike[:, self._stay].transpose(1, 2)
        best, match = likeness.max(-1)  # (B, others)
        order = best.argsort(dim=-1, descending=True, stable=True)
        self._gone, self._kept = order[:, :merged], order[:, merged:]
        self._match = match.gather(1, self._gone)

        others, stay = x[:, self._others], x[:, self._stay]
        sums = stay.float().scatter_add(1, self._wide(self._match, x), self._take(others).float())
        one = torch.ones(len(x), 1, device=x.device)
        counts = one.repeat(1, stay.shape[1]).scatter_add(
            1, self._match, one.expand_as(self._match)
        )
        means = (sums / counts[..., None]).to(x.dtype)
        self.tokens = torch.cat([others.gather(1, self._wide(self._kept, x)), means], dim=1)

    @staticmethod
    def _wide(indices: Tensor, x: Tensor) -> Tensor:
        """(B, n) -> (B, n, C), for gather and scatter."""
        return indices[..., None].expand(-1, -1, x.shape[-1])

    def _take(self, others: Tensor) -> Tensor:
        return others.gather(1, self._wide(self._gone, others))

    def spread(self, answers: Tensor) -> Tensor:
        """(B, n, C) for `tokens` -> (B, height * width, C); what is merged has its match's."""
        kept = self._kept.shape[1]
        of_kept, of_stay = answers[:, :kept], answers[:, kept:]
        others = answers.new_empty(len(answers), len(self._others), answers.shape[-1])
        others.scatter_(1, self._wide(self._kept, answers), of_kept)
        of_match = of_stay.gather(1, self._wide(self._match, answers))
        others.scatter_(1, self._wide(self._gone, answers), of_match)
        whole = answers.new_empty(len(answers), self._count, answers.shape[-1])
        whole[:, self._stay], whole[:, self._others] = of_stay, others
        return whole
