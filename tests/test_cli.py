"""`python -m ldm` draws what it is asked for, and draws it again alike.

With the embedded model, at few steps: the tests look at bytes, files and words, not at beauty.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm import imaging
from ldm.__main__ import choose_size, main
from ldm.recipe import Recipe
from tests.command_line_files import COMMAND, ENVIRONMENT, fill, start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path)


class Offers:
    """What a model says of its sizes."""

    native_size = (256, 256)
    sizes = ((256, 256), (320, 192), (192, 320), (512, 512), (640, 384))


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (None, (256, 256)),
        ((1000, 1000), (256, 256)),  # of two with this shape the model's own size
        ((512, 512), (512, 512)),  # offered as it is: not one pixel is resampled
        ((1920, 1080), (320, 192)),
        ((1080, 1920), (192, 320)),
        ((640, 384), (640, 384)),
        ((1100, 1000), (256, 256)),
    ],
)
def test_a_picture_is_given_the_nearest_shape(picture, size):
    image = Image.new("RGB", picture) if picture else None
    assert choose_size(Offers(), image) == size


Draw = Callable[..., tuple[str, str]]


@pytest.fixture
def draw(folder, embedded_model, monkeypatch, capsys) -> Draw:
    """Run the command in this process, in `folder`, and give back stdout and stderr."""
    assert (embedded_model / "model_index.json").is_file()
    monkeypatch.chdir(folder)

    def run(*arguments: str, code: int = 0) -> tuple[str, str]:
        found = main(arguments)
        output = capsys.readouterr()
        assert found == code, output.err
        return output.out, output.err

    return run


SMALL = ("--size", "64x64", "--steps", "2")


def recipe_of(path: Path) -> Recipe:
    return Recipe.from_json(imaging.read_png_text(path)["recipe"])


def test_the_same_command_gives_the_same_bytes_in_another_process(folder, draw):
    out, err = draw("a lake at dusk", *SMALL, "--seed", "1", "-o", "boat.png")
    path, seed, seconds = out.rstrip("\n").split("  ")
    assert (path, seed) == ("boat.png", "seed 1")
    assert float(seconds.removesuffix(" s")) >= 0
    assert "2/2" in err  # the progress bar
    done = start(folder, "a lake at dusk", *SMALL, "--seed", "1", "-o", "twin.png")
    assert done.returncode == 0, done.stderr
    assert (folder / "twin.png").read_bytes() == (folder / "boat.png").read_bytes()
    draw("a lake at dusk", *SMALL, "--seed", "2", "-o", "other.png")
    first, other = (np.asarray(Image.open(folder / name)) for name in ("boat.png", "other.png"))
    assert (first != other).any()


def test_a_picture_draws_itself_again(folder, draw):
    draw("a lake 夕暮れ", *SMALL, "--seed", "5", "--sampler", "euler", "--guidance", "3", "--quiet")
    draw("--from", "out.png", "-o", "again.png")
    assert (folder / "again.png").read_bytes() == (folder / "out.png").read_bytes()


def test_options_beside_a_picture_win(folder, draw):
    draw("a lake", *SMALL, "--seed", "5")
    draw("--from", "out.png", "--seed", "6", "--negative", "boats", "a hill", "-o", "new.png")
    old, new = recipe_of(folder / "out.png"), recipe_of(folder / "new.png")
    assert (new.prompt, new.negative_prompt, new.seed) == ("a hill", "boats", 6)
    assert (new.width, new.num_inference_steps, new.sampler) == (64, 2, old.sampler)


def test_what_is_not_given_is_the_models_choice(folder, draw, embedded_model):
    draw("a lake", "--steps", "1")
    chosen = json.loads((embedded_model / "defaults.json").read_text("utf-8"))
    recipe = recipe_of(folder / "out.png")
    for name in ("guidance_scale", "sampler", "schedule"):
        assert getattr(recipe, name) == chosen[name]
    assert [recipe.width, recipe.height] == list(chosen["native_size"])
    assert recipe.model == embedded_model.name
    assert recipe.seed == 0


def test_several_pictures_are_several_files_that_stand_alone(folder, draw):
    out, _ = draw("a lake", *SMALL, "--seed", "3", "--number", "3", "-o", "a.png")
    names = ["a.png", "a-2.png", "a-3.png"]
    assert [line.split("  ")[:2] for line in out.splitlines()] == [
        [name, f"seed {seed}"] for name, seed in zip(names, (3, 4, 5), strict=True)
    ]
    draw("--from", "a-3.png", "-o", "alone.png")
    together, alone = (np.asarray(Image.open(folder / n)) for n in ("a-3.png", "alone.png"))
    # Rows of one call may be summed in another order than a row alone: 1 level on average.
    assert np.abs(together.astype(int) - alone).mean() <= 1
    assert recipe_of(folder / "a-3.png") == recipe_of(folder / "alone.png")


def test_a_random_seed_is_named(folder, draw):
    seeds = set()
    for _ in range(2):
        out, _ = draw("a lake", *SMALL, "--seed", "random")
        seeds.add(recipe_of(folder / "out.png").seed)
        assert f"seed {recipe_of(folder / 'out.png').seed}  " in out
    assert len(seeds) == 2


def test_a_sketch_is_redrawn(folder, draw):
    arguments = ("--init", "sketch.png", "a lake", "--strength", "0.5", *SMALL)
    draw(*arguments, "-o", "a.png")
    recipe = recipe_of(folder / "a.png")
    assert (recipe.task, recipe.strength) == ("image_to_image", 0.5)
    draw("--from", "a.png", "--init", "sketch.png", "-o", "b.png")
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


def test_outside_the_mask_not_one_pixel_changes(folder, draw):
    arguments = ("--init", "sketch.png", "--mask", "mask.png", "a boat", "--feather", "2")
    out, _ = draw(*arguments, "--size", "96x64", "--steps", "2")
    assert "changed outside the mask: 0 pixels" in out
    result, sketch = (np.asarray(Image.open(folder / n)) for n in ("out.png", "sketch.png"))
    outside = np.asarray(imaging.feather(Image.open(folder / "mask.png"), 2)) == 0
    np.testing.assert_array_equal(result[outside], sketch[outside])
    assert (result[~outside] != sketch[~outside]).any()


def test_notes_tell_what_was_done_to_a_photo(folder, draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(folder / "sketch.png").save(folder / "photo.jpg", exif=exif)
    _, err = draw("--init", "photo.jpg", "a lake", *SMALL)
    assert "note: photo.jpg: EXIF rotation applied\n" in err
    assert draw("--init", "photo.jpg", "a lake", *SMALL, "--quiet")[1] == ""


def test_a_picture_of_other_weights_is_named(folder, draw):
    draw("a lake", *SMALL)
    texts = imaging.read_png_text(folder / "out.png")
    texts["made_with"] = json.dumps(json.loads(texts["made_with"]) | {"model_hash": "other"})
    image = Image.open(folder / "out.png")
    (folder / "old.png").write_bytes(imaging.encode_png(image, texts))
    _, err = draw("--from", "old.png")
    assert "note: old.png was made with model_hash 'other', not '" in err
    assert err.count("note: ") == 1


def test_a_folder_is_a_model_too(folder, draw, embedded_model):
    (folder / "mine").symlink_to(embedded_model)
    draw("a lake", *SMALL, "--model", "mine", "-o", "a.png")
    draw("a lake", *SMALL, "--model", str(embedded_model), "-o", "b.png")
    draw("a lake", *SMALL, "-o", "c.png")
    first, *others = (np.asarray(Image.open(folder / f"{name}.png")) for name in "abc")
    assert all((first == other).all() for other in others)


def test_models_that_are_none(folder, draw):
    _, err = draw("a lake", "--model", "nowhere", code=2)
    assert err.startswith("error: --model: nowhere: got no model of that name, allowed: ")
    assert "vignette" in err and "sdxl-turbo" in err
    _, err = draw("a lake", "--model", "nowhere/model", code=2)  # as ids of the Hub look
    assert err.startswith("error: --model: nowhere/model: got no way to https://")
    (folder / "hollow").mkdir()
    _, err = draw("a lake", "--model", "hollow", code=2)
    assert err == (
        "error: --model: hollow: got a folder without model_index.json, allowed: a model's folder\n"
    )
    (folder / "hollow" / "model_index.json").write_text("{}")
    _, err = draw("a lake", "--model", "hollow", code=2)
    assert err.startswith("error: --model: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sampler", "magic"), "error: --sampler: got 'magic', allowed: "),
        (("--schedule", "magic"), "error: --schedule: got 'magic', allowed: "),
        (("--size", "100x64"), "error: --size (width): got 100, allowed: a multiple of 16\n"),
        (("--size", "64x100"), "error: --size (height): got 100, allowed: a multiple of 16\n"),
    ],
)
def test_what_the_model_does_not_know_is_a_mistake_too(folder, draw, arguments, message):
    before = sorted(folder.iterdir())
    out, err = draw("a lake", *arguments, code=2)
    assert err.startswith(message)
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(folder.iterdir()) == before
    draw("a lake", *SMALL)  # and the next request works


def test_the_samplers_that_help_names_exist(draw):
    for sampler in ("dpmpp_2m", "euler", "ddim"):
        draw("a lake", *SMALL, "--sampler", sampler, "--schedule", "karras", "--quiet")


def test_little_memory_makes_the_same_picture(folder, draw):
    """But for rounding: bfloat16 weights that stay where they are get packed for the CPU, and the
    kernels for those add in another order (1.2 of 255 on a Zen 4)."""
    draw("a lake", *SMALL, "-o", "a.png")
    draw("a lake", *SMALL, "--low-memory", "-o", "b.png")
    first, other = (np.asarray(Image.open(folder / f"{name}.png"), int) for name in "ab")
    assert abs(first - other).mean() <= 2


def test_the_models_at_hand_are_listed(draw):
    out, _ = draw("--list-models")
    lines = out.splitlines()
    assert any(line.startswith("vignette  ") for line in lines)
    assert any(
        line.startswith("sdxl-turbo  SDXL-Turbo, 512x512, 4 steps, 6.9 GB") for line in lines
    )


def test_a_file_that_cannot_be_written_is_no_traceback(folder, draw, monkeypatch):
    (folder / "out.png").write_bytes(b"the old one")

    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    _, err = draw("a lake", *SMALL, code=1)
    assert err.endswith("out.png was not written: No space left on device\n")
    assert (folder / "out.png").read_bytes() == b"the old one"
    assert not list(folder.glob(".*"))


def test_the_file_is_replaced_through_a_link(folder, draw):
    (folder / "real.png").write_bytes(b"the old one")
    (folder / "out.png").symlink_to("real.png")
    draw("a lake", *SMALL)
    assert (folder / "out.png").is_symlink()
    assert recipe_of(folder / "real.png").prompt == "a lake"


def test_ctrl_c_stops_within_a_step_and_leaves_no_file(folder, embedded_model):
    assert (embedded_model / "model_index.json").is_file()
    arguments = [*COMMAND, "a lake", "--steps", "150", "--number", "8", "-o", "a.png"]
    before = sorted(folder.iterdir())
    with subprocess.Popen(
        arguments,
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        # A shell's background jobs, this test run among them, may have been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:
        assert run.stderr is not None
        seen = b""
        # Once it has been drawn twice the bar knows that it is there, and ends its line.
        while seen.count(b"/150 ") < 2:
            piece = os.read(run.stderr.fileno(), 4096)
            assert piece, seen
            seen += piece
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
        assert run.wait(timeout=300) == 130
    assert (seen + rest).endswith(b"\nstopped\n")
    assert b"Traceback" not in rest
    assert sorted(folder.iterdir()) == before
