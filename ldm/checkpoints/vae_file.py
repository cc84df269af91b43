"""An autoencoder in a file of its own, beside a checkpoint or in place of the one it has.

Owns how such a file names its tensors: as CompVis did, with or without the prefix of a whole
checkpoint, or as diffusers does. The scale of the latents is not in the file: it is the family's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ldm.checkpoints.architecture import DIFFUSERS_VAE, ORIGINAL_VAE, Config, Part, vae_shape
from ldm.checkpoints.files import CheckpointError, check_weight_file
from ldm.checkpoints.folder import current_vae_names
from ldm.checkpoints.key_maps import vae_map
from ldm.checkpoints.source import Source
from ldm.checkpoints.weights import StoredTensor, list_tensors

PREFIX = "first_stage_model."
LEFTOVERS = ("loss.", "model_ema.")  # what training needed besides


def original_vae(part: Part) -> tuple[Config, dict[str, StoredTensor]]:
    """Configuration, but for the scale, and tensors by our names, of an autoencoder in CompVis'
    names. Raises CheckpointError where a tensor is missing that tells of its shape.
    """
    tensors = {
        name: stored for name, stored in part.tensors.items() if not name.startswith(LEFTOVERS)
    }
    shape = vae_shape(replace(part, tensors=tensors), ORIGINAL_VAE)
    return shape.config, vae_map(shape.levels, shape.layers).apply(tensors, part.prefix)


def _open(path: Path) -> tuple[Config, Mapping[str, StoredTensor]]:
    check_weight_file(path)
    tensors = list_tensors([path])
    prefix = PREFIX if any(name.startswith(PREFIX) for name in tensors) else ""
    own = {
        name.removeprefix(prefix): stored
        for name, stored in tensors.items()
        if name.startswith(prefix)
    }
    if any(name.startswith("encoder.down_blocks.") for name in own):
        named = current_vae_names(own)
        return vae_shape(Part(path, prefix, named), DIFFUSERS_VAE).config, named
    if not any(name.startswith("encoder.down.") for name in own):
        got = ", ".join(sorted(own)[:3]) or "nothing"
        raise CheckpointError(path, f"a file of other things ({got}, ...)", "an autoencoder")
    return original_vae(Part(path, prefix, own))


def with_vae(source: Source, path: Path) -> Source:
    """A checkpoint with the autoencoder of a file in place of its own, at its own scale.

    Raises:
        CheckpointError: a file that is no such autoencoder, or a checkpoint that has another kind.
    """
    kind = source.classes.get("vae")
    if kind != "AutoencoderKL":
        raise CheckpointError(path, f"an autoencoder for {source.name}", f"none: it has {kind}")
    config, tensors = _open(path)
    own = source.configs["vae"]
    kept = {key: own[key] for key in ("scaling_factor", "force_upcast") if key in own}
    return replace(
        source,
        configs={**source.configs, "vae": {**config, **kept}},
        tensors={**source.tensors, "vae": tensors},
        elsewhere={**source.elsewhere, "vae": path},
    )
