"""The embedded model in other hands: diffusers and transformers open its parts and agree with us.

Its autoencoder is a class of ours, so agreement is on the latents before decoding.
"""

from pathlib import Path

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.load import Checkpoint, load
from ldm.pipeline import advance, prepare
from ldm.recipe import Recipe

CAPTION = "a man boating on a lake surrounded by mountains at twilight"


@pytest.fixture(scope="module")
def checkpoint(embedded_model: Path) -> Checkpoint:
    return load(embedded_model, torch.device("cpu"), torch.float32)


@torch.no_grad()
def test_the_same_latents_in_diffusers(embedded_model: Path, checkpoint: Checkpoint) -> None:
    """Ten steps of DPM++ 2M with guidance from one noise, in float32 on both sides.

    1e-2 on latents of unit variance: guidance multiplies the rounding of each step by its scale.
    """
    side = checkpoint.defaults.native_size[0]
    recipe = Recipe(
        CAPTION,
        negative_prompt="rain",
        sampler="dpmpp_2m",
        num_inference_steps=10,
        guidance_scale=4.0,
        seed=5,
        width=side,
        height=side,
    )
    (row,) = prepare(checkpoint, recipe, None, None)
    while not row.finished:
        advance(checkpoint, [row])

    def part(kind: type, name: str) -> torch.nn.Module:
        model = kind.from_pretrained(embedded_model, subfolder=name, torch_dtype=torch.float32)
        return model.eval()

    unet = part(UNet2DConditionModel, "unet")
    text_encoder = part(CLIPTextModel, "text_encoder")
    tokenizer = CLIPTokenizer.from_pretrained(embedded_model, subfolder="tokenizer")
    scheduler = DPMSolverMultistepScheduler.from_pretrained(embedded_model, subfolder="scheduler")

    tokens = tokenizer(
        [recipe.negative_prompt, recipe.prompt],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    states = text_encoder(tokens.input_ids).last_hidden_state
    latents = torch.randn(row.x.shape, generator=torch.Generator().manual_seed(recipe.seed))
    scheduler.set_timesteps(recipe.num_inference_steps)
    for timestep in scheduler.timesteps:
        uncond, cond = unet(torch.cat([latents] * 2), timestep, states).sample.chunk(2)
        guided = uncond + recipe.guidance_scale * (cond - uncond)
        latents = scheduler.step(guided, timestep, latents).prev_sample

    assert row.x.std() > 0.3, "flat latents would agree with anything"
    assert (row.x - latents).abs().max() < 1e-2


def test_it_is_small_and_said_to_be_ours(embedded_model: Path) -> None:
    sizes = [path.stat().st_size for path in embedded_model.rglob("*") if path.is_file()]
    assert sum(sizes) < 100_000_000
    card = (embedded_model / "README.md").read_text()
    assert card.startswith("---\n") and "license: apache-2.0" in card
