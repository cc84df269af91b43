"""A request's rows: each a picture on its way, with its own sampler and random numbers.

Does not know the tasks (see `starts`) or the model's evaluation (see `request`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from ldm.checkpoints.load import Checkpoint
from ldm.conditioning import Conditioning, conditionings
from ldm.diffusion.samplers import SAMPLERS, Steps, initial
from ldm.pipeline.starts import Start, start_of
from ldm.recipe import Recipe


class Watcher(Protocol):
    """Someone who looks at what the model does with one row, at each of its evaluations."""

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


@dataclass(eq=False)
class Row:
    """One picture on its way: its sampler, where that stands, and what the model is told.

    x (1, C, h, w) float32 on the model's device, sigma: what the sampler wants denoised next; x0:
    the last answer. conditional, unconditional: the prompt's conditioning and the negative
    prompt's (None without guidance). original (1, C, h, w) and repaint (1, 1, h, w) in 0..1:
    inpainting's latents to keep and where not to keep them. extra (1, K, h, w): channels that
    follow the latents into the U-Net.
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
    extra: Tensor | None = None
    picture: Image.Image | None = None  # the given picture as fitted, to be pasted back
    mask: Image.Image | None = None  # feathered, of the same size
    x0: Tensor | None = None
    finished: bool = False
    watcher: Watcher | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """Rows of one kind can share a U-Net call."""
        extra = None if self.extra is None else tuple(self.extra.shape)
        model, loras = self.recipe.model, self.recipe.loras
        return model, loras, tuple(self.x.shape), extra, self.conditional.kind

    @property
    def step(self) -> int:
        """How many of the sampler's steps are done."""
        total = len(self.sigmas) - 1
        return total if self.finished else int((self.sigmas[:-1] > self.sigma).sum())

    def take(self, x0: Tensor) -> None:
        """Hand the denoised latents to the sampler and let it say what it wants next."""
        if self.original is not None and self.repaint is not None:
            # Known latents replace the prediction itself, before the sampler uses it: every noise
            # level of every sampler then agrees with them, and no noise has to be made for them.
            x0 = self.original + self.repaint * (x0 - self.original)
        self.x0 = x0
        try:
            self.x, self.sigma = self.steps.send(x0)
        except StopIteration as stop:
            self.x, self.finished = stop.value, True


def with_noise(start: Start, generator: torch.Generator) -> Tensor | None:
    """The extra channels with this picture's share of noise: Ho et al., 2006.11239, eq. 4."""
    if start.extra is None or start.extra_signal == 1:
        return start.extra
    noise = torch.randn(start.extra.shape, generator=generator).to(start.extra)
    return start.extra_signal**0.5 * start.extra + (1 - start.extra_signal) ** 0.5 * noise


@torch.no_grad()
def prepare(
    checkpoint: Checkpoint, recipe: Recipe, init_image: Image.Image | None, mask: Image.Image | None
) -> list[Row]:
    """The rows of a request, one for each of its pictures, standing at their first step.

    init_image: RGB; mask: L of the same size. Both are brought to the recipe's size by covering it
    and cropping. Raises ValueError (of ldm.imaging or ldm.diffusion) that names the field.
    """
    checkpoint.loras.use(recipe.loras)  # the text model's weights change with them, too
    conditional, unconditional = conditionings(checkpoint, recipe)
    sampler = SAMPLERS[recipe.sampler]
    start = start_of(checkpoint, recipe, init_image, mask)
    factor = checkpoint.vae.factor
    shape = (1, checkpoint.vae.latent_channels, recipe.height // factor, recipe.width // factor)

    rows = []
    for index in range(recipe.num_images):
        alone = recipe.for_image(index)
        # On the CPU for every device: a seed means the same numbers everywhere.
        generator = torch.Generator().manual_seed(alone.seed)
        extra = with_noise(start, generator)

        def noise(generator: torch.Generator = generator) -> Tensor:
            return torch.randn(shape, generator=generator).to(checkpoint.device)

        if start.latents is None:
            x = initial(noise(), start.sigmas)
        else:
            x = start.latents + float(start.sigmas[0]) * noise()
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
                extra=extra,
                picture=start.picture,
                mask=start.mask,
            )
        )
    return rows
