"""Mistakes on the command line are answered in one line, at once, and leave no file behind.

They run as real processes, since what counts is what stands on the terminal. No model is needed.
"""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from ldm import imaging
from ldm.command_line import OPTIONS
from ldm.recipe import LIMITS, Recipe
from tests.command_line_files import COMMAND, ENVIRONMENT, fill, start
from tests.imaging.pictures import forged_size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path)


def mistake(folder: Path, *arguments: str) -> str:
    """The one line that a command with a mistake in it answers."""
    before = sorted(folder.iterdir())
    done = start(folder, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert sorted(folder.iterdir()) == before
    return done.stderr.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a lake", "--steps", "0"], "--steps: got 0, allowed: a whole number from 1 to 150"),
        (["a lake", "--steps", "10000"], "--steps: got 10000, allowed: a whole number from 1"),
        (["a lake", "--steps", "ten"], "--steps: got 'ten', allowed: a whole number from 1"),
        (["a lake", "--steps", "2.5"], "--steps: got '2.5', allowed: a whole number from 1"),
        (["a lake", "--guidance", "nan"], "--guidance: got nan, allowed: a number from 0 to 30"),
        (["a lake", "--guidance=-inf"], "--guidance: got -inf, allowed: a number from 0 to 30"),
        (["a lake", "--guidance", "high"], "--guidance: got 'high', allowed: a number from 0"),
        (["a lake", "--rescale", "2"], "--rescale: got 2.0, allowed: a number from 0 to 1"),
        (["a lake", "--guidance-start", "2"], "--guidance-start: got 2.0, allowed: a number from"),
        (
            ["a lake", "--guidance-start", "0.5", "--guidance-end", "0.2"],
            "--guidance-end: got 0.2, allowed: at least 0.5",
        ),
        (["a lake", "--cache-interval", "0"], "--cache-interval: got 0, allowed: a whole number"),
        (["a lake", "--token-merging", "0.8"], "--token-merging: got 0.8, allowed: a number from"),
        (["a lake", "--seed", "-1"], "--seed: got -1, allowed: a whole number from 0 to 42949"),
        (["a lake", "--number", "9"], "--number: got 9, allowed: a whole number from 1 to 8"),
        (["a lake", "--size", "big"], "--size: got 'big', allowed: WIDTHxHEIGHT in pixels"),
        (["a lake", "--size", "256"], "--size: got '256', allowed: WIDTHxHEIGHT"),
        (["a lake", "--size", "30000x256"], "--size (width): got 30000, allowed: a whole number"),
        (["a lake", "--size", "256x8"], "--size (height): got 8, allowed: a whole number from 64"),
        ([], "caption: got nothing, allowed: a caption in quotes, or --from, --init or --upscale"),
        (["long " * 2000], "caption: got 'long long"),
        (["a lake", "--negative", "x" * 2001], "--negative: got 'xxx"),
        (["a", "lake"], "unrecognized arguments: lake (a caption of several words stands in"),
        (["a lake", "--colour"], "unrecognized arguments: --colour"),
        (["a lake", "--steps"], "argument --steps: expected one argument; see python -m ldm"),
        (["a lake", "-o", "nowhere/a.png"], "--output: got 'nowhere/a.png', allowed: a file in a"),
        (["a lake", "-o", "a.jpg"], "--output: got 'a.jpg', allowed: a name that ends in .png"),
        (["a lake", "-o", "."], "--output: got '.', allowed: a name that ends in .png"),
        (["a lake", "-o", "x" * 252 + ".png"], "--output: got 'xxx"),
        (["--init", "no.png"], "--init: got no.png (a file that does not exist), allowed: a"),
        (["--init", "text.png"], "--init: got text.png (a text file), allowed: a still picture"),
        (["--init", "cut.jpg"], "--init: got cut.jpg (a JPEG that is damaged"),
        (["--init", "."], "--init: got a folder, allowed"),
        (["a", "--mask", "mask.png"], "--mask: got 'mask.png', allowed: only together with"),
        (["a", "--strength", "0.5"], "--strength: got 0.5, allowed: only together with"),
        (
            ["a", "--noise-level", "5"],
            "--noise-level: got 5, allowed: only together with --upscale",
        ),
        (
            ["--upscale", "sketch.png", "--init", "sketch.png"],
            "--upscale: got 'sketch.png', allowed: without --init",
        ),
        (["--upscale", "no.png"], "--upscale: got no.png (a file that does not exist), allowed: a"),
        (
            ["a lake", "--strength", "0.5"],
            "--strength: got 0.5, allowed: only together with --init",
        ),
        (
            ["--init", "sketch.png", "--padding", "8"],
            "--padding: got 8, allowed: only together with",
        ),
        (["--upscale", "sketch.png", "--noise-level", "2000"], "--noise-level: got 2000, allowed:"),
        (
            ["--init", "sketch.png", "--feather", "2"],
            "--feather: got 2, allowed: only together with --mask",
        ),
        (["--init", "sketch.png", "--strength", "0"], "--strength: got 0.0, allowed: a number"),
        (
            ["--init", "sketch.png", "--mask", "square.png"],
            "--mask: got a mask of 64 x 64 pixels, allowed: the picture's size, 96 x 64, or",
        ),
        (
            ["--init", "sketch.png", "--mask", "empty.png"],
            "--mask: got a mask without any mark, allowed: a mask with at least one marked",
        ),
        (["--init", "sketch.png", "--mask", "text.png"], "--mask: got text.png (a text file)"),
        (["--from", "no.png"], "--from: got no.png (a file that does not exist), allowed: a still"),
        (["--from", "cut.jpg"], "--from: got cut.jpg (a JPEG that is damaged"),
        (["--from", "sketch.png"], "--from: got sketch.png (a PNG without a recipe), allowed: a"),
        (
            ["--from", "bad.png"],
            "--from: got bad.png (with a recipe that cannot be read: recipe: got 9, allowed: 1",
        ),
        (["--from", "deep.png"], "--from: got deep.png (with a recipe that cannot be read: max"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_mistakes_are_answered_in_one_line(folder, arguments, message):
    assert mistake(folder, *arguments).startswith(message)


def test_bytes_that_are_no_text_are_refused(folder):
    done = subprocess.run(
        [*COMMAND, b"caf\xe9"], cwd=folder, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: caption: got 'caf\\udce9', allowed: text")


def test_a_folder_cannot_be_the_output(folder):
    (folder / "a.png").mkdir()
    assert "'a.png', which is a folder" in mistake(folder, "a lake", "-o", "a.png")


def test_an_animation_and_a_flood_of_pixels_are_refused(folder):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    assert mistake(folder, "--init", "a.gif").startswith("--init: got a.gif (an animated GIF)")
    (folder / "huge.png").write_bytes(forged_size("PNG", 30_000, 30_000))
    text = mistake(folder, "--init", "huge.png")
    assert text.startswith("--init: got huge.png (a picture of 30,000 x 30,000 pixels)")


def carrying(folder: Path, **fields: object) -> None:
    """Write old.png, which says that it was drawn from other pixels than the folder's."""
    values = {"num_inference_steps": 2, "guidance_scale": 2.0, "width": 64, "height": 64}
    recipe = Recipe("", **(values | fields))
    text = {"recipe": recipe.to_json()}
    (folder / "old.png").write_bytes(imaging.encode_png(Image.new("RGB", (64, 64)), text))


def test_redrawing_wants_the_same_pixels(folder):
    sketch = imaging.pixel_digest(imaging.open_image(folder / "sketch.png", "x").image)
    other = "0" * 64
    has = "that old.png was drawn with (a PNG does not hold it)"

    carrying(folder, task="image_to_image", init_image=other)
    assert (
        mistake(folder, "--from", "old.png") == f"--init: got nothing, allowed: the picture {has}"
    )
    text = mistake(folder, "--from", "old.png", "--init", "sketch.png")
    assert text == f"--init: got a picture with other pixels, allowed: the picture {has}"

    carrying(folder, task="inpaint", init_image=sketch, mask=other)
    text = mistake(folder, "--from", "old.png", "--init", "sketch.png")
    assert text == f"--mask: got nothing, allowed: the mask {has}"
    text = mistake(folder, "--from", "old.png", "--init", "sketch.png", "--mask", "mask.png")
    assert text == f"--mask: got a mask with other pixels, allowed: the mask {has}"

    carrying(folder, task="upscale", init_image=sketch)
    for options in ((), ("--init", "sketch.png")):
        text = mistake(folder, "--from", "old.png", *options)
        assert text == f"--upscale: got nothing, allowed: the picture {has}"


def test_help_names_every_option_and_its_range(folder):
    done = start(folder, "--help")
    assert done.returncode == 0
    told = " ".join(done.stdout.split())  # lines break where the terminal ends
    for option in {name.split()[0] for name in OPTIONS.values()} | {"--from", "--output"}:
        assert option in done.stdout
    for field in ("num_inference_steps", "guidance_scale", "num_images", "strength"):
        assert f"({LIMITS[field].minimum:g} to {LIMITS[field].maximum:g})" in told


def test_version(folder):
    assert start(folder, "--version").stdout.startswith("ldm 0.")
