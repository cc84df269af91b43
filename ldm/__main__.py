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
from ldm.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from ldm.checkpoints.load import Defaults
    from ldm.checkpoints.locate import Place
    from ldm.engine import Engine
    from ldm.events import Event, Result
    from ldm.pipeline.tiled import Tile

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
MODEL_CHOOSES = (
    "num_inference_steps",
    "guidance_scale",
    "guidance_end",
    "sampler",
    "schedule",
)


def note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


class Failed(Exception):
    """Nothing was wrong with the request, and yet there is no picture; the text says why."""


def choose_model(request: Request) -> "Place":
    """The model that the request names, fetched if it has to be."""
    from tqdm import tqdm

    from ldm.checkpoints.hub import Transfer
    from ldm.checkpoints.locate import Wish, locate
    from ldm.collection import find_models

    with tqdm(unit="B", unit_scale=True, file=sys.stderr, disable=request.quiet, delay=1e-3) as bar:

        def show(transfer: Transfer) -> None:
            bar.total = transfer.total
            bar.set_description_str(transfer.file, refresh=False)
            bar.update(transfer.done - bar.n)

        wish = Wish(request.model, request.revision, request.extras.variant)
        place = locate(wish, find_models(), show)
    if place.commit and not request.quiet:
        note(f"{place.name} is taken at commit {place.commit} (--revision keeps to one)")
    return place


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


def in_tiles(engine: "Engine", recipe: Recipe, model: str) -> bool:
    """Whether the picture is to be enlarged by a model that is not made for it."""
    return recipe.task == "upscale" and "upscale" not in engine.family(model).tasks


def tiles_for(engine: "Engine", recipe: Recipe, request: Request) -> "Sequence[Tile]":
    """What a picture is redrawn in where the model is not made to enlarge it; else nothing."""
    from ldm.pipeline.tiled import tiles_of

    small = request.init_image
    if small is None or not in_tiles(engine, recipe, recipe.model):
        return ()
    return tiles_of(recipe, small, engine.defaults(recipe.model).native_size)


def complete(request: Request, engine: "Engine", model: str) -> Recipe:
    """The draft with the model's choices for all that was not given."""
    from ldm.pipeline import size_step, upscaled_size
    from ldm.pipeline.tiled import FACTORS, STRENGTH, enlarged_size

    defaults = engine.defaults(model)
    values = {name: getattr(defaults, name) for name in MODEL_CHOOSES if name not in request.given}
    small = request.init_image if request.draft.task == "upscale" else None
    if "width" not in request.given:
        size = choose_size(defaults, request.init_image)
        if small is not None and in_tiles(engine, request.draft, model):
            size = enlarged_size(small, FACTORS[0], size_step(engine.checkpoint(model)))
        elif small is not None:
            size = upscaled_size(engine.family(model), small)
        values["width"], values["height"] = size
    if small is not None and "strength" not in request.given:
        values["strength"] = STRENGTH
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


@contextmanager
def pictures_by_their_options(request: Request) -> Iterator[None]:
    """A recipe has one field for the pictures of two options."""
    try:
        yield
    except RecipeError as error:
        if error.field == "init_image" and request.draft.task == "upscale":
            raise RecipeError("--upscale", error.got, error.allowed) from error
        raise


def draw(request: Request) -> None:
    from ldm.checkpoints.memory import SPARING
    from ldm.engine import Engine
    from ldm.events import Result
    from ldm.pipeline.tiled import put_together

    place = choose_model(request)
    model, extras = place.name, replace(request.extras, variant=place.variant)
    # Leaving the engine, by Ctrl+C too, ends the run within one step.
    with Engine(
        {model: place.path},
        preview_every=0,
        extras={model: extras},
        loras=request.extras.loras,
        thrift=SPARING if request.low_memory else None,
    ) as engine:
        with pictures_by_their_options(request):
            recipe = complete(request, engine, model)
            tiles = tiles_for(engine, recipe, request)
            parts = [(tile.recipe, tile.picture, None) for tile in tiles]
            whole = (recipe, request.init_image, request.mask)
            runs = [engine.run(*part) for part in parts or [whole]]
        for text in request.notes:
            note(text)
        results = [watch(events, request.quiet) for events in runs]
    result = results[0]
    if tiles:
        drawn = [each.pictures[0] for each in results]
        whole_picture = put_together(recipe, tiles, drawn)
        result = Result((whole_picture,), max(each.seconds for each in results))
    write_pictures(result, request.output)
    if not request.quiet:
        note_differences(request, result.pictures[0].png)


def list_models() -> None:
    """The models at hand, and public ones that a name is enough to fetch."""
    from ldm.checkpoints.hub_errors import readable
    from ldm.checkpoints.registry import MODELS
    from ldm.collection import find_models
    from ldm.engine import Engine

    with Engine(find_models()) as engine:
        for name in engine.names():
            defaults = engine.defaults(name)
            width, height = defaults.native_size
            steps = f"{defaults.num_inference_steps} steps of {defaults.sampler}"
            print(f"{name}  {defaults.title}, {width}x{height}, {steps}, {defaults.licence}")
    print("\nto be fetched from the Hub when first named:")
    for model in MODELS.values():
        width, height = model.native_size
        print(
            f"{model.name}  {model.title}, {width}x{height}, {model.num_inference_steps} steps, "
            f"{readable(model.download)} to fetch, {readable(model.memory(2))} of memory in 16 "
            f"bits, {model.licence}"
        )


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
