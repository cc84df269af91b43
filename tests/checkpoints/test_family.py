"""The family is told from the files; parts of different families are refused by name."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ldm.checkpoints.family import FAMILIES, detect, with_named_scheduler
from ldm.checkpoints.folder import open_folder
from ldm.checkpoints.load import CheckpointError, load
from ldm.checkpoints.source import Source
from tests import small_models

CPU, FLOAT32 = torch.device("cpu"), torch.float32
Edit = Callable[..., None]


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sdxl"
    small_models.sdxl().save_pretrained(folder)
    return folder


@pytest.fixture
def copy(sdxl: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sdxl, tmp_path / "sdxl"))


@pytest.fixture(scope="module")
def source(sdxl: Path) -> Source:
    return open_folder(sdxl)


def changed(source: Source, component: str, values: Mapping[str, object]) -> Source:
    config = {**source.configs[component], **values}
    return replace(source, configs={**source.configs, component: config})


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(folder, CPU, FLOAT32)
    assert "\n" not in str(caught.value)
    return str(caught.value)


TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({}, "sdxl"),
        (TRAILING, "sdxl_turbo"),
        ({**TRAILING, "_class_name": "EulerAncestralDiscreteScheduler"}, "sdxl_turbo"),
        ({**TRAILING, "_class_name": "DDIMScheduler"}, "sdxl"),
        # Models of zero terminal SNR begin with the last timestep as well.
        ({**TRAILING, "rescale_betas_zero_snr": True}, "sdxl"),
        ({**TRAILING, "prediction_type": "v_prediction"}, "sdxl"),
        # A merged LoRA changes the scheduler alone.
        ({"_class_name": "LCMScheduler"}, "sdxl"),
    ],
)
def test_the_scheduler_tells_turbo(
    source: Source, scheduler: dict[str, Any], expected: str
) -> None:
    assert detect(changed(source, "scheduler", scheduler)).name == expected


@pytest.mark.parametrize(
    ("unet", "expected"),
    [
        ({"in_channels": 9}, "sdxl_inpaint"),
        ({"time_cond_proj_dim": 256}, "sdxl_lcm"),
        ({"time_cond_proj_dim": None}, "sdxl"),
    ],
)
def test_the_unet_tells(source: Source, unet: dict[str, Any], expected: str) -> None:
    assert detect(changed(source, "unet", unet)).name == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sd_xl_turbo_1.0_fp16", "sdxl_turbo"),
        ("DreamShaperXL-Lightning", "sdxl_turbo"),
        ("sd_xl_base_1.0", "sdxl"),
        ("turbodiesel", "sdxl"),
        ("enlightning", "sdxl"),
    ],
)
def test_a_single_files_name_tells_turbo(source: Source, name: str, expected: str) -> None:
    found = with_named_scheduler(replace(source, name=name))
    assert detect(found).name == expected
    assert (found.configs["scheduler"]["timestep_spacing"] == "trailing") == (expected != "sdxl")


def test_tasks_are_the_recipes() -> None:
    from ldm.recipe import TASKS

    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.tasks and set(family.tasks) <= set(TASKS)


@pytest.mark.parametrize(
    "pipeline", ["FluxPipeline", "StableDiffusionInstructPix2PixPipeline", "None"]
)
def test_a_pipeline_that_is_not_supported(copy: Path, edit: Edit, pipeline: str) -> None:
    edit(copy / "model_index.json", _class_name=pipeline)
    message = refusal(copy)
    assert f"model_index.json: got _class_name: '{pipeline}', allowed: StableDiff" in message


def test_a_pipeline_of_another_base(copy: Path, edit: Edit) -> None:
    edit(copy / "model_index.json", _class_name="StableDiffusionPipeline")
    assert "got text_encoder_2: CLIPTextModelWithProjection, allowed: none of" in refusal(copy)


def test_a_missing_second_text_model(copy: Path, edit: Edit) -> None:
    edit(copy / "model_index.json", text_encoder_2=[None, None])
    assert "model_index.json: got no text_encoder_2" in refusal(copy)


def test_a_second_text_model_without_projection(copy: Path, edit: Edit) -> None:
    edit(copy / "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"])
    edit(copy / "text_encoder_2/config.json", architectures=["CLIPTextModel"])
    expected = "text_encoder_2: CLIPTextModel, allowed: CLIPTextModelWithProjection"
    assert expected in refusal(copy)


def test_a_first_text_model_alone_is_no_refiner(copy: Path, edit: Edit) -> None:
    """Without the first text model it is one by its parts, and its U-Net reads another width."""
    edit(copy / "model_index.json", text_encoder=[None, None], tokenizer=[None, None])
    message = refusal(copy)
    assert "unet/config.json: got cross_attention_dim (56, 56), allowed: 32" in message


def test_sizes_that_do_not_add_up(copy: Path, edit: Edit) -> None:
    edit(copy / "unet/config.json", projection_class_embeddings_input_dim=60)
    message = refusal(copy)
    assert "got projection_class_embeddings_input_dim: 60" in message
    assert "text_time with 6 numbers beside the 20 features of text_encoder_2" in message


def test_a_unet_that_is_told_no_sizes(copy: Path, edit: Edit) -> None:
    edit(copy / "unet/config.json", addition_embed_type=None)
    assert "unet/config.json: got no addition_embed_type, allowed: text_time" in refusal(copy)


def test_a_unet_that_is_told_sizes(folder: Path, edit: Edit) -> None:
    edit(
        folder / "unet/config.json",
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=72,
    )
    message = refusal(folder)
    assert "got addition_embed_type, allowed: None, with Stable Diffusion 1 models" in message


def test_a_unet_that_is_told_a_class(copy: Path, edit: Edit) -> None:
    edit(copy / "unet/config.json", num_class_embeds=100)
    assert "got num_class_embeds: 100, allowed: None, with SDXL models" in refusal(copy)


def test_text_models_with_other_words(copy: Path) -> None:
    words = {**small_models.VOCABULARY, "new</w>": len(small_models.VOCABULARY)}
    small_models.CLIPTokenizer(words, [], model_max_length=16).save_pretrained(copy / "tokenizer")
    assert "got 58 tokens, allowed: at most 57" in refusal(copy)
    ends = small_models.VOCABULARY
    swapped = {**ends, "a</w>": ends["b</w>"], "b</w>": ends["a</w>"]}
    small_models.CLIPTokenizer(swapped, [], model_max_length=16).save_pretrained(copy / "tokenizer")
    assert "tokenizer_2: got other words, allowed: those of tokenizer" in refusal(copy)


def test_text_models_of_other_lengths(copy: Path) -> None:
    shorter = small_models.tokenizer(small_models.FIRST)
    shorter.model_max_length = 12
    shorter.save_pretrained(copy / "tokenizer_2")
    assert "got 16 and 12 positions, allowed: the same for both" in refusal(copy)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_an_option_that_is_no_flag(copy: Path, edit: Edit, value: Any) -> None:
    edit(copy / "model_index.json", force_zeros_for_empty_prompt=value)
    expected = f"got force_zeros_for_empty_prompt: {value!r}, allowed: true or false"
    assert expected in refusal(copy)


def test_names_of_old_files(copy: Path, sdxl: Path) -> None:
    """Files of transformers 4 number the positions, and name the plain text model's part."""
    from safetensors.torch import load_file, save_file

    for component, prefix in (("text_encoder", "text_model."), ("text_encoder_2", "")):
        path = copy / component / "model.safetensors"
        weights = {f"{prefix}{name}": value for name, value in load_file(path).items()}
        weights["text_model.embeddings.position_ids"] = torch.arange(16)[None]
        save_file(weights, path)
    assert load(copy, CPU, FLOAT32).digest == load(sdxl, CPU, FLOAT32).digest


def test_what_ends_a_text_is_the_tokenizers(copy: Path, edit: Edit) -> None:
    """As published, a configuration says 2, by which the largest token would end a text."""
    edit(copy / "text_encoder_2/config.json", eos_token_id=2)
    checkpoint = load(copy, CPU, FLOAT32)
    assert json.loads((copy / "text_encoder_2/config.json").read_text())["eos_token_id"] == 2
    assert checkpoint.text_encoder is not None
    end = small_models.VOCABULARY[small_models.END]
    assert checkpoint.text_encoder.second.text_model.eos_token_id == end  # type: ignore[attr-defined]
