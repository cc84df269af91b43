"""`python -m ldm` with files of one's own: checkpoints, LoRAs, embeddings, autoencoders."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ldm.__main__ import BAD_INPUT, main
from ldm.imaging import read_png_text
from tests.checkpoints.lora_files import State, attention_of, kohya, random_factors, write
from tests.checkpoints.original_layout import vae_state
from tests.checkpoints.small_models import FAMILIES, Small, autoencoder

FEW = ["--steps", "2", "--size", "64x64", "--quiet"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(name: str) -> Small:
    torch.manual_seed(0)
    made = FAMILIES[name]()
    write(Path(f"{name}.safetensors"), {n: value.detach() for n, value in made.state.items()})
    return made


@pytest.mark.parametrize("name", ["sd2", "xl"])
def test_a_caption_becomes_a_picture(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    small(name)
    assert main(["--model", f"{name}.safetensors", "a lake", *FEW]) == 0, capsys.readouterr().err
    with Image.open("out.png") as image:
        assert image.size == (64, 64)
        assert max(high - low for low, high in image.convert("RGB").getextrema()) > 8
    made_with = json.loads(read_png_text("out.png")["made_with"])
    assert made_with["model"] == name


def test_all_that_stands_beside_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """It changes the picture; drawn again from the PNG, this is the same to the byte."""
    made = small("sd1")
    generator = torch.Generator().manual_seed(1)
    unet = attention_of(made.pipeline.unet)
    write(Path("ink.safetensors"), kohya("lora_unet_", random_factors(unet, 4, 8.0, generator)))
    save_file({"emb_params": torch.randn(2, 64, generator=generator)}, "wash.safetensors")
    torch.manual_seed(5)
    other: State = {name: value.detach() for name, value in vae_state(autoencoder(0.18215)).items()}
    write(Path("vae.safetensors"), other)
    model = ["--model", "sd1.safetensors"]
    rest = ["--vae", "vae.safetensors", "--prediction", "v_prediction"]
    beside = {
        "lora": ["--lora", "ink.safetensors:1.5"],
        "embedding": ["--embedding", "wash.safetensors", *rest],
    }
    drawn: dict[str, bytes] = {}
    for name, options in {"none": [], **beside}.items():
        assert main([*model, "a lake, wash", *FEW, *options, "-o", f"{name}.png"]) == 0
        with Image.open(f"{name}.png") as image:
            drawn[name] = image.tobytes()
    assert len(set(drawn.values())) == len(drawn)
    made_with = json.loads(read_png_text("lora.png")["made_with"])
    assert set(made_with["lora_hashes"]) == {"ink"}
    made_with = json.loads(read_png_text("embedding.png")["made_with"])
    assert set(made_with["embedding_hashes"]) == {"wash"}
    again = ["--from", "lora.png", *model, "--lora", "ink.safetensors", "-o", "again.png"]
    assert main(again) == 0
    assert Path("again.png").read_bytes() == Path("lora.png").read_bytes()
    assert "note:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "x.ckpt"], "--model: x.ckpt: got a pickle file, allowed: a .safetensors file"),
        (["--lora", "none.safetensors"], "--lora: got 'none, no such file', allowed: a .safetens"),
        (["--embedding", "e.safetensors"], "e.safetensors: got no such file"),
        (["--vae", "v.pt"], "v.pt: got a pickle file"),
        (["--prediction", "noise"], "got the prediction 'noise', allowed: epsilon or v_prediction"),
    ],
)
def test_files_that_cannot_be_used(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.ckpt").write_bytes(b"PK")
    small("sd1")
    assert main(["--model", "sd1.safetensors", "a lake", *FEW, *options]) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not Path("out.png").exists()
