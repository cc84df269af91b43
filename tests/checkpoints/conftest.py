"""What the tests of `ldm.checkpoints` share: a small model folder that diffusers wrote."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WORDS = [*"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
VOCABULARY = {w: i for i, w in enumerate([*WORDS, "<|startoftext|>", "<|endoftext|>"])}


def small_pipeline() -> diffusers.StableDiffusionPipeline:
    """Stable Diffusion of diffusers' and transformers' real classes, some 200,000 weights."""
    torch.manual_seed(0)
    end = VOCABULARY["<|endoftext|>"]
    text = CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    return diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8, 8, 8, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(VOCABULARY, [], model_max_length=16),
        unet=diffusers.UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(16, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=24,
            attention_head_dim=4,
            norm_num_groups=8,
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="session")
def pipeline() -> diffusers.StableDiffusionPipeline:
    return small_pipeline()


@pytest.fixture(scope="session")
def saved(
    pipeline: diffusers.StableDiffusionPipeline, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder as `save_pretrained` wrote it; tests that change it take `folder`."""
    path = tmp_path_factory.mktemp("models") / "small"
    pipeline.save_pretrained(path)
    return path


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved folder that a test may break."""
    return Path(shutil.copytree(saved, tmp_path / "small"))


@pytest.fixture(scope="session")
def edit() -> Callable[..., None]:
    """edit(path, key=value, ...): change keys of a JSON file; None in place of a value: null."""

    def change(path: Path, **values: Any) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change
