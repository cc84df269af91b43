"""Defaults from a folder's own file, and worked out where it has none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest

from ldm.checkpoints.defaults import _SAMPLER_OF
from ldm.checkpoints.load import CheckpointError, Defaults, read_defaults
from ldm.diffusion import SAMPLERS

GOOD: dict[str, Any] = {
    "title": "Vignette",
    "native_size": [256, 192],
    "sizes": [[256, 192], [192, 256]],
    "num_inference_steps": 20,
    "guidance_scale": 4,
    "sampler": "euler",
    "schedule": "karras",
    "licence": "Apache-2.0",
}
Edit = Callable[..., None]


def test_the_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "defaults.json").write_text(json.dumps(GOOD))
    assert read_defaults(tmp_path) == Defaults(
        title="Vignette",
        native_size=(256, 192),
        sizes=((256, 192), (192, 256)),
        num_inference_steps=20,
        guidance_scale=4.0,
        sampler="euler",
        schedule="karras",
        licence="Apache-2.0",
    )


@pytest.mark.parametrize(
    ("key", "usual", "value"), [("clean_surroundings", False, True), ("guidance_end", 1.0, 0.7)]
)
def test_some_need_not_be_said(tmp_path: Path, key: str, usual: object, value: object) -> None:
    (tmp_path / "defaults.json").write_text(json.dumps(GOOD))
    assert getattr(read_defaults(tmp_path), key) == usual
    (tmp_path / "defaults.json").write_text(json.dumps({**GOOD, key: value}))
    assert getattr(read_defaults(tmp_path), key) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", ""),
        ("native_size", [256]),
        ("native_size", [256, 0]),
        ("native_size", [True, 256]),
        ("sizes", []),
        ("sizes", [[256, "192"]]),
        ("num_inference_steps", 0),
        ("num_inference_steps", 2.5),
        ("num_inference_steps", True),
        ("guidance_scale", -1),
        ("guidance_scale", float("nan")),
        ("guidance_scale", float("inf")),
        ("guidance_scale", "7"),
        ("sampler", "magic"),
        ("schedule", "magic"),
        ("licence", None),
        ("guidance_end", 1.5),
        ("guidance_end", "1"),
        ("clean_surroundings", 1),
        ("clean_surroundings", "yes"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "defaults.json"
    path.write_text(json.dumps({**GOOD, key: value}))
    with pytest.raises(CheckpointError) as caught:
        read_defaults(tmp_path)
    assert str(caught.value).startswith(f"{path}: got {key}: {value!r}, allowed: ")


@pytest.mark.parametrize("keys", [{}, {**GOOD, "extra": 1}, {"clean_surroundings": True}])
def test_other_keys_are_refused(tmp_path: Path, keys: dict[str, Any]) -> None:
    (tmp_path / "defaults.json").write_text(json.dumps(keys))
    with pytest.raises(CheckpointError, match="allowed: exactly the keys guidance_scale, "):
        read_defaults(tmp_path)


@pytest.mark.parametrize(
    ("sample_size", "native", "wide"),
    # Stable Diffusion 1 and 2 base; 2.x 768; a file that does not say; [height, width].
    [
        (64, (512, 512), (768, 512)),
        (96, (768, 768), (1152, 768)),
        (None, (512, 512), (768, 512)),
        ([64, 96], (512, 512), (768, 512)),
    ],
)
def test_the_family_gives_the_size(
    folder: Path, edit: Edit, sample_size: Any, native: tuple[int, int], wide: tuple[int, int]
) -> None:
    edit(folder / "unet/config.json", sample_size=sample_size)
    defaults = read_defaults(folder)
    assert defaults.native_size == native
    assert defaults.sizes == (native, wide, wide[::-1])
    assert (defaults.guidance_scale, defaults.num_inference_steps) == (7.5, 25)
    assert (defaults.title, defaults.licence) == ("small", "not stated")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"_class_name": "DDIMScheduler", "use_karras_sigmas": None}, ("ddim", "uniform")),
        ({"_class_name": "PNDMScheduler", "skip_prk_steps": True}, ("plms", "uniform")),
        (
            {"_class_name": "EulerAncestralDiscreteScheduler", "use_karras_sigmas": False},
            ("euler_ancestral", "uniform"),
        ),
        ({"_class_name": "LCMScheduler"}, ("lcm", "uniform")),
        ({"_class_name": "TCDScheduler"}, ("tcd", "uniform")),
        (
            {"_class_name": "UniPCMultistepScheduler", "use_beta_sigmas": True},
            ("unipc", "beta"),
        ),
        (
            {"_class_name": "DEISMultistepScheduler", "use_exponential_sigmas": True},
            ("deis", "exponential"),
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True},
            ("dpmpp_2m", "karras"),
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3},
            ("dpmpp_2m", "uniform"),
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
            ("dpmpp_2m_sde", "uniform"),
        ),
        (
            {
                "_class_name": "DPMSolverMultistepScheduler",
                "algorithm_type": "sde-dpmsolver++",
                "solver_order": 3,
                "use_karras_sigmas": True,
            },
            ("dpmpp_3m_sde", "karras"),
        ),
        ({"_class_name": "SASolverScheduler"}, ("dpmpp_2m", "uniform")),  # one we have not
    ],
)
def test_the_scheduler_gives_the_sampler(
    folder: Path, edit: Edit, settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    edit(folder / "scheduler/scheduler_config.json", **settings)
    defaults = read_defaults(folder)
    assert (defaults.sampler, defaults.schedule) == expected


def test_every_scheduler_class_that_is_mapped_exists_in_diffusers() -> None:
    for name, sampler in _SAMPLER_OF.items():
        assert hasattr(diffusers, name)
        assert sampler in SAMPLERS


@pytest.mark.parametrize(
    "name",
    ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler"],
)
def test_schedulers_of_another_form_are_refused(folder: Path, edit: Edit, name: str) -> None:
    assert hasattr(diffusers, name)
    edit(folder / "scheduler/scheduler_config.json", _class_name=name)
    with pytest.raises(
        CheckpointError, match=rf"scheduler_config\.json: got _class_name: '{name}'"
    ):
        read_defaults(folder)


def test_the_model_card_gives_the_licence(folder: Path) -> None:
    card = "---\ntags:\n- art\nlicense: creativeml-openrail-m\n---\n# A model\nlicense: none\n"
    (folder / "README.md").write_text(card)
    assert read_defaults(folder).licence == "creativeml-openrail-m"


def test_a_folder_without_anything_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"got an empty folder, allowed: .*model_index\.json"):
        read_defaults(tmp_path)
