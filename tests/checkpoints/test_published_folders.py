"""The upscalers and the first latent diffusion models as published, at their full size.

Configurations are those of the files on the Hub; diffusers' and transformers' classes are built
from them without memory, and their names and shapes make the folders. Only headers are written,
so they take no room.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.latent_diffusion import pipeline_latent_diffusion as first
from torch import nn
from transformers import BertTokenizer, CLIPTextConfig, CLIPTextModel

from ldm.checkpoints.clip_tokenizer import END, clip_tokenizer
from ldm.checkpoints.defaults import defaults_of
from ldm.checkpoints.family import FAMILIES, detect
from ldm.checkpoints.fit import check_fit
from ldm.checkpoints.folder import open_folder
from ldm.checkpoints.load import BUILDERS
from ldm.checkpoints.weights import check
from ldm.diffusion.schedule import NoiseSchedule
from tests.checkpoints.published import K_UNET, write_header

DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
SCALED = {"beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "trained_betas": None}
CLIP_L: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
}
VIT_H: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
}
F8: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": [DOWN] * 4,
    "up_block_types": [UP] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
F4: dict[str, Any] = {
    "block_out_channels": [128, 256, 512],
    "down_block_types": [DOWN] * 3,
    "up_block_types": [UP] * 3,
    "layers_per_block": 2,
}
VQ_F4: dict[str, Any] = {**F4, "latent_channels": 3, "num_vq_embeddings": 8192, "sample_size": 256}
KINDS: Mapping[str, tuple[Any, Any]] = {
    "UNet2DConditionModel": (diffusers.UNet2DConditionModel, None),
    "UNet2DModel": (diffusers.UNet2DModel, None),
    "AutoencoderKL": (diffusers.AutoencoderKL, None),
    "VQModel": (diffusers.VQModel, None),
    "CLIPTextModel": (CLIPTextModel, CLIPTextConfig),
    "LDMBertModel": (first.LDMBertModel, first.LDMBertConfig),
}


@dataclass(frozen=True)
class Published:
    """A checkpoint: component -> class and configuration; and what ours should make of it."""

    pipeline: str
    parts: dict[str, tuple[str, dict[str, Any]]]
    scheduler: dict[str, Any]
    weights: int  # of the U-Net
    side: int  # of the pictures it was trained to make
    options: dict[str, Any] = field(default_factory=dict)
    low_res_scheduler: dict[str, Any] | None = None
    sampler: str = "ddim"


PUBLISHED: dict[str, Published] = {
    "x4_upscaler": Published(  # stabilityai/stable-diffusion-x4-upscaler
        "StableDiffusionUpscalePipeline",
        {
            "unet": (
                "UNet2DConditionModel",
                {
                    "act_fn": "silu",
                    "attention_head_dim": 8,
                    "block_out_channels": [256, 512, 512, 1024],
                    "center_input_sample": False,
                    "cross_attention_dim": 1024,
                    "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 3],
                    "downsample_padding": 1,
                    "dual_cross_attention": False,
                    "flip_sin_to_cos": True,
                    "freq_shift": 0,
                    "in_channels": 7,
                    "layers_per_block": 2,
                    "mid_block_scale_factor": 1,
                    "norm_eps": 1e-05,
                    "norm_num_groups": 32,
                    "num_class_embeds": 1000,
                    "only_cross_attention": [True, True, True, False],
                    "out_channels": 4,
                    "sample_size": 128,
                    "up_block_types": [*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"],
                    "use_linear_projection": True,
                },
            ),
            "vae": ("AutoencoderKL", {**F4, "latent_channels": 4, "sample_size": 256}),
            "text_encoder": ("CLIPTextModel", VIT_H),
        },
        {
            **SCALED,
            "_class_name": "DDIMScheduler",
            "beta_end": 0.02,
            "beta_start": 0.0001,
            "clip_sample": False,
            "prediction_type": "v_prediction",
            "set_alpha_to_one": False,
            "skip_prk_steps": True,
            "steps_offset": 1,
        },
        weights=473_398_020,
        side=512,
        options={"max_noise_level": 350},
        low_res_scheduler={
            **SCALED,
            "_class_name": "DDPMScheduler",
            "beta_end": 0.02,
            "beta_start": 0.0001,
            "clip_sample": True,
            "prediction_type": "epsilon",
            "variance_type": "fixed_small",
        },
    ),
    "latent_upscaler": Published(  # stabilityai/sd-x2-latent-upscaler
        "StableDiffusionLatentUpscalePipeline",
        {
            "unet": (
                "UNet2DConditionModel",
                K_UNET,
            ),
            "vae": ("AutoencoderKL", {**F8, "sample_size": 512}),
            "text_encoder": ("CLIPTextModel", CLIP_L),
        },
        {
            **SCALED,
            "_class_name": "EulerDiscreteScheduler",
            "beta_end": 0.012,
            "beta_start": 0.00085,
            "interpolation_type": "log_linear",
            "prediction_type": "original_sample",
        },
        weights=372_560_645,
        side=1024,
        sampler="euler",
    ),
    "ldm_text2im": Published(  # CompVis/ldm-text2im-large-256
        "LDMTextToImagePipeline",
        {
            "unet": ("UNet2DConditionModel", {"sample_size": 32}),
            "vqvae": ("AutoencoderKL", {**F8, "sample_size": 256}),
            "bert": ("LDMBertModel", {}),
        },
        {**SCALED, "_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_start": 0.00085},
        weights=872_300_484,
        side=256,
    ),
    "ldm_super_resolution": Published(  # CompVis/ldm-super-resolution-4x-openimages
        "LDMSuperResolutionPipeline",
        {
            "unet": (
                "UNet2DModel",
                {
                    "act_fn": "silu",
                    "attention_head_dim": 32,
                    "block_out_channels": [160, 320, 320, 640],
                    "center_input_sample": False,
                    "down_block_types": [*["DownBlock2D"] * 3, "AttnDownBlock2D"],
                    "downsample_padding": 1,
                    "flip_sin_to_cos": True,
                    "freq_shift": 0,
                    "in_channels": 6,
                    "layers_per_block": 2,
                    "mid_block_scale_factor": 1,
                    "norm_eps": 1e-05,
                    "norm_num_groups": 32,
                    "out_channels": 3,
                    "sample_size": 64,
                    "time_embedding_type": "positional",
                    "up_block_types": ["AttnUpBlock2D", *["UpBlock2D"] * 3],
                },
            ),
            "vqvae": ("VQModel", VQ_F4),
        },
        {**SCALED, "_class_name": "DDIMScheduler", "beta_end": 0.0155, "beta_start": 0.0015},
        weights=113_622_563,
        side=256,
    ),
    "unconditional": Published(  # CompVis/ldm-celebahq-256
        "LDMPipeline",
        {
            "unet": (
                "UNet2DModel",
                {
                    "attention_head_dim": 32,
                    "block_out_channels": [224, 448, 672, 896],
                    "down_block_types": ["DownBlock2D", *["AttnDownBlock2D"] * 3],
                    "sample_size": 64,
                    "up_block_types": [*["AttnUpBlock2D"] * 3, "UpBlock2D"],
                },
            ),
            "vqvae": ("VQModel", VQ_F4),
        },
        {**SCALED, "_class_name": "DDIMScheduler", "beta_end": 0.0195, "beta_start": 0.0015},
        weights=274_056_163,
        side=256,
    ),
}


def write_folder(folder: Path, published: Published) -> dict[str, nn.Module]:
    """The checkpoint's folder without its numbers, and diffusers' modules."""
    index: dict[str, Any] = {"_class_name": published.pipeline, **published.options}
    modules: dict[str, nn.Module] = {}
    schedulers = {
        "scheduler": published.scheduler,
        "low_res_scheduler": published.low_res_scheduler,
    }
    for name, config in schedulers.items():
        if config is not None:
            index[name] = ["diffusers", config["_class_name"]]
            (folder / name).mkdir()
            (folder / name / "scheduler_config.json").write_text(json.dumps(config))
    for name, (kind, config) in published.parts.items():
        index[name] = ["library", kind]
        make, configure = KINDS[kind]
        with torch.device("meta"):
            modules[name] = make(**config) if configure is None else make(configure(**config))
        key = {"_class_name": kind} if configure is None else {"architectures": [kind]}
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config | key))
        stem = "diffusion_pytorch_model" if configure is None else "model"
        write_header(folder / name / f"{stem}.safetensors", modules[name].state_dict())
    (folder / "tokenizer").mkdir()
    if "text_encoder" in published.parts:
        index["tokenizer"] = ["transformers", "CLIPTokenizer"]
        clip_tokenizer(END).save_pretrained(folder / "tokenizer")
    elif "bert" in published.parts:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(30_517))]
        (folder / "words.txt").write_text("\n".join(words))
        index["tokenizer"] = ["transformers", "BertTokenizer"]
        BertTokenizer(str(folder / "words.txt")).save_pretrained(folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(index))
    return modules


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_name_and_shape_is_accounted_for(name: str, tmp_path: Path) -> None:
    published = PUBLISHED[name]
    theirs = write_folder(tmp_path, published)
    source = open_folder(tmp_path)
    family = detect(source)
    assert family.name == name
    with torch.device("meta"):
        ours = {
            part: BUILDERS[kind]({**source.configs[part], **family.fixed.get(part, {})})
            for part, (kind, _) in published.parts.items()
        }
    check_fit(source, family, ours)
    for part, module in ours.items():
        check(module, source.tensors[part], tmp_path / part)
        wanted = {
            key: tensor.shape
            for key, tensor in theirs[part].state_dict().items()
            if not key.startswith("to_logits.")  # BERT's head, which only training asked
        }
        assert {key: tensor.shape for key, tensor in module.state_dict().items()} == wanted
    assert sum(p.numel() for p in ours["unet"].parameters()) == published.weights

    defaults = defaults_of(source, family)
    assert defaults.native_size == (published.side, published.side)
    assert (defaults.sampler, defaults.schedule) == (published.sampler, "uniform")
    NoiseSchedule.from_config(source.configs["scheduler"])


def test_scales_that_the_files_leave_out() -> None:
    """The x4 upscaler's latents are scaled by 0.08333, those of the first models not at all; the
    published files name neither, and diffusers' 0.18215 would be wrong for them.
    """
    scales: dict[str, Any] = {}
    for name in ("x4_upscaler", "ldm_super_resolution", "unconditional"):
        family = FAMILIES[name]
        kind, config = PUBLISHED[name].parts[family.autoencoder]
        with torch.device("meta"):
            made: Any = BUILDERS[kind]({**config, **family.fixed.get(family.autoencoder, {})})
        scales[name] = getattr(made.config, "levels", made.config).scaling_factor
    assert scales == {"x4_upscaler": 0.08333, "ldm_super_resolution": 1.0, "unconditional": 1.0}
