"""What the decoder learns from, and that training leaves the latents as they are."""

import json
from pathlib import Path

import diffusers
import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from ldm.models.config import UNetConfig
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train import decoder
from ldm.train.autoencoder import evaluate
from ldm.train.data import HELD_OUT_SEEDS, Drawings, Source, draw
from ldm.train.diffusion import SCHEDULER
from ldm.train.weights import training_dtype
from tests.train.small_autoencoder import CONFIG


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four landscapes of 64 pixels, and two that are held out."""
    target, source = tmp_path_factory.mktemp("drawings"), Source(("landscape",))
    draw(target, 2, 64, source, HELD_OUT_SEEDS, processes=1)
    return draw(target, 4, 64, source, processes=1)


def patches(drawings: Drawings) -> Tensor:
    """(N, 192, 8, 8): the pixels of every patch of 8 x 8, in [-1, 1]."""
    return nn.functional.pixel_unshuffle(drawings.pictures(list(range(len(drawings)))), 8)


@torch.no_grad()
@pytest.mark.parametrize("start", range(len(decoder.STEPS)))
def test_latents_are_drawn_again_as_diffusers_would(start: int) -> None:
    """Its scheduler's steps, from its noise of the same draws. 1e-3: alphas there are float32
    throughout, and guidance and the noise found by a difference take the rounding four times as far
    at each of four steps.
    """
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        UNetConfig.from_dict(
            {
                "_class_name": "UNet2DConditionModel",
                "in_channels": 4,
                "out_channels": 4,
                "sample_size": 8,
                "block_out_channels": [32, 32],
                "down_block_types": ["CrossAttnDownBlock2D"] * 2,
                "up_block_types": ["CrossAttnUpBlock2D"] * 2,
                "layers_per_block": 1,
                "attention_head_dim": 2,
                "cross_attention_dim": 16,
            }
        )
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=20,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
        )
    )
    latents, tokens = torch.randn(2, 4, 8, 8), torch.randint(20, (4, 8))
    states = text_encoder(tokens).last_hidden_state
    steps = decoder.STEPS[start:]
    found = decoder.redraw(unet, states, latents, steps, torch.Generator().manual_seed(1))

    theirs = diffusers.DDIMScheduler.from_config(
        {key: SCHEDULER[key] for key in SCHEDULER if key not in ("_class_name", "solver_order")},
        clip_sample=False,
    )
    theirs.set_timesteps(8)
    assert tuple(theirs.timesteps[-4:].tolist()) == decoder.STEPS
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    x = theirs.add_noise(latents, noise, torch.full((2,), steps[0]))
    for timestep in steps:
        both = unet(torch.cat([x, x]), torch.full((4,), timestep), states)
        told, without = both.chunk(2)
        guided = without + 4.0 * (told - without) if timestep > 300 else told
        x = theirs.step(guided, timestep, x, return_dict=False)[0]
    assert torch.allclose(found, guided, atol=1e-3)


@pytest.mark.parametrize("again", [False, True])
def test_crops_of_latents_and_of_pixels_show_the_same(folder: Path, again: bool) -> None:
    drawings = Drawings(folder)
    cells = patches(drawings)
    examples = decoder.Examples(cells, -cells, drawings)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        latents, pixels = decoder.crop(examples, 3, again, generator)
        assert pixels.shape == (3, 24, 24)
        wanted = nn.functional.pixel_unshuffle(pixels, 8)
        assert torch.equal(-latents if again else latents, wanted)


def test_training_moves_the_decoder_alone_and_goes_on(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    drawings, held_out = Drawings(folder), Drawings(folder, held_out=True)
    vae = PatchAutoencoder(CONFIG)
    pictures = drawings.pictures([0, 1, 2, 3])
    with torch.no_grad():
        latents = vae.encode(pictures).half()
    examples = decoder.Examples(latents, latents + 0.1, drawings)
    training = decoder.DecoderTraining(side=4, batch_size=4, max_steps=30)
    dtype = training_dtype(torch.device("cpu"))  # that it has afterwards
    before = {name: weight.to(dtype, copy=True) for name, weight in vae.state_dict().items()}
    start = evaluate(vae, pictures)["psnr"]
    for _ in range(2):
        decoder.train(vae, examples, held_out, tmp_path, training, Accelerator(cpu=True))
    for name, weight in vae.state_dict().items():
        assert torch.equal(weight, before[name]) == name.startswith("encoder."), name
    vae.float()
    assert evaluate(vae, pictures)["psnr"] > start
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "20", "30", "50", "60"]
    with safe_open(tmp_path / "state.safetensors", "pt") as file:
        kept = [name for name, _ in json.loads(file.metadata()["layout"])]
    assert kept and all(name.startswith("vae.decoder.") for name in kept)
