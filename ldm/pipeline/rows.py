"""A request's rows: each a picture on its way, with its own sampler and random numbers.

Does not know the tasks (see `starts`) or the model's evaluation (see `calls`).
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from ldm.checkpoints.load import Checkpoint
from ldm.conditioning import Conditioning, conditionings
from ldm.diffusion.denoiser import scale_input
from ldm.diffusion.samplers import SAMPLERS, Steps, initial
from ldm.imaging.region import Region, region_around, size_for
from ldm.models.layers import Context
from ldm.pipeline.checks import size_step
from ldm.pipeline.starts import Start, start_of
from ldm.recipe import Recipe


class Watcher(Protocol):
    """Someone who looks at what the model does with one row, at each of its evaluations.

    changes: whether it does something else than looking at the prompt's place, so that both of the
    row's places must be there from the first layer to the last (see `calls.may_share`).
    """

    @property
    def changes(self) -> bool: ...

    def watch(
        self, row: "Row", unet: nn.Module, places: Sequence[int]
    ) -> AbstractContextManager[None]:
        """What surrounds the U-Net call. places: the row's in the call's batch, the prompt's first,
        then the negative prompt's where there is one. Other rows must stay as they are.
        """
        ...

    def saw(
        self, row: "Row", conditional: Tensor, unconditional: Tensor | None, x0: Tensor
    ) -> None:
        """The clean latents (1, C, h, w) that each prediction stands for, and those of the two
        combined, before `row` takes these.
        """
        ...


class DrawingError(RuntimeError):
    """Nothing was wrong with the request, and yet there is no picture; the text says why."""


NO_PICTURE = (
    "the model put out numbers that are no picture; another seed or a lower guidance may help"
)


@dataclass(frozen=True, eq=False)
class Told:
    """What a U-Net call is told beside latents.

    parts: of each place of the call; stacked: of all; context: the states of the text in the
    U-Net's number type, projected where it can do that once for many steps.
    """

    parts: tuple[Conditioning, ...]
    stacked: Conditioning
    context: Tensor | Context | None


@dataclass(frozen=True, eq=False)
class Answer:
    """What the model says to one row.

    Clean latents (1, C, h, w): x0 as guidance combines them, those of the prompt alone, and those
    of the negative prompt where there is guidance. finite: whether x0 is. deep: of each
    of the row's places, what the U-Net's deep levels gave, where they ran and the row keeps it.
    """

    x0: Tensor
    conditional: Tensor
    unconditional: Tensor | None
    finite: bool
    deep: tuple[Tensor, ...] = ()


@dataclass(eq=False)
class Row:
    """One picture on its way: its sampler, where that stands, and what the model is told.

    x (1, C, h, w) float32 on the model's device, sigma: what the sampler wants denoised next; x0:
    the last answer. conditional, unconditional: the prompt's conditioning and the negative
    prompt's (None without guidance). original (1, C, h, w) and repaint (1, 1, h, w) in 0..1:
    inpainting's latents to keep and where not to keep them; clean: the U-Net sees them as they are.
    extra (1, K, h, w): channels that follow the latents into the U-Net.
    """

    recipe: Recipe
    steps: Steps
    sigmas: Tensor
    x: Tensor
    sigma: float
    conditional: Conditioning
    unconditional: Conditioning | None
    original: Tensor | None = None
    repaint: Tensor | None = None
    clean: bool = False
    extra: Tensor | None = None
    picture: Image.Image | None = None  # the given picture as fitted, to be pasted back
    mask: Image.Image | None = None  # feathered, of the same size
    region: Region | None = None  # what these two are of, where only a part is drawn
    x0: Tensor | None = None
    finished: bool = False
    watcher: Watcher | None = None
    told: Told | None = None  # of the call that it comes first in
    guided_sigmas: tuple[float, float] = (0.0, math.inf)  # between which guidance acts
    evaluations: int = 0
    deep: tuple[Tensor, ...] = ()  # of each of its places, what the U-Net's deep levels last gave

    @property
    def is_guided(self) -> bool:
        """Whether it takes a second place in the next call, for the negative prompt."""
        lowest, highest = self.guided_sigmas
        return self.unconditional is not None and lowest < self.sigma <= highest

    @property
    def is_shallow(self) -> bool:
        """Whether the U-Net's deep levels are spared in the next call."""
        due = self.evaluations % self.recipe.cache_interval == 0
        return not due and len(self.deep) == 1 + self.is_guided

    @property
    def kind(self) -> tuple[object, ...]:
        """Rows of one kind can share a U-Net call."""
        extra = None if self.extra is None else tuple(self.extra.shape)
        model, loras = self.recipe.model, self.recipe.loras
        speed = self.is_shallow, self.recipe.token_merging_ratio
        return model, loras, tuple(self.x.shape), extra, self.conditional.kind, *speed

    @property
    def step(self) -> int:
        """How many of the sampler's steps are done."""
        total = len(self.sigmas) - 1
        return total if self.finished else int((self.sigmas[:-1] > self.sigma).sum())

    @property
    def seen(self) -> Tensor:
        """What can be shown of it (1, C, h, w): the last answer, or the noise of its start."""
        if self.x0 is not None:
            return self.x0
        return scale_input(self.x, torch.tensor([self.sigma], dtype=torch.float64))

    def shown(self, sample: Tensor) -> Tensor:
        """What the U-Net sees of its noisy latents (1, C, h, w): where they are kept and it can
        read them so, the clean ones (Rombach et al., 2112.10752, section 4.5, in the same
        channels).
        """
        if not self.clean or self.original is None or self.repaint is None:
            return sample
        return torch.where(self.repaint > 0, sample, self.original)

    def take(self, answer: Answer) -> None:
        """Hand the denoised latents to the sampler and let it say what it wants next.

        Raises DrawingError for numbers that are no picture, and what the watcher raises.
        """
        x0 = answer.x0
        if not answer.finite:
            raise DrawingError(NO_PICTURE)
        self.evaluations += 1
        if answer.deep:
            self.deep = answer.deep
        if self.watcher is not None:
            self.watcher.saw(self, answer.conditional, answer.unconditional, x0)
        if self.original is not None and self.repaint is not None:
            # Known latents replace the prediction itself, before the sampler uses it: every noise
            # level of every sampler then agrees with them, and no noise has to be made for them.
            x0 = self.original + self.repaint * (x0 - self.original)
        self.x0 = x0
        try:
            self.x, self.sigma = self.steps.send(x0)
        except StopIteration as stop:
            self.x, self.finished, self.told, self.deep = stop.value, True, None, ()


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """From `start` (0) to `end` (1) along the great circle: Shoemake, SIGGRAPH 1985, section 3.3.

    Between two standard normals it keeps their length, and so the variance, where a straight line
    would lose up to half of it.
    """
    cosine = (start * end).sum() / (start.norm() * end.norm())
    angle = cosine.clamp(-1, 1).arccos()
    if angle == 0:
        return start
    along = torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end
    return along / torch.sin(angle)


def varied(noise: Tensor, recipe: Recipe) -> Tensor:
    """The first noise of a picture, blended into that of the recipe's variation seed."""
    if recipe.variation_strength == 0:
        return noise
    generator = torch.Generator().manual_seed(recipe.variation_seed)
    other = torch.randn(noise.shape, generator=generator).to(noise)
    return slerp(noise, other, recipe.variation_strength)


def with_noise(start: Start, generator: torch.Generator) -> Tensor | None:
    """The extra channels with this picture's share of noise: Ho et al., 2006.11239, eq. 4."""
    if start.extra is None or start.extra_signal == 1:
        return start.extra
    noise = torch.randn(start.extra.shape, generator=generator).to(start.extra)
    return start.extra_signal**0.5 * start.extra + (1 - start.extra_signal) ** 0.5 * noise


def region_of(recipe: Recipe, init_image: Image.Image, mask: Image.Image) -> Region:
    """The part around the mask that the recipe draws alone. Raises ImageError for an empty mask."""
    box = region_around(mask, recipe.padding_mask_crop or 0, (recipe.width, recipe.height))
    return Region(init_image, mask, box)


@torch.no_grad()
def prepare(
    checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image | None, mask: Image.Image | None
) -> list[Row]:
    """The rows of a request, one for each of its pictures, standing at their first step.

    init_image: RGB; mask: L of the same size. Both are brought to the recipe's size by covering it
    and cropping, or their part around the mask to about that size. Raises ValueError (of
    ldm.imaging or ldm.diffusion) that names the field.
    """
    region, drawn = None, recipe
    if recipe.padding_mask_crop is not None and init_image is not None and mask is not None:
        region = region_of(recipe, init_image, mask)
        size = size_for(region.box, (recipe.width, recipe.height), size_step(checkpoint))
        init_image, mask = region.cut_out(size)
        drawn = replace(recipe, width=size[0], height=size[1])
    recipes = [recipe.for_image(index) for index in range(recipe.num_images)]
    told: dict[tuple[str, str], tuple[Conditioning, Conditioning | None]] = {}
    with checkpoint.using(recipe.loras):  # the text model's weights change with them, too
        for alone in recipes:
            captions = alone.prompt, alone.negative_prompt
            if captions not in told:
                said = replace(drawn, prompt=captions[0], negative_prompt=captions[1])
                told[captions] = conditionings(checkpoint, said)
    sampler = SAMPLERS[recipe.sampler]
    guided_sigmas = checkpoint.noise_schedule.guided_sigmas(
        recipe.guidance_start, recipe.guidance_end
    )
    with checkpoint.autoencoding():
        start = start_of(checkpoint, drawn, init_image, mask)
    factor = checkpoint.vae.factor
    shape = (1, checkpoint.vae.latent_channels, drawn.height // factor, drawn.width // factor)

    rows = []
    for alone in recipes:
        conditional, unconditional = told[alone.prompt, alone.negative_prompt]
        # On the CPU for every device: a seed means the same numbers everywhere.
        generator = torch.Generator().manual_seed(alone.seed)
        extra = with_noise(start, generator)

        def noise(generator: torch.Generator = generator) -> Tensor:
            return torch.randn(shape, generator=generator).to(checkpoint.device)

        first = varied(noise(), alone)
        if start.latents is None:
            x = initial(first, start.sigmas)
        else:
            x = start.latents + float(start.sigmas[0]) * first
        steps = sampler.function(x, start.sigmas, noise)
        x, sigma = next(steps)
        rows.append(
            Row(
                recipe=alone,
                steps=steps,
                sigmas=start.sigmas,
                x=x,
                sigma=sigma,
                conditional=conditional,
                unconditional=unconditional,
                original=start.original,
                repaint=start.repaint,
                clean=start.clean,
                extra=extra,
                picture=start.picture,
                mask=start.mask,
                region=region,
                guided_sigmas=guided_sigmas,
            )
        )
    return rows
