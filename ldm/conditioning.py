"""What the U-Net is told beside latents and timestep, and how a recipe's words become it.

Owns which of it a family needs: text states, pooled text, picture sizes, an embedded guidance
scale. Knows nothing of noise levels, samplers or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ldm.checkpoints.load import Checkpoint
from ldm.models.config import SizeEmbedding
from ldm.models.k_unet import NOISE_NUMBERS, KUNet2DConditionModel
from ldm.models.unet import UNet2DConditionModel
from ldm.recipe import Recipe

# The aesthetic scores that XL's refiner is told of what is wanted and what is not, from 0 to 10, as
# every program has them.
SCORE, NEGATIVE_SCORE = 6.0, 2.5


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One row's, or with more in the first dimension that of all rows of a U-Net call.

    Attributes:
        states: (1, L, D) of the text; None for models that read none.
        pooled: (1, P) of the text (SDXL).
        time_ids: (1, 5 or 6) sizes, crops, score (SDXL).
        class_labels: what an upscaler is told of its input: (1,) the level of the noise in it, or
            (1, K) that and the pooled text.
        guidance: (1,) guidance scale less 1 that the U-Net embeds (LCM).
    """

    states: Tensor | None = None
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    class_labels: Tensor | None = None
    guidance: Tensor | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """What must agree for two rows to share a U-Net call: which parts are there, how large."""
        parts = (getattr(self, field.name) for field in fields(self))
        return tuple(None if part is None else tuple(part.shape[1:]) for part in parts)


def stack(conditionings: Sequence[Conditioning]) -> Conditioning:
    """Those of several rows as one. Their kinds must agree."""

    def joined(part: Callable[[Conditioning], Tensor | None]) -> Tensor | None:
        values = [value for each in conditionings if (value := part(each)) is not None]
        return torch.cat(values) if values else None

    return Conditioning(
        states=joined(lambda each: each.states),
        pooled=joined(lambda each: each.pooled),
        time_ids=joined(lambda each: each.time_ids),
        class_labels=joined(lambda each: each.class_labels),
        guidance=joined(lambda each: each.guidance),
    )


def _time_ids(sizes: SizeEmbedding, recipe: Recipe, pooled: Tensor, negative: bool) -> Tensor:
    """(1, 5 or 6): the sizes that XL's models are told, for a picture that was never cropped.

    Podell et al. 2023 (2307.01952), section 2.2: original height and width, top and left of the
    crop; then the target height and width, or for the refiner an aesthetic score.
    """
    size = [recipe.height, recipe.width]
    if sizes.numbers(pooled.shape[-1]) == 6:
        numbers = [*size, 0, 0, *size]
    else:
        numbers = [*size, 0, 0, NEGATIVE_SCORE if negative else SCORE]
    return torch.tensor([numbers], dtype=torch.float32, device=pooled.device)


def _class_labels(checkpoint: Checkpoint, recipe: Recipe, pooled: Tensor | None) -> Tensor | None:
    unet, device = checkpoint.unet, checkpoint.device
    if isinstance(unet, KUNet2DConditionModel) and pooled is not None:
        # Level 0: its cosines are 1 and its sines 0. The authors add no noise to what is given,
        # which would only make the result less like it.
        half = NOISE_NUMBERS // 2
        level = [pooled.new_ones(1, half), pooled.new_zeros(1, half)]
        return torch.cat([*level, pooled], dim=1)
    if isinstance(unet, UNet2DConditionModel) and unet.config.num_class_embeds is not None:
        return torch.tensor([recipe.noise_level], device=device)
    return None


def conditionings(
    checkpoint: Checkpoint, recipe: Recipe
) -> tuple[Conditioning, Conditioning | None]:
    """The prompt's conditioning, and the negative prompt's where guidance compares the two.

    A U-Net that is told the guidance scale is compared with nothing. To be called with the recipe's
    LoRAs in the weights (see `Checkpoint.using`). Raises PromptError for a caption that cannot be
    encoded.
    """
    if checkpoint.text_encoder is None:
        return Conditioning(), None
    scale = recipe.guidance_scale
    config = checkpoint.unet.config if isinstance(checkpoint.unet, UNet2DConditionModel) else None
    embedded = config is not None and config.time_cond_proj_dim is not None
    sizes = None if config is None else config.size_embedding
    guided = scale != 1 and not embedded
    # Unused, a long negative prompt must not lengthen the prompt's states either.
    captions = [recipe.prompt, *([recipe.negative_prompt] if guided else [])]
    text = checkpoint.captions.encode(
        checkpoint.text_encoder, captions, recipe.clip_skip, checkpoint.loras.used
    )
    guidance = torch.tensor([scale - 1], device=text.states.device) if embedded else None

    def row(index: int) -> Conditioning:
        negative = index == 1
        zero = negative and checkpoint.zero_empty_negative and not recipe.negative_prompt.strip()
        states = text.states[index : index + 1]
        pooled = None if text.pooled is None else text.pooled[index : index + 1]
        own = None if sizes is None else pooled
        return Conditioning(
            states=torch.zeros_like(states) if zero else states,
            pooled=torch.zeros_like(own) if zero and own is not None else own,
            time_ids=None
            if own is None or sizes is None
            else _time_ids(sizes, recipe, own, negative),
            class_labels=_class_labels(checkpoint, recipe, pooled),
            guidance=guidance,
        )

    return row(0), row(1) if guided else None
