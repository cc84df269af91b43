"""Training of the embedded model's autoencoder.

Loss on random crops: L1, squared error, L1 of the finite differences, and their energy in small
windows: where an edge's exact place is lost, the first three are smallest for a blur, and the last
for an edge. Three things are done for the U-Net that will learn these latents: the decoder sees
latents with noise on them, so that it forgives small errors; some latents are halved in size and
must decode to the halved picture, so that latents stay picture-like (the equivariance
regularisation of Kouzelis et al. 2025, arXiv 2502.09509); and some lose their last channels, so
that the first ones hold what matters most (nested dropout, Rippel et al. 2014, arXiv 1402.0915).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from ldm.models.patch_autoencoder import (
    PatchAutoencoder,
    PatchAutoencoderConfig,
    start_from_principal_patches,
)
from ldm.train.data import Drawings
from ldm.train.progress import Progress
from ldm.train.weights import MasterWeights, take_average, training_dtype


@dataclass(frozen=True)
class AutoencoderTraining:
    """How to train, with batch_size for each process.

    reduced: the share of crops taken from pictures at half size. noise: the largest standard
    deviation put on the latents. halved: the share of steps whose latents are halved in size.
    """

    crop: int = 128
    reduced: float = 0.1
    batch_size: int = 12
    learning_rate: float = 5e-4
    noise: float = 0.2
    halved: float = 0.1
    nested: float = 0.2
    minutes: float = 20.0
    max_steps: int | None = None
    seed: int = 0


def differences(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.diff(dim=-1), images.diff(dim=-2)


def sharpness(images: Tensor) -> Tensor:
    """Root mean square of the differences in windows of 8 x 8 pixels, half overlapping."""
    across, down = (difference.square() for difference in differences(images))
    energy = F.avg_pool2d(across[..., :-1, :] + down[..., :-1], 8, stride=4)
    return (energy + 1e-4).sqrt()


def reconstruction_loss(decoded: Tensor, images: Tensor) -> Tensor:
    loss = F.l1_loss(decoded, images) + 2 * F.mse_loss(decoded, images)
    for ours, theirs in zip(differences(decoded), differences(images), strict=True):
        loss = loss + F.l1_loss(ours, theirs)
    return loss + F.l1_loss(sharpness(decoded), sharpness(images))


def random_crop(
    drawings: Drawings, training: AutoencoderTraining, generator: torch.Generator
) -> Tensor:
    """(3, crop, crop) in [0, 255], at times from a picture at half size."""

    def draw(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    array = drawings.array(draw(len(drawings)))
    reduced = torch.rand((), generator=generator) < training.reduced
    scale = 2 if reduced and array.shape[0] >= 2 * training.crop else 1
    span = training.crop * scale
    top, left = draw(array.shape[0] - span + 1), draw(array.shape[1] - span + 1)
    pixels = array[top : top + span, left : left + span].copy()
    crop = torch.from_numpy(pixels).permute(2, 0, 1).float()
    if scale == 2:
        crop = F.avg_pool2d(crop, 2)
    return crop.flip(-1) if draw(2) else crop


def random_crops(
    drawings: Drawings, training: AutoencoderTraining, generator: torch.Generator
) -> Tensor:
    """(batch_size, 3, crop, crop) in [-1, 1]: of two crops each the one with more to learn from.

    Half of a drawing is plain sky or water, which is right after the first minute.
    """
    crops = []
    for _ in range(training.batch_size):
        pair = [random_crop(drawings, training, generator) for _ in range(2)]
        crops.append(max(pair, key=lambda crop: sum(d.abs().mean() for d in differences(crop))))
    return torch.stack(crops) / 127.5 - 1


@torch.no_grad()
def evaluate(model: PatchAutoencoder, pictures: Tensor) -> dict[str, float]:
    """PSNR in dB (mean over pictures) and the share of the gradients' energy that is lost."""
    psnr, kept, energy = 0.0, 0.0, 0.0
    for picture in pictures.split(1):
        decoded = model.decode(model.encode(picture)).float().clamp(-1, 1)
        psnr += -10 * math.log10(float(F.mse_loss(decoded, picture)) / 4)
        for ours, theirs in zip(differences(decoded), differences(picture), strict=True):
            kept += float(ours.square().sum())
            energy += float(theirs.square().sum())
    return {"psnr": psnr / len(pictures), "gradient_energy_lost": 1 - kept / energy}


def print_evaluation(model: PatchAutoencoder, weights: MasterWeights, pictures: Tensor) -> None:
    """What `evaluate` finds of the averaged weights; training goes on with its own."""
    weights.publish(weights.ema)
    found = evaluate(model, pictures)
    print({name: round(value, 3) for name, value in found.items()}, flush=True)
    weights.publish(weights.flat)


def importance(model: PatchAutoencoder, raw: Tensor) -> Tensor:
    """How far each channel moves a decoded picture: (C,), the root mean square over pixels when
    noise of 0.3 of the channel's own deviation is put on it, divided by 0.3.

    raw (N, C, h, w): the encoder's, not normalised.
    """
    decoded = model.decoder(raw)
    moved = []
    generator = torch.Generator().manual_seed(0)
    for channel, deviation in enumerate(raw.std((0, 2, 3))):
        noisy = raw.clone()
        noise = torch.randn(raw[:, channel].shape, generator=generator).to(raw)
        noisy[:, channel] += 0.3 * deviation * noise
        moved.append((model.decoder(noisy) - decoded).square().mean().sqrt() / 0.3)
    return torch.stack(moved)


def latent_scales(importance: Tensor) -> Tensor:
    """The standard deviations (C,) that the latents are given: 1.6 for the channel that moves the
    picture most, a tenth of it for those that move it least.

    With equal ones a U-Net spends most of its time on the last channels' details, which are nearly
    noise; smaller, they drown first and come last, as fine detail does in pixels. Not quite in
    proportion (a power of 0.7), or the last step of few would have to find them all.
    """
    return 1.6 * (importance / importance.max()) ** 0.7


@torch.no_grad()
def measure_latents(model: PatchAutoencoder, pictures: Sequence[Tensor]) -> PatchAutoencoderConfig:
    """The config that gives the latents of `pictures` (batches) mean 0 and `latent_scales`."""
    raw = torch.cat([model.encoder(batch.to(model.encoder.out.weight)) for batch in pictures])
    scales = latent_scales(importance(model, raw[:: max(1, len(raw) // 32)]).float().cpu())
    values = raw.float().cpu().transpose(0, 1).flatten(1)
    return replace(
        model.config,
        latents_mean=tuple(round(float(value), 5) for value in values.mean(1)),
        latents_std=tuple(round(float(value), 5) for value in values.std(1) / scales),
    )


def train(
    drawings: Drawings,
    held_out: Drawings,
    folder: Path,
    config: PatchAutoencoderConfig,
    training: AutoencoderTraining,
    accelerator: Accelerator,
    start: PatchAutoencoder | None = None,
) -> None:
    """Train for `training.minutes` more, from `folder`'s state, else from `start`, else from PCA.

    Leaves `state.safetensors` and `log.csv` in `folder`.
    """
    torch.manual_seed(training.seed)
    model = start or PatchAutoencoder(config)
    if start is None:
        start_from_principal_patches(
            model, drawings.pictures(list(range(0, len(drawings), 100))[:64])
        )
    dtype = training_dtype(accelerator.device)
    model = model.to(accelerator.device, dtype)
    nn.utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
    model.requires_grad_(True)
    weights = MasterWeights({"vae": model}, accelerator, training.learning_rate)
    progress = Progress(folder, weights, training.batch_size, training.minutes, accelerator)
    test = held_out.pictures(list(range(min(48, len(held_out))))).to(accelerator.device)
    (folder / "config.json").unlink(missing_ok=True)  # other weights, other latents

    for step in progress.steps(max_steps=training.max_steps):
        generator = torch.Generator().manual_seed(
            hash((training.seed, step, accelerator.process_index))
        )
        images = random_crops(drawings, training, generator).to(accelerator.device)
        latents = model.encoder(images.to(dtype).contiguous(memory_format=torch.channels_last))
        flat = latents.float().transpose(0, 1).flatten(1)
        drift = (flat.var(1) - 1).square().mean() + flat.mean(1).square().mean()
        if torch.rand((), generator=generator) < training.halved:
            latents, images = F.avg_pool2d(latents, 2), F.avg_pool2d(images, 2)
        strength = training.noise * torch.rand((len(latents), 1, 1, 1), generator=generator)
        noise = strength * torch.randn(latents.shape, generator=generator)
        if torch.rand((), generator=generator) < training.nested:
            part = 2 ** int(torch.randint(1, 4, (), generator=generator))
            kept = torch.arange(latents.shape[1]) < latents.shape[1] // part
            latents, noise = latents * kept[:, None, None].to(latents), noise * kept[:, None, None]
        decoded = model.decoder(latents + noise.to(latents)).float()
        loss = reconstruction_loss(decoded, images)
        (loss + 0.1 * drift).backward()
        norm = weights.step()
        progress.measure(loss=loss.item(), gradient_norm=norm)
        if step % 500 == 499 and accelerator.is_main_process:
            print_evaluation(model, weights, test)


def trained(folder: Path, drawings: Drawings, config: PatchAutoencoderConfig) -> PatchAutoencoder:
    """The EMA weights in `folder`, in float32, with normalised latents.

    The first call measures the latents on `drawings` and keeps what it found in `config.json`, so
    that a U-Net's latents stay what they were when other drawings come.
    """
    model = PatchAutoencoder(config)
    take_average(folder / "state.safetensors", {"vae": model})
    measured = folder / "config.json"
    if not measured.exists():
        sample = list(range(0, len(drawings), max(1, len(drawings) // 256)))
        batches = [drawings.pictures(sample[i : i + 16]) for i in range(0, len(sample), 16)]
        measured.write_text(config_json(measure_latents(model, batches)))
    model.config = PatchAutoencoderConfig.from_dict(json.loads(measured.read_text()))
    return model.eval().requires_grad_(False)


def config_json(config: PatchAutoencoderConfig) -> str:
    return json.dumps({"_class_name": "PatchAutoencoder", **asdict(config)}, indent=2) + "\n"
