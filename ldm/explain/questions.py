"""Asking the model about one noise level: single evaluations beside a run, in shared U-Net calls.

Owns rows that end after one evaluation, and what is asked with them: what a block puts out, where a
cell of the picture looks, how large the error is at each noise level of the training.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from ldm.checkpoints.load import Checkpoint
from ldm.diffusion.samplers import Steps
from ldm.explain.attention import map_size, told_of_cells
from ldm.explain.hooks import After, Inputs, after
from ldm.explain.recording import Frame, Recording
from ldm.pipeline import Row, Watcher, advance

ROWS_AT_ONCE = 8


def _one_evaluation(x: Tensor, sigma: float) -> Steps:
    x0 = yield x, sigma
    return x0


def question(
    recording: Recording,
    x: Tensor,
    sigma: float,
    watcher: Watcher | None = None,
    guided: bool = False,
) -> Row:
    """A row that asks what the model makes of x (1, C, h, w) at `sigma`, told what the run was.

    guided: with the negative prompt and guidance, as in the run. What made the run faster at a
    price is left out.
    """
    steps = _one_evaluation(x, sigma)
    next(steps)
    return Row(
        recipe=replace(recording.recipe, cache_interval=1, token_merging_ratio=0.0),
        steps=steps,
        sigmas=torch.tensor([sigma, 0.0], dtype=torch.float64),
        x=x,
        sigma=sigma,
        conditional=recording.conditional,
        unconditional=recording.unconditional if guided else None,
        extra=recording.extra,
        watcher=watcher,
    )


def answers(checkpoint: Checkpoint, rows: Sequence[Row]) -> Tensor:
    """The clean latents (B, C, h, w), on the CPU, that the model sees in each row."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        advance(checkpoint, rows[first : first + ROWS_AT_ONCE])
    return torch.cat([row.x.cpu() for row in rows])


def blocks_of(unet: nn.Module) -> dict[str, nn.Module]:
    """The parts whose output can be looked at, by name, in the order they run in."""
    parts = {"conv_in": unet.get_submodule("conv_in")}
    for name in ("down_blocks", "mid_block", "up_blocks"):
        part = getattr(unet, name)
        if isinstance(part, nn.ModuleList):
            parts |= {f"{name}.{index}": block for index, block in enumerate(part)}
        elif part is not None:
            parts[name] = part
    return parts


@dataclass(eq=False)
class Inside:
    """What was inside the network at one evaluation.

    features: block -> (C, h, w) float32 that it put out. cells: self-attention layer -> (rows,
    columns), where the chosen cell of the picture looks, the mean of the heads; it adds up to 1.
    """

    features: dict[str, Tensor] = field(default_factory=dict)
    cells: dict[str, Tensor] = field(default_factory=dict)


class _Looking:
    """A watcher that fills an `Inside`. cell: (across, down) in 0..1 of the picture."""

    changes = False

    def __init__(self, cell: tuple[float, float]) -> None:
        self.cell, self.inside = cell, Inside()

    @contextmanager
    def watch(self, row: Row, unet: nn.Module, places: Sequence[int]) -> Iterator[None]:
        size = row.x.shape[2:]
        place = places[0]

        def keep(name: str) -> After:
            def note(inputs: Inputs, output: object) -> None:
                out = output[0] if isinstance(output, tuple) else output
                assert isinstance(out, Tensor)
                self.inside.features[name] = out[place].float().cpu()

            return note

        def chosen(cells: int) -> list[int]:
            rows, columns = map_size(cells, *size)
            across, down = (min(max(share, 0.0), 0.999) for share in self.cell)
            return [int(down * rows) * columns + int(across * columns)]

        def tell(name: str, probabilities: Tensor) -> None:
            mean = probabilities.mean(0)[0]
            self.inside.cells[name] = mean.view(map_size(len(mean), *size)).cpu()

        parts = [(module, keep(name)) for name, module in blocks_of(unet).items()]
        with after(parts), told_of_cells(unet, place, chosen, tell):
            yield

    def saw(self, row: Row, conditional: Tensor, unconditional: Tensor | None, x0: Tensor) -> None:
        pass  # the inside alone is asked for


def look_inside(
    checkpoint: Checkpoint,
    recording: Recording,
    frame: Frame,
    cell: tuple[float, float] = (0.5, 0.5),
) -> Inside:
    """What was inside the network at a recorded evaluation, by doing it once more."""
    looking = _Looking(cell)
    x = frame.x[None].to(checkpoint.device)
    answers(checkpoint, [question(recording, x, frame.sigma, looking)])
    return looking.inside


@torch.no_grad()
def errors_by_level(
    checkpoint: Checkpoint,
    recording: Recording,
    latents: Tensor,
    sigmas: Sequence[float],
    seed: int,
) -> tuple[list[float], Tensor]:
    """How well the model finds latents (1, C, h, w) again under noise, at each level.

    Returns the mean squared error of the noise it predicts, the loss of Ho et al. 2020 (2006.11239,
    eq. 14), for each sigma, and the clean latents it predicted (n, C, h, w). All levels get the
    same noise.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator).to(checkpoint.device)
    clean = latents.to(checkpoint.device)
    rows = [question(recording, clean + sigma * noise, sigma) for sigma in sigmas]
    found = answers(checkpoint, rows)
    # The predicted noise is (x - x0) / sigma, so its error is the clean latents' over sigma.
    losses = [
        ((found[i] - clean[0].cpu()).square().mean() / sigma**2).item()
        for i, sigma in enumerate(sigmas)
    ]
    return losses, found
