"""Small whole models of every family, of diffusers' and transformers' real classes.

Random weights, some 100,000 of them; 64 x 64 pixels are 8 x 8 latents of 4 channels. A caption's
letters are its tokens, at most 14 to a chunk. For files of the original layout, whose shapes say
more, see `tests.checkpoints.small_models`.

Each builder gives a pipeline that `save_pretrained` writes, its random numbers its own:

    pipe = small_models.sdxl()
    pipe.save_pretrained(folder)

To change one, build it and replace a component, or register another option.
"""

from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

SIZE = 64  # pixels
LENGTH = 16  # tokens of a chunk, begin and end included
LETTERS = "abcdefghijklmnopqrstuvwxyz,"
END = "<|endoftext|>"
FIRST = "!"  # what the text models of Stable Diffusion 2 and XL fill up with
ENTRIES = [FIRST, *LETTERS, *(f"{c}</w>" for c in LETTERS), "<|startoftext|>", END]
VOCABULARY = {entry: number for number, entry in enumerate(ENTRIES)}
POOLED = 20  # features
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
}
UNSAFE: dict[str, Any] = {
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}


def tokenizer(padding: str = END) -> CLIPTokenizer:
    return CLIPTokenizer(dict(VOCABULARY), [], pad_token=padding, model_max_length=LENGTH)


def text_model(kind: type[nn.Module], width: int, layers: int, activation: str) -> Any:
    """CLIPTextModel or CLIPTextModelWithProjection."""
    config = CLIPTextConfig(
        vocab_size=len(ENTRIES),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=POOLED,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        hidden_act=activation,
        bos_token_id=VOCABULARY["<|startoftext|>"],
        eos_token_id=VOCABULARY[END],
        pad_token_id=VOCABULARY[END],
    )
    return kind(config).eval()


def autoencoder(scale: float = 0.18215) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        scaling_factor=scale,
    ).eval()


def unet(**settings: Any) -> diffusers.UNet2DConditionModel:
    small: dict[str, Any] = {
        "sample_size": SIZE // 8,
        "block_out_channels": (16, 32),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    }
    return diffusers.UNet2DConditionModel(**{**small, **settings}).eval()


def _sd1(kind: type, scheduler: Any, **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(
        vae=autoencoder(),
        text_encoder=text_model(CLIPTextModel, 24, 2, "quick_gelu"),
        tokenizer=tokenizer(),
        unet=unet(cross_attention_dim=24, **settings),
        scheduler=scheduler,
        **UNSAFE,
    )


def _sd2(kind: type, scheduler: Any, **settings: Any) -> Any:
    torch.manual_seed(0)
    linear: dict[str, Any] = {"attention_head_dim": [2, 4], "use_linear_projection": True}
    return kind(
        vae=autoencoder(),
        text_encoder=text_model(CLIPTextModel, 32, 3, "gelu"),
        tokenizer=tokenizer(FIRST),
        unet=unet(cross_attention_dim=32, **linear, **settings),
        scheduler=scheduler,
        **UNSAFE,
    )


def _xl_unet(context: int, numbers: int, **settings: Any) -> diffusers.UNet2DConditionModel:
    return unet(
        cross_attention_dim=context,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=[2, 4],
        transformer_layers_per_block=[1, 2],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=POOLED + 8 * numbers,
        **settings,
    )


def _sdxl(kind: type, scheduler: Any, **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(
        vae=autoencoder(0.13025),
        text_encoder=text_model(CLIPTextModel, 24, 3, "quick_gelu"),
        text_encoder_2=text_model(CLIPTextModelWithProjection, 32, 4, "gelu"),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(FIRST),
        unet=_xl_unet(24 + 32, 6, **settings),
        scheduler=scheduler,
        add_watermarker=False,
    )


def sd1() -> diffusers.StableDiffusionPipeline:
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **NOISE)
    return _sd1(diffusers.StableDiffusionPipeline, scheduler)


def sd1_inpaint() -> diffusers.StableDiffusionInpaintPipeline:
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **NOISE)
    return _sd1(diffusers.StableDiffusionInpaintPipeline, scheduler, in_channels=9)


def sd1_lcm() -> diffusers.LatentConsistencyModelPipeline:
    scheduler = diffusers.LCMScheduler(**NOISE)
    return _sd1(diffusers.LatentConsistencyModelPipeline, scheduler, time_cond_proj_dim=16)


def sd2() -> diffusers.StableDiffusionPipeline:
    scheduler = diffusers.DDIMScheduler(
        clip_sample=False, set_alpha_to_one=False, prediction_type="v_prediction", **NOISE
    )
    return _sd2(diffusers.StableDiffusionPipeline, scheduler, upcast_attention=True)


def sd2_inpaint() -> diffusers.StableDiffusionInpaintPipeline:
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **NOISE)
    return _sd2(diffusers.StableDiffusionInpaintPipeline, scheduler, in_channels=9)


def sd2_turbo() -> diffusers.StableDiffusionPipeline:
    scheduler = diffusers.EulerDiscreteScheduler(timestep_spacing="trailing", **NOISE)
    return _sd2(diffusers.StableDiffusionPipeline, scheduler)


def sdxl() -> diffusers.StableDiffusionXLPipeline:
    scheduler = diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **NOISE)
    return _sdxl(diffusers.StableDiffusionXLPipeline, scheduler)


def sdxl_inpaint() -> diffusers.StableDiffusionXLInpaintPipeline:
    scheduler = diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **NOISE)
    return _sdxl(diffusers.StableDiffusionXLInpaintPipeline, scheduler, in_channels=9)


def sdxl_turbo() -> diffusers.StableDiffusionXLPipeline:
    scheduler = diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **NOISE)
    return _sdxl(diffusers.StableDiffusionXLPipeline, scheduler)


def sdxl_lcm() -> diffusers.StableDiffusionXLPipeline:
    scheduler = diffusers.LCMScheduler(**NOISE)
    return _sdxl(diffusers.StableDiffusionXLPipeline, scheduler, time_cond_proj_dim=16)


def sdxl_refiner() -> diffusers.StableDiffusionXLImg2ImgPipeline:
    torch.manual_seed(0)
    return diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=autoencoder(0.13025),
        text_encoder=None,  # type: ignore[arg-type]
        text_encoder_2=text_model(CLIPTextModelWithProjection, 32, 4, "gelu"),
        tokenizer=None,  # type: ignore[arg-type]
        tokenizer_2=tokenizer(FIRST),
        unet=_xl_unet(32, 5),
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **NOISE),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


FAMILIES: Mapping[str, Callable[[], Any]] = {
    "sd1": sd1,
    "sd1_inpaint": sd1_inpaint,
    "sd1_lcm": sd1_lcm,
    "sd2": sd2,
    "sd2_inpaint": sd2_inpaint,
    "sd2_turbo": sd2_turbo,
    "sdxl": sdxl,
    "sdxl_inpaint": sdxl_inpaint,
    "sdxl_turbo": sdxl_turbo,
    "sdxl_lcm": sdxl_lcm,
    "sdxl_refiner": sdxl_refiner,
}
