"""A checkpoint's files into models on a device.

Owns which class a component's configuration makes, and the choice of device and number type. Every
configuration and header is checked before any weight is read. Layouts of files are read elsewhere
(`folder`), what they amount to is told in `family`. Knows nothing of requests or sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from math import inf
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import torch
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from ldm.checkpoints.checkpoint import Checkpoint, NoisyInput
from ldm.checkpoints.defaults import Defaults, defaults_of, read_defaults_file
from ldm.checkpoints.extras import NOTHING, Extras
from ldm.checkpoints.family import Family, detect, with_named_scheduler
from ldm.checkpoints.files import PICKLES, CheckpointError
from ldm.checkpoints.fit import check_fit
from ldm.checkpoints.folder import open_folder
from ldm.checkpoints.lora_merge import Loras
from ldm.checkpoints.lora_targets import COMPONENTS as LORA_COMPONENTS
from ldm.checkpoints.memory import Thrift, apply_thrift, thrift_for
from ldm.checkpoints.preview_vae import find_preview_vae, load_preview_vae
from ldm.checkpoints.reading import allocate, digest_of, read_all
from ldm.checkpoints.single_file import open_single_file
from ldm.checkpoints.source import Source
from ldm.checkpoints.textual_inversion import add_embeddings, read_embeddings
from ldm.checkpoints.vae_file import with_vae
from ldm.checkpoints.weights import check
from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.allocation import keep_freed_memory
from ldm.models.apart import apart
from ldm.models.autoencoder_tiny import AutoencoderTiny, AutoencoderTinyConfig
from ldm.models.bert_encoder import BertEncoder
from ldm.models.compiled import KINDS, compiled
from ldm.models.config import AutoencoderKLConfig, ConfigError, UNetConfig
from ldm.models.k_unet import KUNet2DConditionModel, KUNetConfig, is_k_unet
from ldm.models.kinds import Autoencoder, UNet
from ldm.models.ldm_bert import LDMBertConfig, LDMBertModel
from ldm.models.packed import pack
from ldm.models.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from ldm.models.text_encoder import CaptionEncoder, TextEncoder
from ldm.models.text_encoder_pair import TextEncoderPair
from ldm.models.unet import UNet2DConditionModel
from ldm.models.unet_2d import UNet2DConfig, UNet2DModel
from ldm.models.vae import AutoencoderKL
from ldm.models.vq_model import VQModel, VQModelConfig

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Defaults",
    "choose_device",
    "choose_dtype",
    "load",
    "open_source",
    "read_defaults",
    "read_family",
]

T = TypeVar("T")


def choose_device() -> torch.device:
    """The fastest kind of device this machine has: cuda, then mps, then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@cache
def _multiplies_faster_in_bfloat16() -> bool:
    """By the best of several products of matrices in each type: some 20 ms, once a process."""

    def seconds() -> dict[torch.dtype, float]:
        best = {torch.float32: inf, torch.bfloat16: inf}
        for _ in range(6):
            for dtype in best:
                matrix = torch.ones(512, 512, dtype=dtype, device="cpu")
                start = perf_counter()
                torch.mm(matrix, matrix)
                best[dtype] = min(best[dtype], perf_counter() - start)
        return best

    best = apart(seconds)  # whoever asks keeps no helpers
    return best[torch.bfloat16] < best[torch.float32]


def choose_dtype(device: torch.device) -> torch.dtype:
    """The number type that draws fastest on a device without a visible loss.

    A CPU with neither AMX nor avx512_bf16 only imitates bfloat16. With AMX it is many times as
    fast as float32. With avx512_bf16 alone it depends on the maker: on Zen 5 (torch 2.13, one
    thread) a step of Stable Diffusion 1.5's U-Net took 1.75 s in bfloat16 and 4.6 s in float32 (2 x
    32 x 32 latents); a Xeon whose AMX is hidden from the virtual machine multiplies at half
    float32's rate in bfloat16, and took 10.0 s and 6.5 (2 x 64 x 64). So there it is measured.
    """
    if device.type in ("cuda", "mps"):
        return torch.float16
    able = torch.cpu.get_capabilities()
    if able.get("amx_bf16"):
        return torch.bfloat16
    if able.get("avx512_bf16") and _multiplies_faster_in_bfloat16():
        return torch.bfloat16
    return torch.float32


def _number_positions(model: CLIPTextModel) -> None:
    """Fill in the one tensor that no file holds: the numbers of the positions."""
    positions = torch.arange(model.config.max_position_embeddings, device="cpu")[None]
    model.embeddings.register_buffer("position_ids", positions, persistent=False)


def _text_model(values: Mapping[str, object]) -> CLIPTextModel:
    model = CLIPTextModel(CLIPTextConfig.from_dict(dict(values)))
    _number_positions(model)
    return model


def _projected_text_model(values: Mapping[str, object]) -> CLIPTextModelWithProjection:
    model = CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(values)))
    _number_positions(model.text_model)
    return model


def _unet(values: Mapping[str, object]) -> UNet:
    """Two kinds of U-Net share diffusers' class."""
    if is_k_unet(values):
        return KUNet2DConditionModel(KUNetConfig.from_dict(values))
    return UNet2DConditionModel(UNetConfig.from_dict(values))


# What each class of component is made by, from its configuration, on the device in force.
BUILDERS: Mapping[str, Callable[[Mapping[str, object]], nn.Module]] = {
    "UNet2DConditionModel": _unet,
    "UNet2DModel": lambda values: UNet2DModel(UNet2DConfig.from_dict(values)),
    "AutoencoderKL": lambda values: AutoencoderKL(AutoencoderKLConfig.from_dict(values)),
    "PatchAutoencoder": lambda values: PatchAutoencoder(PatchAutoencoderConfig.from_dict(values)),
    "AutoencoderTiny": lambda values: AutoencoderTiny(AutoencoderTinyConfig.from_dict(values)),
    "VQModel": lambda values: VQModel(VQModelConfig.from_dict(values)),
    "LDMBertModel": lambda values: LDMBertModel(LDMBertConfig.from_dict(values)),
    "CLIPTextModel": _text_model,
    "CLIPTextModelWithProjection": _projected_text_model,
}


def _parse(source: Source, component: str, make: Callable[[Mapping[str, object]], T]) -> T:
    """What ``make`` reads in a configuration; its refusal becomes one that names the file."""
    path = source.config_path(component)
    try:
        return make(source.configs[component])
    except ConfigError as error:
        raise CheckpointError(path, f"{error.field}: {error.got!r}", error.allowed) from error
    except (ValueError, TypeError) as error:
        raise CheckpointError(path, f"settings that do not go ({error})", "others") from error


def _build(source: Source, family: Family) -> dict[str, nn.Module]:
    """A family's modules, with shapes and no memory."""
    modules: dict[str, nn.Module] = {}
    with torch.device("meta"):
        for component in family.components:
            if component in source.tensors:
                build = BUILDERS[source.classes[component]]
                fixed = family.fixed.get(component, {})
                modules[component] = _parse(
                    source,
                    component,
                    lambda values, build=build, fixed=fixed: build({**values, **fixed}),
                )
    return modules


def _dtype_of(module: nn.Module, dtype: torch.dtype) -> torch.dtype:
    """Autoencoders of old leave float16's range; diffusers' key for that is force_upcast."""
    weak = isinstance(module, AutoencoderKL) and module.config.force_upcast
    return torch.float32 if weak and dtype == torch.float16 else dtype


def _text_encoder(
    source: Source, family: Family, modules: Mapping[str, nn.Module]
) -> CaptionEncoder | None:
    if not family.text_encoders:
        return None
    encoders = []
    for component, tokenizer in family.text_encoders:
        model, words = modules[component], source.tokenizers[tokenizer]
        if isinstance(model, LDMBertModel):
            return BertEncoder(words, model)
        assert isinstance(model, CLIPTextModel | CLIPTextModelWithProjection)
        assert isinstance(words, CLIPTokenizer)
        skipped = family.skipped_layers
        normalised = skipped == 0 and family.normalised
        encoder = TextEncoder(words, model, skipped, normalised)
        # Old configurations have a number for it by which the largest token ends a text.
        encoder.text_model.eos_token_id = encoder.end
        encoders.append(encoder)
    if len(encoders) == 1:
        return encoders[0]
    try:
        return TextEncoderPair(*encoders)
    except ValueError as error:
        raise CheckpointError(source.index, str(error), "others") from error


def _noisy_input(source: Source, family: Family) -> NoisyInput | None:
    """What an upscaler says in its second scheduler and in model_index.json."""
    if family.upscaling is None or not family.upscaling.noisy:
        return None
    schedule = _parse(source, "low_res_scheduler", NoiseSchedule.from_config)
    got, last = source.options.get("max_noise_level", 350), len(schedule.alphas_cumprod) - 1
    if not isinstance(got, int) or isinstance(got, bool) or not 0 <= got <= last:
        what = f"max_noise_level: {got!r}"
        raise CheckpointError(source.index, what, f"a whole number from 0 to {last}")
    return NoisyInput(schedule, got)


def _zero_empty_negative(source: Source, unet: UNet) -> bool:
    """What SDXL's models say in model_index.json; the rest have no such key."""
    if not isinstance(unet, UNet2DConditionModel) or unet.config.size_embedding is None:
        return False
    got = source.options.get("force_zeros_for_empty_prompt", True)
    if not isinstance(got, bool):
        what = f"force_zeros_for_empty_prompt: {got!r}"
        raise CheckpointError(source.index, what, "true or false")
    return got


def open_source(path: Path, extras: Extras = NOTHING) -> Source:
    """A checkpoint's parts, by the layout that its path has. No weights are read.

    Raises:
        CheckpointError: no such path, or something that is missing or damaged.
    """
    if path.is_file() or path.suffix in (".safetensors", *PICKLES):
        return with_named_scheduler(open_single_file(path, extras.vae, extras.predicts))
    source = open_folder(path, extras.variant)
    if extras.predicts is not None:
        place = source.config_path("scheduler")
        raise CheckpointError(place, "a prediction beside it", "a single file, which says nothing")
    return source if extras.vae is None else with_vae(source, extras.vae)


def read_defaults(path: Path, extras: Extras = NOTHING) -> Defaults:
    """A checkpoint's defaults, without its weights.

    Raises:
        CheckpointError: what is read is missing or not allowed.
    """
    own = read_defaults_file(path)
    if own is not None:
        return own
    source = open_source(path, extras)
    return defaults_of(source, detect(source))


def read_family(path: Path, extras: Extras = NOTHING) -> Family:
    """A checkpoint's family, without its weights.

    Raises:
        CheckpointError: what is read is missing or not allowed.
    """
    return detect(open_source(path, extras))


def load(
    path: Path,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    extras: Extras = NOTHING,
    thrift: Thrift | None = None,
    told: Callable[[float], None] | None = None,
    compile_unet: bool = False,
) -> Checkpoint:
    """Load a checkpoint, for inference.

    Args:
        path: a folder in diffusers' layout, or a .safetensors file in the original one.
        device: :func:`choose_device` where None.
        dtype: float32, bfloat16 or float16; :func:`choose_dtype` where None.
        extras: what stands beside it.
        thrift: with memory; None: as much as it takes for a picture of the native size.
        told: gets the share of the weights that are there, 0 to 1, now and then.
        compile_unet: see `ldm.models.compiled`; for its KINDS of devices alone. Parts that take
            turns on the device are not compiled.

    Raises:
        ValueError: compile_unet for another device.
        CheckpointError: anything in the files that is missing or not allowed; nothing has been
            kept of them then.
    """
    keep_freed_memory()
    path = Path(path)
    device = device or choose_device()
    dtype = dtype or choose_dtype(device)
    if compile_unet and device.type not in KINDS:
        allowed = "False, or a device of " + ", ".join(KINDS)
        raise ValueError(f"compile_unet: got True for {device.type}, allowed: {allowed}")
    source = open_source(path, extras)
    family = detect(source)
    defaults = read_defaults_file(path) or defaults_of(source, family)
    schedule = _parse(source, "scheduler", NoiseSchedule.from_config)
    schedule = replace(
        schedule,
        aligned_to=family.aligned_to,
        prediction_type=family.prediction_type or schedule.prediction_type,
    )
    noisy_input = _noisy_input(source, family)
    modules = _build(source, family)
    check_fit(source, family, modules)
    unet, vae = modules["unet"], modules[family.autoencoder]
    assert isinstance(unet, UNet) and isinstance(vae, Autoencoder)
    text_encoder = _text_encoder(source, family, modules)
    embeddings = read_embeddings(text_encoder, extras.embeddings)
    zero = _zero_empty_negative(source, unet)
    for component, module in modules.items():
        check(module, source.tensors[component], source.where(component))

    typed = {name: (module, _dtype_of(module, dtype)) for name, module in sorted(modules.items())}
    thrift = thrift or thrift_for(typed, family.autoencoder, defaults.native_size, device)
    home = torch.device("cpu") if thrift.offload else device
    jobs = [
        job
        for component, (module, kind) in typed.items()
        for job in allocate(module, source.tensors[component], home, kind)
    ]
    if home.type != "cpu":
        for module in modules.values():
            module.to(home)  # what no file holds, and was made on the CPU
    read_all(jobs, told)
    add_embeddings(text_encoder, embeddings)
    if not thrift.offload:  # what comes and goes is moved as it lies
        pack(unet)
        pack(vae)
    apply_thrift(thrift, modules.values(), device)
    beside = extras.preview or find_preview_vae(path)

    return Checkpoint(
        name=source.name,
        path=path,
        family=family,
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        zero_empty_negative=zero,
        noise_schedule=schedule,
        noisy_input=noisy_input,
        preview_vae=None if beside is None else load_preview_vae(beside, vae, device, dtype),
        defaults=defaults,
        device=device,
        dtype=dtype,
        thrift=thrift,
        digest=digest_of(
            {f"{part}.{key}": at for part in modules for key, at in source.tensors[part].items()}
        ),
        loras=Loras(
            {name: modules[name] for name in LORA_COMPONENTS if name in modules},
            family.title,
            extras.loras,
        ),
        embeddings={embedding.name: embedding.digest for embedding in embeddings},
        compiled=compiled(unet) if compile_unet and not thrift.offload else None,
    )
