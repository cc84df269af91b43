"""The list of public models: what it says follows from the published architectures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
    LDMBertConfig,
    LDMBertModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ldm.checkpoints.family import FAMILIES
from ldm.checkpoints.hub import parse_id
from ldm.checkpoints.registry import BERT, MODELS
from tests.checkpoints.published import K_UNET as X2_UPSCALER
from tests.checkpoints.test_published_files import (
    CLIP_L,
    CROSS_DOWN,
    CROSS_UP,
    DOWN,
    REFINER,
    SD,
    SD2,
    UP,
    VAE,
    VIT_BIG_G,
    VIT_H,
    XL,
)
from tests.models.test_unet_2d import PUBLISHED as UNETS_2D

MASKED = {"in_channels": 9}
X4_UPSCALER = {
    **SD2,
    "block_out_channels": (256, 512, 512, 1024),
    "down_block_types": (DOWN, *[CROSS_DOWN] * 3),
    "up_block_types": (*[CROSS_UP] * 3, UP),
    "attention_head_dim": 8,
    "in_channels": 7,
    "num_class_embeds": 1000,
    "only_cross_attention": (True, True, True, False),
}
THREE_LEVELS = {
    **VAE,
    "block_out_channels": (128, 256, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
}


def unet(*settings: dict[str, Any]) -> nn.Module:
    merged = {key: value for each in settings for key, value in each.items()}
    known = {key: value for key, value in merged.items() if not key.startswith("_")}
    return diffusers.UNet2DConditionModel(**known)


# model -> component -> the published architecture; those not named here are of the same kind.
U_NETS: dict[str, Callable[[], nn.Module]] = {
    "sd-1.5": lambda: unet(SD),
    "sd-1.5-inpainting": lambda: unet(SD, MASKED),
    "lcm-dreamshaper-7": lambda: unet(SD, {"time_cond_proj_dim": 256}),
    "sd-2.1": lambda: unet(SD2),
    "sd-2-inpainting": lambda: unet(SD2, MASKED),
    "sdxl": lambda: unet(XL),
    "sdxl-inpainting": lambda: unet(XL, MASKED),
    "sdxl-refiner": lambda: unet(REFINER),
    "x4-upscaler": lambda: unet(X4_UPSCALER),
    "x2-latent-upscaler": lambda: unet(X2_UPSCALER),
    "ldm-text2im-256": lambda: unet(SD, {"cross_attention_dim": 1280}),
    "ldm-super-resolution-4x": lambda: diffusers.UNet2DModel(
        **UNETS_2D["ldm-super-resolution-4x-openimages"]
    ),
    "ldm-celebahq-256": lambda: diffusers.UNet2DModel(**UNETS_2D["ldm-celebahq-256"]),
}
OTHERS: dict[tuple[str, str], Callable[[], nn.Module]] = {
    ("sd-1.5", "text_encoder"): lambda: CLIPTextModel(CLIPTextConfig(**CLIP_L)),
    ("sd-2.1", "text_encoder"): lambda: CLIPTextModel(CLIPTextConfig(**VIT_H)),
    ("sdxl", "text_encoder_2"): lambda: CLIPTextModelWithProjection(CLIPTextConfig(**VIT_BIG_G)),
    ("sd-1.5", "vae"): lambda: diffusers.AutoencoderKL(**VAE),
    ("x4-upscaler", "vae"): lambda: diffusers.AutoencoderKL(**THREE_LEVELS),
    ("ldm-celebahq-256", "vqvae"): lambda: diffusers.VQModel(
        **THREE_LEVELS, num_vq_embeddings=8192
    ),
}


def count(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


@pytest.mark.parametrize("name", U_NETS)
def test_weights_of_the_u_nets(name: str) -> None:
    assert MODELS[name].parameters["unet"] == count(U_NETS[name])


@pytest.mark.parametrize(("name", "component"), OTHERS)
def test_weights_of_the_other_parts(name: str, component: str) -> None:
    assert MODELS[name].parameters[component] == count(OTHERS[name, component])


def test_weights_of_the_first_text_model() -> None:
    """Without the layer that its file has for its training alone."""
    with torch.device("meta"):
        theirs = LDMBertModel(LDMBertConfig())
    assert sum(parameter.numel() for parameter in theirs.model.parameters()) == BERT


@pytest.mark.parametrize("name", MODELS)
def test_each_is_of_a_family_and_has_its_parts(name: str) -> None:
    model = MODELS[name]
    assert model.name == name
    identity = parse_id(model.model_id)
    assert identity is not None and not identity.file
    assert model.family is FAMILIES[model.family_name]
    weights = {part for part in model.family.components if "tokenizer" not in part}
    assert model.parameters.keys() == weights - {"low_res_scheduler"}
    assert model.num_inference_steps >= 1 and model.guidance_scale >= 1
    assert model.title and model.licence


def test_estimates_by_hand() -> None:
    model = MODELS["sd-1.5"]
    weights = 859_520_964 + 123_060_480 + 83_653_863
    assert model.download == 2 * weights  # 2.13 GB, as its page shows
    maps = 4 * 256 * 512 * 512
    assert model.memory(2) == 2 * (weights + maps)
    assert model.memory(4) == 2 * model.memory(2)
    assert MODELS["lcm-dreamshaper-7"].download == 4 * (weights + 256 * 320)
