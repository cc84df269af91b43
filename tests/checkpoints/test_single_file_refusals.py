"""Single files that cannot be used: what the message names, and what it says to do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ldm.checkpoints.files import PICKLES
from ldm.checkpoints.load import CheckpointError, load
from tests.checkpoints.original_layout import State
from tests.checkpoints.small_models import UNET, sd1

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole() -> State:
    torch.manual_seed(0)
    return {name: value.detach().contiguous() for name, value in sd1().state.items()}


def _refusal(path: Path, state: State | None = None) -> str:
    if state is not None:
        save_file({name: value.clone() for name, value in state.items()}, path)
    with pytest.raises(CheckpointError) as caught:
        load(path, CPU, torch.float32)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1500
    assert message.startswith(f"{path}: got ")
    return message


@pytest.mark.parametrize("suffix", PICKLES)
def test_pickles(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"PK")
    message = _refusal(path)
    assert "a pickle can run any program" in message and "safetensors version" in message


def test_no_file_and_another_kind(tmp_path: Path) -> None:
    assert "got no such file" in _refusal(tmp_path / "none.safetensors")
    other = tmp_path / "model.gguf"
    other.write_bytes(b"GGUF")
    assert "got a file named .gguf, allowed: .safetensors" in _refusal(other)


@pytest.mark.parametrize("keep", [0, 7, 200, 500_000, -1])
def test_a_truncated_file(tmp_path: Path, whole: State, keep: int) -> None:
    path = tmp_path / "cut.safetensors"
    save_file({name: value.clone() for name, value in whole.items()}, path)
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    message = _refusal(path)
    assert f"got {len(content[:keep])} bytes that do not open" in message
    assert message.endswith("allowed: a whole safetensors file")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"], "a LoRA"),
        (["unet.mid_block.attentions.0.proj_in.lora_A.weight"], "a LoRA"),
        (["lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a"], "a LoRA"),
        (["emb_params"], "a textual inversion embedding"),
        (["clip_g", "clip_l"], "a textual inversion embedding"),
        (["control_model.zero_convs.0.0.weight"], "a ControlNet"),
        (["double_blocks.0.img_attn.qkv.weight"], "a diffusion transformer"),
        (["model.diffusion_model.joint_blocks.0.x"], "a diffusion transformer"),
        (["decoder.up.0.block.0.conv1.weight"], "an autoencoder alone"),
        (["down_blocks.0.resnets.0.conv1.weight"], "one part of a model in diffusers' layout"),
        (["weights"], "tensors of something else, 1 (weights)"),
        ([], "no tensors"),
    ],
)
def test_other_files_are_known_by_their_names(tmp_path: Path, names: list[str], what: str) -> None:
    message = _refusal(tmp_path / "other.safetensors", {name: torch.ones(2) for name in names})
    assert f"got {what}, allowed: a checkpoint of Stable Diffusion 1, 2 or XL" in message


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("depth_model.model.weight", "a model that reads depth"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("edm_mean", "a model with another kind of noise"),
        ("safety.weight", "tensors besides, 1 (safety.weight)"),
    ],
)
def test_more_than_a_checkpoint(tmp_path: Path, whole: State, name: str, what: str) -> None:
    message = _refusal(tmp_path / "more.safetensors", {**whole, name: torch.ones(2)})
    assert f"got {what}" in message


@pytest.mark.parametrize("channels", [5, 7, 8])
def test_other_tasks(tmp_path: Path, whole: State, channels: int) -> None:
    """Depth, upscaling, editing by instructions: their U-Nets take more channels."""
    first = {f"{UNET}input_blocks.0.0.weight": torch.zeros(32, channels, 3, 3)}
    message = _refusal(tmp_path / "task.safetensors", {**whole, **first})
    assert f"got a U-Net that takes {channels} channels, allowed: 4 or 9" in message


def test_without_a_text_model(tmp_path: Path, whole: State) -> None:
    state = {name: value for name, value in whole.items() if not name.startswith("cond_")}
    message = _refusal(tmp_path / "unet.safetensors", state)
    assert "got a U-Net without a text model (nothing begins with cond_stage_model." in message


def test_without_an_autoencoder(tmp_path: Path, whole: State) -> None:
    state = {name: value for name, value in whole.items() if not name.startswith("first_")}
    message = _refusal(tmp_path / "novae.safetensors", state)
    assert "without its autoencoder" in message and "or --vae FILE beside it" in message


def test_missing_and_unexpected_names_are_counted_and_ten_are_shown(
    tmp_path: Path, whole: State
) -> None:
    block = f"{UNET}output_blocks.5."
    moved = [name for name in whole if name.startswith(block)]
    assert len(moved) > 10
    state = {name: value for name, value in whole.items() if name not in moved}
    state |= {name.replace("_blocks.5.", "_blocks.77."): whole[name] for name in moved}
    message = _refusal(tmp_path / "moved.safetensors", state)
    assert f"got {len(moved)} missing (up_blocks.1.attentions.2." in message
    assert f"and {len(moved)} unexpected ({UNET}output_blocks.77.0." in message
    assert message.count(", ...)") == 2
    assert message.count("up_blocks.1.") == message.count("output_blocks.77.") == 10


@pytest.mark.parametrize(
    "name", ["out.2.weight", "input_blocks.0.0.weight", "input_blocks.1.0.out_layers.3.weight"]
)
def test_a_tensor_that_tells_of_the_shape_is_missing(
    tmp_path: Path, whole: State, name: str
) -> None:
    state = {key: value for key, value in whole.items() if key != f"{UNET}{name}"}
    assert f"got no tensor {UNET}{name}" in _refusal(tmp_path / "less.safetensors", state)


def test_an_unknown_name_is_shown_as_the_file_has_it(tmp_path: Path, whole: State) -> None:
    state = {**whole, f"{UNET}input_blocks.99.0.gate": torch.ones(3)}
    message = _refusal(tmp_path / "odd.safetensors", state)
    assert f"1 unexpected ({UNET}input_blocks.99.0.gate)" in message


def test_a_wrong_shape(tmp_path: Path, whole: State) -> None:
    state = {**whole, f"{UNET}out.0.weight": torch.zeros(33)}
    message = _refusal(tmp_path / "shape.safetensors", state)
    assert "got conv_norm_out.weight of shape (33,), allowed: shape (32,)" in message
    state = {**whole, f"{UNET}out.2.weight": torch.zeros(4)}
    message = _refusal(tmp_path / "flat.safetensors", state)
    assert f"got {UNET}out.2.weight of shape (4,), allowed: 4 dimensions" in message


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none(tmp_path: Path, whole: State, bad: float) -> None:
    weight = whole[f"{UNET}out.2.weight"].clone()
    weight[0, 0, 0, 0] = bad
    message = _refusal(tmp_path / "nan.safetensors", {**whole, f"{UNET}out.2.weight": weight})
    assert "conv_out.weight with NaN or infinity" in message


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8])
def test_packed_numbers(tmp_path: Path, whole: State, dtype: Any) -> None:
    weight = whole[f"{UNET}out.2.weight"].to(dtype)
    message = _refusal(tmp_path / "packed.safetensors", {**whole, f"{UNET}out.2.weight": weight})
    assert "conv_out.weight as " in message and "no packed numbers" in message
