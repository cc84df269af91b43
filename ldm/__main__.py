"""`python -m ldm`: the same recipe as the page's, drawn without a page.

Owns the run from a checked request to files: the choice of the model and of what it decides, the
progress bar, the writing, and the words on the terminal. torch is imported only here, in the
functions that need it.
"""

import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ldm.command_line import OPTIONS, Refused, Request, make_parser, read_request
from ldm.imaging import ImageError, read_png_text
from ldm.recipe import LIMITS, Recipe, RecipeError

if TYPE_CHECKING:
    from ldm.checkpoints.load import Defaults
    from ldm.events import Event, Result

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
MODEL_CHOOSES = ("num_inference_steps", "guidance_scale", "sampler", "schedule")


def note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


class Failed(Exception):
    """Nothing was wrong with the request, and yet there is no picture; the text says why."""


def choose_model(model: str) -> tuple[str, Path]:
    """The name and folder of what --model means: a known name, else a folder."""
    from ldm.engine import find_models

    known = find_models()
    if model in known:
        return model, known[model]
    if not os.path.isdir(model):
        names = ", ".join(known) or "no model is at hand"
        raise RecipeError("--model", model, f"a model's name ({names}), or the folder of a model")
    folder = Path(model).resolve()
    for name, path in find_models([folder]).items():
        if path.resolve() == folder:
            return name, path
    raise RecipeError("--model", model, "the folder of a model, with model_index.json in it")


def choose_size(defaults: "Defaults", picture: Image.Image | None) -> tuple[int, int]:
    """The model's own size; with a picture, its size or the nearest shape that the model offers."""
    native = defaults.native_size
    if picture is None:
        return native

    def distance(size: tuple[int, int]) -> tuple[bool, float, float]:
        shape = math.log(size[0] * picture.height / (size[1] * picture.width))
        area = math.log(size[0] * size[1] / (native[0] * native[1]))
        return size != picture.size, abs(shape), abs(area)

    return min((native, *defaults.sizes), key=distance)


def complete(request: Request, model: str, defaults: "Defaults") -> Recipe:
    """The draft with the model's choices for all that was not given."""
    values = {name: getattr(defaults, name) for name in MODEL_CHOOSES if name not in request.given}
    if "width" not in request.given:
        values["width"], values["height"] = choose_size(defaults, request.init_image)
    return replace(request.draft, model=model, **values)


def watch(events: Iterable["Event"], quiet: bool) -> "Result":
    """Follow a run on a progress bar to its result."""
    from tqdm import tqdm

    from ldm.events import Progress, Result

    # The delay keeps an empty bar from standing above the error of a run that cannot begin.
    with tqdm(unit="step", file=sys.stderr, disable=quiet, delay=1e-3) as bar:
        for event in events:
            if isinstance(event, Progress):
                bar.total = event.steps
                bar.update(event.step - bar.n)
            elif isinstance(event, Result):
                return event
    raise RuntimeError("the engine ended a run without a result")


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file at once: no half-written picture stands under its name at any time."""
    path = path.resolve()  # a link stays a link
    partial = path.with_name(f".ldm-{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Failed(f"{path} was not written: {error.strerror}") from error


def write_pictures(result: "Result", output: Path) -> None:
    for count, picture in enumerate(result.pictures, start=1):
        path = output if count == 1 else output.with_stem(f"{output.stem}-{count}")
        write_whole(path, picture.png)
        line = f"{path}  seed {picture.recipe.seed}  {result.seconds:.1f} s"
        if picture.changed_outside is not None:
            line += f"  changed outside the mask: {picture.changed_outside} pixels"
        print(line)


def note_differences(request: Request, png: bytes) -> None:
    """Say so where other weights, another version or another device made the first picture."""
    made_with = json.loads(read_png_text(png)["made_with"])
    before = {key: value for key, value in request.made_with.items() if key in made_with}
    for key, value in before.items():
        if value != made_with[key]:
            made, now = f"{value!r:.80}", repr(made_with[key])
            note(f"{request.redrawn} was made with {key} {made}, not {now}: pictures may differ")


@contextmanager
def plain_words() -> Iterator[None]:
    """Errors of models and of drawing, as errors of the command line."""
    from ldm.checkpoints.load import CheckpointError
    from ldm.pipeline import DrawingError

    try:
        yield
    except CheckpointError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise Refused(f"--model: {'; '.join(lines)}") from error
    except DrawingError as error:
        raise Failed(str(error)) from error


def draw(request: Request) -> None:
    from ldm.engine import Engine

    model, folder = choose_model(request.model)
    no_previews = int(LIMITS["num_inference_steps"].maximum) + 1
    # Leaving the engine, by Ctrl+C too, ends the run within one step.
    with Engine({model: folder}, preview_every=no_previews) as engine:
        recipe = complete(request, model, engine.defaults(model))
        events = engine.run(recipe, request.init_image, request.mask)
        for text in request.notes:
            note(text)
        result = watch(events, request.quiet)
    write_pictures(result, request.output)
    if not request.quiet:
        note_differences(request, result.pictures[0].png)


def list_models() -> None:
    from ldm.engine import Engine, find_models

    with Engine(find_models()) as engine:
        for name in engine.names():
            defaults = engine.defaults(name)
            width, height = defaults.native_size
            steps = f"{defaults.num_inference_steps} steps of {defaults.sampler}"
            print(f"{name}  {defaults.title}, {width}x{height}, {steps}, {defaults.licence}")


def run(arguments: Sequence[str] | None) -> None:
    options = make_parser().parse_args(arguments)
    request = None if options.list_models else read_request(options)
    with plain_words():
        if request is None:
            list_models()
        else:
            draw(request)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    warnings.filterwarnings("ignore", module="PIL")  # of damaged EXIF, which is passed over
    try:
        run(arguments)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except (RecipeError, ImageError) as error:
        # The message begins with the field's name; here fields go by their options' names.
        text = str(error).removeprefix(error.field)
        print(f"error: {OPTIONS.get(error.field, error.field)}{text}", file=sys.stderr)
        return BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
