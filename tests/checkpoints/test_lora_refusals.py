"""LoRAs that cannot be used: what the message names; the model stays as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ldm.checkpoints.files import PICKLES
from ldm.checkpoints.load import Checkpoint, load
from ldm.checkpoints.lora_merge import LoraError
from tests.checkpoints.lora_files import State, bytes_of, kohya, random_factors, write
from tests.checkpoints.small_models import text_model

CPU = torch.device("cpu")
KEY = "unet.mid_block.attentions.0.proj_in"


@pytest.fixture(scope="module")
def checkpoint(saved_module: Path) -> Checkpoint:
    return load(saved_module, CPU, torch.float32)


@pytest.fixture(scope="module")
def saved_module(small_stable_diffusion_folder: Path) -> Path:
    return small_stable_diffusion_folder


def layer(down: tuple[int, ...] = (2, 32, 1, 1), up: tuple[int, ...] = (32, 2, 1, 1)) -> State:
    return {
        f"{KEY}.lora_A.weight": torch.ones(down),
        f"{KEY}.lora_B.weight": torch.ones(up),
    }


def _refusal(checkpoint: Checkpoint, file: Path) -> str:
    """From the header where that tells, else when it is added; nothing stays added."""
    before = bytes_of(checkpoint.loras.modules.values())
    checkpoint.loras.files = {"style": file}
    with pytest.raises(LoraError) as caught:
        checkpoint.loras.check((("style", 1.0),))
        checkpoint.loras.use((("style", 1.0),))
    assert bytes_of(checkpoint.loras.modules.values()) == before
    assert checkpoint.loras.used == ()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    assert message.startswith("style: got ")
    return message


def test_the_layer_of_these_tests_goes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    checkpoint.loras.files = {"style": write(tmp_path / "style.safetensors", layer())}
    checkpoint.loras.use((("style", 1.0),))
    assert checkpoint.loras.used == (("style", 1.0),)
    checkpoint.loras.use(())


def test_a_name_that_is_not_known(checkpoint: Checkpoint) -> None:
    checkpoint.loras.files = {"ink": Path("ink.safetensors"), "oil": Path("oil.safetensors")}
    with pytest.raises(LoraError, match="style: got a name that is not known, allowed: ink, oil"):
        checkpoint.loras.check((("style", 1.0),))


@pytest.mark.parametrize("suffix", PICKLES)
def test_pickles(checkpoint: Checkpoint, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"style{suffix}"
    file.write_bytes(b"PK")
    assert "a pickle can run any program" in _refusal(checkpoint, file)


def test_files_that_are_damaged(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert "got no such file" in _refusal(checkpoint, tmp_path / "none.safetensors")
    file = write(tmp_path / "cut.safetensors", layer())
    file.write_bytes(file.read_bytes()[:-1])
    assert "do not open" in _refusal(checkpoint, file)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lora_unet_x.hada_w1_a", "a LoHa"),
        ("lora_unet_x.lokr_w1", "a LoKr"),
        ("lora_unet_x.dora_scale", "a DoRA"),
        ("unet.x.lora_magnitude_vector", "a DoRA"),
        ("oft_unet_x.oft_blocks", "an OFT"),
        ("lora_unet_x.on_input", "an IA3"),
        ("lora_unet_x.diff", "a LoRA with whole weights"),
    ],
)
def test_other_kinds(checkpoint: Checkpoint, tmp_path: Path, name: str, kind: str) -> None:
    file = write(tmp_path / "kind.safetensors", {**layer(), name: torch.ones(2, 2)})
    assert f"got {kind} ({name}), allowed: a LoRA of products alone" in _refusal(checkpoint, file)


def test_files_of_something_else(checkpoint: Checkpoint, tmp_path: Path) -> None:
    state = {f"conv_{index}.weight": torch.ones(1) for index in range(12)}
    message = _refusal(checkpoint, write(tmp_path / "model.safetensors", state))
    assert "got 12 tensors that belong to no LoRA (conv_0.weight, " in message
    assert message.count("conv_") == 10 and ", ...)" in message
    message = _refusal(checkpoint, write(tmp_path / "empty.safetensors", {}))
    assert "got 0 tensors that belong to no LoRA (nothing)" in message


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({f"{KEY}.lora_A.weight": torch.ones(2, 32)}, "without up"),
        ({f"{KEY}.lora_B.weight": torch.ones(32, 2)}, "without down"),
        (layer(down=(3, 32, 1, 1)), "factors of one rank"),
        (layer(up=(32, 2, 3, 3)), "factors of one rank"),
        (layer(down=(32,)), "factors of one rank"),
        (layer(down=(0, 32, 1, 1), up=(32, 0, 1, 1)), "factors of one rank"),
        (layer(down=(2, 48, 1, 1)), "is of shape (32, 48), not (32, 32)"),
        (layer(up=(48, 2, 1, 1)), "is of shape (48, 32), not (32, 32)"),
    ],
)
def test_factors_that_do_not_go(
    checkpoint: Checkpoint, tmp_path: Path, state: State, what: str
) -> None:
    assert what in _refusal(checkpoint, write(tmp_path / "odd.safetensors", state))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none(checkpoint: Checkpoint, tmp_path: Path, bad: float) -> None:
    """Seen when it is added, after others were: these are taken away again, too."""
    state = layer()
    state[f"{KEY}.lora_B.weight"][5] = bad
    first = {name.replace("proj_in", "proj_out"): value for name, value in layer().items()}
    file = write(tmp_path / "bad.safetensors", first, state)
    assert f"{KEY} (up) with NaN or infinity" in _refusal(checkpoint, file)


def test_packed_numbers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    packed = {name: value.to(torch.float8_e4m3fn) for name, value in layer().items()}
    file = write(tmp_path / "packed.safetensors", packed)
    assert "as F8_E4M3" in _refusal(checkpoint, file)


@pytest.mark.parametrize(
    ("width", "family"),
    [
        (768, "Stable Diffusion 1"),
        (1024, "Stable Diffusion 2"),
        (2048, "Stable Diffusion XL"),
        (16, "another model"),
    ],
)
def test_one_for_another_family(
    checkpoint: Checkpoint, tmp_path: Path, width: int, family: str
) -> None:
    """Known by the features that its cross-attention reads."""
    key = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    state = {
        f"{key}.lora_down.weight": torch.ones(2, width),
        f"{key}.lora_up.weight": torch.ones(32, 2),
    }
    message = _refusal(checkpoint, write(tmp_path / "other.safetensors", state))
    assert f"got one for {family}: {key}" in message
    assert message.endswith("allowed: a LoRA for Stable Diffusion 1")


def test_one_for_two_text_models(checkpoint: Checkpoint, tmp_path: Path) -> None:
    modules = dict(text_model(CLIPTextModelWithProjection, 64, 3, "gelu").named_modules())
    chosen = {name: each for name, each in modules.items() if name.endswith("q_proj")}
    factors = random_factors(chosen, 2, None, torch.Generator())
    file = write(tmp_path / "xl.safetensors", kohya("lora_te2_", factors))
    message = _refusal(checkpoint, file)
    assert "got one for Stable Diffusion XL: 3 modules are not in this one (lora_te2_" in message


def test_one_for_a_model_of_another_kind(checkpoint: Checkpoint, tmp_path: Path) -> None:
    names = [f"transformer.single_transformer_blocks.{index}.attn.to_q" for index in range(38)]
    state = {
        f"{name}.{part}.weight": torch.ones(2, 2) for name in names for part in ("lora_A", "lora_B")
    }
    message = _refusal(checkpoint, write(tmp_path / "flux.safetensors", state))
    assert "got one for another model: 38 modules are not in this one" in message
    assert message.count("transformer.single") == 10


@pytest.mark.parametrize(
    ("alpha", "what"),
    [
        (torch.ones(2), "alpha as F32 of shape (2,), allowed: one number"),
        (torch.tensor(True), "alpha as BOOL of shape ()"),
        (torch.tensor(float("nan")), "alpha with nan, allowed: a finite number"),
    ],
)
def test_alphas_that_are_no_numbers(
    checkpoint: Checkpoint, tmp_path: Path, alpha: torch.Tensor, what: str
) -> None:
    file = write(tmp_path / "alpha.safetensors", {**layer(), f"{KEY}.alpha": alpha})
    assert what in _refusal(checkpoint, file)


def test_an_alpha_that_is_a_whole_number(checkpoint: Checkpoint, tmp_path: Path) -> None:
    state = {**layer(), f"{KEY}.alpha": torch.tensor(8)}
    checkpoint.loras.files = {"style": write(tmp_path / "style.safetensors", state)}
    weight = checkpoint.unet.get_parameter("mid_block.attentions.0.proj_in.weight")
    own = weight.detach().clone()
    checkpoint.loras.use((("style", 0.5),))
    # 0.5 * 8 / 2, times the product of ones over rank 2.
    torch.testing.assert_close(weight.detach() - own, torch.full_like(own, 4.0))
    checkpoint.loras.use(())


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({"unet.lora_alpha": "much"}, "lora_alpha 'much' in its header, allowed: a number"),
        ({"unet.use_dora": True}, "got a DoRA"),
        ([1], "lora_adapter_metadata that is no object"),
        (None, "lora_adapter_metadata that is no JSON"),
    ],
)
def test_headers_that_do_not_go(
    checkpoint: Checkpoint, tmp_path: Path, metadata: Any, what: str
) -> None:
    text = "{" if metadata is None else json.dumps(metadata)
    file = tmp_path / "header.safetensors"
    save_file(layer(), file, metadata={"lora_adapter_metadata": text})
    assert what in _refusal(checkpoint, file)


def test_the_file_that_peft_puts_beside(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Which says alpha: 6 / sqrt(4) here; without it a LoRA of PEFT has the scale 1."""
    parts = {name.replace("unet.", "base_model.model."): v for name, v in layer().items()}
    file = write(tmp_path / "adapter_model.safetensors", parts)
    checkpoint.loras.files = {"style": file}
    weight = checkpoint.unet.get_parameter("mid_block.attentions.0.proj_in.weight")
    own = weight.detach().clone()
    for beside, scale in ((None, 1.0), ({"lora_alpha": 6, "use_rslora": True}, 6 / 2**0.5)):
        if beside is not None:
            (tmp_path / "adapter_config.json").write_text(json.dumps(beside))
        checkpoint.loras.use((("style", 1.0),))
        torch.testing.assert_close(weight.detach() - own, torch.full_like(own, 2 * scale))
        checkpoint.loras.use(())


def test_another_text_model_of_the_same_names(checkpoint: Checkpoint, tmp_path: Path) -> None:
    modules = dict(text_model(CLIPTextModel, 64, 1, "gelu").named_modules())
    chosen = {name: each for name, each in modules.items() if name.endswith("q_proj")}
    factors = random_factors(chosen, 2, None, torch.Generator())
    file = write(tmp_path / "text.safetensors", kohya("lora_te_text_model_", factors))
    assert "is of shape (64, 64), not (32, 32)" in _refusal(checkpoint, file)
