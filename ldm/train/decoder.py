"""Training of the decoder alone, on what the U-Net makes of latents, against a critic.

A U-Net that says what is likeliest says it softly: of fine detail that the caption and the coarse
latents leave open it gives the mean. A decoder trained on clean latents alone shows that mean as it
is. So this one learns from latents that the U-Net has noised and drawn again, beside the drawings
that they came from, and a critic, which is thrown away, tells it what is sharp in drawings and soft
in what it decodes (the adversarial loss of Esser et al. 2021, arXiv 2012.09841, with the features'
distance of Wang et al. 2018, arXiv 1711.11585). Some latents are left as they were encoded, so
that it goes on decoding those. The encoder stays as it is, and with it all latents.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import CLIPTextModel

from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train.autoencoder import differences, evaluate, reconstruction_loss
from ldm.train.data import Drawings, write_atomically
from ldm.train.diffusion import SCHEDULER, add_noise
from ldm.train.encoding import BATCH
from ldm.train.progress import Progress
from ldm.train.weights import MasterWeights, training_dtype

# Timesteps from which latents are drawn again: the least changes fine detail alone, the most leaves
# just what is where. So many steps of equal length lead down from there.
LEAST, MOST, STEPS = 100, 600, 3
GUIDANCE = 4.0  # what the model draws with
CLEAN = 4  # one example in so many is of latents as they were encoded


@dataclass(frozen=True)
class DecoderTraining:
    """batch_size is per process. side is that of the crops, in cells of the latents."""

    side: int = 8
    batch_size: int = 8
    learning_rate: float = 5e-4
    critics_rate: float = 3e-3
    adversarial: float = 0.03  # weight of what the critic says
    matching: float = 0.5  # weight of the distance of the critic's features
    redrawn: float = 0.3  # weight of the distance from the drawing where latents were drawn again
    critic_first: int = 100  # steps in which the critic learns alone, at the start of every run
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
def draw_again(
    unet: UNet2DConditionModel,
    latents: Tensor,
    states: Tensor,
    empty: Tensor,
    start: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Latents (B, C, h, w) that are noised up to the timesteps `start` (B,) and denoised by DDIM
    (Song et al. 2021, arXiv 2010.02502, eq. 12 without noise) with classifier-free guidance.

    states (B, L, D) of the captions, empty (1, L, D) of none. In the U-Net's type, but for the
    latents, which are float32.
    """
    alphas = NoiseSchedule.from_config(SCHEDULER).alphas_cumprod.float()
    dtype = states.dtype
    contexts = torch.cat([states, empty.expand_as(states)])
    x = add_noise(latents, torch.randn(latents.shape, generator=generator), alphas[start])
    x0 = latents
    for step in range(STEPS):
        t, after = (start * (STEPS - k) // STEPS for k in (step, step + 1))
        rows = torch.cat([x, x]).to(dtype).contiguous(memory_format=torch.channels_last)
        told, untold = unet(rows, torch.cat([t, t]), contexts).float().chunk(2)
        x0 = untold + GUIDANCE * (told - untold)
        signal, spread = alphas[t].sqrt(), (1 - alphas[t]).sqrt()
        noise = (x - signal[:, None, None, None] * x0) / spread[:, None, None, None]
        x = add_noise(x0, noise, alphas[after])
    return x0


def redraw(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    latents: Tensor,
    tokens: Tensor,
    empty: Tensor,
    path: Path,
) -> Tensor:
    """All latents (N, C, h, w) drawn again, float16, kept in `path`.

    tokens (N, L) of their captions, empty (1, L) of none.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        dtype = training_dtype(torch.device("cpu"))
        modules: list[nn.Module] = [unet, text_encoder]
        for module in modules:
            module.to(dtype).eval()
        nn.utils.convert_conv2d_weight_memory_format(unet, torch.channels_last)
        generator = torch.Generator().manual_seed(0)
        made = []
        with torch.no_grad():
            nothing = text_encoder(empty).last_hidden_state
            for first in range(0, len(latents), BATCH):
                part = slice(first, first + BATCH)
                states = text_encoder(tokens[part]).last_hidden_state
                start = torch.randint(LEAST, MOST, (len(states),), generator=generator)
                given = latents[part].float()
                made.append(draw_again(unet, given, states, nothing, start, generator).half())
                if first % (10 * BATCH) == 0:
                    print(f"drawn again {first} of {len(latents)}", flush=True)
        write_atomically(path, lambda file: np.save(file, torch.cat(made).numpy()))
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


# --- the critic ---------------------------------------------------------------------------


class Critic(nn.Module):
    """Tells drawings from what was decoded, by patches of 60 pixels; thrown away after training."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        shapes = [
            (12, width, 1),
            (width, 2 * width, 2),
            (2 * width, 3 * width, 2),
            (3 * width, 3 * width, 1),
        ]
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride, 1) for inputs, outputs, stride in shapes
        )
        self.verdict = nn.Conv2d(3 * width, 1, 1)
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, 0.2)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the maps of each layer, and last a number for each patch: above 0 for
        drawings.
        """
        h = F.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)
        maps = []
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
            maps.append(h)
        return [*maps, self.verdict(h)]


def critics_loss(drawn: Tensor, decoded: Tensor) -> Tensor:
    """The hinge loss of its verdicts (Lim & Ye 2017, arXiv 1705.02894)."""
    return (F.relu(1 - drawn) + F.relu(1 + decoded)).mean()


def distance(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """The mean over layers of how far the maps are apart, each by its own size; a scalar."""
    parts = [(a - b).abs().mean() / b.abs().mean() for a, b in zip(ours, theirs, strict=True)]
    return torch.stack(parts).mean()


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

    The critic begins anew in every run, and learns alone first. Leaves `state.safetensors` and
    `log.csv` in `folder`.
    """
    torch.manual_seed(training.seed)
    device, dtype = accelerator.device, training_dtype(accelerator.device)
    vae = vae.to(device, dtype)
    nn.utils.convert_conv2d_weight_memory_format(vae, torch.channels_last)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    critic = Critic().to(device)
    nn.utils.convert_conv2d_weight_memory_format(critic, torch.channels_last)
    weights = MasterWeights({"vae": vae}, accelerator, training.learning_rate)
    critics = MasterWeights({"critic": critic}, accelerator, training.critics_rate)
    progress = Progress(folder, weights, training.batch_size, training.minutes, accelerator)
    test = held_out.pictures(list(range(min(48, len(held_out))))).to(device)
    again = torch.arange(training.batch_size) % CLEAN != 0
    trust = torch.where(again, training.redrawn, 1.0).tolist()
    first = weights.step_count

    for step in progress.steps(max_steps=training.max_steps):
        generator = torch.Generator().manual_seed(
            hash((training.seed, step, accelerator.process_index))
        )
        pairs = [crop(examples, training.side, bool(each), generator) for each in again]
        latents, images = (torch.stack(each).to(device) for each in zip(*pairs, strict=True))
        decoded = vae.decode(latents.contiguous(memory_format=torch.channels_last)).float()

        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            *_, drawn = critic(images)
            *_, said = critic(decoded.detach())
        critic_loss = critics_loss(drawn.float(), said.float())
        critic_loss.backward()
        critics.step()

        critic.requires_grad_(False)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            *theirs, _ = critic(images)
            *ours, said = critic(decoded)
        critic.requires_grad_(True)
        apart = distance([m.float() for m in ours], [m.float() for m in theirs])
        losses = [
            share * reconstruction_loss(our[None], their[None])
            for share, our, their in zip(trust, decoded, images, strict=True)
        ]
        loss = torch.stack(losses).mean() + training.matching * apart
        if step - first >= training.critic_first:
            loss = loss - training.adversarial * said.float().mean()
        loss.backward()
        norm = weights.step()
        progress.measure(
            loss=loss.item(), critic=critic_loss.item(), matching=apart.item(), gradient_norm=norm
        )
        if step % 500 == 499 and accelerator.is_main_process:
            weights.publish(weights.ema)
            found = evaluate(vae, test)
            print({name: round(value, 3) for name, value in found.items()}, flush=True)
            weights.publish(weights.flat)
