"""A folder of files for the tests of the command line, and the command as a process."""

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from ldm import imaging
from ldm.recipe import Recipe

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "ldm")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def fill(folder: Path) -> Path:
    """Put there a sketch, a mask of it, and files that are not what they are called."""
    sketch = Image.new("RGB", (96, 64), "skyblue")
    ImageDraw.Draw(sketch).rectangle((0, 40, 95, 63), "seagreen")
    sketch.save(folder / "sketch.png")
    mask = Image.new("L", sketch.size)
    ImageDraw.Draw(mask).ellipse((30, 10, 60, 40), 255)
    mask.save(folder / "mask.png")
    Image.new("L", (64, 64), 255).save(folder / "square.png")
    Image.new("L", sketch.size).save(folder / "empty.png")
    (folder / "text.png").write_text("no picture")
    (folder / "cut.jpg").write_bytes(imaging.encode_jpeg(sketch, 90)[:300])
    (folder / "bad.png").write_bytes(imaging.encode_png(sketch, {"recipe": '{"recipe": 9}'}))
    recipe = Recipe("a lake", num_inference_steps=2, guidance_scale=2, width=64, height=64)
    text = {"recipe": recipe.to_json(), "made_with": "[" * 100_000}
    (folder / "deep.png").write_bytes(imaging.encode_png(sketch, text))
    return folder
