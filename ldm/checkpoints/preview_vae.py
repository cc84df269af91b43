"""A tiny autoencoder that stands beside a checkpoint, for looks at latents on their way.

Owns where it is looked for. What it is used for is told in :mod:`ldm.preview`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ldm.checkpoints.files import CheckpointError, check_weight_file, read_json, weight_files
from ldm.checkpoints.reading import allocate, read_all
from ldm.checkpoints.weights import check, list_tensors
from ldm.models.autoencoder_tiny import AutoencoderTiny, AutoencoderTinyConfig
from ldm.models.config import ConfigError
from ldm.models.kinds import Autoencoder

FOLDER = "preview"  # inside a model's folder
_KIND = "AutoencoderTiny"


def find_preview_vae(model: Path) -> Path | None:
    """The folder ``preview`` of a model's folder, where it has one."""
    folder = model / FOLDER
    return folder if folder.is_dir() else None


def _read(path: Path) -> tuple[AutoencoderTinyConfig, list[Path]]:
    if path.is_dir():
        place, files = path / "config.json", weight_files(path, "diffusion_pytorch_model")
        values = read_json(place)
        if values.get("_class_name") != _KIND:
            raise CheckpointError(place, f"_class_name: {values.get('_class_name')!r}", _KIND)
    else:  # a file alone says nothing: TAESD's and TAESDXL's settings, which are the defaults
        check_weight_file(path)
        place, files, values = path, [path], {}
    try:
        return AutoencoderTinyConfig.from_dict(values), files
    except ConfigError as error:
        raise CheckpointError(place, f"{error.field}: {error.got!r}", error.allowed) from error


def load_preview_vae(
    path: Path, vae: Autoencoder, device: torch.device, dtype: torch.dtype
) -> AutoencoderTiny:
    """An ``AutoencoderTiny`` that speaks the latents of ``vae``, as far as can be told.

    path: a folder that diffusers wrote, or a .safetensors file of TAESD or TAESDXL by diffusers'
    names.

    Raises:
        CheckpointError: something in the files that is missing or not allowed, or latents of
            another shape. (SD's and XL's have the same shape, so they cannot be told apart.)
    """
    config, files = _read(path)
    with torch.device("meta"):
        tiny = AutoencoderTiny(config)
    if (tiny.factor, tiny.latent_channels) != (vae.factor, vae.latent_channels):
        raise CheckpointError(
            path,
            f"latents of {tiny.latent_channels} channels for {tiny.factor} pixels",
            f"{vae.latent_channels} channels for {vae.factor} pixels, as the model has",
        )
    tensors = list_tensors(files)
    check(tiny, tensors, path)
    read_all(allocate(tiny, tensors, device, dtype))
    return tiny
