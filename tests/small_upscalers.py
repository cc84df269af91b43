"""Small diffusers pipelines with random weights: the upscalers and the first latent diffusion
models.

Each has the parts of the published checkpoint it stands for, with narrower layers, and its own
scheduler's settings.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
    LDMBertConfig,
    LDMBertModel,
)
from PIL import Image, ImageDraw
from transformers import BertTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.load import Checkpoint, load

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CLIP_WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), ",</w>"]
CLIP_WORDS += ["<|startoftext|>", "<|endoftext|>"]
BERT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, ",", "lake", "dawn"]
BERT_WORDS += [f"##{letter}" for letter in LETTERS]
STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def clip(hidden_size: int) -> dict[str, Any]:
    end = len(CLIP_WORDS) - 1
    config = CLIPTextConfig(
        vocab_size=len(CLIP_WORDS),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    vocabulary = {word: number for number, word in enumerate(CLIP_WORDS)}
    return {
        "text_encoder": CLIPTextModel(config),
        "tokenizer": CLIPTokenizer(vocabulary, [], model_max_length=16),
    }


def autoencoder(levels: int, **settings: Any) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(8,) * (levels - 1) + (16,),
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=4,
        **settings,
    )


def vq_model(**settings: Any) -> diffusers.VQModel:
    model = diffusers.VQModel(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        num_vq_embeddings=32,
        **settings,
    )
    torch.nn.init.normal_(model.quantize.embedding.weight)
    return model


def x4_upscaler() -> diffusers.StableDiffusionUpscalePipeline:
    torch.manual_seed(0)
    return diffusers.StableDiffusionUpscalePipeline(
        vae=autoencoder(3, scaling_factor=0.08333),
        unet=diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=7,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=24,
            attention_head_dim=4,
            norm_num_groups=8,
            num_class_embeds=1000,
            only_cross_attention=(True, False),
            use_linear_projection=True,
        ),
        low_res_scheduler=diffusers.DDPMScheduler(beta_schedule="scaled_linear"),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        max_noise_level=350,
        **clip(24),
    )


def latent_upscaler() -> diffusers.StableDiffusionLatentUpscalePipeline:
    torch.manual_seed(0)
    return diffusers.StableDiffusionLatentUpscalePipeline(
        vae=autoencoder(4),
        unet=diffusers.UNet2DConditionModel(
            act_fn="gelu",
            attention_head_dim=16,
            norm_num_groups=None,
            block_out_channels=(32, 32, 64, 64),
            layers_per_block=1,
            time_cond_proj_dim=128 + 24,
            conv_in_kernel=1,
            conv_out_kernel=1,
            cross_attention_dim=24,
            down_block_types=("KDownBlock2D", *("KCrossAttnDownBlock2D",) * 3),
            up_block_types=(*("KCrossAttnUpBlock2D",) * 3, "KUpBlock2D"),
            mid_block_type=None,
            in_channels=8,
            out_channels=5,
            resnet_time_scale_shift="scale_shift",
            time_embedding_type="fourier",
            timestep_post_act="gelu",
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            **STABLE_DIFFUSION, interpolation_type="log_linear", prediction_type="sample"
        ),
        **clip(24),
    )


def text_to_image(folder: Path) -> diffusers.LDMTextToImagePipeline:
    """text2im-large-256; `folder` takes the tokenizer's word list."""
    torch.manual_seed(0)
    (folder / "vocab.txt").write_text("\n".join(BERT_WORDS))
    bert = LDMBertConfig(
        vocab_size=len(BERT_WORDS),
        encoder_layers=2,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        head_dim=8,
        d_model=24,
    )
    return diffusers.LDMTextToImagePipeline(
        vqvae=autoencoder(4),
        bert=LDMBertModel(bert).eval(),  # it has dropout
        tokenizer=BertTokenizer(str(folder / "vocab.txt")),
        unet=diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=24,
            attention_head_dim=4,
            norm_num_groups=8,
        ),
        scheduler=diffusers.DDIMScheduler(**STABLE_DIFFUSION, clip_sample=False),
    )


def _unet_2d(in_channels: int) -> diffusers.UNet2DModel:
    return diffusers.UNet2DModel(
        sample_size=16,
        in_channels=in_channels,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )


def super_resolution() -> diffusers.LDMSuperResolutionPipeline:
    torch.manual_seed(0)
    return diffusers.LDMSuperResolutionPipeline(
        vqvae=vq_model(),
        unet=_unet_2d(6),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0155, clip_sample=False
        ),
    )


def unconditional() -> diffusers.LDMPipeline:
    torch.manual_seed(0)
    return diffusers.LDMPipeline(
        vqvae=vq_model(scaling_factor=1.0),
        unet=_unet_2d(3),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0195, clip_sample=False
        ),
    )


# What needs a folder to be made in, and what does not.
Loaded = tuple[diffusers.DiffusionPipeline, Checkpoint]


def photo(width: int = 32, height: int = 32) -> Image.Image:
    image = Image.new("RGB", (width, height), (40, 90, 200))
    ImageDraw.Draw(image).ellipse((4, 6, width - 8, height - 2), fill=(220, 180, 30))
    return image


def save_and_load(name: str, folder: Path) -> Loaded:
    """A diffusers pipeline of PIPELINES, and the checkpoint of the folder it wrote."""
    pipeline = PIPELINES[name](folder)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "model")
    return pipeline, load(folder / "model", torch.device("cpu"), torch.float32)


PIPELINES: dict[str, Callable[[Path], diffusers.DiffusionPipeline]] = {
    "x4_upscaler": lambda folder: x4_upscaler(),
    "latent_upscaler": lambda folder: latent_upscaler(),
    "ldm_text2im": text_to_image,
    "ldm_super_resolution": lambda folder: super_resolution(),
    "unconditional": lambda folder: unconditional(),
}
