"""Small models of the families that come in one file, of diffusers' and transformers' classes.

The numbers that no file says are those of the published models (32 groups, 8 heads or heads of 64
features, text models' heads of 64); widths and depths are as small as these allow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ldm.checkpoints.clip_tokenizer import END, FIRST, clip_tokenizer
from tests.checkpoints.original_layout import (
    State,
    clip_state,
    leftovers,
    open_clip_state,
    under,
    unet_state,
    vae_state,
)

UNET = "model.diffusion_model."
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


@dataclass(frozen=True)
class Small:
    """A pipeline of diffusers' and the tensors of its file in the original layout."""

    pipeline: Any
    state: State


def text_model(kind: type, width: int, layers: int, activation: str) -> Any:
    return kind(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            hidden_act=activation,
            eos_token_id=49407,
        )
    ).eval()


def autoencoder(scale: float) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        scaling_factor=scale,
    ).eval()


def _unet(settings: Mapping[str, Any]) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(**{"layers_per_block": 1, **settings}).eval()


def sd1(in_channels: int = 4) -> Small:
    """Version 1: one level with transformers and one without, which begin in convolutions."""
    unet = _unet(
        {
            "in_channels": in_channels,
            "sample_size": 64,
            "block_out_channels": (32, 64),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "cross_attention_dim": 64,
            "attention_head_dim": 8,
            "layers_per_block": 2,
        }
    )
    vae, text = autoencoder(0.18215), text_model(CLIPTextModel, 64, 2, "quick_gelu")
    kind = diffusers.StableDiffusionPipeline
    if in_channels == 9:
        kind = diffusers.StableDiffusionInpaintPipeline
    pipeline = kind(
        vae=vae,
        text_encoder=text,
        tokenizer=clip_tokenizer(END),
        unet=unet,
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    own = unet_state(unet)
    state = {
        **under(UNET, own),
        **under("first_stage_model.", vae_state(vae)),
        **under("cond_stage_model.transformer.", clip_state(text)),
        **leftovers(own, ["input_blocks.0.0.weight", "out.2.bias"]),
    }
    return Small(pipeline, state)


def sd2(in_channels: int = 4, v: bool = True) -> Small:
    """Version 2: transformers that begin in linear layers, a text model of which one is unread."""
    unet = _unet(
        {
            "in_channels": in_channels,
            "sample_size": 96 if v else 64,
            "block_out_channels": (64, 128),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "cross_attention_dim": 64,
            "attention_head_dim": (1, 2),
            "use_linear_projection": True,
        }
    )
    # The rule that tells v from epsilon looks at this bias alone.
    spread = torch.linspace(-0.3, 0.3, 64) if v else torch.linspace(-0.1, 0.1, 64)
    with torch.no_grad():
        last = unet.up_blocks[-1].attentions[-1].transformer_blocks[0]
        last.norm1.bias.copy_(spread)
    vae, text = autoencoder(0.18215), text_model(CLIPTextModel, 64, 2, "gelu")
    kind = diffusers.StableDiffusionPipeline
    if in_channels == 9:
        kind = diffusers.StableDiffusionInpaintPipeline
    pipeline = kind(
        vae=vae,
        text_encoder=text,
        tokenizer=clip_tokenizer(FIRST),
        unet=unet,
        scheduler=diffusers.DDIMScheduler(
            prediction_type="v_prediction" if v else "epsilon",
            set_alpha_to_one=False,
            clip_sample=False,
            **NOISE,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    state = {
        **under(UNET, unet_state(unet)),
        **under("first_stage_model.", vae_state(vae)),
        **under("cond_stage_model.model.", open_clip_state(text, unread=1)),
    }
    return Small(pipeline, state)


def _xl_unet(in_channels: int, context: int, pooled: int, sizes: int) -> Any:
    return _unet(
        {
            "in_channels": in_channels,
            "sample_size": 128,
            "block_out_channels": (64, 128),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2),
            "cross_attention_dim": context,
            "attention_head_dim": (1, 2),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": pooled + sizes * 256,
        }
    )


def xl(in_channels: int = 4) -> Small:
    """XL: two text models side by side, pooled text and six sizes."""
    unet = _xl_unet(in_channels, 128, 64, 6)
    vae = autoencoder(0.13025)
    first = text_model(CLIPTextModel, 64, 2, "quick_gelu")
    second = text_model(CLIPTextModelWithProjection, 64, 3, "gelu")
    kind = diffusers.StableDiffusionXLPipeline
    if in_channels == 9:
        kind = diffusers.StableDiffusionXLInpaintPipeline
    pipeline = kind(
        vae=vae,
        text_encoder=first,
        text_encoder_2=second,
        tokenizer=clip_tokenizer(END),
        tokenizer_2=clip_tokenizer(FIRST),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **NOISE),
        add_watermarker=False,
    )
    state = {
        **under(UNET, unet_state(unet)),
        **under("first_stage_model.", vae_state(vae)),
        **under("conditioner.embedders.0.transformer.", clip_state(first)),
        **under("conditioner.embedders.1.model.", open_clip_state(second)),
        "denoiser.sigmas": torch.linspace(0, 1, 1000),
    }
    return Small(pipeline, state)


def xl_refiner() -> Small:
    """XL's refiner: the second text model alone, five sizes."""
    unet = _xl_unet(4, 64, 64, 5)
    vae = autoencoder(0.13025)
    second = text_model(CLIPTextModelWithProjection, 64, 3, "gelu")
    pipeline = diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=vae,
        text_encoder=None,
        text_encoder_2=second,
        tokenizer=None,
        tokenizer_2=clip_tokenizer(FIRST),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **NOISE),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    state = {
        **under(UNET, unet_state(unet)),
        **under("first_stage_model.", vae_state(vae)),
        **under("conditioner.embedders.0.model.", open_clip_state(second)),
    }
    return Small(pipeline, state)


FAMILIES: Mapping[str, Callable[[], Small]] = {
    "sd1": sd1,
    "sd1_inpaint": lambda: sd1(in_channels=9),
    "sd2": sd2,
    "sd2_base": lambda: sd2(v=False),
    "sd2_inpaint": lambda: sd2(in_channels=9, v=False),
    "xl": xl,
    "xl_inpaint": lambda: xl(in_channels=9),
    "xl_refiner": xl_refiner,
}
