"""The text of AUTOMATIC1111's stable-diffusion-webui, read and written.

The first example has the settings of the one in the docstring of that project's own reader
(modules/infotext_utils.py, parse_generation_parameters), the second is of its version 1.6.0 as
StabilityMatrix's tests have it, and the third is laid out as its version 1.9 writes, with the
schedule apart from the sampler.
"""

import pytest

from ldm.recipe import Recipe
from ldm.ui.parameters import read_parameters, write_parameters

DOCSTRING = """girl with an artist's beret, blue eyes, desert scene, ((eyeshadow)), (coquettish)
Negative prompt: ugly, (((deformed))), [blurry], messy drawing
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"""
VERSION_1_6 = """test123
Negative prompt: test, easy negative
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3589107295, Size: 1024x1028, \
Model hash: 9aa0c3e54d, Model: nightvisionXL_v0770_BakedVAE, VAE hash: 235745af8d, \
VAE: sdxl_vae.safetensors, Style Selector Enabled: True, Version: 1.6.0"""
VERSION_1_9 = """a lake,
two lines: of caption
Negative prompt: fog,
rain
Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 7, Size: 640x448, \
Model: v1-5, Denoising strength: 0.55, Clip skip: 2, Mask blur: 8, \
Lora hashes: "detail: 1a2b, style: 3c4d", Version: v1.9.4"""


def test_the_published_example() -> None:
    found = read_parameters(DOCSTRING)
    assert found is not None
    assert found.fields["prompt"].endswith("((eyeshadow)), (coquettish)")
    assert found.fields["negative_prompt"] == "ugly, (((deformed))), [blurry], messy drawing"
    numbers = {name: found.fields[name] for name in ("num_inference_steps", "guidance_scale")}
    assert numbers == {"num_inference_steps": 20, "guidance_scale": 7}
    assert (found.fields["sampler"], found.fields["seed"]) == ("euler_ancestral", 965400086)
    assert (found.fields["width"], found.fields["height"]) == (512, 512)
    assert not found.left_out


def test_what_has_no_place_in_a_recipe_is_named() -> None:
    found = read_parameters(VERSION_1_6)
    assert found is not None
    assert found.fields["model"] == "nightvisionXL_v0770_BakedVAE"
    assert found.left_out == ("VAE hash", "VAE", "Style Selector Enabled")


def test_several_lines_quotes_and_the_newer_keys() -> None:
    found = read_parameters(VERSION_1_9)
    assert found is not None
    assert found.fields["prompt"] == "a lake,\ntwo lines: of caption"
    assert found.fields["negative_prompt"] == "fog,\nrain"
    assert (found.fields["sampler"], found.fields["schedule"]) == ("dpmpp_2m", "karras")
    assert found.fields["clip_skip"] == 1  # theirs counts the layer that is read
    assert (found.fields["strength"], found.fields["mask_feather"]) == (0.55, 8)
    assert not found.left_out


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("DPM++ 2M Karras", {"sampler": "dpmpp_2m", "schedule": "karras"}),
        ("DPM++ 2M SDE Exponential", {"sampler": "dpmpp_2m_sde", "schedule": "exponential"}),
        ("DDIM", {"sampler": "ddim"}),
        ("No such sampler", {}),
    ],
)
def test_sampler_names(name: str, fields: dict[str, str]) -> None:
    found = read_parameters(f"a\nSteps: 9, Sampler: {name}, Seed: 1")
    assert found is not None
    got = {key: found.fields[key] for key in ("sampler", "schedule") if key in found.fields}
    assert got == fields
    assert found.left_out == (() if fields else ("Sampler",))


@pytest.mark.parametrize("text", ["", "a lake", "Steps: many", "a\nb, c: d", "\n\n", "Steps: 4, "])
def test_other_texts_are_none(text: str) -> None:
    assert read_parameters(text) is None


@pytest.mark.parametrize("task", ["text_to_image", "image_to_image", "inpaint"])
def test_what_is_written_is_read_again(task: str) -> None:
    recipe = Recipe(
        "a lake, at dawn\nin: mist",
        negative_prompt="people",
        task=task,
        model='odd, "name": v1',
        sampler="unipc",
        schedule="beta",
        num_inference_steps=12,
        guidance_scale=4.5,
        clip_skip=1,
        seed=99,
        width=192,
        height=128,
        strength=0.35,
        mask_feather=6,
        padding_mask_crop=24,
        variation_seed=5,
        variation_strength=0.25,
        guidance_start=0.2,
        token_merging_ratio=0.5,
    )
    found = read_parameters(write_parameters(recipe, {"ldm": "0.1.0", "model_hash": "abc"}))
    assert found is not None
    used = {name: getattr(recipe, name) for name in found.fields}
    assert found.fields == used
    assert not found.left_out
    expected = 15 + (task != "text_to_image") + 2 * (task == "inpaint")
    assert len(found.fields) == expected
