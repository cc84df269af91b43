"""The first latent diffusion models and the tiny autoencoder, in whole runs against diffusers.

Same weights, same seed: both sides draw their noise from one CPU generator a picture. Tolerance
2/255 on the picture: both compute in float32, and only the order of additions differs.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from ldm.__main__ import main
from ldm.checkpoints.extras import Extras
from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.load import Checkpoint, load
from ldm.events import Preview, Result
from ldm.pipeline import check, run
from ldm.recipe import Recipe, RecipeError
from tests.small_upscalers import Loaded

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
SIZE, STEPS = 64, 4
CPU = torch.device("cpu")


def make(**changes: Any) -> Recipe:
    recipe = Recipe(
        "",
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        sampler="ddim",
        seed=3,
        width=SIZE,
        height=SIZE,
    )
    return replace(recipe, **changes)


def drawn(checkpoint: Checkpoint, recipe: Recipe, *pictures: Image.Image) -> np.ndarray:
    check(recipe, checkpoint, 1024 * 1024)
    result = list(run(checkpoint, recipe, *pictures))[-1]
    assert isinstance(result, Result)
    return np.asarray(result.pictures[0].image).astype(int)


def agree(ours: np.ndarray, theirs: Image.Image) -> None:
    assert np.ptp(ours) > 20, "a flat picture would agree with anything"
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2


def photo() -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), (40, 90, 200))
    ImageDraw.Draw(image).ellipse((10, 20, 50, 60), fill=(220, 180, 30))
    return image


@pytest.mark.parametrize("guidance_scale", [1.0, 6.0])
def test_text2im_equals_diffusers(loaded: Callable[[str], Loaded], guidance_scale: float) -> None:
    pipeline, checkpoint = loaded("ldm_text2im")
    recipe = make(prompt="a lake, at dawn", guidance_scale=guidance_scale)
    theirs = pipeline(
        recipe.prompt,
        num_inference_steps=STEPS,
        guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]
    agree(drawn(checkpoint, recipe), theirs)


def test_unconditional_equals_diffusers(loaded: Callable[[str], Loaded]) -> None:
    pipeline, checkpoint = loaded("unconditional")
    theirs = pipeline(num_inference_steps=STEPS, generator=torch.Generator().manual_seed(3)).images[
        0
    ]
    agree(drawn(checkpoint, make()), theirs)


@pytest.mark.parametrize("name", ["ldm_text2im", "unconditional"])
def test_pictures_are_redrawn_and_filled(loaded: Callable[[str], Loaded], name: str) -> None:
    """As with every model whose tasks are these; the formulas are tested in test_pipeline.py."""
    _, checkpoint = loaded(name)
    redrawn = drawn(checkpoint, make(task="image_to_image", strength=0.5), photo())
    assert (redrawn != np.asarray(photo())).any()
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (0, 0, SIZE // 2, SIZE))
    recipe = make(task="inpaint", mask_feather=0)
    filled = drawn(checkpoint, recipe, photo(), mask)
    same = filled == np.asarray(photo())
    assert same[:, SIZE // 2 :].all() and not same[:, : SIZE // 2].all()


def test_captions_are_read_with_berts_words(loaded: Callable[[str], Loaded]) -> None:
    """Against the tokenizer's own call and diffusers' model; weights and chunks as with CLIP's."""
    pipeline, checkpoint = loaded("ldm_text2im")
    encoder = checkpoint.text_encoder
    assert encoder is not None and (encoder.limit, encoder.layers) == (75, 2)
    caption = "a lake, at dawn"
    assert encoder.tokens(caption) == pipeline.tokenizer.tokenize(caption)
    batch = pipeline.tokenizer(
        [caption], padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    )
    wanted = pipeline.bert(batch.input_ids)[0]
    got = encoder.encode_captions([caption])
    assert got.pooled is None
    torch.testing.assert_close(got.states, wanted, atol=1e-5, rtol=0)

    heavier = encoder.encode_captions(["a (lake:1.3), at dawn"]).states
    changed = (heavier - wanted).abs().amax(-1)[0]
    assert changed.argmax() == 2  # behind [CLS] and "a"
    length = encoder.length("lake " * 100 + "BREAK dawn")
    assert (length.tokens, len(length.ends)) == (101, 3)
    assert encoder.encode_captions(["lake " * 100]).states.shape == (1, 2 * 77, 24)
    skipped = encoder.encode_captions([caption], clip_skip=1).states
    hidden = pipeline.bert(batch.input_ids, output_hidden_states=True).hidden_states[1]
    wanted = pipeline.bert.model.layer_norm(hidden)
    torch.testing.assert_close(skipped, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ldm_text2im", {"prompt": ""}, "prompt: got '', allowed: 1 to 2000 characters"),
        (
            "ldm_text2im",
            {"prompt": " \n"},
            "prompt: got ' \\n', allowed: 1 to 2000 characters, not",
        ),
        ("ldm_text2im", {"prompt": "a", "clip_skip": 2}, "clip_skip: got 2, allowed: 0 to 1"),
        (
            "ldm_text2im",
            {"prompt": "a", "task": "upscale"},
            "task: got 'upscale', allowed: text_to",
        ),
        ("unconditional", {"prompt": "a"}, "prompt: got 'a', allowed: '', as unconditional models"),
        (
            "unconditional",
            {"guidance_scale": 2.0},
            "guidance_scale: got 2.0, allowed: 1, as uncond",
        ),
    ],
)
def test_what_they_cannot_do_is_named(
    loaded: Callable[[str], Loaded], name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(make(**changes), loaded(name)[1], 1024 * 1024)
    assert str(caught.value).startswith(message)


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Rename the tensors of a file."""
    save_file({change(name): tensor for name, tensor in load_file(path).items()}, path)


def test_attention_weights_of_old_files_bear_other_names(
    loaded: Callable[[str], Loaded], tmp_path: Path
) -> None:
    _, checkpoint = loaded("unconditional")
    folder = Path(shutil.copytree(checkpoint.path, tmp_path / "old"))

    def old(name: str) -> str:
        for new, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
            name = name.replace(f".{new}.", f".{before}.")
        return name.replace(".to_out.0.", ".proj_attn.")

    for component in ("unet", "vqvae"):
        file = folder / component / "diffusion_pytorch_model.safetensors"
        assert any(old(name) != name for name in load_file(file))
        rewrite(file, old)
    again = load(folder, CPU, torch.float32)
    assert (drawn(again, make()) == drawn(checkpoint, make())).all()


@pytest.mark.parametrize(
    ("name", "file", "changes", "message"),
    [
        (
            "unconditional",
            "unet/config.json",
            {"in_channels": 4},
            "4 channels in and 3 out, allowed",
        ),
        (
            "ldm_text2im",
            "bert/config.json",
            {"d_model": 32},
            "cross_attention_dim (24, 24), allowed",
        ),
        ("ldm_text2im", "bert/config.json", {"vocab_size": 9}, "tokens, allowed: at most 9"),
        (
            "ldm_text2im",
            "model_index.json",
            {"bert": ["a", "BertModel"]},
            "bert: BertModel, allowed",
        ),
        ("ldm_text2im", "model_index.json", {"tokenizer": ["a", "T5Tokenizer"]}, "tokenizer: T5"),
    ],
)
def test_folders_whose_parts_do_not_fit_are_refused(
    loaded: Callable[[str], Loaded],
    tmp_path: Path,
    name: str,
    file: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    folder = Path(shutil.copytree(loaded(name)[1].path, tmp_path / "model"))
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(values | changes))
    with pytest.raises(CheckpointError) as caught:
        load(folder, CPU, torch.float32)
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "caption"), [("ldm_text2im", "a lake"), ("unconditional", "")])
def test_the_command_line_draws_with_them(
    loaded: Callable[[str], Loaded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    caption: str,
) -> None:
    """A model without captions is given an empty one, so that none is not a mistake."""
    monkeypatch.chdir(tmp_path)
    model = ("--model", str(loaded(name)[1].path), "--steps", "2", "--quiet")
    assert main([caption, *model]) == 0
    assert capsys.readouterr().out.startswith("out.png  seed 0")
    assert Image.open("out.png").size == (SIZE, SIZE)
    assert main(["a lake" if name == "unconditional" else "", *model]) == 2
    assert capsys.readouterr().err.startswith("error: caption: got ")


# --- the tiny autoencoder ---


def tiny(levels: int = 4) -> diffusers.AutoencoderTiny:
    torch.manual_seed(1)
    return diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8,) * levels,
        decoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels,
    )


@pytest.fixture
def stable_diffusion(
    small_stable_diffusion: diffusers.StableDiffusionPipeline, tmp_path: Path
) -> Path:
    """A folder that a test may add to."""
    small_stable_diffusion.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_tiny_autoencoder_can_be_the_models_own(
    small_stable_diffusion: diffusers.StableDiffusionPipeline, tmp_path: Path
) -> None:
    parts = {**small_stable_diffusion.components, "vae": tiny()}
    parts["scheduler"] = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    pipeline = diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path)
    checkpoint = load(tmp_path, CPU, torch.float32)
    recipe = make(prompt="a lake at dawn", guidance_scale=5.0)
    theirs = pipeline(
        recipe.prompt,
        num_inference_steps=STEPS,
        guidance_scale=5.0,
        width=SIZE,
        height=SIZE,
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]
    agree(drawn(checkpoint, recipe), theirs)


def previews(checkpoint: Checkpoint) -> list[np.ndarray]:
    recipe = make(prompt="a lake", num_inference_steps=2)
    events = list(run(checkpoint, recipe, preview_every=1))
    return [np.asarray(event.images[0]) for event in events if isinstance(event, Preview)]


def test_a_tiny_autoencoder_beside_a_model_draws_its_previews(stable_diffusion: Path) -> None:
    """In the folder `preview`, or named by the host; as a folder, or TAESD's one file."""
    plain = load(stable_diffusion, CPU, torch.float32)
    assert plain.preview_vae is None
    beside = stable_diffusion.parent / "tiny"
    tiny().save_pretrained(beside)
    shutil.copytree(beside, stable_diffusion / "preview")
    found = load(stable_diffusion, CPU, torch.float32)
    given = load(stable_diffusion, CPU, torch.float32, Extras(preview=beside))
    (first,), (second,), (rough,) = previews(found), previews(given), previews(plain)
    assert (first == second).all() and (first != rough).any()
    assert found.digest == plain.digest, "it has no part in the pictures"

    shutil.rmtree(stable_diffusion / "preview")
    whole = stable_diffusion.parent / "taesd.safetensors"
    diffusers.AutoencoderTiny().save_pretrained(stable_diffusion.parent / "taesd")
    shutil.move(stable_diffusion.parent / "taesd" / "diffusion_pytorch_model.safetensors", whole)
    alone = load(stable_diffusion, CPU, torch.float32, Extras(preview=whole))
    assert previews(alone)[0].shape == (SIZE, SIZE, 3)


def test_a_preview_of_other_latents_is_refused(stable_diffusion: Path, tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(CheckpointError) as caught:
            load(stable_diffusion, CPU, torch.float32, Extras(preview=path))
        return str(caught.value)

    tiny(levels=3).save_pretrained(tmp_path / "f4")
    assert "latents of 4 channels for 4 pixels, allowed: 4 channels for 8" in refused(
        tmp_path / "f4"
    )
    assert "_class_name: 'AutoencoderKL', allowed: AutoencoderTiny" in refused(
        stable_diffusion / "vae"
    )
    assert "nothing.safetensors: got no such file" in refused(tmp_path / "nothing.safetensors")
    (tmp_path / "taesd.pth").write_bytes(b"x")
    assert "pickle" in refused(tmp_path / "taesd.pth")
