"""`python -m ldm --upscale`: by small models that enlarge, and in tiles by one that redraws."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm import imaging
from ldm.__main__ import main
from ldm.recipe import Recipe
from tests.small_upscalers import Loaded, photo


@pytest.mark.parametrize("name", ["x4_upscaler", "latent_upscaler", "ldm_super_resolution"])
def test_the_command_line_enlarges(
    loaded: Callable[[str], Loaded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(64, 64).save("small.png")
    model = ("--model", str(loaded(name)[1].path))
    words = () if name == "ldm_super_resolution" else ("a lake",)
    steps = ("--steps", "2", "--quiet")
    assert main([*words, *model, "--upscale", "small.png", *steps, "-o", "large.png"]) == 0
    assert capsys.readouterr().out.startswith("large.png  seed 0")
    side = 128 if name == "latent_upscaler" else 256
    assert Image.open("large.png").size == (side, side)
    recipe = Recipe.from_json(imaging.read_png_text("large.png")["recipe"])
    assert (recipe.task, recipe.width, recipe.noise_level) == ("upscale", side, 20)

    again = ["--from", "large.png", "--upscale", "small.png", *model, "--quiet", "-o", "again.png"]
    assert main(again) == 0
    assert Path("again.png").read_bytes() == Path("large.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "x4_upscaler",
            ["--upscale", "tiny.png"],
            "--upscale: got a picture of 12 x 40 pixels, allowed",
        ),
        ("x4_upscaler", ["--upscale", "huge.png"], "--upscale: got a picture that becomes 1200 x"),
        ("x4_upscaler", ["--upscale", "small.png", "--size", "512x512"], "--size (width): got 512"),
        (
            "x4_upscaler",
            ["--upscale", "small.png", "--noise-level", "400"],
            "--noise-level: got 400",
        ),
        (
            "x4_upscaler",
            ["--init", "small.png", "a lake"],
            "task: got 'image_to_image', allowed: up",
        ),
        (
            "ldm_super_resolution",
            ["--upscale", "small.png", "a lake"],
            "caption: got 'a lake', all",
        ),
    ],
)
def test_mistakes_with_a_model_are_answered_in_one_line(
    loaded: Callable[[str], Loaded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, size in (("small", (64, 64)), ("tiny", (12, 40)), ("huge", (300, 300))):
        photo(*size).save(f"{file}.png")
    assert main([*arguments, "--model", str(loaded(name)[1].path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


def test_another_model_redraws_tiles_and_the_recipe_draws_them_again(
    small_stable_diffusion_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(64, 48).save("small.png")
    model = ("--model", str(small_stable_diffusion_folder), "--quiet", "--upscale", "small.png")
    assert main([*model, "--steps", "8", "--strength", "0.3", "-o", "large.png"]) == 0
    assert Image.open("large.png").size == (128, 96)
    recipe = Recipe.from_json(imaging.read_png_text("large.png")["recipe"])
    assert (recipe.task, recipe.strength, recipe.width) == ("upscale", 0.3, 128)
    assert main([*model, "--from", "large.png", "-o", "again.png"]) == 0
    first, again = (np.asarray(Image.open(f"{n}.png")).astype(int) for n in ("large", "again"))
    # Tiles share U-Net calls as they come, and a batch adds in another order: 2/255.
    assert abs(first - again).max() <= 2
    assert main([*model, "--size", "256x192", "--steps", "8", "-o", "larger.png"]) == 0
    assert Image.open("larger.png").size == (256, 192)
