"""`python -m ldm --model FOLDER` draws with folders that diffusers wrote, whatever their family."""

from pathlib import Path

import pytest
from PIL import Image

from ldm import imaging
from ldm.__main__ import main
from ldm.recipe import Recipe
from tests import small_models

# diffusers' schedulers hand torch's tensors to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


def saved(family: str, folder: Path) -> str:
    small_models.FAMILIES[family]().save_pretrained(folder / family)
    return str(folder / family)


@pytest.mark.parametrize(
    ("family", "options", "expected"),
    [
        # Nothing but a caption: the folder says the rest.
        ("sd1_lcm", (), {"sampler": "lcm", "num_inference_steps": 4, "guidance_scale": 8.5}),
        ("sdxl_turbo", (), {"sampler": "euler_ancestral", "guidance_scale": 1.0}),
        ("sdxl", ("--steps", "2", "--clip-skip", "1"), {"sampler": "euler", "clip_skip": 1}),
        ("sd2_inpaint", ("--steps", "2", "--init", "sketch.png", "--mask", "mask.png"), {}),
    ],
)
def test_a_folder_draws(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    options: tuple[str, ...],
    expected: dict[str, object],
) -> None:
    model = saved(family, tmp_path)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (96, 64), "skyblue").save("sketch.png")
    mask = Image.new("L", (96, 64))
    mask.paste(255, (20, 10, 60, 50))
    mask.save("mask.png")
    assert main(["a (lake:1.2) BREAK at dawn", "--model", model, "--quiet", *options]) == 0
    recipe = Recipe.from_json(imaging.read_png_text(tmp_path / "out.png")["recipe"])
    assert recipe.model == family
    for name, value in expected.items():
        assert getattr(recipe, name) == value


def test_a_task_that_the_model_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["a lake", "--model", saved("sdxl_refiner", tmp_path), "--quiet"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: task: got 'text_to_image', allowed: image_to_image")
    assert not (tmp_path / "out.png").exists()
