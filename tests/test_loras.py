"""LoRAs on their way: the recipe's field, the engine's rows, the command line, the PNG."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ldm.command_line import Refused, make_parser, read_request
from ldm.engine import Engine
from ldm.events import Event, Result
from ldm.imaging import read_png_text
from ldm.recipe import Recipe, RecipeError
from tests.checkpoints.lora_files import attention_of, kohya, random_factors, write

RECIPE = Recipe(
    "a lake at dawn",
    model="small",
    num_inference_steps=3,
    guidance_scale=3.0,
    width=64,
    height=64,
)


# --- recipe -------------------------------------------------------------------------------------


def test_the_recipe_carries_names_and_weights() -> None:
    recipe = replace(RECIPE, loras=[["ink", 1], ["oil paint", -0.5]])
    assert recipe.loras == (("ink", 1.0), ("oil paint", -0.5))
    assert '"loras": [["ink", 1.0], ["oil paint", -0.5]]' in recipe.to_json()
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert RECIPE.loras == ()


@pytest.mark.parametrize(
    ("loras", "message"),
    [
        ("ink", "loras: got 'ink', allowed: at most 16 pairs of a name and a weight"),
        ([["ink", 1]] * 17, "allowed: at most 16 pairs"),
        (["ink"], "loras: got 'ink', allowed: at most 16 pairs"),
        ([["ink"]], "loras: got ['ink'], allowed: at most 16 pairs"),
        ([["", 1]], "loras: got '', allowed: 1 to 300 characters"),
        ([[3, 1]], "loras: got 3, allowed: 1 to 300 characters"),
        ([["../ink", 1]], "loras: got '../ink', allowed: a name, which is no path"),
        ([["a\\ink", 1]], "allowed: a name, which is no path"),
        ([["ink", 1], ["ink", 2]], "loras: got 'ink', allowed: each name once"),
        ([["ink", 11]], "loras: got 11, allowed: a number from -10 to 10 as the weight of ink"),
        ([["ink", float("nan")]], "allowed: a number from -10 to 10"),
        ([["ink", True]], "loras: got True, allowed: a number"),
        ([["ink", "1"]], "loras: got '1', allowed: a number"),
    ],
)
def test_the_recipe_refuses(loras: Any, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        replace(RECIPE, loras=loras)
    assert message in str(caught.value)


# --- engine -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(small_stable_diffusion: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two LoRAs strong enough to be seen, for the U-Net and for both models."""
    folder = tmp_path_factory.mktemp("loras")
    generator = torch.Generator().manual_seed(3)
    unet = attention_of(small_stable_diffusion.unet)
    text = attention_of(small_stable_diffusion.text_encoder)
    states = {
        "ink": [kohya("lora_unet_", random_factors(unet, 4, 4.0, generator))],
        "oil": [
            kohya("lora_unet_", random_factors(unet, 2, 2.0, generator)),
            kohya("lora_te_text_model_", random_factors(text, 2, 2.0, generator)),
        ],
    }
    return {name: write(folder / f"{name}.safetensors", *each) for name, each in states.items()}


@pytest.fixture
def engine(small_stable_diffusion_folder: Path, files: dict[str, Path]) -> Iterator[Engine]:
    models = {"small": small_stable_diffusion_folder}
    with Engine(models, torch.device("cpu"), torch.float32, loras=files) as made:
        yield made


def picture(events: list[Event]) -> np.ndarray:
    assert isinstance(events[-1], Result)
    return np.asarray(events[-1].pictures[0].image).astype(int)


CHOICES: dict[str, list[tuple[str, float]]] = {
    "none": [],
    "ink": [("ink", 1.0)],
    "oil": [("oil", 0.8)],
    "both": [("ink", 0.5), ("oil", 0.8)],
}


def test_requests_with_different_loras_do_not_touch_one_another(engine: Engine) -> None:
    """Each picture equals the one that its request draws alone, whoever shares the steps.

    2 of 255: a U-Net call of one row and of two may round differently.
    """
    recipes = {name: replace(RECIPE, loras=loras) for name, loras in CHOICES.items()}
    alone = {name: picture(list(engine.run(recipe))) for name, recipe in recipes.items()}
    for name, image in alone.items():
        for other, another in alone.items():
            assert name == other or np.abs(image - another).max() > 8, (name, other)
    streams = {name: engine.run(recipe) for name, recipe in recipes.items()}
    twins = {name: engine.run(recipe) for name, recipe in recipes.items()}  # of one kind with them
    for together in (streams, twins):
        for name, stream in together.items():
            assert np.abs(picture(list(stream)) - alone[name]).max() <= 2, name
    again = picture(list(engine.run(recipes["none"])))
    assert np.array_equal(again, alone["none"])


def test_rows_of_different_loras_are_of_different_kinds(engine: Engine) -> None:
    from ldm.pipeline import prepare

    checkpoint = engine.checkpoint("small")
    kinds = [
        prepare(checkpoint, replace(RECIPE, loras=loras), None, None)[0].kind
        for loras in ([], [("ink", 1.0)], [("ink", 0.9)])
    ]
    assert len(set(kinds)) == 3


def test_the_picture_tells_which_loras_made_it(engine: Engine) -> None:
    (*_, result) = engine.run(replace(RECIPE, loras=CHOICES["both"]))
    assert isinstance(result, Result)
    text = read_png_text(result.pictures[0].png)
    hashes = json.loads(text["made_with"])["lora_hashes"]
    assert set(hashes) == {"ink", "oil"} and len(set(hashes.values())) == 2
    assert Recipe.from_json(text["recipe"]).loras == (("ink", 0.5), ("oil", 0.8))
    (*_, plain) = engine.run(RECIPE)
    assert isinstance(plain, Result)
    assert "lora_hashes" not in json.loads(read_png_text(plain.pictures[0].png)["made_with"])


def test_a_lora_that_does_not_go_is_refused_at_once(
    engine: Engine, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="got 'pencil, a name that is not known', allowed: ink"):
        engine.run(replace(RECIPE, loras=[("pencil", 1.0)]))
    # The host's list is asked each time, so a file that comes later is found.
    files["pencil"] = write(tmp_path / "pencil.safetensors", {"x.lora_up.weight": torch.ones(2, 2)})
    try:
        with pytest.raises(RecipeError, match="loras: got 'pencil, x without down', allowed: both"):
            engine.run(replace(RECIPE, loras=[("pencil", 1.0)]))
    finally:
        del files["pencil"]
    assert picture(list(engine.run(RECIPE))).std() > 0


# --- command line -------------------------------------------------------------------------------


def request_of(*arguments: str) -> Any:
    return read_request(make_parser().parse_args(["a lake", *arguments]))


@pytest.mark.parametrize(
    ("options", "loras"),
    [
        (["--lora", "ink.safetensors"], (("ink", 1.0),)),
        (["--lora", "a/ink.safetensors:0.7"], (("ink", 0.7),)),
        (
            ["--lora", "ink.safetensors:-1", "--lora", "oil.safetensors"],
            (("ink", -1.0), ("oil", 1.0)),
        ),
        (["--lora", "odd:name.safetensors"], (("odd:name", 1.0),)),
        ([], ()),
    ],
)
def test_lora_options(options: list[str], loras: tuple[tuple[str, float], ...]) -> None:
    request = request_of(*options)
    assert request.draft.loras == loras
    assert [path.name for path in request.extras.loras.values()] == [
        f"{name}.safetensors" for name, _ in loras
    ]


def test_lora_options_that_do_not_go() -> None:
    with pytest.raises(RecipeError, match="--lora: got 'ink', allowed: each name once"):
        request_of("--lora", "ink.safetensors", "--lora", "b/ink.safetensors:2")
    with pytest.raises(RecipeError, match=r"loras: got 99\.0, allowed: a number from -10 to 10"):
        request_of("--lora", "ink.safetensors:99")


def test_what_stands_beside_the_model() -> None:
    extras = request_of(
        "--vae", "vae.safetensors", "--embedding", "a.safetensors", "--embedding",
        "b.safetensors", "--prediction", "epsilon",
    ).extras  # fmt: skip
    assert extras.vae == Path("vae.safetensors") and extras.predicts == "epsilon"
    assert extras.embeddings == (Path("a.safetensors"), Path("b.safetensors"))


def test_drawing_again_asks_for_the_same_files(engine: Engine, tmp_path: Path) -> None:
    (*_, result) = engine.run(replace(RECIPE, loras=CHOICES["both"]))
    assert isinstance(result, Result)
    (tmp_path / "boat.png").write_bytes(result.pictures[0].png)
    source = ["--from", str(tmp_path / "boat.png")]
    with pytest.raises(
        Refused, match=r"--lora: got nothing, allowed: the files of ink, oil, which "
    ):
        request_of(*source)
    files = ["--lora", "oil.safetensors", "--lora", "ink.safetensors:0.1"]
    assert request_of(*source, *files).draft.loras == (("oil", 0.8), ("ink", 0.1))
