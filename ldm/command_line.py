"""What the command line says, read and checked as far as that can be done without the model.

Owns the options and the pictures and recipes that they name. What values are allowed is decided by
the recipe and by the pictures. Does *not* know the engine, and does not import torch: a mistake is
answered at once.
"""

import argparse
import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from ldm import __version__
from ldm.checkpoints.extras import Extras
from ldm.imaging import ImageError, open_image, open_mask, pixel_digest, read_png_text
from ldm.recipe import CROP_PADDING, LIMITS, WITH_PICTURE, Recipe, RecipeError

# What the recipe calls a field, and what it is called here.
OPTIONS = {
    "prompt": "caption",
    "negative_prompt": "--negative",
    "model": "--model",
    "sampler": "--sampler",
    "schedule": "--schedule",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance",
    "guidance_rescale": "--rescale",
    "guidance_start": "--guidance-start",
    "guidance_end": "--guidance-end",
    "cache_interval": "--cache-interval",
    "token_merging_ratio": "--token-merging",
    "clip_skip": "--clip-skip",
    "seed": "--seed",
    "variation_seed": "--variation-seed",
    "variation_strength": "--variation",
    "width": "--size (width)",
    "height": "--size (height)",
    "num_images": "--number",
    "strength": "--strength",
    "mask_feather": "--feather",
    "padding_mask_crop": "--padding",
    "noise_level": "--noise-level",
    "loras": "--lora",
    "init_image": "--init",
    "mask": "--mask",
}
# Where the model will choose, while the given values are checked without it.
STAND_INS = {"prompt": "", "num_inference_steps": 1, "guidance_scale": 1, "width": 64, "height": 64}
LONGEST_NAME = 250  # bytes; file systems take 255, and a number may be added


class Refused(ValueError):
    """Something on the command line cannot be used; the text is the whole message."""


@dataclass(frozen=True)
class Request:
    """The command line, read and checked as far as that can be done without the model."""

    draft: Recipe  # with stand-ins for what is not in `given`, and not yet the model's name
    given: frozenset[str]  # fields that the options or the PNG decided
    model: str  # a name, a folder, a file or an id of the Hub
    revision: str | None  # of the Hub's repository
    low_memory: bool
    extras: Extras  # what stands beside the model
    init_image: Image.Image | None
    mask: Image.Image | None
    output: Path
    redrawn: str  # the name of the --from file, or ""
    made_with: Mapping[str, object]  # what that file says of its making
    notes: tuple[str, ...]  # on what was done to the pictures
    quiet: bool


class Parser(argparse.ArgumentParser):
    """Errors in one line, like all others of this program, instead of below a usage text."""

    def error(self, message: str) -> NoReturn:
        hint = " (a caption of several words stands in quotes)" * ("unrecognized" in message)
        raise Refused(f"{message}{hint}; see python -m ldm --help")


def whole_number(text: str) -> int | str:
    """The number, or the text as it came, which the recipe then refuses by the option's name."""
    try:
        return int(text)
    except ValueError:
        return text


def fraction(text: str) -> float | str:
    """As `whole_number`, with a fraction."""
    try:
        return float(text)
    except ValueError:
        return text


def seed(text: str) -> int | str:
    """As `whole_number`; "random" draws one, which the output names."""
    return random.SystemRandom().randrange(2**32) if text == "random" else whole_number(text)


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m ldm",
        description="Draw a caption, redraw a sketch, fill a part of a picture, or enlarge one.",
        epilog="The model chooses what is not given. "
        "Exit codes: 0 drawn, 1 not written, 2 bad input, 130 stopped by Ctrl+C.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("prompt", metavar="caption", nargs="?", help="what to draw, in quotes")
    output_help = "file to write or replace; more pictures get -2, -3 ... (default: out.png)"
    add("-o", "--output", type=Path, default=Path("out.png"), metavar="PNG", help=output_help)
    model_help = "a model's name (see --list-models), its folder or file, or its id on the Hub"
    add("--model", metavar="NAME", help=model_help)
    add("--revision", metavar="REV", help="with an id of the Hub: a branch, tag or commit")
    memory_help = "spend time to save memory (default: where the model does not fit otherwise)"
    add("--low-memory", action="store_true", help=memory_help)
    add("--variant", metavar="NAME", help="of the model's weights, for example fp16")
    add("--negative", dest="negative_prompt", metavar="TEXT", help="what to stay away from")
    for option, field, convert, what in (
        ("--steps", "num_inference_steps", whole_number, "steps from noise to picture"),
        ("--guidance", "guidance_scale", fraction, "how closely to follow the caption; 1 is off"),
        ("--rescale", "guidance_rescale", fraction, "against colours that guidance overdrives"),
        ("--guidance-start", "guidance_start", fraction, "share of the way after which it acts"),
        ("--guidance-end", "guidance_end", fraction, "and up to which; faster without it"),
        ("--cache-interval", "cache_interval", whole_number, "faster: evaluations for a deep one"),
        ("--token-merging", "token_merging_ratio", fraction, "faster: share of tokens to merge"),
        ("--clip-skip", "clip_skip", whole_number, "last layers of the text model to leave out"),
        ("--number", "num_images", whole_number, "pictures to draw, each with the next seed"),
        ("--variation", "variation_strength", fraction, "how far to blend into another seed's"),
        ("--variation-seed", "variation_seed", whole_number, "of the noise to blend into"),
        ("--strength", "strength", fraction, "with --init or --upscale: how far to leave it"),
        ("--feather", "mask_feather", whole_number, "with --mask: pixels of soft edge outside it"),
        ("--noise-level", "noise_level", whole_number, "with --upscale: how freely to redraw"),
    ):
        limit = LIMITS[field]
        help_text = f"{what} ({limit.minimum:g} to {limit.maximum:g})"
        add(option, dest=field, type=convert, metavar="N", help=help_text)
    padding = f"{CROP_PADDING.minimum:g} to {CROP_PADDING.maximum:g}"
    padding_help = f"with --mask: draw only its part, and so many pixels around it ({padding})"
    add("--padding", dest="padding_mask_crop", type=whole_number, metavar="N", help=padding_help)
    add("--sampler", metavar="NAME", help="for example dpmpp_2m, euler, ddim")
    add("--schedule", metavar="NAME", help="for example uniform, karras")
    add("--seed", type=seed, metavar="N", help="of the noise, or 'random' (default: 0)")
    add("--size", metavar="WxH", help="width and height in pixels, for example 256x256")
    add("--init", metavar="FILE", help="a sketch or photo to redraw")
    add("--mask", dest="mask_file", metavar="FILE", help="with --init: white where to repaint")
    upscale_help = "a picture to enlarge: by a model that does that, or in tiles (twice, or --size)"
    add("--upscale", metavar="FILE", help=upscale_help)
    from_help = "draw again what a PNG of this program carries; options given beside it win"
    add("--from", dest="source", metavar="PNG", help=from_help)
    lora_help = "a LoRA to add, and how much of it (default: 1); may be given again"
    add("--lora", dest="loras", action="append", metavar="FILE[:WEIGHT]", help=lora_help)
    embedding_help = "a textual inversion, which captions call by its name; may be given again"
    add(
        "--embedding",
        dest="embeddings",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help=embedding_help,
    )
    add("--vae", type=Path, metavar="FILE", help="an autoencoder in place of the model's own")
    predicts_help = "with a single file that does not say: epsilon or v_prediction"
    add("--prediction", dest="predicts", metavar="KIND", help=predicts_help)
    add("--list-models", action="store_true", help="print the models at hand and stop")
    add("--quiet", action="store_true", help="no progress bar and no notes")
    add("--version", action="version", version=f"ldm {__version__}")
    return parser


def read_size(text: str) -> dict[str, int]:
    width, _, height = text.lower().partition("x")
    try:
        return {"width": int(width), "height": int(height)}
    except ValueError as error:
        allowed = "WIDTHxHEIGHT in pixels, for example 256x256"
        raise RecipeError("--size", text, allowed) from error


def check_output(path: Path) -> None:
    """Refuse now what could not be written after minutes of drawing."""
    got, folder = f"--output: got {str(path)!r}", path.parent
    if path.suffix.lower() != ".png":
        raise Refused(f"{got}, allowed: a name that ends in .png")
    # os.path answers False where pathlib raises, as for names that are too long.
    if not os.path.isdir(folder):
        raise Refused(f"{got}, allowed: a file in a folder that exists")
    if os.path.isdir(path):
        raise Refused(f"{got}, which is a folder, allowed: the name of a file")
    if not os.access(folder, os.W_OK):
        raise Refused(f"{got}, allowed: a file in a folder that can be written to")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise Refused(f"{got}, allowed: a name of at most {LONGEST_NAME} bytes")


def read_source(path: str) -> tuple[dict[str, Any], dict[str, object]]:
    """The recipe's fields and the notes on its making that a PNG of this program carries."""
    texts = read_png_text(path, "--from")
    allowed = "a PNG that this program has made"
    if "recipe" not in texts:
        raise ImageError("--from", f"{Path(path).name} (a PNG without a recipe)", allowed)
    try:
        values = asdict(Recipe.from_json(texts["recipe"]))
        made_with = json.loads(texts.get("made_with", "{}"))
    except (ValueError, RecursionError) as error:
        what = f"{Path(path).name} (with a recipe that cannot be read: {error})"
        raise ImageError("--from", what, allowed) from error
    return values, made_with if isinstance(made_with, dict) else {}


def open_pictures(
    init_file: str | None, mask_file: str | None, small_file: str | None
) -> tuple[Image.Image | None, Image.Image | None, tuple[str, ...]]:
    """The picture of --init or --upscale, the mask of --mask, and notes on what was done to the
    picture.
    """
    if small_file is not None and init_file is not None:
        raise RecipeError("--upscale", small_file, "without --init")
    if init_file is None and mask_file is not None:
        raise RecipeError("--mask", mask_file, "only together with --init")
    file = init_file if small_file is None else small_file
    if file is None:
        return None, None, ()
    opened = open_image(file, "--init" if small_file is None else "--upscale")
    notes = tuple(f"{file}: {text}" for text in opened.notes)
    mask = open_mask(mask_file, "--mask", opened.image.size) if mask_file is not None else None
    return opened.image, mask, notes


def check_redrawn(source: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse to redraw a picture from other pixels than those it was drawn from."""
    enlarged = before.get("task") == "upscale"
    for field, noun in (("init_image", "picture"), ("mask", "mask")):
        if not before.get(field):
            continue
        same = f"the {noun} that {source} was drawn with (a PNG does not hold it)"
        option = "--upscale" if enlarged else OPTIONS[field]
        if not after[field] or enlarged != (after["task"] == "upscale"):
            raise Refused(f"{option}: got nothing, allowed: {same}")
        if after[field] != before[field]:
            raise Refused(f"{option}: got a {noun} with other pixels, allowed: {same}")


def check_companions(given: Mapping[str, Any]) -> None:
    """An option that the task does not use is a mistake, not something to pass over."""
    for field, needed, tasks in (
        ("strength", "--init or --upscale", WITH_PICTURE),
        ("mask_feather", "--mask", ("inpaint",)),
        ("padding_mask_crop", "--mask", ("inpaint",)),
        ("noise_level", "--upscale", ("upscale",)),
    ):
        if field in given and given["task"] not in tasks:
            raise RecipeError(OPTIONS[field], given[field], f"only together with {needed}")


def task_of(options: argparse.Namespace) -> str:
    if options.upscale is not None:
        return "upscale"
    if options.mask_file is not None:
        return "inpaint"
    return "image_to_image" if options.init is not None else "text_to_image"


def read_lora(text: str) -> tuple[Path, float | None]:
    """The file and the weight of FILE[:WEIGHT]; a name may have colons of its own."""
    path, colon, weight = text.rpartition(":")
    try:
        return (Path(path), float(weight)) if colon and path else (Path(text), None)
    except ValueError:
        return Path(text), None


def read_loras(
    texts: Sequence[str] | None, stored: Mapping[str, Any], source: str
) -> tuple[dict[str, Path], list[tuple[str, float]]]:
    """The files of --lora by name, and the recipe's names and weights. A weight that is not given
    is the one that the picture to be drawn again had, else 1.
    """
    before = dict(stored.get("loras", ()))
    if before and not texts:
        same = f"the files of {', '.join(before)}, which {source} was drawn with"
        raise Refused(f"--lora: got nothing, allowed: {same} (a PNG does not hold them)")
    files: dict[str, Path] = {}
    pairs: list[tuple[str, float]] = []
    for text in texts or ():
        path, weight = read_lora(text)
        if path.stem in files:
            raise RecipeError("--lora", path.stem, "each name once")
        files[path.stem] = path
        pairs.append((path.stem, before.get(path.stem, 1.0) if weight is None else weight))
    return files, pairs


def read_request(options: argparse.Namespace) -> Request:
    """Everything that the options ask for, or `Refused`, `RecipeError` or `ImageError`."""
    check_output(options.output)
    stored, made_with = read_source(options.source) if options.source is not None else ({}, {})
    given = {field: getattr(options, field) for field in OPTIONS if field in options}
    given = {field: value for field, value in given.items() if value is not None}
    model = given.pop("model", stored.pop("model", Recipe.model))
    if options.size is not None:
        given |= read_size(options.size)
    init_image, mask, notes = open_pictures(options.init, options.mask_file, options.upscale)
    given["task"] = task_of(options)
    given["init_image"] = pixel_digest(init_image) if init_image else ""
    given["mask"] = pixel_digest(mask) if mask else ""
    redrawn = Path(options.source).name if options.source is not None else ""
    check_redrawn(redrawn, stored, given)
    check_companions(given)
    lora_files, given["loras"] = read_loras(options.loras, stored, redrawn)
    if given["task"] == "text_to_image" and not stored and "prompt" not in given:
        raise Refused(
            "caption: got nothing, allowed: a caption in quotes, or --from, --init or --upscale"
        )
    values = stored | given
    return Request(
        draft=Recipe(**(STAND_INS | values)),
        given=frozenset(values),
        model=model,
        revision=options.revision,
        low_memory=options.low_memory,
        extras=Extras(
            variant=options.variant,
            vae=options.vae,
            predicts=options.predicts,
            embeddings=tuple(options.embeddings),
            loras=lora_files,
        ),
        init_image=init_image,
        mask=mask,
        output=options.output,
        redrawn=redrawn,
        made_with=made_with,
        notes=() if options.quiet else notes,
        quiet=options.quiet,
    )
