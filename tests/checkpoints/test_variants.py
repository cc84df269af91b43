"""Versions of the weights in a folder: which is taken, as diffusers and transformers write them."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import pytest
import torch
from transformers import CLIPTextModel

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.files import CheckpointError, choose_weights, name_of, weight_files
from ldm.checkpoints.load import load

CPU, FLOAT32 = torch.device("cpu"), torch.float32
STEM = "diffusion_pytorch_model"
PLAIN, HALF = f"{STEM}.safetensors", f"{STEM}.fp16.safetensors"
INDEX, HALF_INDEX = f"{STEM}.safetensors.index.json", f"{STEM}.safetensors.index.fp16.json"
TRAINING = f"{STEM}.non_ema.safetensors"


@pytest.mark.parametrize(
    ("names", "variant", "chosen"),
    [
        ([PLAIN, HALF], None, PLAIN),
        ([PLAIN, HALF], "fp16", HALF),
        ([PLAIN, HALF], "bf16", PLAIN),
        ([HALF], None, HALF),
        ([HALF, INDEX], None, INDEX),
        ([HALF_INDEX, PLAIN], "fp16", HALF_INDEX),
        ([TRAINING, HALF], None, HALF),
        ([TRAINING, PLAIN], "non_ema", TRAINING),
        ([TRAINING], None, None),
        ([f"{STEM}.bin", "config.json"], "fp16", None),
    ],
)
def test_the_rule(names: list[str], variant: str | None, chosen: str | None) -> None:
    assert choose_weights(names, STEM, variant) == chosen


def write_variant(folder: Path, variant: str, shard: str) -> None:
    """Another version of every component beside the first, with every weight doubled."""
    kinds = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}
    for component in ("unet", "vae", "text_encoder"):
        path = folder / component
        model = kinds.get(component, CLIPTextModel).from_pretrained(path)
        for parameter in model.parameters():
            parameter.data *= 2
        model.save_pretrained(path, variant=variant, max_shard_size=shard)


@pytest.mark.parametrize("shard", ["1GB", "20KB"])
def test_a_variant_beside_the_plain_files(folder: Path, shard: str) -> None:
    plain = load(folder, CPU, FLOAT32)
    write_variant(folder, "fp16", shard)
    assert (len(weight_files(folder / "unet", STEM, "fp16")) > 1) == (shard == "20KB")
    assert load(folder, CPU, FLOAT32).digest == plain.digest
    variant = load(folder, CPU, FLOAT32, Extras(variant="fp16"))
    assert variant.digest != plain.digest
    for ours, single in (
        (variant.unet, plain.unet),
        (variant.vae, plain.vae),
        (variant.text_encoder.text_model, plain.text_encoder.text_model),  # type: ignore[union-attr]
    ):
        for doubled, parameter in zip(ours.parameters(), single.parameters(), strict=True):
            assert torch.equal(doubled, 2 * parameter)


def test_a_variant_of_one_part(folder: Path) -> None:
    """The others fall back to their plain files."""
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    unet.save_pretrained(folder / "unet", variant="fp16")
    (folder / "unet" / PLAIN).unlink()
    assert load(folder, CPU, FLOAT32, Extras(variant="fp16")).digest == load(folder).digest


def test_a_variant_that_is_nowhere(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="got variant 'bf16', allowed: none"):
        load(folder, CPU, FLOAT32, Extras(variant="bf16"))
    write_variant(folder, "fp16", "20KB")
    with pytest.raises(CheckpointError, match="got variant 'bf16', allowed: fp16, or none"):
        load(folder, CPU, FLOAT32, Extras(variant="bf16"))


@pytest.mark.parametrize("name", ["../../secret.safetensors", "part.bin", "/part.safetensors"])
def test_an_index_lists_safetensors_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="safetensors in"):
        weight_files(tmp_path, STEM)


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "part.safetensors"}}')
    with pytest.raises(CheckpointError, match="a missing file"):
        weight_files(tmp_path, STEM)


def test_what_a_model_is_called(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--small" / "snapshots" / ("0" * 40)
    assert name_of(snapshot) == "someone/small"
    assert name_of(snapshot / "small.safetensors") == "someone/small/small.safetensors"
    assert name_of(tmp_path / "sd-1.5") == "sd-1.5"
    assert name_of(tmp_path / "sd-1.5.safetensors") == "sd-1.5"
