"""Which family a checkpoint belongs to: told from its files, never asked for.

Owns the table of families, with what each can do, what it is made of and how it is commonly used,
and the rules that tell them apart. Knows nothing of weights; whether the parts fit one another is
checked in `fit`.

To add one: its line in FAMILIES, and in PIPELINES what its model_index.json is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ldm.checkpoints.files import UNUSED, CheckpointError
from ldm.checkpoints.source import Source
from ldm.diffusion.denoiser import PredictionType
from ldm.diffusion.ramps import AlignedTo

DRAWING = ("text_to_image", "image_to_image", "inpaint")
CLIP_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
BERT_TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")

Classes = Mapping[str, tuple[str, ...]]  # component -> the classes it may have
Shapes = tuple[tuple[float, float], ...]  # width and height, for each pixel of a square's side


@dataclass(frozen=True)
class Upscaling:
    """How a family makes a picture larger.

    Attributes:
        factor: by so much, along each side.
        given: what its U-Net is given beside its own latents: the small picture, or the latents
            of it, enlarged.
        multiple, least: of the small picture's sides, in pixels.
        noisy: noise is added to what is given, and the U-Net is told how much.
    """

    factor: int
    given: Literal["picture", "latents"]
    multiple: int = 1
    least: int = 16
    noisy: bool = False

    def small(self, size: tuple[int, int]) -> tuple[int, int]:
        """The largest size, within that of a picture, that it takes."""
        width, height = (side // self.multiple * self.multiple for side in size)
        return width, height


@dataclass(frozen=True, eq=False)
class Family:
    """A kind of checkpoint.

    Attributes:
        name: of the table.
        title: as a sentence may say it.
        base: the networks' shapes, which a LoRA or an embedding is made for: "sd1", "sdxl", ...
            Families of one base differ in their training and in the U-Net's first layers.
        tasks: of ``ldm.recipe.TASKS``, those it can do.
        components: what it is made of.
        autoencoder: the component that turns pictures into latents.
        text_encoders: components of text models with those of their tokenizers, in the order in
            which their states stand side by side.
        skipped_layers: how far from the text models' last layer the one lies whose states are
            read; 0 is the last one, normalised, and others are not normalised.
        normalised: False leaves out the normalisation of the last one too.
        masked_input: the U-Net is told the mask and the masked picture's latents.
        upscaling: how it does the task "upscale"; None where it does not.
        prediction_type: what its output is, where a scheduler's configuration cannot say so.
        fixed: component -> values that its configuration has whatever the file says.
        num_inference_steps, guidance_scale: as it is commonly used.
        shapes: those it is known to draw well.
        aligned_to: whose levels the schedule "ays" takes.
    """

    name: str
    title: str
    base: str
    tasks: tuple[str, ...]
    components: Classes
    autoencoder: str = "vae"
    text_encoders: tuple[tuple[str, str], ...] = (("text_encoder", "tokenizer"),)
    skipped_layers: int = 0
    normalised: bool = True
    masked_input: bool = False
    upscaling: Upscaling | None = None
    prediction_type: PredictionType | None = None
    fixed: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    num_inference_steps: int = 25
    guidance_scale: float = 7.5
    shapes: Shapes = ((1, 1), (1.5, 1), (1, 1.5))
    aligned_to: AlignedTo = "sd1"


_TEXT: Classes = {"text_encoder": ("CLIPTextModel",), "tokenizer": CLIP_TOKENIZERS}
_TEXT_2: Classes = {
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer_2": CLIP_TOKENIZERS,
}
_DRAWN: Classes = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny", "PatchAutoencoder"),
}
_SD1 = Family("sd1", "Stable Diffusion 1", "sd1", DRAWING, {**_DRAWN, **_TEXT})
_SD2 = replace(_SD1, name="sd2", title="Stable Diffusion 2", base="sd2")
_SDXL = Family(
    "sdxl",
    "SDXL",
    "sdxl",
    DRAWING,
    {**_DRAWN, **_TEXT, **_TEXT_2},
    text_encoders=(("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")),
    skipped_layers=1,
    num_inference_steps=30,
    guidance_scale=5.0,
    # A square's area in other shapes: the nearest of those it was trained at (Podell et al. 2023,
    # appendix I).
    shapes=(
        (1, 1),
        (1.125, 0.875),
        (0.875, 1.125),
        (1.1875, 0.8125),
        (0.8125, 1.1875),
        (1.3125, 0.75),
        (0.75, 1.3125),
    ),
    aligned_to="sdxl",
)
_REFINER = replace(
    _SDXL,
    name="sdxl_refiner",
    title="SDXL refiner",
    base="sdxl_refiner",
    tasks=("image_to_image",),  # it was trained at the lowest fifth of the noise levels alone
    components={**_DRAWN, **_TEXT_2},
    text_encoders=(("text_encoder_2", "tokenizer_2"),),
)

# Stability AI's upscaler, trained with Stable Diffusion 2.
_X4 = Family(
    "x4_upscaler",
    "x4 upscaler",
    "x4_upscaler",
    ("upscale",),
    {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        **_TEXT,
        "low_res_scheduler": ("DDPMScheduler",),
    },
    upscaling=Upscaling(4, "picture", noisy=True),
    # Files from before the key was there mean this, not the value of other autoencoders.
    fixed={"vae": {"scaling_factor": 0.08333}},
    guidance_scale=9.0,
    shapes=((1, 1),),
)
# Crowson's upscaler of Stable Diffusion's latents. Its U-Net halves them three times.
_X2 = Family(
    "latent_upscaler",
    "x2 latent upscaler",
    "latent_upscaler",
    ("upscale",),
    {"unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",), **_TEXT},
    normalised=False,
    upscaling=Upscaling(2, "latents", multiple=32, least=64),
    prediction_type="preconditioned",
    num_inference_steps=20,
    guidance_scale=1.0,
    shapes=((1, 1),),
)
# The first latent diffusion models: Rombach et al., 2112.10752.
_TEXT2IM = Family(
    "ldm_text2im",
    "text2im-large-256",
    "ldm_text2im",
    DRAWING,
    {
        "unet": ("UNet2DConditionModel",),
        "vqvae": ("AutoencoderKL", "VQModel"),
        "bert": ("LDMBertModel",),
        "tokenizer": BERT_TOKENIZERS,
    },
    autoencoder="vqvae",
    text_encoders=(("bert", "tokenizer"),),
    num_inference_steps=50,
    guidance_scale=6.0,
)
_SUPER_RESOLUTION = Family(
    "ldm_super_resolution",
    "latent super-resolution",
    "ldm_super_resolution",
    ("upscale",),
    {"unet": ("UNet2DModel",), "vqvae": ("VQModel",)},
    autoencoder="vqvae",
    text_encoders=(),
    upscaling=Upscaling(4, "picture"),
    fixed={"vqvae": {"scaling_factor": 1.0}},  # its pipeline reads no scale, and files have one
    num_inference_steps=50,
    guidance_scale=1.0,
    shapes=((1, 1),),
)
_UNCONDITIONAL = Family(
    "unconditional",
    "unconditional",
    "unconditional",
    DRAWING,
    {"unet": ("UNet2DModel",), "vqvae": ("VQModel", "AutoencoderKL")},
    autoencoder="vqvae",
    text_encoders=(),
    num_inference_steps=50,
    guidance_scale=1.0,
)


def _variants(family: Family) -> tuple[Family, ...]:
    """A family, and what is trained from it: to inpaint, and to need a few steps."""
    name, title = family.name, family.title
    few = replace(family, num_inference_steps=4)
    return (
        family,
        replace(family, name=f"{name}_inpaint", title=f"{title} inpainting", masked_input=True),
        # Adversarial distillation: Sauer et al., 2311.17042. Guidance is a part of its training.
        replace(few, name=f"{name}_turbo", title=f"{title} Turbo", guidance_scale=1.0),
        # Latent consistency: Luo et al., 2310.04378. Its U-Net is told the guidance scale.
        replace(few, name=f"{name}_lcm", title=f"{title} latent consistency", guidance_scale=8.5),
    )


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        *_variants(_SD1),
        *_variants(_SD2),
        *_variants(_SDXL),
        _REFINER,
        _X4,
        _X2,
        _TEXT2IM,
        _SUPER_RESOLUTION,
        _UNCONDITIONAL,
        replace(_SD1, name="vignette", title="vignette", base="vignette"),
    )
}

# --- telling them apart ---

_FEW_STEPS = re.compile(r"(?<![a-z])(turbo|lightning)(?![a-z])", re.IGNORECASE)
_EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")


def with_named_scheduler(source: Source) -> Source:
    """A single file's source with the scheduler that its name calls for.

    Such a file says nothing of its noise levels. Models that were distilled adversarially look like
    those they were made from, and want their few steps to end with the last trained one.
    """
    if not _FEW_STEPS.search(source.name):
        return source
    scheduler = {
        **source.configs["scheduler"],
        "_class_name": "EulerAncestralDiscreteScheduler",
        "timestep_spacing": "trailing",
    }
    classes = {**source.classes, "scheduler": "EulerAncestralDiscreteScheduler"}
    return replace(source, classes=classes, configs={**source.configs, "scheduler": scheduler})


def _is_turbo(source: Source) -> bool:
    """Whether it was distilled adversarially: its scheduler is Euler's with trailing timesteps.

    Models of zero terminal SNR use those too, and say so.
    """
    scheduler = source.configs.get("scheduler", {})
    return (
        scheduler.get("_class_name") in _EULER
        and scheduler.get("timestep_spacing") == "trailing"
        and scheduler.get("prediction_type", "epsilon") == "epsilon"
        and scheduler.get("rescale_betas_zero_snr") is not True
    )


def _variant(source: Source, base: str) -> str:
    unet = source.configs.get("unet", {})
    given, own = unet.get("in_channels", 4), unet.get("out_channels", 4)
    if isinstance(own, int) and given == 2 * own + 1:
        return f"{base}_inpaint"
    if unet.get("time_cond_proj_dim") is not None:
        return f"{base}_lcm"
    return f"{base}_turbo" if _is_turbo(source) else base


def _stable_diffusion(source: Source) -> str:
    if source.classes.get("vae") == "PatchAutoencoder":
        return "vignette"
    # Version 2 came with transformers that begin and end in linear layers.
    linear = source.configs.get("unet", {}).get("use_linear_projection") is True
    return _variant(source, "sd2" if linear else "sd1")


def _stable_diffusion_xl(source: Source) -> str:
    if "text_encoder" not in source.classes:
        return "sdxl_refiner"
    return _variant(source, "sdxl")


def _latent_consistency(source: Source) -> str:
    two = "text_encoder_2" in source.classes
    return _stable_diffusion_xl(source) if two else _stable_diffusion(source)


# model_index.json's _class_name -> the name in FAMILIES of a checkpoint that has it.
PIPELINES: Mapping[str, Callable[[Source], str]] = {
    "StableDiffusionPipeline": _stable_diffusion,
    "StableDiffusionImg2ImgPipeline": _stable_diffusion,
    "StableDiffusionInpaintPipeline": _stable_diffusion,
    "StableDiffusionXLPipeline": _stable_diffusion_xl,
    "StableDiffusionXLImg2ImgPipeline": _stable_diffusion_xl,
    "StableDiffusionXLInpaintPipeline": _stable_diffusion_xl,
    "LatentConsistencyModelPipeline": _latent_consistency,
    "LatentConsistencyModelImg2ImgPipeline": _latent_consistency,
    "StableDiffusionUpscalePipeline": lambda source: "x4_upscaler",
    "StableDiffusionLatentUpscalePipeline": lambda source: "latent_upscaler",
    "LDMTextToImagePipeline": lambda source: "ldm_text2im",
    "LatentDiffusionPipeline": lambda source: "ldm_text2im",  # its name in 2022
    "LDMSuperResolutionPipeline": lambda source: "ldm_super_resolution",
    "LDMPipeline": lambda source: "unconditional",
    "LatentDiffusionUncondPipeline": lambda source: "unconditional",  # its name in 2022
}


def _check_components(source: Source, family: Family) -> None:
    """Refuse a checkpoint without a part of its family, and with one that would be ignored."""
    needed = {**family.components, "scheduler": (source.classes.get("scheduler", ""),)}
    for name in needed:
        if name not in source.classes:
            raise CheckpointError(source.index, f"no {name}", f"a model with {name}")
    for name, kind in source.classes.items():
        if name not in UNUSED and kind not in needed.get(name, ()):
            known = " or ".join(needed.get(name, ())) or f"none of that ({', '.join(needed)})"
            raise CheckpointError(source.index, f"{name}: {kind}", known)


def detect(source: Source) -> Family:
    """The family of a checkpoint, by its configurations and parts.

    Raises:
        CheckpointError: it is of none of them, or a part is missing or is another family's.
    """
    if source.pipeline not in PIPELINES:
        known = ", ".join(PIPELINES)
        raise CheckpointError(source.index, f"_class_name: {source.pipeline!r}", known)
    family = FAMILIES[PIPELINES[source.pipeline](source)]
    _check_components(source, family)
    return family
