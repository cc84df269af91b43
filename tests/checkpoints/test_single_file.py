"""Single files in the original layout, against diffusers: the same file opened by both sides."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.load import Checkpoint, CheckpointError, load, read_defaults
from ldm.checkpoints.originals import LEFTOVERS
from ldm.checkpoints.reading import read_tensor
from ldm.checkpoints.single_file import open_single_file
from ldm.checkpoints.source import Source
from ldm.checkpoints.weights import list_tensors
from ldm.events import Result
from ldm.pipeline import run
from ldm.recipe import Recipe
from tests.checkpoints.original_layout import State
from tests.checkpoints.small_models import FAMILIES, UNET, Small

CPU, FLOAT32 = torch.device("cpu"), torch.float32
LAST_BIAS = f"{UNET}output_blocks.3.1.transformer_blocks.0.norm1.bias"


@dataclass(frozen=True)
class Written:
    """A small model and its file."""

    small: Small
    file: Path

    @property
    def folder(self) -> Path:
        """The same model as diffusers saves it."""
        folder = self.file.with_suffix("")
        if not folder.is_dir():
            self.small.pipeline.save_pretrained(folder)
        return folder


Write = Callable[[str], Written]


def write(path: Path, state: State, **metadata: str) -> Path:
    own = {name: value.detach().clone().contiguous() for name, value in state.items()}
    save_file(own, path, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Write:
    root = tmp_path_factory.mktemp("single-files")

    @cache
    def make(name: str) -> Written:
        torch.manual_seed(0)
        small = FAMILIES[name]()
        return Written(small, write(root / f"{name}.safetensors", small.state))

    return make


def opened(written: Write, name: str) -> tuple[Written, Source]:
    made = written(name)
    return made, open_single_file(made.file)


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_every_tensor_is_found_and_equal(written: Write, name: str) -> None:
    """By diffusers' and transformers' names, to the bit; nothing is left over."""
    made, source = opened(written, name)
    assert set(source.tensors) == set(source.configs) - {"scheduler"}
    for component, tensors in source.tensors.items():
        expected = getattr(made.small.pipeline, component).state_dict()
        assert set(tensors) == set(expected)
        for key, value in expected.items():
            assert torch.equal(read_tensor(key, tensors[key]), value), key


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", FAMILIES)
def test_the_configurations_are_diffusers(written: Write, name: str) -> None:
    """The index and every component's, as diffusers' own pipeline has them."""
    made, source = opened(written, name)
    pipeline = made.small.pipeline
    assert source.pipeline == type(pipeline).__name__
    components = {key: part for key, part in pipeline.components.items() if part is not None}
    assert {key: type(part).__name__ for key, part in components.items()} == source.classes
    for key in ("force_zeros_for_empty_prompt", "requires_aesthetics_score"):
        assert source.options.get(key, False) == pipeline.config.get(key, False)
    for component, config in source.configs.items():
        expected = getattr(made.small.pipeline, component).config
        for key, value in config.items():
            if key in ("_class_name", "architectures", "pad_token_id"):
                continue
            theirs = _plain(getattr(expected, key))
            if isinstance(value, list) and isinstance(theirs, int):
                theirs = [theirs] * len(value)
            assert value == theirs, f"{component}.{key}"


@torch.no_grad()
@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_both_sides_compute_the_same(written: Write, name: str) -> None:
    """1e-5 in float32: the same operations in another order."""
    made = written(name)
    ours = load(made.file, CPU, FLOAT32)
    theirs = diffusers.StableDiffusionPipeline.from_single_file(
        str(made.file), config=str(made.folder), local_files_only=True
    )
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(2, 4, 8, 8, generator=generator)
    timestep = torch.tensor([3.0, 700.0])
    captions = ["a lake at dawn", ""]
    ids = theirs.tokenizer(captions, padding="max_length", return_tensors="pt").input_ids
    states = theirs.text_encoder(ids).last_hidden_state
    scale = theirs.vae.config.scaling_factor
    pairs: list[tuple[Tensor, Tensor]] = [
        (ours.text_encoder.encode(captions), states),
        (ours.unet(sample, timestep, states), theirs.unet(sample, timestep, states).sample),
        (ours.vae.decode(sample), theirs.vae.decode(sample / scale).sample),
    ]
    for mine, other in pairs:
        assert other.std() > 1e-3, "flat numbers would agree with anything"
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["sd1_inpaint", "sd2", "xl", "xl_refiner"])
def test_file_and_folder_are_the_same_model(written: Write, name: str) -> None:
    made = written(name)
    file, folder = load(made.file, CPU, FLOAT32), load(made.folder, CPU, FLOAT32)
    assert file.digest == folder.digest
    assert file.family is folder.family and file.name == name
    assert torch.equal(file.noise_schedule.alphas_cumprod, folder.noise_schedule.alphas_cumprod)
    assert file.noise_schedule.prediction_type == folder.noise_schedule.prediction_type
    for key in ("native_size", "sampler", "schedule", "guidance_scale"):
        assert getattr(file.defaults, key) == getattr(folder.defaults, key)


def draw(checkpoint: Checkpoint, task: str) -> bytes:
    """One step of a small picture; its pixels."""
    photo = Image.linear_gradient("L").convert("RGB").resize((64, 64))
    mask = Image.new("L", photo.size)
    mask.paste(255, (8, 16, 40, 48))
    defaults = checkpoint.defaults
    recipe = Recipe(
        "a lake",
        task=task,
        sampler=defaults.sampler,
        schedule=defaults.schedule,
        num_inference_steps=1,
        strength=1.0,
        guidance_scale=defaults.guidance_scale,
        seed=3,
        width=64,
        height=64,
    )
    given = {"text_to_image": (), "image_to_image": (photo,), "inpaint": (photo, mask)}[task]
    *_, result = run(checkpoint, recipe, *given)
    assert isinstance(result, Result)
    return result.pictures[0].image.tobytes()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_draws_what_its_folder_draws(written: Write, name: str) -> None:
    """Every task of its family, to the byte; the folders' own against diffusers' pipelines stand in
    tests/test_families.py.
    """
    made = written(name)
    file, folder = load(made.file, CPU, FLOAT32), load(made.folder, CPU, FLOAT32)
    for task in file.family.tasks:
        assert draw(file, task) == draw(folder, task), task


def test_names_of_the_first_files(written: Write, tmp_path: Path) -> None:
    """Some of Stable Diffusion 1's lack `text_model.` in their text model's names."""
    state = {n.replace(".text_model.", "."): v for n, v in written("sd1").small.state.items()}
    assert load(write(tmp_path / "old.safetensors", state), CPU, FLOAT32).digest == (
        load(written("sd1").file, CPU, FLOAT32).digest
    )


def test_a_text_model_that_was_converted_back(written: Write, tmp_path: Path) -> None:
    """Of Stable Diffusion 2's 24 layers some files have 23 left, which are then all used."""
    state = dict(written("sd2").small.state)
    prefix = "cond_stage_model.model.transformer.resblocks"
    first = {n: v for n, v in state.items() if n.startswith(f"{prefix}.0.")}
    for layer in range(23):
        state |= {n.replace(f"{prefix}.0.", f"{prefix}.{layer}."): v for n, v in first.items()}
    source = open_single_file(write(tmp_path / "back.safetensors", state))
    assert source.configs["text_encoder"]["num_hidden_layers"] == 23
    again = {n.replace(f"{prefix}.0.", f"{prefix}.23."): v for n, v in first.items()}
    source = open_single_file(write(tmp_path / "whole.safetensors", {**state, **again}))
    assert source.configs["text_encoder"]["num_hidden_layers"] == 23
    assert not any(".23." in name for name in source.tensors["text_encoder"])


def test_a_projection_that_was_turned_around(written: Write, tmp_path: Path) -> None:
    made = written("xl_refiner")
    state = dict(made.small.state)
    turned = state.pop("conditioner.embedders.0.model.text_projection").T
    state["conditioner.embedders.0.model.text_projection.weight"] = turned
    source = open_single_file(write(tmp_path / "turned.safetensors", state))
    key = "text_projection.weight"
    weight = read_tensor(key, source.tensors["text_encoder_2"][key])
    assert torch.equal(weight, made.small.pipeline.text_encoder_2.text_projection.weight)


# Of the published files of Stable Diffusion 1, 2 and XL, and of files that ComfyUI saved.
LEFT_OVER = (
    "model_ema.decay",
    "model_ema.num_updates",
    "model_ema.diffusion_modelinput_blocks00weight",
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "lvlb_weights",
    "logvar",
    "scale_factor",
    "denoiser.sigmas",
    "first_stage_model.loss.logvar",
    "cond_stage_model.transformer.text_model.embeddings.position_ids",
    "cond_stage_model.logit_scale",
    "cond_stage_model.transformer.text_projection.weight",
    "cond_stage_model.model.text_projection",
    "cond_stage_model.model.attn_mask",
    "conditioner.embedders.1.model.logit_scale",
    "conditioner.embedders.0.transformer.text_projection.weight",
    "v_pred",
    "ztsnr",
)


def test_what_training_left_is_known_and_nothing_else_is(written: Write) -> None:
    assert all(LEFTOVERS.fullmatch(name) for name in LEFT_OVER)
    for name in FAMILIES:
        state = written(name).small.state
        unread = {key for key in state if LEFTOVERS.fullmatch(key)}
        last = re.compile(r"cond_stage_model\.model\.transformer\.resblocks\.2\..*")
        _, source = opened(written, name)
        used = {
            (each.start, each.end) for part in source.tensors.values() for each in part.values()
        }
        whole = list_tensors([written(name).file])
        rest = {
            key
            for key, each in whole.items()
            if not any(each.start <= start and end <= each.end for start, end in used)
        }
        assert rest == unread | {key for key in state if last.fullmatch(key)}


# --- what it predicts ---------------------------------------------------------------------------


def _prediction(path: Path, **extras: Any) -> tuple[object, object]:
    source = open_single_file(path, **extras)
    return source.configs["scheduler"]["prediction_type"], source.configs["unet"]["sample_size"]


def test_the_two_kinds_of_version_2_are_told_apart(written: Write) -> None:
    assert _prediction(written("sd2").file) == ("v_prediction", 96)
    assert _prediction(written("sd2_base").file) == ("epsilon", 64)
    # Of small autoencoders, whose latents are half as large as pictures.
    assert read_defaults(written("sd2").file).native_size == (96 * 2, 96 * 2)
    assert read_defaults(written("sd2_base").file).native_size == (64 * 2, 64 * 2)


def test_inpainting_models_of_version_2_predict_noise(written: Write, tmp_path: Path) -> None:
    state = {**written("sd2_inpaint").small.state, LAST_BIAS: torch.linspace(-9, 9, 64)}
    assert _prediction(write(tmp_path / "any.safetensors", state)) == ("epsilon", 64)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"modelspec.prediction_type": "v"}, "v_prediction"),
        ({"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction"),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, "epsilon"),
        ({}, "epsilon"),
    ],
)
def test_a_header_says_what_it_predicts(
    written: Write, tmp_path: Path, metadata: dict[str, str], expected: str
) -> None:
    path = write(tmp_path / "said.safetensors", written("sd2_base").small.state, **metadata)
    assert _prediction(path)[0] == expected


def test_markers_say_what_it_predicts(written: Write, tmp_path: Path) -> None:
    """As NoobAI's files have them: empty tensors."""
    marked = {**written("xl").small.state, "v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    source = open_single_file(write(tmp_path / "marked.safetensors", marked))
    assert source.configs["scheduler"]["prediction_type"] == "v_prediction"
    assert source.configs["scheduler"]["rescale_betas_zero_snr"] is True
    assert _prediction(written("xl").file) == ("epsilon", 128)


def test_the_host_has_the_last_word(written: Write) -> None:
    assert _prediction(written("sd2").file, predicts="epsilon") == ("epsilon", 64)
    checkpoint = load(written("sd1").file, CPU, FLOAT32, Extras(predicts="v_prediction"))
    assert checkpoint.noise_schedule.prediction_type == "v_prediction"
    with pytest.raises(CheckpointError, match="got the prediction 'noise', allowed: epsilon or v_"):
        open_single_file(written("sd2").file, predicts="noise")
    with pytest.raises(CheckpointError, match=r"scheduler_config\.json: got a prediction beside"):
        load(written("sd1").folder, CPU, FLOAT32, Extras(predicts="epsilon"))
