"""Folders that cannot be used: the message names the file, what came and what is allowed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm.checkpoints.load import CheckpointError, load

CPU = torch.device("cpu")
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
Edit = Callable[..., None]


def _refusal(folder: Path, dtype: torch.dtype = torch.float32) -> str:
    """The message, which has one line and is no longer than a screen's width or ten."""
    with pytest.raises(CheckpointError) as caught:
        load(folder, CPU, dtype)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1500
    assert (
        message == f"{caught.value.path}: got {caught.value.got}, allowed: {caught.value.allowed}"
    )
    return message


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / UNET_FILE)


def test_no_folder(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "nowhere")
    assert "nowhere: got no such folder, allowed: a model folder" in message


def test_a_single_file(folder: Path) -> None:
    assert "got one part of a model in diffusers' layout" in _refusal(folder / UNET_FILE)


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "an empty folder" in _refusal(tmp_path) and "model_index.json" in _refusal(tmp_path)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"{folder / part}" in _refusal(folder)


def test_a_part_that_the_index_does_not_list(folder: Path, edit: Edit) -> None:
    edit(folder / "model_index.json", vae=[None, None])
    assert "model_index.json: got no vae" in _refusal(folder)


def test_a_pipeline_of_another_family(folder: Path, edit: Edit) -> None:
    shutil.copytree(folder / "text_encoder", folder / "text_encoder_2")
    edit(folder / "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"])
    assert "got text_encoder_2: CLIPTextModel, allowed: none of that" in _refusal(folder)


def test_an_index_that_is_no_json(folder: Path) -> None:
    (folder / "model_index.json").write_text("{ unet")
    assert "model_index.json: got an unreadable file" in _refusal(folder)
    (folder / "model_index.json").write_text("[1]")
    assert "got a JSON list, allowed: a JSON object" in _refusal(folder)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.ckpt"])
def test_pickles_alone(folder: Path, name: str) -> None:
    (folder / UNET_FILE).rename(folder / "unet" / name)
    message = _refusal(folder)
    assert name in message and "never" in message  # why
    assert "save it as safetensors" in message  # the way out


def test_no_weights_at_all(folder: Path) -> None:
    (folder / UNET_FILE).unlink()
    message = _refusal(folder)
    assert "got config.json, allowed: diffusion_pytorch_model.safetensors" in message


@pytest.mark.parametrize("keep", [0, 4, 100, 100_000, -1])
def test_a_truncated_file(folder: Path, keep: int) -> None:
    file = folder / UNET_FILE
    content = file.read_bytes()
    file.write_bytes(content[:keep])
    message = _refusal(folder)
    assert message.startswith(f"{file}: got {len(content[:keep])} bytes that do not open")
    assert message.endswith("allowed: a whole safetensors file")


def test_a_text_file_named_safetensors(folder: Path) -> None:
    (folder / UNET_FILE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "do not open" in _refusal(folder)


def test_missing_and_unexpected_keys_are_counted_and_ten_are_shown(folder: Path) -> None:
    weights = _weights(folder)
    moved = sorted(weights)[:13]
    for name in moved:
        weights[f"model.{name}"] = weights.pop(name)
    save_file(weights, folder / UNET_FILE)
    message = _refusal(folder)
    assert f"{folder / 'unet'}: got 13 missing" in message and "13 unexpected" in message
    assert sum(f"model.{name}" in message for name in moved) == 10
    assert f"tensors of {'UNet2DConditionModel'}" in message


def test_one_missing_key_is_named(folder: Path) -> None:
    weights = _weights(folder)
    del weights["conv_in.bias"]
    save_file(weights, folder / UNET_FILE)
    assert "got 1 missing (conv_in.bias), allowed" in _refusal(folder)


def test_a_wrong_shape(folder: Path) -> None:
    weights = _weights(folder)
    weights["conv_in.weight"] = torch.zeros(16, 5, 3, 3)
    save_file(weights, folder / UNET_FILE)
    message = _refusal(folder)
    assert "conv_in.weight of shape (16, 5, 3, 3), allowed: shape (16, 4, 3, 3)" in message


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_weights(folder: Path, bad: float) -> None:
    weights = _weights(folder)
    weights["conv_out.weight"][1, 2, 0, 1] = bad
    save_file(weights, folder / UNET_FILE)
    message = _refusal(folder)
    assert f"{folder / UNET_FILE}: got conv_out.weight with NaN or infinity" in message


def test_weights_beyond_float16(folder: Path) -> None:
    """Finite in the file, infinite in the type asked for."""
    weights = _weights(folder)
    weights["conv_out.weight"][0, 0, 0, 0] = 1e6
    save_file(weights, folder / UNET_FILE)
    load(folder, CPU, torch.float32)
    assert "allowed: finite numbers of torch.float16" in _refusal(folder, torch.float16)


def test_numbers_that_are_no_floats(folder: Path) -> None:
    weights = {name: value.to(torch.int8) for name, value in _weights(folder).items()}
    save_file(weights, folder / UNET_FILE)
    assert "as I8, allowed: F16, BF16, F32, F64" in _refusal(folder)


def test_a_config_of_another_class(folder: Path, edit: Edit) -> None:
    edit(folder / "unet/config.json", _class_name="UNet2DModel")
    message = _refusal(folder)
    assert "unet/config.json: got _class_name: 'UNet2DModel', allowed: UNet2D" in message


def test_a_text_encoder_of_another_class(folder: Path, edit: Edit) -> None:
    edit(folder / "text_encoder/config.json", architectures=["T5EncoderModel"])
    assert "text_encoder/config.json: got architectures: ['T5Enc" in _refusal(folder)


def test_a_setting_that_is_not_implemented(folder: Path, edit: Edit) -> None:
    edit(folder / "unet/config.json", class_embed_type="timestep")
    message = _refusal(folder)
    assert (
        f"{folder / 'unet/config.json'}: got class_embed_type: 'timestep', allowed: None" in message
    )


def test_a_scheduler_that_is_not_known(folder: Path, edit: Edit) -> None:
    edit(folder / "scheduler/scheduler_config.json", beta_schedule="sawtooth")
    message = _refusal(folder)
    assert "scheduler_config.json" in message and "sawtooth" in message


def test_a_tokenizer_without_its_files(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        if file.name in ("tokenizer.json", "vocab.json", "merges.txt"):
            file.unlink()
    assert "allowed: tokenizer.json, or vocab.json and merges.txt" in _refusal(folder)


def test_a_tokenizer_that_does_not_open(folder: Path) -> None:
    (folder / "tokenizer/tokenizer.json").write_text("{}")
    assert f"{folder / 'tokenizer'}: got files that do not open" in _refusal(folder)


def test_parts_of_different_models(folder: Path, edit: Edit) -> None:
    edit(folder / "unet/config.json", cross_attention_dim=32)
    message = _refusal(folder)
    assert "got cross_attention_dim (32, 32), allowed: 24, the hidden_size" in message
    edit(folder / "unet/config.json", cross_attention_dim=24, in_channels=5)
    assert "got 5 channels in and 4 out, allowed: 4 or 9 in and 4 out" in _refusal(folder)


def test_more_tokens_than_the_text_encoder_has(folder: Path, edit: Edit) -> None:
    edit(folder / "text_encoder/config.json", vocab_size=20)
    assert "got 57 tokens, allowed: at most 20" in _refusal(folder)


def test_a_shard_that_is_missing(folder: Path) -> None:
    weights = sorted(_weights(folder))
    index = {"weight_map": {name: "part-1.safetensors" for name in weights}}
    (folder / UNET_FILE).unlink()
    path = folder / f"{UNET_FILE}.index.json"
    path.write_text(json.dumps(index))
    assert f"{path}: got a missing file 'part-1.safetensors'" in _refusal(folder)
    path.write_text("{}")
    assert "got no weight_map" in _refusal(folder)


def test_a_shard_outside_the_folder(folder: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    (folder / UNET_FILE).rename(outside)
    index = {"weight_map": {"conv_in.bias": "../../outside.safetensors"}}
    (folder / f"{UNET_FILE}.index.json").write_text(json.dumps(index))
    assert "allowed: safetensors in" in _refusal(folder)


def test_a_tensor_in_two_shards(folder: Path) -> None:
    weights = _weights(folder)
    (folder / UNET_FILE).unlink()
    names = ("part-1.safetensors", "part-2.safetensors")
    for name in names:
        save_file(weights, folder / "unet" / name)
    index = {"weight_map": dict(zip(sorted(weights), names * len(weights), strict=False))}
    (folder / f"{UNET_FILE}.index.json").write_text(json.dumps(index))
    assert "also in" in _refusal(folder)


def test_after_a_refusal_the_next_folder_loads(folder: Path, saved: Path) -> None:
    (folder / UNET_FILE).write_bytes(b"")
    _refusal(folder)
    assert load(saved, CPU, torch.float32).name == "small"
