"""The U-Net call that rows share: what goes in, and what it says to each row.

Does not know what a row makes of the answer (see `rows`), or which rows come together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from ldm.checkpoints.load import Checkpoint
from ldm.conditioning import stack
from ldm.diffusion.denoiser import scale_input, to_x0
from ldm.diffusion.guidance import combine
from ldm.models.compiled import Network
from ldm.models.k_unet import KUNet2DConditionModel
from ldm.models.kinds import UNet
from ldm.models.layers import Context
from ldm.models.unet import UNet2DConditionModel
from ldm.models.unet_2d import UNet2DModel
from ldm.models.unet_blocks import DeepFeatures
from ldm.pipeline.rows import Answer, Row, Told


def told(unet: UNet, rows: Sequence[Row], guided: Sequence[int], dtype: torch.dtype) -> Told:
    """What the rows of a call are told, the prompts' part first, then the negative prompts' of the
    `guided` ones.

    Made anew, keys and values of cross-attention with it, only when other rows come together; the
    first row keeps it for the next step.
    """
    negatives = [rows[index].unconditional for index in guided]
    parts = (*(row.conditional for row in rows), *filter(None, negatives))
    known = rows[0].told
    if known is not None and known.parts == parts:
        return known
    for row in rows:
        row.told = None
    stacked = stack(parts)
    states = None if stacked.states is None else stacked.states.to(dtype)
    context: Tensor | Context | None = states
    if isinstance(unet, UNet2DConditionModel) and states is not None:
        again = torch.tensor(guided, dtype=torch.long, device=states.device)
        context = unet.project(states, rows[0].recipe.token_merging_ratio, again)
    rows[0].told = Told(parts, stacked, context)
    return rows[0].told


def predict(
    unet: UNet,
    network: Network,
    sample: Tensor,
    timesteps: Tensor,
    told: Told,
    deep: DeepFeatures | None = None,
) -> Tensor:
    """A U-Net's raw output (B, C, h, w) for latents (B, C, h, w), with what it is told beside; for
    the first of them, where `may_share`. network: the U-Net, or what was compiled of it.
    """
    beside, context = told.stacked, told.context
    if isinstance(unet, UNet2DModel) or context is None:
        return network(sample, timesteps)
    if isinstance(unet, KUNet2DConditionModel):
        assert beside.class_labels is not None
        # Its last channel is a variance, which no sampler here asks for.
        return network(sample, timesteps, context, beside.class_labels.to(sample.dtype))[:, :-1]
    return network(
        sample,
        timesteps,
        context,
        pooled=beside.pooled,
        time_ids=beside.time_ids,
        class_labels=None if beside.class_labels is None else beside.class_labels[: len(sample)],
        guidance=beside.guidance,
        deep=deep,
    )


def may_share(unet: UNet, rows: Sequence[Row]) -> bool:
    """Whether guided rows' latents go in once for both of their captions, which gives the same.

    Not where somebody changes what the model does with a row, which has to be in its own places.
    """
    changed = any(row.watcher is not None and row.watcher.changes for row in rows)
    told = rows[0].conditional.states is not None
    return isinstance(unet, UNet2DConditionModel) and unet.may_share and told and not changed


def network_for(checkpoint: Checkpoint, rows: Sequence[Row]) -> Network:
    """The compiled U-Net, where there is one, for a picture alone that nobody looks into."""
    plain = len(rows) > 1 or rows[0].watcher is not None or rows[0].recipe.cache_interval > 1
    return checkpoint.unet if plain or checkpoint.compiled is None else checkpoint.compiled


def deep_features(rows: Sequence[Row], guided: Sequence[int]) -> DeepFeatures | None:
    """Those that the rows of a shallow call bring, or a place for those that some want to keep."""
    if rows[0].is_shallow:
        of_prompts = [row.deep[0] for row in rows]
        return DeepFeatures(torch.cat([*of_prompts, *(rows[index].deep[1] for index in guided)]))
    return DeepFeatures() if any(row.recipe.cache_interval > 1 for row in rows) else None


@contextmanager
def watched(unet: UNet, rows: Sequence[Row], guided: Sequence[int]) -> Iterator[None]:
    """Surrounds one U-Net call of `rows`, then of the negative prompts of the `guided` ones, with
    their watchers.
    """
    with ExitStack() as stack:
        for index, row in enumerate(rows):
            if row.watcher is not None:
                negative = [len(rows) + guided.index(index)] if index in guided else []
                stack.enter_context(row.watcher.watch(row, unet, [index, *negative]))
        yield


@torch.no_grad()
def evaluate(checkpoint: Checkpoint, rows: Sequence[Row]) -> list[Answer]:
    """One model evaluation for every row, in one U-Net call. The rows do not move.

    The rows must be of one kind (`Row.kind`). A row with guidance takes two places in the call, one
    without takes one.
    """
    guided = [index for index, row in enumerate(rows) if row.is_guided]
    x = torch.cat([row.x for row in rows])
    sigma = torch.tensor([row.sigma for row in rows], dtype=torch.float64)
    noisy = scale_input(x, sigma)
    sample = torch.cat([row.shown(noisy[[index]]) for index, row in enumerate(rows)])
    extras = [row.extra for row in rows if row.extra is not None]
    if extras:
        sample = torch.cat([sample, torch.cat(extras)], dim=1)
    sample = sample.to(checkpoint.dtype)
    timesteps = checkpoint.noise_schedule.timestep(sigma).to(checkpoint.device)
    unet, deep = checkpoint.unet, deep_features(rows, guided)
    if not may_share(unet, rows):
        sample = torch.cat([sample, sample[guided]])
        timesteps = torch.cat([timesteps, timesteps[guided]])
    with checkpoint.using(rows[0].recipe.loras), watched(unet, rows, guided):
        output = predict(
            unet,
            network_for(checkpoint, rows),
            sample,
            timesteps,
            told(unet, rows, guided, checkpoint.dtype),
            deep,
        ).float()

    conditional, unconditional = output[: len(rows)], output[len(rows) :]
    combined = conditional.clone()
    if guided:
        recipes = [rows[index].recipe for index in guided]
        combined[guided] = combine(
            unconditional,
            conditional[guided],
            torch.tensor([recipe.guidance_scale for recipe in recipes]),
            torch.tensor([recipe.guidance_rescale for recipe in recipes]),
        )

    def clean(output: Tensor, rows: list[int]) -> Tensor:
        return to_x0(output, x[rows], sigma[rows], checkpoint.noise_schedule.prediction_type)

    every = list(range(len(rows)))
    x0 = clean(combined, every)
    of_prompt, of_negative = clean(conditional, every), clean(unconditional, guided)
    finite = x0.isfinite().flatten(1).all(1).tolist()
    negatives = {index: place for place, index in enumerate(guided)}
    keeping = [] if rows[0].is_shallow else [i for i in every if rows[i].recipe.cache_interval > 1]

    def answer(index: int) -> Answer:
        place = negatives.get(index)
        negative = None if place is None else of_negative[[place]]
        kept = ()
        if deep is not None and deep.features is not None and index in keeping:
            places = [index] if place is None else [index, len(rows) + place]
            kept = tuple(deep.features[[each]] for each in places)
        return Answer(x0[[index]], of_prompt[[index]], negative, finite[index], kept)

    return [answer(index) for index in every]


def by_kind(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that can share U-Net calls, together."""
    kinds: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row.kind].append(row)
    return list(kinds.values())


def advance(checkpoint: Checkpoint, rows: Sequence[Row]) -> None:
    """`evaluate` for the rows of each kind, and one move of each row's sampler."""
    for alike in by_kind(rows):
        for row, answer in zip(alike, evaluate(checkpoint, alike), strict=True):
            row.take(answer)
