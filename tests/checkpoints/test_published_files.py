"""The files as published: every name and shape of the full-size checkpoints is accounted for.

The architectures are those of the published configurations, built by diffusers and transformers
without memory; the names of their files are written by walking these models. Only the files'
headers are made, so they take no room.
"""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ldm.checkpoints.single_file import open_single_file
from tests.checkpoints.original_layout import (
    State,
    clip_state,
    open_clip_state,
    under,
    unet_state,
    vae_state,
)
from tests.checkpoints.published import write_header

CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
SD: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, CROSS_UP),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SD2: dict[str, Any] = {
    **SD,
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
XL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN),
    "up_block_types": (CROSS_UP, CROSS_UP, UP),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
REFINER: dict[str, Any] = {
    **XL,
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, UP),
    "transformer_layers_per_block": 4,
    "cross_attention_dim": 1280,
    "attention_head_dim": (6, 12, 24, 24),
    "projection_class_embeddings_input_dim": 2560,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
CLIP_L: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
}
VIT_H: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "hidden_act": "gelu",
}
VIT_BIG_G: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
# Family -> U-Net, text models, and how many tensors its U-Net and its text models' files hold.
PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]], int, int]] = {
    "sd1": (SD, {"cond_stage_model.transformer.": CLIP_L}, 686, 197),
    "sd1_inpaint": ({**SD, "in_channels": 9}, {"cond_stage_model.transformer.": CLIP_L}, 686, 197),
    "sd2": (SD2, {"cond_stage_model.model.": VIT_H}, 686, 294),
    "xl": (
        XL,
        {
            "conditioner.embedders.0.transformer.": CLIP_L,
            "conditioner.embedders.1.model.": VIT_BIG_G,
        },
        1680,
        197 + 390,
    ),
    "xl_refiner": (REFINER, {"conditioner.embedders.0.model.": VIT_BIG_G}, 1220, 390),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_name_and_shape_is_accounted_for(name: str, tmp_path: Path) -> None:
    unet_config, text_configs, unet_tensors, text_tensors = PUBLISHED[name]
    models: dict[str, Any] = {}
    with torch.device("meta"):
        models["unet"] = diffusers.UNet2DConditionModel(**unet_config)
        models["vae"] = diffusers.AutoencoderKL(**VAE)
        state: State = under("model.diffusion_model.", unet_state(models["unet"]))
        assert len(state) == unet_tensors
        for prefix, config in text_configs.items():
            kind = CLIPTextModelWithProjection if "projection_dim" in config else CLIPTextModel
            text = kind(CLIPTextConfig(**config))
            component = "text_encoder_2" if "projection_dim" in config else "text_encoder"
            models[component] = text
            unread = 24 - 23 if config is VIT_H else 0
            own = clip_state(text) if config is CLIP_L else open_clip_state(text, unread)
            state |= under(prefix, own)
        assert len(state) == unet_tensors + text_tensors
        state |= under("first_stage_model.", vae_state(models["vae"]))
        assert len(state) == unet_tensors + text_tensors + 248
        for extra in ("model_ema.decay", "betas", "alphas_cumprod", "denoiser.sigmas"):
            state[extra] = torch.zeros(1)
    if name == "sd2":  # without reading its numbers, which are none here
        state["v_pred"] = torch.zeros(0)
    path = tmp_path / f"{name}.safetensors"
    write_header(path, state)
    source = open_single_file(path)
    assert source.tensors.keys() == models.keys()
    for component, model in models.items():
        wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        found = {key: stored.shape for key, stored in source.tensors[component].items()}
        assert found == wanted
