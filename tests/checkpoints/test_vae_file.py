"""An autoencoder in its own file, beside a checkpoint: in original and in diffusers' names."""

from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.load import CheckpointError, load
from tests.checkpoints.original_layout import State, leftovers, under, vae_state
from tests.checkpoints.small_models import Small, autoencoder, sd1

CPU, FLOAT32 = torch.device("cpu"), torch.float32


@pytest.fixture(scope="module")
def small() -> Small:
    torch.manual_seed(0)
    return sd1()


@pytest.fixture(scope="module")
def bare(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint's file without an autoencoder."""
    state = {n: v for n, v in small.state.items() if not n.startswith("first_stage_model.")}
    return _write(tmp_path_factory.mktemp("bare") / "bare.safetensors", state)


@pytest.fixture(scope="module")
def other() -> diffusers.AutoencoderKL:
    """Another one than the checkpoint's, of the same shape."""
    torch.manual_seed(1)
    return autoencoder(0.18215)


def _write(path: Path, state: State) -> Path:
    save_file({name: value.detach().clone().contiguous() for name, value in state.items()}, path)
    return path


def _old_names(state: State) -> State:
    """As diffusers named an autoencoder's attention before 0.17."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = dict(state)
    for new, name in names.items():
        old = {key.replace(f".0.{new}.", f".0.{name}."): value for key, value in old.items()}
    return old


@torch.no_grad()
@pytest.mark.parametrize("names", ["original", "prefixed", "diffusers", "old"])
def test_it_takes_the_place_of_the_checkpoints(
    bare: Path, other: diffusers.AutoencoderKL, tmp_path: Path, names: str
) -> None:
    original = {**vae_state(other), "loss.logvar": torch.zeros(1)}
    state = {
        "original": {**original, "model_ema.decay": torch.zeros(1)},
        "prefixed": {**under("first_stage_model.", original), **leftovers({}, [])},
        "diffusers": other.state_dict(),
        "old": _old_names(other.state_dict()),
    }[names]
    file = _write(tmp_path / "vae.safetensors", state)
    ours = load(bare, CPU, FLOAT32, Extras(vae=file)).vae
    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    scale = other.config.scaling_factor
    expected = other.decode(latents / scale).sample
    torch.testing.assert_close(ours.decode(latents), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_folder_takes_one_as_well(
    saved: Path, tmp_path: Path, other: diffusers.AutoencoderKL
) -> None:
    """`saved` has its own; the scale stays the checkpoint's."""
    file = _write(tmp_path / "vae.safetensors", vae_state(other))
    ours = load(saved, CPU, FLOAT32, Extras(vae=file))
    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    expected = other.decode(latents / ours.vae.config.scaling_factor).sample
    torch.testing.assert_close(ours.vae.decode(latents), expected, atol=1e-5, rtol=0)
    assert ours.digest != load(saved, CPU, FLOAT32).digest


def _refusal(model: Path, file: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(model, CPU, FLOAT32, Extras(vae=file))
    assert str(caught.value).startswith(f"{file}: got ")
    return str(caught.value)


def test_files_that_are_none(bare: Path, small: Small, tmp_path: Path) -> None:
    pickle = tmp_path / "vae.pt"
    pickle.write_bytes(b"PK")
    assert "a pickle can run any program" in _refusal(bare, pickle)
    lora = _write(tmp_path / "lora.safetensors", {"lora_unet_x.lora_up.weight": torch.ones(1)})
    assert "got a file of other things (lora_unet_x.lora_up.weight" in _refusal(bare, lora)
    cut = vae_state(small.pipeline.vae)
    del cut["decoder.mid.attn_1.q.weight"]
    file = _write(tmp_path / "cut.safetensors", cut)
    assert "1 missing (decoder.mid_block.attentions.0.to_q.weight)" in _refusal(bare, file)
    cut = {n: v for n, v in vae_state(small.pipeline.vae).items() if n != "encoder.conv_in.weight"}
    file = _write(tmp_path / "first.safetensors", cut)
    assert "got no tensor encoder.conv_in.weight" in _refusal(bare, file)


def test_one_of_another_family(bare: Path, tmp_path: Path) -> None:
    """With 16 channels to a latent, as later families have them."""
    wide = diffusers.AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=16,
    )
    file = _write(tmp_path / "wide.safetensors", vae_state(wide))
    with pytest.raises(CheckpointError, match="4 channels in and 4 out, allowed: 16 or 33 in"):
        load(bare, CPU, FLOAT32, Extras(vae=file))


def test_a_model_with_another_kind_of_autoencoder(
    embedded_model: Path, tmp_path: Path, small: Small
) -> None:
    file = _write(tmp_path / "vae.safetensors", vae_state(small.pipeline.vae))
    assert "allowed: none: it has PatchAutoencoder" in _refusal(embedded_model, file)
