"""Training of the embedded model's U-Net and text encoder on latents kept on disk.

The U-Net predicts the clean latents themselves, over a scaled-linear schedule rescaled to zero
terminal SNR (Lin et al. 2023, arXiv 2305.08891). A latent cell of many channels holds far more
noise than a narrow network can carry from its input to its output, which predicting noise or
velocity asks for, while clean cells are few (Li & He 2025, arXiv 2511.13720): measured here with 32
channels, after 3,200 samples the loss was as far down as velocity's after 8,000. The text encoder
learns beside the U-Net from scratch. A tenth of the captions is dropped, for classifier-free
guidance (Ho & Salimans 2022, arXiv 2207.12598).

What a thing is called says little about most of its numbers, so the error of the latents binds
words to things very slowly: after 130,000 samples a shuffled caption made it 6% worse where things
stand, and an apple was of any colour. So a layer that is thrown away names what each cell shows,
and its colour, from the U-Net's own maps, as Yu et al. 2024 (REPA, arXiv 2410.06940) align them
with a network that knows pictures; here the drawing program knows. In noise only the words can
tell. 35,000 samples later things had their colours, 100,000 later many had their outlines. What a
thing looks like is in the text encoder's states before (`ldm.train.words`), and is kept there.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.config import UNetConfig
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train.data import Drawings, write_atomically
from ldm.train.encoding import BATCH, digest, encoded
from ldm.train.looks import Looks, SaidLooks
from ldm.train.parts import Parts
from ldm.train.practice import Practice
from ldm.train.progress import Progress
from ldm.train.scenes import COLOURS, labels
from ldm.train.shown import cell_weights, mean_of_cells, resized
from ldm.train.tokenizer import BEGIN, CONTEXT, END
from ldm.train.weights import MasterWeights, take_average, training_dtype

SCHEDULER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "sample",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
}
# What the model's own defaults say, chosen by sweeps (`ldm.train.sweep`).
NUM_INFERENCE_STEPS, GUIDANCE_SCALE, GUIDANCE_END = 8, 4.0, 0.7
# Cross-attention at every level, the finest included: words are placed to within 16 pixels.
UNET = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 32,
    "out_channels": 32,
    "sample_size": 16,
    "block_out_channels": [128, 256, 256],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3,
    "up_block_types": ["CrossAttnUpBlock2D"] * 3,
    "layers_per_block": [1, 2, 1],
    "attention_head_dim": [2, 4, 4],  # the number of heads: diffusers' misnomer
    "cross_attention_dim": 256,
    "use_linear_projection": True,
}
TEXT = {
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "hidden_act": "gelu",
}


@dataclass(frozen=True)
class DiffusionTraining:
    """batch_size is per process. size is the side of the pictures, in pixels."""

    size: int = 256
    batch_size: int = 32
    learning_rate: float = 1e-3
    dropped_captions: float = 0.1
    naming: float = 0.01  # weight of the loss of the names of cells
    looking: float = 0.1  # weight of the loss of things' looks in the text encoder's states
    things: float = 3.0  # weight of a cell that shows a thing or an element, a place's is 1
    shift: float = 2.0  # of the timesteps towards noise; 1: none
    filled: float = 0.4  # the share of samples of which a part is painted, the rest seen clean
    minutes: float = 60.0
    max_steps: int | None = None
    seed: int = 0


def build(tokenizer: CLIPTokenizer) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Untrained U-Net and text encoder, from the global seed of the training process."""
    unet = UNet2DConditionModel(UNetConfig.from_dict(UNET))
    nn.init.zeros_(unet.conv_out.weight)
    vocabulary = tokenizer.get_vocab()
    config = CLIPTextConfig(
        **TEXT,
        vocab_size=len(tokenizer),
        bos_token_id=vocabulary[BEGIN],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
    )
    return unet, CLIPTextModel(config)


def tokenize(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """(len(captions), CONTEXT) int64, padded and cut."""
    encoded = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=CONTEXT,
        return_tensors="np",
    )
    return torch.from_numpy(np.asarray(encoded["input_ids"], np.int64))


class CellNames(nn.Module):
    """Names what each cell shows, and its colour, from the maps of the U-Net's last block but one.

    `cells`, (B, 2, CELLS, CELLS), are as `scenes.shown` has them.
    """

    def __init__(self, unet: UNet2DConditionModel, things: float = 1.0) -> None:
        super().__init__()
        self.things = things
        width = unet.config.block_out_channels[1]
        self.names = nn.Linear(width, len(labels()), bias=False)
        self.colours = nn.Linear(width, len(COLOURS), bias=False)
        for layer in (self.names, self.colours):
            nn.init.zeros_(layer.weight)
        self._maps: Tensor | None = None
        self.hook = unet.up_blocks[-2].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: object, maps: Tensor) -> None:
        self._maps = maps

    def forward(self, cells: Tensor, told: Tensor) -> Tensor:
        """The mean error of the rows whose captions are told, (B,) of bool; a scalar."""
        assert self._maps is not None, "the U-Net runs first"
        maps, self._maps = self._maps[told], None
        names, colours = resized(cells[told], maps).unbind(1)
        features = maps.permute(0, 2, 3, 1)
        found = mean_of_cells(_errors(self.names(features), names), names, self.things)
        coloured = colours >= 0
        errors = _errors(self.colours(features[coloured]), colours[coloured])
        return found + errors.sum() / max(1, len(errors))


def _errors(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of each, in float32. The factor lets small weights speak soon."""
    logits = 4 * outputs.float().flatten(0, -2)
    return F.cross_entropy(logits, wanted.flatten(), reduction="none").view(wanted.shape)


def encode_drawings(vae: PatchAutoencoder, drawings: Drawings, size: int, folder: Path) -> Tensor:
    """Latents of all drawings at `size` pixels, (N, C, size/f, size/f) float16, kept in `folder`.

    The file's name holds a digest of the encoder, of the captions and of the drawings' folder,
    which is named after the drawing code, so that none is mixed up.
    """
    drawn = [drawings.paths[0].parent.name, *drawings.captions]
    name = digest(vae.encoder, json.dumps(drawn).encode())
    path = folder / f"latents-{size}-{name}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        latents = torch.cat(
            [batch.to(torch.float16) for batch in encoded(vae, _batches(drawings, size))]
        ).numpy()
        write_atomically(path, lambda file: np.save(file, latents))
    return torch.from_numpy(np.load(path))


def _batches(drawings: Drawings, size: int) -> Iterator[Tensor]:
    """All drawings in order, at `size` pixels."""
    for start in range(0, len(drawings), BATCH):
        if start % (100 * BATCH) == 0:
            print(f"encoding {start} of {len(drawings)}", flush=True)
        pictures = drawings.pictures(list(range(start, min(start + BATCH, len(drawings)))))
        yield F.avg_pool2d(pictures, pictures.shape[-1] // size)


def add_noise(latents: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Noisy latents (B, C, h, w) for (B,) alphas_cumprod."""
    signal = alphas_cumprod.sqrt()[:, None, None, None]
    spread = (1 - alphas_cumprod).sqrt()[:, None, None, None]
    return signal * latents + spread * noise


def loss_weights(alphas_cumprod: Tensor) -> Tensor:
    """(B,) weights of the squared error of the clean latents: as the velocity's error weighs it,
    1 / (1 - alphas_cumprod), which is SNR + 1, bounded so that the last touches of little noise do
    not rule (Hang et al. 2023, arXiv 2303.09556, who bound the SNR at 5).
    """
    return 1 / (1 - alphas_cumprod).clamp(min=0.15)


def towards_noise(times: Tensor, shift: float) -> Tensor:
    """Times in [0, 1) moved towards 1, the noise (Esser et al. 2024, arXiv 2403.03206, eq. 23).

    What a cell shows can be seen in its many channels together while the noise of each is still
    ten times the signal, so that captions decide in the noisiest quarter, of which even times, made
    for four channels, give little.
    """
    return shift * times / (1 + (shift - 1) * times)


@dataclass(frozen=True)
class Examples:
    """What is learned from: latents (N, C, h, w) float16 and tokens (N, CONTEXT) of their captions,
    cells (N, 2, CELLS, CELLS) that say what they show, rows (N, 2) of their things' looks, and
    parts that can be painted alone.
    """

    latents: Tensor
    tokens: Tensor
    cells: Tensor
    rows: Tensor
    parts: Parts


def train(
    examples: Examples,
    looks: Looks | None,
    tokenizer: CLIPTokenizer,
    folder: Path,
    training: DiffusionTraining,
    accelerator: Accelerator,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
) -> None:
    """Train for `training.minutes` more, from `folder`'s state or from what is given.

    looks: None where no things are drawn.
    """
    torch.manual_seed(training.seed)
    device = accelerator.device
    dtype = training_dtype(device)
    unet = unet.to(device, dtype).train().requires_grad_(True)
    nn.utils.convert_conv2d_weight_memory_format(unet, torch.channels_last)
    text_encoder.set_attn_implementation("eager")  # the fused one's backward is slow on CPUs
    text_encoder = text_encoder.to(device, dtype).train().requires_grad_(True)
    cell_names = CellNames(unet, training.things).to(device, dtype)
    modules = {"unet": unet, "text_encoder": text_encoder, "cell_names": cell_names}
    said_looks, end = None, tokenizer.get_vocab()[END]
    if looks:
        said_looks = SaidLooks(text_encoder.config.hidden_size, looks, end).to(device, dtype)
        modules["said_looks"] = said_looks
    weights = MasterWeights(modules, accelerator, training.learning_rate)
    progress = Progress(folder, weights, training.batch_size, training.minutes, accelerator)
    schedule = NoiseSchedule.from_config(SCHEDULER)
    alphas = schedule.alphas_cumprod.float()
    count = training.batch_size
    empty = tokenize(tokenizer, [""])[0]
    practice = Practice(examples.cells[:, 0])
    for step in progress.steps(max_steps=training.max_steps):
        generator = torch.Generator().manual_seed(
            hash((training.seed, step, accelerator.process_index))
        )
        chosen = practice.choose(count, generator)
        x0, cells = examples.latents[chosen].float(), examples.cells[chosen]
        noise = torch.randn(x0.shape, generator=generator)
        # One timestep in each of `count` strata: the loss of a batch is far less noisy.
        strata = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        timesteps = (towards_noise(strata, training.shift) * len(alphas)).long()
        captions, rows = examples.tokens[chosen], examples.rows[chosen]
        painted, told = examples.parts.choose(chosen.tolist(), generator)
        filled = torch.rand(count, generator=generator) < training.filled
        painted |= ~filled[:, None, None]
        told &= filled
        captions[told] = examples.parts.tokens[chosen[told]]
        dropped = torch.rand(count, generator=generator) < training.dropped_captions
        captions[dropped] = empty
        noisy = add_noise(x0, noise, alphas[timesteps])
        where = resized(painted[:, None], noisy).bool()  # (B, 1, h, w)
        noisy = torch.where(where, noisy, x0)

        states = text_encoder(captions.to(device)).last_hidden_state
        noisy = noisy.to(device, dtype).contiguous(memory_format=torch.channels_last)
        predicted = unet(noisy, timesteps.to(device), states).float()
        squares = (predicted - x0.to(device)).square().mean(1)
        shown = resized(cells, predicted)[:, 0]
        whole = ~(filled | dropped)
        practice.saw(shown[whole].cpu(), squares[whole].detach().cpu())
        errors = squares * cell_weights(shown, training.things) * where[:, 0].to(device)
        losses = errors.mean((1, 2)) * loss_weights(alphas[timesteps]).to(device)
        naming = cell_names(cells, ~dropped)
        total = losses.mean() + training.naming * naming
        measured = {"naming": naming.item()}
        if said_looks:
            unsaid = (dropped | told)[:, None]
            looking = said_looks(states, captions, rows.masked_fill(unsaid, -1))
            total = total + training.looking * looking
            measured["looking"] = looking.item()
        total.backward()
        norm = weights.step()
        quarters = losses.detach().cpu().chunk(4)  # strata are in order: low noise first
        progress.measure(
            loss=losses.detach().mean().item(),
            **measured,
            gradient_norm=norm,
            **{f"loss_q{i}": float(part.mean()) for i, part in enumerate(quarters)},
        )


def trained(folder: Path, tokenizer: CLIPTokenizer) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The EMA weights in `folder`, as float32 modules."""
    unet, text_encoder = build(tokenizer)
    modules = {"unet": unet, "text_encoder": text_encoder}
    take_average(folder / "state.safetensors", modules)
    return unet.eval().requires_grad_(False), text_encoder.eval().requires_grad_(False)
