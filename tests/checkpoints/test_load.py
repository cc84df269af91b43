"""Folders that diffusers and transformers wrote: read strictly, equal to what they hold."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from ldm.checkpoints import load as loading
from ldm.checkpoints.load import choose_device, choose_dtype, load

CPU, FLOAT32 = torch.device("cpu"), torch.float32
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
VAE_FILE = "vae/diffusion_pytorch_model.safetensors"
TEXT_FILE = "text_encoder/model.safetensors"
Edit = Callable[..., None]


@torch.no_grad()
def test_every_part_equals_diffusers(
    saved: Path, pipeline: diffusers.StableDiffusionPipeline
) -> None:
    checkpoint = load(saved, CPU, FLOAT32)
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(2, 4, 16, 16, generator=generator)
    images = torch.rand(1, 3, 32, 32, generator=generator) * 2 - 1
    timestep = torch.tensor([1.0, 900.0])

    ids = pipeline.tokenizer(["a lake", ""], padding="max_length", return_tensors="pt").input_ids
    states = pipeline.text_encoder(ids).last_hidden_state
    ours = checkpoint.text_encoder.encode(["a lake", ""])
    # float32: roundings in another order.
    torch.testing.assert_close(ours, states, atol=1e-5, rtol=0)

    noise = pipeline.unet(sample, timestep, states).sample
    torch.testing.assert_close(checkpoint.unet(sample, timestep, states), noise, atol=1e-5, rtol=0)
    scale = pipeline.vae.config.scaling_factor
    latents = pipeline.vae.encode(images).latent_dist.mode() * scale
    torch.testing.assert_close(checkpoint.vae.encode(images), latents, atol=1e-5, rtol=0)
    decoded = pipeline.vae.decode(latents / scale).sample
    torch.testing.assert_close(checkpoint.vae.decode(latents), decoded, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        checkpoint.noise_schedule.alphas_cumprod.float(), pipeline.scheduler.alphas_cumprod
    )


def test_how_far_it_is_gets_told(saved: Path) -> None:
    """The share of the weights' bytes, in steps that a person can follow, to the last."""
    shares: list[float] = []
    load(saved, CPU, FLOAT32, told=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    assert 2 <= len(shares) <= 26 and shares[0] > 0


def test_nothing_is_left_on_meta_and_nothing_trains(saved: Path) -> None:
    checkpoint = load(saved, CPU, torch.bfloat16)
    assert (checkpoint.name, checkpoint.device, checkpoint.dtype) == ("small", CPU, torch.bfloat16)
    for module in (checkpoint.unet, checkpoint.vae, checkpoint.text_encoder.model):
        assert not module.training
        for tensor in [*module.parameters(), *module.buffers()]:
            assert tensor.device == CPU and not tensor.requires_grad
        assert {p.dtype for p in module.parameters()} == {torch.bfloat16}


def test_weights_are_in_memory_of_their_own(folder: Path) -> None:
    """A file that is emptied while the model is in use does no harm (a mapped one would)."""
    checkpoint = load(folder, CPU, FLOAT32)
    before = {k: v.clone() for k, v in checkpoint.unet.state_dict().items()}
    (folder / UNET_FILE).write_bytes(b"")
    for name, value in checkpoint.unet.state_dict().items():
        assert torch.equal(value, before[name])


def _shard(path: Path, size: str) -> None:
    """Write a component again in shards, by its own `save_pretrained`."""
    if path.name == "text_encoder":
        CLIPTextModel.from_pretrained(path).save_pretrained(path, max_shard_size=size)
    else:
        kind = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}[path.name]
        kind.from_pretrained(path).save_pretrained(path, max_shard_size=size)


def test_sharded_is_the_same_model(folder: Path, saved: Path) -> None:
    for component in ("unet", "vae", "text_encoder"):
        (old,) = (folder / component).glob("*.safetensors")
        _shard(folder / component, "20KB")
        old.unlink(missing_ok=True)
        assert len(list((folder / component).glob("*.safetensors"))) > 1
        assert list((folder / component).glob("*.safetensors.index.json"))
    sharded, single = load(folder, CPU, FLOAT32), load(saved, CPU, FLOAT32)
    assert sharded.digest == single.digest
    for ours, theirs in zip(sharded.unet.parameters(), single.unet.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_names_of_old_files(folder: Path) -> None:
    """As published for Stable Diffusion 1: diffusers 0.6 and transformers 4 wrote these names."""
    vae = load_file(folder / VAE_FILE)
    old_names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in old_names.items():
        for name in [name for name in vae if f".attentions.0.{new}." in name]:
            vae[name.replace(f".{new}.", f".{old}.")] = vae.pop(name)
    assert "decoder.mid_block.attentions.0.proj_attn.weight" in vae
    save_file(vae, folder / VAE_FILE)
    text = {f"text_model.{name}": value for name, value in load_file(folder / TEXT_FILE).items()}
    text["text_model.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(text, folder / TEXT_FILE)

    checkpoint = load(folder, CPU, FLOAT32)
    theirs = diffusers.AutoencoderKL.from_pretrained(folder / "vae")  # knows the old names too
    latents = torch.randn(1, 4, 4, 4)
    wanted = theirs.decode(latents / theirs.config.scaling_factor).sample
    torch.testing.assert_close(checkpoint.vae.decode(latents), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("force_upcast", "expected"), [(True, torch.float32), (False, torch.float16)]
)
def test_vae_that_leaves_float16_stays_in_float32(
    force_upcast: bool, expected: torch.dtype, folder: Path, edit: Edit
) -> None:
    edit(folder / "vae/config.json", force_upcast=force_upcast)
    checkpoint = load(folder, CPU, torch.float16)
    assert next(checkpoint.vae.parameters()).dtype == expected
    assert next(checkpoint.unet.parameters()).dtype == torch.float16


def test_patch_autoencoder_is_told_by_its_class(folder: Path) -> None:
    from ldm.models.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig

    settings = {
        "latent_channels": 4,
        "widths": [8, 12],
        "encoder_blocks": [1, 1],
        "decoder_blocks": [1, 1],
        "latents_mean": [0.0] * 4,
        "latents_std": [1.0] * 4,
    }
    theirs = PatchAutoencoder(PatchAutoencoderConfig.from_dict(settings))
    save_file(theirs.state_dict(), folder / VAE_FILE)
    config = {"_class_name": "PatchAutoencoder", **settings}
    (folder / "vae/config.json").write_text(json.dumps(config))
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"] = ["ldm.models.patch_autoencoder", "PatchAutoencoder"]
    (folder / "model_index.json").write_text(json.dumps(index))

    checkpoint = load(folder, CPU, FLOAT32)
    assert isinstance(checkpoint.vae, PatchAutoencoder)
    latents = torch.randn(1, 4, 4, 4)
    assert torch.equal(checkpoint.vae.decode(latents), theirs.decode(latents))


def test_inpainting_unet_has_nine_channels(folder: Path) -> None:
    unet = diffusers.UNet2DConditionModel.from_config(
        {**diffusers.UNet2DConditionModel.load_config(folder / "unet"), "in_channels": 9}
    )
    unet.save_pretrained(folder / "unet")
    assert load(folder, CPU, FLOAT32).unet.config.in_channels == 9


def test_digest_tells_weights_apart(folder: Path, saved: Path) -> None:
    wanted = load(saved, CPU, FLOAT32).digest
    assert len(wanted) == 12 and int(wanted, 16) >= 0
    assert load(saved, CPU, torch.bfloat16).digest == wanted  # of the files, not of their use
    for file in (UNET_FILE, VAE_FILE, TEXT_FILE):
        weights = load_file(folder / file)
        original = {name: value.clone() for name, value in weights.items()}
        # The least training step: one bias, in its last bit.
        name = next(name for name in weights if name.endswith("bias"))
        weights[name][-1] = torch.nextafter(weights[name][-1], torch.tensor(9.0))
        save_file(weights, folder / file)
        assert load(folder, CPU, FLOAT32).digest != wanted
        # Another number type.
        save_file({name: value.half() for name, value in original.items()}, folder / file)
        assert load(folder, CPU, FLOAT32).digest != wanted
        save_file(original, folder / file)
    assert load(folder, CPU, FLOAT32).digest == wanted


def test_device_and_dtype_are_this_machines() -> None:
    device = choose_device()
    torch.zeros(1, device=device)  # it exists
    kinds = {"cuda": torch.float16, "mps": torch.float16}
    assert {choose_dtype(torch.device(name)) for name in kinds} == set(kinds.values())


@pytest.mark.parametrize(
    ("able", "faster", "wanted"),
    [
        ({}, True, torch.float32),
        ({"avx512_bf16": True}, True, torch.bfloat16),
        ({"avx512_bf16": True}, False, torch.float32),
        ({"avx512_bf16": True, "amx_bf16": True}, False, torch.bfloat16),
    ],
)
def test_a_cpu_calculates_in_bfloat16_where_that_is_faster(
    able: dict[str, bool], faster: bool, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(loading, "_multiplies_faster_in_bfloat16", lambda: faster)
    assert choose_dtype(CPU) == wanted


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
def test_who_asks_for_the_number_type_keeps_no_helpers() -> None:
    """Helpers of another thread make the engine's wait asleep: a picture took 1.7 times as long."""
    program = """
import os
import time
from ldm.checkpoints import load
before = os.listdir("/proc/self/task")
load._multiplies_faster_in_bfloat16()
end = time.monotonic() + 20
while os.listdir("/proc/self/task") != before:
    assert time.monotonic() < end, "its helpers stay"
    time.sleep(0.05)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_without_a_device_or_dtype_the_machine_chooses(saved: Path) -> None:
    checkpoint = load(saved)
    assert checkpoint.device == choose_device()
    assert checkpoint.dtype == choose_dtype(checkpoint.device)
