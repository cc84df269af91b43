"""Training of the decoder alone, on latents as they are and as the U-Net gives them.

While the autoencoder is trained, its decoder sees latents that are halved in size, cut to their
first channels, or under noise: good for latents, and for pictures a compromise. Here the latents
are settled. Half of them are as they were encoded; the others are what the U-Net, told the caption,
draws from them when they are noised as far as some step of a drawing is: what the first of its
steps settle is theirs, and what the last ones make of that, softer and at edges wrong, the decoder
learns to mend. The encoder stays as it is, and with it all latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import CLIPTextModel

from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train.autoencoder import differences, print_evaluation, reconstruction_loss
from ldm.train.data import Drawings, write_atomically
from ldm.train.diffusion import GUIDANCE_SCALE, SCHEDULER, add_noise
from ldm.train.encoding import BATCH
from ldm.train.progress import Progress
from ldm.train.weights import MasterWeights, training_dtype

STEPS = (499, 374, 249, 124)  # timesteps of the last half of a drawing of NUM_INFERENCE_STEPS
GUIDED = (499, 374)  # those before GUIDANCE_END


@dataclass(frozen=True)
class DecoderTraining:
    """batch_size is per process. side is that of the crops, in cells of the latents."""

    side: int = 8
    batch_size: int = 8
    learning_rate: float = 5e-4
    minutes: float = 60.0
    max_steps: int | None = None
    seed: int = 0


# --- what it learns from ------------------------------------------------------------------


@dataclass(frozen=True)
class Examples:
    """Latents as they were encoded and as the U-Net drew them again, both (N, C, h, w) float16, of
    drawings in order.
    """

    encoded: Tensor
    redrawn: Tensor
    drawings: Drawings


@torch.no_grad()
def redraw(
    unet: UNet2DConditionModel,
    states: Tensor,
    latents: Tensor,
    steps: Sequence[int],
    generator: torch.Generator,
) -> Tensor:
    """What the U-Net draws in `steps`, told (2 B, L, D) states of captions and then of none, from
    latents (B, C, h, w) float32 that are noised to the first of them: DDIM (Song et al. 2020, arXiv
    2010.02502, eq. 12, sigma 0), guided where a drawing is.
    """
    alphas = NoiseSchedule.from_config(SCHEDULER).alphas_cumprod.float()
    count = len(latents)
    clean, noise = latents, torch.randn(latents.shape, generator=generator)
    for timestep in steps:
        alpha = alphas[timestep]
        noisy = add_noise(clean, noise, alpha.expand(count))
        given = states if timestep in GUIDED else states[:count]
        rows = noisy.to(states.dtype).repeat(len(given) // count, 1, 1, 1)
        rows = rows.contiguous(memory_format=torch.channels_last)
        told, *untold = unet(rows, torch.full((len(rows),), timestep), given).float().split(count)
        clean = told
        for without in untold:
            clean = without + GUIDANCE_SCALE * (told - without)
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    return clean


@torch.no_grad()
def redraw_all(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    latents: Tensor,
    tokens: Tensor,
    path: Path,
) -> Tensor:
    """All latents (N, C, h, w) drawn again, as many in each number of the last steps, float16, kept
    in `path`.

    tokens (N + 1, L) of their captions, and of none.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        modules: list[nn.Module] = [unet, text_encoder]
        for module in modules:
            module.to(training_dtype(torch.device("cpu"))).eval()
        nn.utils.convert_conv2d_weight_memory_format(unet, torch.channels_last)
        generator = torch.Generator().manual_seed(0)
        made: list[Tensor] = []
        unsaid = text_encoder(tokens[-1:]).last_hidden_state
        for first in range(0, len(latents), BATCH):
            given = latents[first : first + BATCH].float()
            said = text_encoder(tokens[first : first + len(given)]).last_hidden_state
            states = torch.cat([said, unsaid.expand_as(said)])
            made.append(redraw(unet, states, given, STEPS[len(made) % len(STEPS) :], generator))
            if first % (10 * BATCH) == 0:
                print(f"drawn again {first} of {len(latents)}", flush=True)
        write_atomically(path, lambda file: np.save(file, torch.cat(made).half().numpy()))
    return torch.from_numpy(np.load(path))


def crop(examples: Examples, side: int, again: bool, generator: torch.Generator) -> list[Tensor]:
    """A square of `side` cells: latents (C, side, side) and pixels (3, f * side, f * side) in
    [-1, 1], of two the one with more to learn from: half of a drawing is plain sky or water.
    """

    def draw(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    index = draw(len(examples.encoded))
    source = (examples.redrawn if again else examples.encoded)[index]
    picture = examples.drawings.array(index)
    factor = len(picture) // source.shape[-1]
    found = []
    for _ in range(2):
        top, left = (draw(source.shape[-1] - side + 1) for _ in range(2))
        rows, columns = (slice(n * factor, (n + side) * factor) for n in (top, left))
        pixels = torch.from_numpy(picture[rows, columns].copy()).permute(2, 0, 1).float()
        cells = source[:, top : top + side, left : left + side].float()
        found.append([cells, pixels / 127.5 - 1])
    return max(found, key=lambda each: sum(d.abs().mean() for d in differences(each[1])))


# --- training -----------------------------------------------------------------------------


def train(
    vae: PatchAutoencoder,
    examples: Examples,
    held_out: Drawings,
    folder: Path,
    training: DecoderTraining,
    accelerator: Accelerator,
) -> None:
    """Train `vae`'s decoder for `training.minutes` more, from `folder`'s state or from what it is.

    Leaves `state.safetensors` and `log.csv` in `folder`.
    """
    torch.manual_seed(training.seed)
    device, dtype = accelerator.device, training_dtype(accelerator.device)
    vae = vae.to(device, dtype)
    nn.utils.convert_conv2d_weight_memory_format(vae, torch.channels_last)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    weights = MasterWeights({"vae": vae}, accelerator, training.learning_rate)
    progress = Progress(folder, weights, training.batch_size, training.minutes, accelerator)
    test = held_out.pictures(list(range(min(48, len(held_out))))).to(device)

    for step in progress.steps(max_steps=training.max_steps):
        generator = torch.Generator().manual_seed(
            hash((training.seed, step, accelerator.process_index))
        )
        pairs = [
            crop(examples, training.side, bool(place % 2), generator)
            for place in range(training.batch_size)
        ]
        latents, images = (torch.stack(each).to(device) for each in zip(*pairs, strict=True))
        decoded = vae.decode(latents.contiguous(memory_format=torch.channels_last)).float()
        loss = reconstruction_loss(decoded, images)
        loss.backward()
        norm = weights.step()
        progress.measure(loss=loss.item(), gradient_norm=norm)
        if step % 500 == 499 and accelerator.is_main_process:
            print_evaluation(vae, weights, test)
