"""A folder of Stable Diffusion 1.5's size with random weights, as diffusers writes it.

Owns its architecture and where it is kept between runs. Speed does not depend on what the weights
are, and these need no download and no licence.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

RESULTS = Path(__file__).parent / "results"  # not committed
FOLDER = RESULTS / "models" / "stable-diffusion-1.5-float16"


def _write(folder: Path) -> None:
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    from ldm.checkpoints.clip_tokenizer import END_ID, START_ID, clip_tokenizer

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    text = CLIPTextConfig(
        vocab_size=END_ID + 1,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        hidden_act="quick_gelu",
        bos_token_id=START_ID,
        eos_token_id=END_ID,
        pad_token_id=END_ID,
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=512,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=clip_tokenizer(),
        unet=diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            steps_offset=1,
            set_alpha_to_one=False,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    _as_published(folder / "tokenizer")


def _as_published(tokenizer: Path) -> None:
    """Vocabulary and merges in files of their own, as the model's page has them: those open faster
    than the one file that today's transformers writes.
    """
    whole = tokenizer / "tokenizer.json"
    model = json.loads(whole.read_text("utf-8"))["model"]
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (tokenizer / "vocab.json").write_text(json.dumps(model["vocab"]), "utf-8")
    (tokenizer / "merges.txt").write_text("\n".join(merges) + "\n", "utf-8")
    whole.unlink()


def stable_diffusion() -> Path:
    """The folder, written first if it is not there yet: 2.1 GB, half a minute."""
    if not FOLDER.is_dir():
        partial = FOLDER.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        _write(partial)
        partial.rename(FOLDER)
    return FOLDER


def weights_of(folder: Path) -> int:
    """Bytes of all the weights in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def warm_up(folder: Path) -> None:
    """Have the system keep the files in memory, as they are after a first use."""
    room = bytearray(1 << 24)
    for path in folder.rglob("*.safetensors"):
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass
