"""What the parts below the page say, in the visitor's language: every phrase that the page can meet
is one of its texts, and every text is a phrase of theirs.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from ldm.imaging import ImageError, file_kinds, open_image, open_mask
from ldm.recipe import CROP_PADDING, LIMITS, LORA_WEIGHT, Recipe, RecipeError
from ldm.ui.form import plain_words
from ldm.ui.phrases import understood
from ldm.ui.texts import PHRASES, Figure, Text, plain

ROOT = Path(__file__).parents[2] / "ldm"
ERRORS = {"RecipeError", "ImageError", "PromptError"}
PHRASED = ERRORS | {"Described"}  # the last argument is a phrase
# Where what a visitor asks for is refused; what others refuse never reaches the page.
SOURCES = (
    *("recipe.py", "models/prompt.py", "models/text_encoder.py", "pipeline/checks.py"),
    *("pipeline/starts.py", "pipeline/tiled.py", "imaging/masks.py", "imaging/margins.py"),
    *("imaging/region.py", "ui/form.py", "ui/grid_axes.py", "ui/easel.py", "ui/outpainting.py"),
    *("ui/how_it_works/terms.py", "ui/how_it_works/teacher.py"),
)
# Of a program that calls another one wrongly.
MISTAKES = {"layers with transparency", "pictures and mask of one size"}
FIGURE = "7"  # stands for what is known only when the program runs
KNOWN = {"limit": LIMITS["seed"], "CROP_PADDING": CROP_PADDING, "LORA_WEIGHT": LORA_WEIGHT}
RECIPE = Recipe("a lake", num_inference_steps=4, guidance_scale=3.0, width=64, height=64)

Scope = Mapping[str, list[ast.expr]]


def read(node: ast.expr, scope: Scope) -> list[str]:
    """What an expression of a phrase can be."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(each) for each in product(*(read(part, scope) for part in parts))]
        case ast.FormattedValue(value=inner):
            return read(inner, scope)
        case ast.IfExp(body=one, orelse=other):
            return read(one, scope) + read(other, scope)
        case ast.Name(id=name) if name in scope:
            return [text for each in scope[name] for text in read(each, scope)]
        case ast.Name(id=name) if name in KNOWN:
            return [str(KNOWN[name])]
    return [FIGURE]


def assigned(body: list[ast.stmt]) -> dict[str, list[ast.expr]]:
    """Names that stand for parts of phrases."""
    found: dict[str, list[ast.expr]] = {}
    for node in (each for statement in body for each in ast.walk(statement)):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Constant() | ast.JoinedStr() | ast.IfExp()
            ):
                found.setdefault(name, []).append(node.value)
    return found


def phrases(path: Path) -> Iterator[str]:
    """What the errors raised in a file say came, in words, and is allowed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = assigned([node for node in tree.body if isinstance(node, ast.Assign)])
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        scope = own | assigned(function.body)
        for node in (each for statement in function.body for each in ast.walk(statement)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PHRASED:
                yield from read(node.args[-1], scope)


def text_of(phrase: str) -> Text:
    """The phrase as a text, which in English is the phrase."""
    text = understood(phrase)
    assert isinstance(text, Text), phrase
    assert plain(text.key, **text.values) == phrase
    return text


@pytest.mark.parametrize("source", SOURCES)
def test_all_that_is_allowed_is_understood(source: str) -> None:
    found = set(phrases(ROOT / source)) - {FIGURE} - MISTAKES  # 7 alone: such as a list of names
    assert found
    for phrase in found:
        text_of(phrase)


@pytest.mark.parametrize("field", LIMITS)
def test_every_limit_of_a_recipe_is_understood(field: str) -> None:
    limit = LIMITS[field]
    for value in (limit.maximum + 1, limit.minimum - 1, None, "much"):
        with pytest.raises(RecipeError) as caught:
            replace(RECIPE, **{field: value})
        text = text_of(caught.value.allowed)
        assert text.key in ("allowed_whole", "allowed_number")
        assert text.values["maximum"] == f"{limit.maximum:.10g}"
        assert f'data-say="{text.key}"' in plain_words(caught.value)


def keys_in(text: object) -> set[str]:
    if not isinstance(text, Text):
        return set()
    return {text.key}.union(*map(keys_in, text.values.values()))


def test_every_text_is_said_somewhere() -> None:
    said = {
        key
        for source in SOURCES
        for phrase in phrases(ROOT / source)
        for key in keys_in(understood(phrase))
    }
    files = [*ROOT.glob("imaging/*.py"), ROOT / "ui" / "picture_input.py"]
    whole = " ".join(file.read_text(encoding="utf-8") for file in files)
    for key, text in PHRASES["en"].items():
        pieces = re.split(r"\{\w+\}", text)
        assert key in said or key in whole or all(piece in whole for piece in pieces), key


def test_what_a_file_is_instead_of_a_picture_is_understood(tmp_path: Path) -> None:
    heads = [head for head, _ in file_kinds._OTHER_SIGNATURES]
    heads += [b"\0\0\0\x18ftyp" + brand for brand in (*file_kinds._BRANDS, b"mp42")]
    heads += [b"", b"\0\1\2", b"<svg>", b"<html>", b"words", b"\x89PNG\r\n\x1a\n"]
    keys = set()
    for head in heads:
        (tmp_path / "notes (1).png").write_bytes(head)
        for given in (head, tmp_path / "notes (1).png"):
            with pytest.raises(ImageError) as caught:
                open_image(given, "init_image")
            text = text_of(caught.value.got)
            keys.add(text.key)
        assert (text.key, text.values["name"]) == ("got_of_file", "notes (1).png")
        assert isinstance(text.values["value"], Text)
    assert len(keys) == 16
    allowed = text_of(caught.value.allowed).values
    assert allowed == {"names": "PNG, JPEG, WebP, GIF, BMP", "name": "TIFF", "most": "64"}


def test_what_is_wrong_with_a_mask_is_understood() -> None:
    dot = Image.new("L", (640, 640))
    dot.putpixel((3, 3), 255)
    keys = []
    for mask in (Image.new("L", (64, 64)), Image.new("L", (64, 32), 255), dot):
        with pytest.raises(ImageError) as caught:
            open_mask(mask, "mask", (64, 64))
        keys.append(text_of(caught.value.got).key)
        text_of(caught.value.allowed)
    assert keys == ["got_mask_empty", "got_mask_size", "got_mask_vanished"]


def test_what_was_done_to_a_picture_is_understood() -> None:
    image = Image.new("RGBA", (8, 4), (255, 0, 0, 128))
    image.getexif()[0x0112] = 6
    image.info["icc_profile"] = b"none"
    found = open_image(image, "init_image").notes
    assert len(found) == 3
    first = text_of("; ".join(found))
    rest = first.values["value"]
    assert first.key == "note_several" and isinstance(rest, Text)
    assert rest.key == "note_several"


def test_a_phrase_inside_another_and_one_that_is_unknown() -> None:
    assert understood("nothing, or a number from 0.5 to 2") == Text(
        "allowed_or_nothing",
        {"range": Text("allowed_number", {"minimum": Figure("0.5"), "maximum": Figure("2")})},
    )
    assert understood("at most seven") == "at most seven"
    assert understood("ddim, euler") == "ddim, euler"
    assert isinstance(understood("2.5"), Figure)
