"""What the names of a file's tensors say of it: which family's checkpoint it is, or what else.

Owns the families that come in one file of the original layout, with all that their checkpoints
have in common and no file says; the names that training left behind; and by what other files are
known. Knows nothing of what becomes of the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.checkpoints.architecture import CLIP, OPEN_CLIP, Config, TextNames
from ldm.checkpoints.files import MOST_NAMES_SHOWN, CheckpointError
from ldm.checkpoints.vae_file import PREFIX as VAE
from ldm.checkpoints.weights import StoredTensor

UNET = "model.diffusion_model."
WANTED = "a checkpoint of Stable Diffusion 1, 2 or XL in its original layout"


@dataclass(frozen=True)
class Text:
    """A text model: its component, where it lies in the file, how it is read.

    used: where the U-Net was trained on fewer layers than the model has, how many; a file that
    was converted back from diffusers' layout holds no more.
    """

    component: str
    prefix: str
    names: TextNames
    projection: bool = False
    used: int | None = None

    @property
    def tokenizer(self) -> str:
        return self.component.replace("text_encoder", "tokenizer")


@dataclass(frozen=True)
class Original:
    """What is so for all checkpoints of a family.

    Attributes:
        texts: its text models, which tell it from the others.
        pipelines: diffusers' name of what a checkpoint amounts to, by its U-Net's input channels.
        scale: of the latents.
        side: of the latents that it was trained at, which predicts noise.
        v_side: of those that another version was trained at, which predicts velocity.
        scheduler, options: as diffusers' own folders have them.
    """

    texts: tuple[Text, ...]
    pipelines: Mapping[int, str]
    scale: float
    side: int
    scheduler: Config
    options: Config
    v_side: int | None = None


_NOISE: Config = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
}
_PNDM: Config = {"_class_name": "PNDMScheduler", "set_alpha_to_one": False, "skip_prk_steps": True}
_DDIM: Config = {"_class_name": "DDIMScheduler", "set_alpha_to_one": False, "clip_sample": False}
_EULER: Config = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
_SD_PIPELINES = {4: "StableDiffusionPipeline", 9: "StableDiffusionInpaintPipeline"}
_XL_PIPELINES = {4: "StableDiffusionXLPipeline", 9: "StableDiffusionXLInpaintPipeline"}

SD1 = Original(
    texts=(Text("text_encoder", "cond_stage_model.transformer.", CLIP),),
    pipelines=_SD_PIPELINES,
    scale=0.18215,
    side=64,
    scheduler={**_NOISE, **_PNDM},
    options={},
)
SD2 = Original(
    texts=(Text("text_encoder", "cond_stage_model.model.", OPEN_CLIP, used=23),),
    pipelines=_SD_PIPELINES,
    scale=0.18215,
    side=64,
    scheduler={**_NOISE, **_DDIM},
    options={},
    v_side=96,
)
XL = Original(
    texts=(
        Text("text_encoder", "conditioner.embedders.0.transformer.", CLIP),
        Text("text_encoder_2", "conditioner.embedders.1.model.", OPEN_CLIP, projection=True),
    ),
    pipelines=_XL_PIPELINES,
    scale=0.13025,
    side=128,
    scheduler={**_NOISE, **_EULER},
    options={"force_zeros_for_empty_prompt": True},
)
XL_REFINER = Original(
    texts=(Text("text_encoder_2", "conditioner.embedders.0.model.", OPEN_CLIP, projection=True),),
    pipelines={4: "StableDiffusionXLImg2ImgPipeline"},
    scale=0.13025,
    side=128,
    scheduler={**_NOISE, **_EULER},
    options={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
)
ORIGINALS = (SD1, SD2, XL, XL_REFINER)

# Tensors that training or other programs left behind and that drawing does not use: averaged
# copies of weights, the noise levels (they follow from the schedule), the numbers of positions,
# masks and scales of text models, projections behind text models used without, and markers.
LEFTOVERS = re.compile(
    r"""
    model_ema\..* | first_stage_model\.(loss|model_ema)\..*
    | betas | alphas | (sqrt_|sqrt_recip_|sqrt_recipm1_|sqrt_one_minus_|log_one_minus_)?
      alphas_cumprod(_prev)?
    | posterior_.* | lvlb_weights | logvar | scale_factor | denoiser\.sigmas
    | (.*\.)?(position_ids|attn_mask|logit_scale)
    | cond_stage_model\.(transformer\.|model\.)?text_projection(\.weight)?
    | conditioner\.embedders\.0\.transformer\.text_projection(\.weight)?
    | v_pred | ztsnr
    """,
    re.VERBOSE,
)
# How other files begin some name, what they are, and what can be done with them.
_OTHERS: Sequence[tuple[str, str, str]] = (
    (r"lora_(unet|te\d?)_|.*\.lora[._]|.*_lora\.|.*\.(hada|lokr)_", "a LoRA", "it goes beside one"),
    (
        r"(emb_params|clip_[lg])$|string_to_param",
        "a textual inversion embedding",
        "it goes beside one",
    ),
    (r"control_model\.|controlnet_|zero_convs\.|lllite_", "a ControlNet", "it is not supported"),
    (r"edm_mean$|edm_vpred\.", "a model with another kind of noise (EDM)", "it is not supported"),
    (r"depth_model\.", "a model that reads depth", "it is not supported"),
    (
        r"(.*\.)?(double_blocks|single_blocks|joint_blocks)\.",
        "a diffusion transformer",
        "it is not supported",
    ),
    (
        r"(encoder|decoder)\.(conv_in|mid|down|up)",
        "an autoencoder alone",
        "it goes beside one",
    ),
    (
        r"(down_blocks|up_blocks|text_model|encoder\.layers|embeddings)\.",
        "one part of a model in diffusers' layout",
        "the folder with its model_index.json opens as well",
    ),
)


def _listed(names: Sequence[str]) -> str:
    """How many, and at most ten of them."""
    more = ", ..." if len(names) > MOST_NAMES_SHOWN else ""
    return f"{len(names)} ({', '.join(sorted(names)[:MOST_NAMES_SHOWN])}{more})"


def _other(path: Path, names: Sequence[str]) -> CheckpointError | None:
    """The refusal of a file that holds something else that is known."""
    for pattern, what, hint in _OTHERS:
        if any(re.match(pattern, name) for name in names):
            return CheckpointError(path, what, f"{WANTED}; {hint}")
    return None


def recognise(path: Path, tensors: Mapping[str, StoredTensor]) -> Original:
    """The family of a file by the names of its tensors, without leftovers.

    Raises:
        CheckpointError: it is of none of them, or holds tensors besides.
    """
    names = list(tensors)
    if not any(name.startswith(UNET) for name in names):
        got = f"tensors of something else, {_listed(names)}" if names else "no tensors"
        raise _other(path, names) or CheckpointError(path, got, WANTED)
    for original in ORIGINALS:
        prefixes = tuple(text.prefix for text in original.texts)
        if all(any(name.startswith(prefix) for name in names) for prefix in prefixes):
            rest = [name for name in names if not name.startswith((UNET, VAE, *prefixes))]
            if rest:
                got = f"tensors besides, {_listed(rest)}"
                raise _other(path, rest) or CheckpointError(path, got, WANTED)
            return original
    prefixes = dict.fromkeys(text.prefix for original in ORIGINALS for text in original.texts)
    got = f"a U-Net without a text model (nothing begins with {', '.join(prefixes)})"
    raise _other(path, names) or CheckpointError(path, got, WANTED)
