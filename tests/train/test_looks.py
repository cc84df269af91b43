"""What things look like, as numbers that the text encoder learns to say from captions alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import CLIPTextConfig, CLIPTextModel

pytest.importorskip("skia", reason="drawing needs requirements-train.txt")

from ldm.models.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from ldm.train import words
from ldm.train.data import Source
from ldm.train.looks import Looks, SaidLooks, components, learn_looks
from ldm.train.scenes import Spec, SpriteStore, Thing, portraits

END = 9


def test_every_thing_has_a_portrait_in_each_of_its_colours(sprites: SpriteStore) -> None:
    found = dict(portraits(sprites, 64))
    assert {thing.code for thing in found} == set(sprites.by_code)
    cars = {thing.colour for thing in found if thing.name == "car" and thing.painted}
    assert cars >= {"red", "blue", "green", "black"}
    for thing, picture in found.items():
        assert picture.shape == (48, 48, 3)
        if thing.painted and thing.colour == "red":
            red, green, blue = picture[18:30, 20:28].mean((0, 1))
            assert red > 1.5 * max(green, blue), thing


def test_components_keep_what_is_near_near() -> None:
    """Against NumPy: principal directions, each divided by the root of its standard deviation."""
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(60, 20)) * np.linspace(4, 0.1, 20)
    found = components(torch.tensor(latents, dtype=torch.float32), 6).numpy()
    values, directions = np.linalg.eigh(np.cov(latents.T))
    order = values.argsort()[::-1][:6]
    wanted = (latents - latents.mean(0)) @ directions[:, order] / values[order] ** 0.25
    wanted /= wanted.std(ddof=1)
    assert np.abs(found) == pytest.approx(np.abs(wanted), abs=2e-4)  # signs are free; float32
    assert found.std(ddof=1) == pytest.approx(1, abs=1e-4)


def test_looks_are_found_by_thing_and_kept(sprite_folder: Path, tmp_path: Path) -> None:
    vae = PatchAutoencoder(PatchAutoencoderConfig(widths=(8, 8, 8))).eval()
    source = Source(folder=sprite_folder)
    looks = learn_looks(source, vae, tmp_path, 64)
    assert looks is not None and len(looks.numbers) == len(looks.rows)
    car = Thing("car", "1f697", "fluent3d", colour="red", painted=True)
    bus = Thing("bus", "1f68c", "fluent3d", colour="orange")
    specs = [
        Spec("", "", "", things=(car,), background="white"),
        Spec("", "", "", things=(car, bus), background="white"),
        Spec("lake", "day", "clear"),
    ]
    one, two, none = looks.of(specs).tolist()
    assert one[0] == one[1] == two[0] != two[1] and none == [-1, -1]
    again = learn_looks(source, vae, tmp_path, 64)
    assert again is not None and torch.equal(again.numbers, looks.numbers)
    assert learn_looks(Source(("landscape",), tmp_path), vae, tmp_path, 64) is None


def few_looks() -> Looks:
    numbers = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return Looks(numbers, {str(row): row for row in range(6)})


def test_only_what_follows_a_caption_with_things_counts() -> None:
    looks = few_looks()
    said = SaidLooks(8, looks, END)
    torch.nn.init.eye_(said.read.weight)
    torch.nn.init.zeros_(said.read.bias)
    tokens = torch.tensor([[1, 2, END, END], [3, 4, 5, END], [1, END, END, END]])
    rows = torch.tensor([[0, 1], [2, 2], [-1, -1]])
    states = torch.full((3, 4, 8), 7.0)
    states[0, 2:] = looks.numbers[[0, 1]].flatten()
    states[1, 3] = looks.numbers[[2, 2]].flatten()
    assert said(states, tokens, rows).item() == pytest.approx(0, abs=1e-9)
    states[1, 3] += 3  # one of three places
    assert said(states, tokens, rows).item() == pytest.approx(3, rel=1e-5)
    nothing = torch.full((3, 2), -1)
    assert said(states, tokens, nothing).item() == 0


def test_captions_alone_teach_it(tmp_path: Path) -> None:
    """Six words, each of a thing: 150 steps leave less than a tenth of the error."""
    looks = few_looks()
    config = CLIPTextConfig(
        vocab_size=10,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=words.LENGTH,
        bos_token_id=8,
        eos_token_id=END,
        pad_token_id=END,
    )
    torch.manual_seed(0)
    encoder = CLIPTextModel(config)
    tokens = torch.full((6, words.LENGTH), END)
    tokens[:, 0], tokens[:, 1] = 8, torch.arange(6)
    rows = torch.arange(6)[:, None].expand(6, 2)
    training = words.WordsTraining(batch_size=12, minutes=5, max_steps=150)
    accelerator = Accelerator(cpu=True)
    words.train(encoder, tokens, rows, looks, END, tmp_path, training, accelerator)
    log = (tmp_path / "log.csv").read_text().splitlines()
    place = log[0].split(",").index("looking")
    errors = [float(line.split(",")[place]) for line in log[1:]]
    assert errors[-1] < 0.1 * errors[0]
    assert (tmp_path / "state.safetensors").exists()
