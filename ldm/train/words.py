"""Training of the text encoder on captions alone: it learns what things look like.

Before the U-Net's training and much faster than within it: a caption costs a tenth of a picture.
What its states said before they go on saying, where a U-Net is there already that reads it; of
places without things nothing else is asked, and left out they came out wrong (umbrellas, cacti,
people).
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import CLIPTextModel

from ldm.train.looks import Looks, SaidLooks
from ldm.train.progress import Progress
from ldm.train.weights import MasterWeights, training_dtype

LENGTH = 40  # tokens: most captions and some of what follows, which is all alike


@dataclass(frozen=True)
class WordsTraining:
    """batch_size is per process."""

    batch_size: int = 96
    learning_rate: float = 2e-3
    staying: float = 0.2  # weight of the change of the states; 0 where no U-Net reads them yet
    minutes: float = 10.0
    max_steps: int | None = None
    seed: int = 0


def train(
    text_encoder: CLIPTextModel,
    tokens: Tensor,
    rows: Tensor,
    looks: Looks,
    end: int,
    folder: Path,
    training: WordsTraining,
    accelerator: Accelerator,
) -> None:
    """Train for `training.minutes` more, from `folder`'s state or from `text_encoder`.

    tokens (N, CONTEXT) of captions, rows (N, 2) of their things' `looks`; end: the token after a
    caption.
    """
    torch.manual_seed(training.seed)
    device = accelerator.device
    dtype = training_dtype(device)
    text_encoder.set_attn_implementation("eager")  # the fused one's backward is slow on CPUs
    text_encoder = text_encoder.to(device, dtype).train().requires_grad_(True)
    before = deepcopy(text_encoder).requires_grad_(False)
    said = SaidLooks(text_encoder.config.hidden_size, looks, end).to(device, dtype)
    modules = {"text_encoder": text_encoder, "said_looks": said}
    weights = MasterWeights(modules, accelerator, training.learning_rate)
    progress = Progress(folder, weights, training.batch_size, training.minutes, accelerator)
    for step in progress.steps(max_steps=training.max_steps):
        generator = torch.Generator().manual_seed(
            hash((training.seed, step, accelerator.process_index))
        )
        chosen = torch.randint(len(tokens), (training.batch_size,), generator=generator)
        captions = tokens[chosen, :LENGTH]
        states = text_encoder(captions.to(device)).last_hidden_state
        with torch.no_grad():
            were = before(captions.to(device)).last_hidden_state
        looking = said(states, captions, rows[chosen])
        change = (states - were).float().square().mean()
        (looking + training.staying * change).backward()
        norm = weights.step()
        progress.measure(looking=looking.item(), change=change.item(), gradient_norm=norm)
