"""The task "upscale" against diffusers' three pipelines that enlarge, with small random weights.

Same weights, same seed: both sides draw their noise from one CPU generator a picture. Tolerance
2/255 on the picture: both compute in float32, and only the order of additions differs.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ldm import imaging
from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.load import Checkpoint, load, read_defaults, read_family
from ldm.events import Preview, Result
from ldm.pipeline import Request, advance, check, check_pictures, run, upscaled_size
from ldm.pipeline.starts import encode_picture
from ldm.recipe import Recipe, RecipeError
from tests.small_upscalers import Loaded, photo

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
STEPS = 4


def make(checkpoint: Checkpoint, picture: Image.Image, **changes: Any) -> Recipe:
    width, height = upscaled_size(checkpoint.family, picture)
    recipe = Recipe(
        "",
        task="upscale",
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        sampler=checkpoint.defaults.sampler,
        seed=3,
        width=width,
        height=height,
    )
    return replace(recipe, **changes)


def drawn(checkpoint: Checkpoint, recipe: Recipe, picture: Image.Image) -> np.ndarray:
    check(recipe, checkpoint, 1024 * 1024, picture)
    result = list(run(checkpoint, check_pictures(recipe, picture, None), picture))[-1]
    assert isinstance(result, Result)
    return np.asarray(result.pictures[0].image).astype(int)


def agree(ours: np.ndarray, theirs: Image.Image) -> None:
    assert np.ptp(ours) > 20, "a flat picture would agree with anything"
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2


@pytest.mark.parametrize("noise_level", [0, 20, 350])
@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_x4_equals_diffusers(
    loaded: Callable[[str], Loaded], noise_level: int, guidance_scale: float
) -> None:
    pipeline, checkpoint = loaded("x4_upscaler")
    picture = photo(24, 16)
    recipe = make(
        checkpoint,
        picture,
        prompt="a lake",
        negative_prompt="fog" if guidance_scale > 1 else "",
        guidance_scale=guidance_scale,
        noise_level=noise_level,
    )
    theirs = pipeline(
        recipe.prompt,
        image=picture,
        num_inference_steps=STEPS,
        guidance_scale=guidance_scale,
        negative_prompt=recipe.negative_prompt or None,
        noise_level=noise_level,
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]
    assert theirs.size == (96, 64)
    agree(drawn(checkpoint, recipe, picture), theirs)


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_x2_latent_equals_diffusers(loaded: Callable[[str], Loaded], guidance_scale: float) -> None:
    """diffusers is given our latents of the picture: it would sample the posterior, we take its
    mode. And our first noise, which is that of sigma^2 + 1, where its Euler takes that of sigma^2.
    """
    pipeline, checkpoint = loaded("latent_upscaler")
    picture = photo(96, 64)
    recipe = make(
        checkpoint,
        picture,
        prompt="a lake",
        negative_prompt="fog" if guidance_scale > 1 else "",
        guidance_scale=guidance_scale,
    )
    pipeline.scheduler.set_timesteps(STEPS)
    sigma = float(pipeline.scheduler.init_noise_sigma)
    noise = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(recipe.seed))
    theirs = pipeline(
        recipe.prompt,
        image=encode_picture(checkpoint, picture),
        num_inference_steps=STEPS,
        guidance_scale=guidance_scale,
        negative_prompt=recipe.negative_prompt if guidance_scale > 1 else None,
        latents=noise * (sigma**2 + 1) ** 0.5 / sigma,
    ).images[0]
    assert theirs.size == (192, 128)
    agree(drawn(checkpoint, recipe, picture), theirs)


def test_super_resolution_equals_diffusers(loaded: Callable[[str], Loaded]) -> None:
    pipeline, checkpoint = loaded("ldm_super_resolution")
    picture = photo(64, 32)
    recipe = make(checkpoint, picture)
    theirs = pipeline(
        picture,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(recipe.seed),
    ).images[0]
    assert theirs.size == (256, 128)
    agree(drawn(checkpoint, recipe, picture), theirs)


def test_the_small_picture_is_cut_to_what_the_model_takes(
    loaded: Callable[[str], Loaded],
) -> None:
    """The x2 upscaler's U-Net halves latents of 8 pixels three times; the others take any size."""
    _, checkpoint = loaded("latent_upscaler")
    picture = photo(105, 70)
    assert upscaled_size(checkpoint.family, picture) == (192, 128)
    got = drawn(checkpoint, make(checkpoint, picture), picture)
    same = drawn(checkpoint, make(checkpoint, picture), imaging.fit(picture, 96, 64))
    assert (got == same).all()

    for name in ("x4_upscaler", "ldm_super_resolution"):
        _, checkpoint = loaded(name)
        picture = photo(19, 17)
        assert drawn(checkpoint, make(checkpoint, picture), picture).shape == (68, 76, 3)


def test_rows_of_unlike_levels_share_a_call(loaded: Callable[[str], Loaded]) -> None:
    """Each row has its own noise level and guidance, and is what it is alone. 1e-3 on latents of
    about 1: kernels add in another order for another batch size.
    """
    _, checkpoint = loaded("x4_upscaler")
    picture = photo(16, 16)
    recipes = [
        make(checkpoint, picture, prompt="a lake", noise_level=0, num_images=2),
        make(checkpoint, picture, noise_level=200, guidance_scale=4.0, num_inference_steps=3),
    ]

    def latents(together: bool) -> list[torch.Tensor]:
        requests = [Request(checkpoint, recipe, picture) for recipe in recipes]
        assert len({row.kind for request in requests for row in request.rows}) == 1
        for group in [requests] if together else [[request] for request in requests]:
            while live := [request for request in group if not request.finished]:
                advance(checkpoint, [row for request in live for row in request.rows])
        return [row.x for request in requests for row in request.rows]

    for alone, shared in zip(latents(False), latents(True), strict=True):
        assert (alone - shared).abs().max() < 1e-3


def test_a_picture_redraws_itself_and_shows_previews(loaded: Callable[[str], Loaded]) -> None:
    _, checkpoint = loaded("ldm_super_resolution")
    picture = photo(16, 16)
    recipe = check_pictures(make(checkpoint, picture), picture, None)
    events = list(run(checkpoint, recipe, picture, preview_every=2))
    assert [event.images[0].size for event in events if isinstance(event, Preview)] == [
        (64, 64)
    ] * 2
    result = events[-1]
    assert isinstance(result, Result)
    stored = Recipe.from_json(imaging.read_png_text(result.pictures[0].png)["recipe"])
    assert stored == recipe
    again = list(run(checkpoint, stored, picture))[-1]
    assert isinstance(again, Result) and again.pictures[0].png == result.pictures[0].png


def test_what_upscalers_choose_themselves(loaded: Callable[[str], Loaded]) -> None:
    for name, steps, guidance, sampler, side in (
        ("x4_upscaler", 25, 9.0, "ddim", 64),
        ("latent_upscaler", 20, 1.0, "euler", 1024),
        ("ldm_super_resolution", 50, 1.0, "ddim", 64),
    ):
        _, checkpoint = loaded(name)
        defaults = read_defaults(checkpoint.path)
        assert defaults == checkpoint.defaults
        assert (defaults.num_inference_steps, defaults.guidance_scale) == (steps, guidance)
        assert (defaults.sampler, defaults.native_size) == (sampler, (side, side))
        assert read_family(checkpoint.path).tasks == ("upscale",)


@pytest.mark.parametrize(
    ("name", "size", "changes", "message"),
    [
        (
            "x4_upscaler",
            (32, 32),
            {"width": 256},
            "width: got 256, allowed: 128, as a picture of 32",
        ),
        ("x4_upscaler", (32, 32), {"height": 64}, "height: got 64, allowed: 128, as a picture"),
        ("x4_upscaler", (32, 32), {"noise_level": 351}, "noise_level: got 351, allowed: 0 to 350"),
        (
            "x4_upscaler",
            (32, 32),
            {"task": "inpaint"},
            "task: got 'inpaint', allowed: upscale, with",
        ),
        ("x4_upscaler", (32, 32), {"prompt": "(lake:99)"}, "prompt: got "),
        (
            "ldm_super_resolution",
            (32, 32),
            {"prompt": "a lake"},
            "prompt: got 'a lake', allowed: ''",
        ),
        (
            "ldm_super_resolution",
            (32, 32),
            {"negative_prompt": "fog"},
            "negative_prompt: got 'fog', allowed: '', as latent super-resolution models read no",
        ),
        ("ldm_super_resolution", (32, 32), {"guidance_scale": 3.0}, "guidance_scale: got 3.0, all"),
        ("ldm_super_resolution", (32, 32), {"clip_skip": 1}, "clip_skip: got 1, allowed: 0, as"),
    ],
)
def test_what_an_upscaler_cannot_do_is_named(
    loaded: Callable[[str], Loaded],
    name: str,
    size: tuple[int, int],
    changes: dict[str, Any],
    message: str,
) -> None:
    _, checkpoint = loaded(name)
    picture = photo(*size)
    with pytest.raises(RecipeError) as caught:
        check(make(checkpoint, picture, **changes), checkpoint, 1024 * 1024, picture)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "x4_upscaler",
            (600, 100),
            "init_image: got a picture of 600 x 100 pixels, allowed: at most 512",
        ),
        (
            "x4_upscaler",
            (15, 40),
            "init_image: got a picture of 15 x 40 pixels, allowed: at least 16",
        ),
        (
            "latent_upscaler",
            (63, 96),
            "init_image: got a picture of 63 x 96 pixels, allowed: at least 64",
        ),
    ],
)
def test_pictures_that_are_too_large_or_small_are_named(
    loaded: Callable[[str], Loaded], name: str, size: tuple[int, int], message: str
) -> None:
    _, checkpoint = loaded(name)
    with pytest.raises(RecipeError) as caught:
        upscaled_size(checkpoint.family, photo(*size))
    assert str(caught.value).startswith(message)


def test_a_result_beyond_what_the_machine_takes_is_refused(
    loaded: Callable[[str], Loaded],
) -> None:
    _, checkpoint = loaded("x4_upscaler")
    picture = photo(32, 32)
    with pytest.raises(RecipeError, match="init_image: got a picture that becomes 128 x 128,"):
        check(make(checkpoint, picture), checkpoint, 100 * 100, picture)


def test_the_picture_must_be_there(loaded: Callable[[str], Loaded]) -> None:
    _, checkpoint = loaded("x4_upscaler")
    recipe = make(checkpoint, photo())
    with pytest.raises(RecipeError, match="init_image: got None, allowed: a picture, for the task"):
        check_pictures(recipe, None, None)
    with pytest.raises(RecipeError, match="mask: got a picture, allowed: nothing, for the task"):
        check_pictures(recipe, photo(), Image.new("L", (32, 32)))


@pytest.mark.parametrize(
    ("name", "file", "changes", "message"),
    [
        (
            "x4_upscaler",
            "unet/config.json",
            {"in_channels": 4},
            "4 channels in and 4 out, allowed: 7",
        ),
        ("x4_upscaler", "unet/config.json", {"num_class_embeds": None}, "no num_class_embeds"),
        ("x4_upscaler", "model_index.json", {"max_noise_level": 2000}, "max_noise_level: 2000"),
        (
            "x4_upscaler",
            "model_index.json",
            {"low_res_scheduler": [None, None]},
            "no low_res_scheduler",
        ),
        ("latent_upscaler", "unet/config.json", {"time_cond_proj_dim": 9}, "time_cond_proj_dim: 9"),
        ("latent_upscaler", "unet/config.json", {"out_channels": 4}, "8 channels in and 4 out"),
        ("ldm_super_resolution", "unet/config.json", {"in_channels": 3}, "3 channels in and 3 out"),
        ("ldm_super_resolution", "vqvae/config.json", {"norm_type": "spatial"}, "norm_type"),
    ],
)
def test_folders_whose_parts_do_not_fit_are_refused(
    loaded: Callable[[str], Loaded],
    tmp_path: Path,
    name: str,
    file: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    folder = Path(shutil.copytree(loaded(name)[1].path, tmp_path / "model"))
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(values | changes))
    with pytest.raises(CheckpointError) as caught:
        load(folder, torch.device("cpu"), torch.float32)
    assert message in str(caught.value)
