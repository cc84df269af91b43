"""What is kept of a run for its explanation: how much, for how long, and what can be read from it.

A `Recorder` watches one row. It keeps a frame of each evaluation of the model, or of every second,
third and so on where all would take too much: the thinning is even, and the last step is always
kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ldm.checkpoints.load import Checkpoint
from ldm.conditioning import Conditioning
from ldm.diffusion.denoiser import scale_input, to_epsilon
from ldm.diffusion.samplers import SAMPLERS
from ldm.explain.attention import clearest, map_size, told_of_words
from ldm.explain.edits import Edit, edited
from ldm.explain.measures import distance
from ldm.explain.tokens import Place, Word, places_of, words_of
from ldm.pipeline import Row
from ldm.recipe import Recipe

MAX_FRAMES = 50
MAX_BYTES = 64 << 20  # of one run's frames
MAX_CELLS = 64 * 64  # of a stored map; a finer one is averaged over neighbouring cells


def _per_sigma(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """A batch of one and its noise level, as `ldm.diffusion.denoiser` wants them."""
    return x[None], torch.tensor([sigma], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Frame:
    """One evaluation of the model: what it was given and what it answered, on the CPU.

    Attributes:
        index: of the evaluation, from 0; a step of some samplers takes two.
        sigma: its noise level.
        x: (C, h, w) float32, x = x0 + sigma * noise.
        x0: the clean latents that the sampler was given, guidance included.
        of_prompt, of_negative: the clean latents that each prediction stands for; the second is
            None without guidance.
        maps: where each cell looks: cross-attention layer -> (rows, columns, L) float16, the mean
            of its heads; the L numbers of a cell add up to 1.
    """

    index: int
    sigma: float
    x: Tensor
    x0: Tensor
    of_prompt: Tensor
    of_negative: Tensor | None
    maps: Mapping[str, Tensor]

    @property
    def latents(self) -> Tensor:
        """(C, h, w) as the model is given them: x / sqrt(sigma^2 + 1)."""
        return scale_input(*_per_sigma(self.x, self.sigma))[0]

    @property
    def noise(self) -> Tensor:
        """(C, h, w), the noise that the model takes x to hold: x = x0 + sigma * noise."""
        x, sigma = _per_sigma(self.x, self.sigma)
        return to_epsilon(x, self.x0[None], sigma)[0]

    @property
    def guided_by(self) -> Tensor | None:
        """(C, h, w), what the prompt changes: the difference of the two predictions."""
        return None if self.of_negative is None else self.of_prompt - self.of_negative

    @property
    def nbytes(self) -> int:
        parts = [self.x, self.x0, self.of_prompt, *self.maps.values()]
        parts += [] if self.of_negative is None else [self.of_negative]
        return sum(part.nbytes for part in parts)


@dataclass(frozen=True, eq=False)
class Recording:
    """A finished run, as kept for its explanation.

    Attributes:
        recipe: of this picture alone; digest: of the model's weights.
        sigmas: (n + 1,) the levels of its steps.
        asked: the noise level of every evaluation, kept or not; moved: how far the latents (as the
            model is given them) went after each, root mean square.
        frames: the evaluations kept, in order; every: 1 where all are, 2 where every second is ...
        places, words: of the caption, in the order of the maps' L.
        final: (C, h, w) the latents that were decoded.
        conditional, unconditional, extra: what the model was told beside (see `ldm.pipeline.Row`).
        given: the picture, and the mask, that the run started from, where it did.
    """

    recipe: Recipe
    digest: str
    picture: Image.Image
    sigmas: Tensor
    asked: tuple[float, ...]
    moved: tuple[float, ...]
    every: int
    frames: tuple[Frame, ...]
    places: tuple[Place, ...]
    words: tuple[Word, ...]
    final: Tensor
    conditional: Conditioning
    unconditional: Conditioning | None
    extra: Tensor | None
    given: tuple[Image.Image, ...] = ()

    @property
    def nbytes(self) -> int:
        images = (self.picture, *self.given)
        pixels = sum(image.width * image.height * len(image.getbands()) for image in images)
        return pixels + sum(frame.nbytes for frame in self.frames)

    @cached_property
    def clearest_layer(self) -> str:
        """The cross-attention layer whose finest maps tell the words of the caption apart most."""
        maps = [frame.maps for frame in self.frames]
        return clearest(maps, [word.positions for word in self.words])


def pooled(map_: Tensor, most: int) -> Tensor:
    """(rows, columns, L) averaged over blocks of 2 x 2 cells until it has at most so many."""
    while map_.shape[0] * map_.shape[1] > most:
        map_ = F.avg_pool2d(map_.permute(2, 0, 1)[None], 2, ceil_mode=True)[0].permute(1, 2, 0)
    return map_


class Recorder:
    """Watches a row (`ldm.pipeline.Watcher`) and keeps what a `Recording` is made of.

    edits: what is switched off in this row while it is drawn. with_words: keep attention maps.
    """

    def __init__(self, edits: Sequence[Edit] = (), with_words: bool = True) -> None:
        self.edits, self.with_words = tuple(edits), with_words
        self._frames: list[Frame] = []
        self._asked: list[float] = []
        self._moved: list[float] = []
        self._maps: dict[str, Tensor] = {}
        self._before: Tensor | None = None
        self._every = 1
        self._row: Row | None = None

    @property
    def changes(self) -> bool:
        """See `ldm.pipeline.Watcher`."""
        return bool(self.edits)

    def _keeps(self, row: Row) -> bool:
        last_step = row.step >= len(row.sigmas) - 2
        return len(self._asked) % self._every == 0 or last_step

    @contextmanager
    def watch(self, row: Row, unet: nn.Module, places: Sequence[int]) -> Iterator[None]:
        """See `ldm.pipeline.Watcher`."""
        # Levels that are spared answer as they did last: so where they looked then counts.
        self._maps = dict(self._maps) if row.is_shallow else {}
        size = row.x.shape[2:]

        def keep(name: str, probabilities: Tensor) -> None:
            mean = probabilities.mean(0)
            rows, columns = map_size(len(mean), *size)
            map_ = pooled(mean.view(rows, columns, -1), MAX_CELLS)
            self._maps[name] = map_.half().cpu()

        wanted = self.with_words and (self._keeps(row) or row.recipe.cache_interval > 1)
        looking = told_of_words(unet, places[0], keep) if wanted else nullcontext()
        with edited(unet, places, self.edits), looking:
            yield

    def saw(self, row: Row, conditional: Tensor, unconditional: Tensor | None, x0: Tensor) -> None:
        """See `ldm.pipeline.Watcher`."""
        self._row = row
        if self._keeps(row):
            frame = Frame(
                index=len(self._asked),
                sigma=row.sigma,
                x=row.x[0].cpu(),
                x0=x0[0].cpu(),
                of_prompt=conditional[0].cpu(),
                of_negative=None if unconditional is None else unconditional[0].cpu(),
                maps=self._maps,
            )
            self._frames.append(frame)
            if len(self._frames) == 1:
                count = (len(row.sigmas) - 1) * SAMPLERS[row.recipe.sampler].evaluations_per_step
                most = max(2, min(MAX_FRAMES, MAX_BYTES // frame.nbytes))
                self._every = ceil(count / most)
        self._note_move(scale_input(*_per_sigma(row.x[0], row.sigma))[0].cpu())
        self._asked.append(row.sigma)

    def _note_move(self, latents: Tensor) -> None:
        if self._before is not None:
            self._moved.append(distance(latents, self._before))
        self._before = latents

    def recording(
        self, checkpoint: Checkpoint, picture: Image.Image, given: Sequence[Image.Image] = ()
    ) -> Recording:
        """What was kept, once the row has finished. ValueError before that.

        picture: as finished; given: what the run started from.
        """
        row, encoder = self._row, checkpoint.text_encoder
        if row is None or not row.finished:
            raise ValueError("recording: got a run that has not ended, allowed: a finished one")
        final = scale_input(*_per_sigma(row.x[0], float(row.sigmas[-1])))[0].cpu()
        self._note_move(final)
        states, places = row.conditional.states, ()
        if encoder is not None and states is not None:
            places = places_of(encoder, row.recipe.prompt, states.shape[1])
        return Recording(
            recipe=row.recipe,
            digest=checkpoint.digest,
            picture=picture,
            sigmas=row.sigmas,
            asked=tuple(self._asked),
            moved=tuple(self._moved),
            every=self._every,
            frames=tuple(self._frames),
            places=places,
            words=words_of(places, row.recipe.prompt),
            final=final,
            conditional=row.conditional,
            unconditional=row.unconditional,
            extra=row.extra,
            given=tuple(given),
        )
