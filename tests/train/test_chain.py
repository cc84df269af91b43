"""`make train SMOKE=1`: the whole chain from drawing to a model folder, tiny, and what opens it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.load import load
from ldm.events import Result
from ldm.models.patch_autoencoder import (
    PatchAutoencoder,
    PatchAutoencoderConfig,
    start_from_principal_patches,
)
from ldm.pipeline import run
from ldm.recipe import Recipe
from ldm.train.__main__ import Run, parse
from tests.train.small_autoencoder import CONFIG

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, root: Path, sprite_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("train")
    command = [sys.executable, "-m", "ldm.train", "all", "--smoke", "--size", "64"]
    command += ["--sprites", str(sprite_folder)]
    command += ["--folder", str(folder / "state"), "--out", str(folder / "vignette")]
    for _ in range(2):  # the second run continues what the first left
        subprocess.run(command, cwd=root, check=True, timeout=1200)
    return folder


def test_the_chain_makes_a_model_that_draws(made: Path) -> None:
    checkpoint = load(made / "vignette", torch.device("cpu"), torch.float32)
    recipe = Recipe(
        prompt="a lake at dawn", num_inference_steps=2, guidance_scale=2.0, width=64, height=64
    )
    result = list(run(checkpoint, recipe))[-1]
    assert isinstance(result, Result)
    assert np.ptp(np.asarray(result.pictures[0].image)) > 10


def test_processes_that_do_not_know_of_one_another_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets it; nothing else of it is there
    with pytest.raises(RuntimeError, match="WORLD_SIZE: got 2, but this is one of 1"):
        _ = Run(parse(["diffusion", "--kinds", "landscape"])).accelerator


def test_training_continued(made: Path) -> None:
    log = (made / "state" / "diffusion" / "log.csv").read_text().splitlines()
    steps = [int(line.split(",")[0]) for line in log[1:]]
    assert steps == [4, 8]


def test_the_log_is_plotted(made: Path) -> None:
    with Image.open(made / "state" / "diffusion" / "log.png") as plot:
        drawn = np.asarray(plot.convert("L"))
    assert (drawn < 128).any(), "a plot has lines"


def test_tokenizer_files_agree(made: Path) -> None:
    """tokenizer.json and the vocab.json / merges.txt beside it are one tokenizer."""
    folder = made / "vignette" / "tokenizer"
    whole = CLIPTokenizer.from_pretrained(folder)
    rebuilt = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    for text in ("a man boating on a lake", "Ünïcode 🎉 qwertz 雨", "don't stop, 42!"):
        assert whole(text)["input_ids"] == rebuilt(text)["input_ids"]
        assert whole.decode(whole(text)["input_ids"], skip_special_tokens=True).split()


def test_transformers_opens_the_text_encoder(made: Path) -> None:
    model = CLIPTextModel.from_pretrained(made / "vignette" / "text_encoder", dtype=torch.float32)
    ours = load(made / "vignette", torch.device("cpu"), torch.float32).text_encoder
    theirs = model(ours.ids(["a lake at dawn"])).last_hidden_state
    assert torch.allclose(theirs, ours.encode(["a lake at dawn"]), atol=1e-5)


def test_an_untrained_autoencoder_is_pca() -> None:
    """Its reconstruction error is what PCA of the patches leaves: the sum of the trailing
    eigenvalues (Eckart and Young), here by numpy on the same patches. 1%: the decoder's bias is one
    number a colour, so the mean patch's own pattern is lost as well."""
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.interpolate(
        torch.rand(6, 3, 12, 12, generator=generator) * 2 - 1, size=(48, 48), mode="bicubic"
    )
    model = PatchAutoencoder(CONFIG)
    start_from_principal_patches(model, images)
    with torch.no_grad():
        error = (model.decode(model.encode(images)) - images).square().mean().item()
    patches = images.reshape(6, 3, 6, 8, 6, 8).permute(0, 2, 4, 1, 3, 5).reshape(-1, 192).numpy()
    values = np.linalg.eigvalsh(np.cov(patches.T, bias=True))
    assert error == pytest.approx(values[:-4].sum() / 192, rel=1e-2)


def test_unknown_settings_of_the_autoencoder_are_refused() -> None:
    with pytest.raises(ValueError, match="warp"):
        PatchAutoencoderConfig.from_dict({"_class_name": "PatchAutoencoder", "warp": 9})
    with pytest.raises(ValueError, match="latents_mean"):
        PatchAutoencoderConfig.from_dict({"latents_mean": [0.0]})
