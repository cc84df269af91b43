"""A model folder in diffusers' layout into models on a device.

Owns which file makes which class, the choice of device and number type, and the checks between
components. Every configuration and header is checked before any weight is read. Knows nothing
of requests or sampling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.defaults import Defaults, read_defaults
from ldm.checkpoints.files import CheckpointError, read_json, weight_files
from ldm.checkpoints.weights import Digest, StoredTensor, check, fill, list_tensors
from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.config import AutoencoderKLConfig, ConfigError, UNetConfig
from ldm.models.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from ldm.models.text_encoder import TextEncoder
from ldm.models.unet import UNet2DConditionModel
from ldm.models.vae import AutoencoderKL

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Defaults",
    "choose_device",
    "choose_dtype",
    "load",
    "read_defaults",
]

T = TypeVar("T")

# Entries of model_index.json, with the classes that are known. None: any, it is not used.
COMPONENTS: Mapping[str, tuple[str, ...] | None] = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "PatchAutoencoder"),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "scheduler": None,  # its configuration is read; samplers are the engine's own
    "safety_checker": None,
    "feature_extractor": None,
}
# Attention weights of autoencoders saved before diffusers 0.17 bear these names.
_OLD_VAE_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_VAE_KEY = re.compile(r"(.*\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)")
_DEVICES = ("cuda", "mps", "cpu")


@dataclass
class Checkpoint:
    """A model, ready to draw.

    ``dtype`` is the U-Net's and the text model's; an autoencoder that does not bear float16 is
    in float32 beside them. ``digest``: see :class:`ldm.checkpoints.weights.Digest`.
    """

    name: str
    folder: Path
    unet: UNet2DConditionModel
    vae: AutoencoderKL | PatchAutoencoder
    text_encoder: TextEncoder
    noise_schedule: NoiseSchedule
    defaults: Defaults
    device: torch.device
    dtype: torch.dtype
    digest: str


def choose_device() -> torch.device:
    """The fastest kind of device this machine has: cuda, then mps, then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(device: torch.device) -> torch.dtype:
    """The number type that draws fastest on a device without a visible loss.

    On a CPU with avx512_bf16 and no AMX (Zen 5, torch 2.13, one thread), a step of Stable
    Diffusion 1.5's U-Net took 1.75 s in bfloat16 and 4.6 s in float32 (2 x 32 x 32 latents), of
    one of 38 million weights 54 to 434 ms and 76 to 732 (16 x 16 to 64 x 64). A CPU that has
    neither only imitates bfloat16.
    """
    if device.type in ("cuda", "mps"):
        return torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32


def _parse(path: Path, make: Callable[[dict[str, object]], T]) -> T:
    """What ``make`` reads in a JSON file; its refusal becomes one that names the file."""
    values = read_json(path)
    try:
        return make(values)
    except ConfigError as error:
        raise CheckpointError(path, f"{error.field}: {error.got!r}", error.allowed) from error
    except (ValueError, TypeError) as error:
        raise CheckpointError(path, f"settings that do not go ({error})", "others") from error


def _expect_class(path: Path, allowed: tuple[str, ...]) -> str:
    got = read_json(path).get("_class_name")
    if not isinstance(got, str) or got not in allowed:
        raise CheckpointError(path, f"_class_name: {got!r}", " or ".join(allowed))
    return got


def _check_index(folder: Path) -> None:
    """Refuse what is no model folder, and folders with parts that this engine would ignore."""
    if not folder.is_dir():
        got = "a single file" if folder.is_file() else "no such folder"
        raise CheckpointError(folder, got, "a model folder in diffusers' layout")
    path = folder / "model_index.json"
    if not path.is_file():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:10]) or "an empty folder"
        raise CheckpointError(folder, found, "a folder with model_index.json, unet, vae, ...")
    parts = {
        name: str(entry[1])
        for name, entry in read_json(path).items()
        if isinstance(entry, list) and len(entry) == 2 and entry[1] is not None
    }
    for name in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if name not in parts:
            raise CheckpointError(path, f"no {name}", f"a model with {name}")
    for name, kind in parts.items():
        allowed = COMPONENTS.get(name, ())
        if allowed is not None and kind not in allowed:
            known = " or ".join(allowed) or f"none of that ({', '.join(COMPONENTS)})"
            raise CheckpointError(path, f"{name}: {kind}", known)


def _on_meta(make: Callable[[], T]) -> T:
    """Build a module that has shapes and no memory."""
    with torch.device("meta"):
        return make()


def _unet(folder: Path) -> UNet2DConditionModel:
    path = folder / "unet" / "config.json"
    _expect_class(path, ("UNet2DConditionModel",))
    config = _parse(path, UNetConfig.from_dict)
    return _on_meta(lambda: UNet2DConditionModel(config))


def _vae(folder: Path) -> AutoencoderKL | PatchAutoencoder:
    path = folder / "vae" / "config.json"
    if _expect_class(path, ("AutoencoderKL", "PatchAutoencoder")) == "AutoencoderKL":
        config = _parse(path, AutoencoderKLConfig.from_dict)
        return _on_meta(lambda: AutoencoderKL(config))
    patches = _parse(path, PatchAutoencoderConfig.from_dict)
    return _on_meta(lambda: PatchAutoencoder(patches))


def _text_model(folder: Path, device: torch.device) -> CLIPTextModel:
    path = folder / "text_encoder" / "config.json"
    kinds = read_json(path).get("architectures")
    if kinds != ["CLIPTextModel"]:
        raise CheckpointError(path, f"architectures: {kinds!r}", "['CLIPTextModel']")
    config = _parse(path, CLIPTextConfig.from_dict)
    model = _on_meta(lambda: CLIPTextModel(config))
    # The one tensor that no file holds: the numbers of the positions.
    positions = torch.arange(config.max_position_embeddings, device=device)[None]
    model.embeddings.register_buffer("position_ids", positions, persistent=False)
    return model


def _tokenizer(folder: Path) -> CLIPTokenizer:
    path = folder / "tokenizer"
    files = {p.name for p in path.iterdir()} if path.is_dir() else set()
    if "tokenizer.json" not in files and not {"vocab.json", "merges.txt"} <= files:
        got = ", ".join(sorted(files)) or "nothing"
        raise CheckpointError(path, got, "tokenizer.json, or vocab.json and merges.txt")
    try:
        return CLIPTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:  # the tokenizers library raises Exception itself
        raise CheckpointError(path, f"files that do not open ({error})", "a tokenizer") from error


def _check_fit(
    folder: Path,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL | PatchAutoencoder,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
) -> None:
    """Refuse components that were not made for one another."""
    config, channels = unet.config, vae.latent_channels
    unet_path = folder / "unet" / "config.json"
    taken = (channels, 2 * channels + 1)  # inpainting adds the masked picture and the mask
    if config.in_channels not in taken or config.out_channels != channels:
        raise CheckpointError(
            unet_path,
            f"{config.in_channels} channels in and {config.out_channels} out",
            f"{taken[0]} or {taken[1]} in and {channels} out, as the vae has {channels}",
        )
    if set(config.cross_attention_dim) != {text.config.hidden_size}:
        raise CheckpointError(
            unet_path,
            f"cross_attention_dim {config.cross_attention_dim}",
            f"{text.config.hidden_size}, the hidden_size of the text_encoder",
        )
    if len(tokenizer) > text.config.vocab_size:
        raise CheckpointError(
            folder / "tokenizer",
            f"{len(tokenizer)} tokens",
            f"at most {text.config.vocab_size}, the vocab_size of the text_encoder",
        )


def _current_vae_names(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    def current(name: str) -> str:
        old = _OLD_VAE_KEY.fullmatch(name)
        return f"{old[1]}.{_OLD_VAE_NAMES[old[2]]}.{old[3]}" if old else name

    return {current(name): stored for name, stored in tensors.items()}


def _current_text_names(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Names as transformers 5 has them; older files put ``text_model.`` before each.

    They may also hold the numbers of the positions, which are no weights.
    """
    short = {name.removeprefix("text_model."): stored for name, stored in tensors.items()}
    short.pop("embeddings.position_ids", None)
    return short


def load(
    folder: Path, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> Checkpoint:
    """Load a model folder, for inference.

    Args:
        folder: in diffusers' layout.
        device: :func:`choose_device` where None.
        dtype: float32, bfloat16 or float16; :func:`choose_dtype` where None.

    Raises:
        CheckpointError: anything in the folder that is missing or not allowed; nothing has been
            kept of it then.
    """
    folder = Path(folder)
    device = device or choose_device()
    dtype = dtype or choose_dtype(device)
    _check_index(folder)

    defaults = read_defaults(folder)
    noise_schedule = _parse(
        folder / "scheduler" / "scheduler_config.json", NoiseSchedule.from_config
    )
    unet, vae, text_model = _unet(folder), _vae(folder), _text_model(folder, device)
    tokenizer = _tokenizer(folder)
    _check_fit(folder, unet, vae, text_model, tokenizer)

    def stored(component: str, stem: str) -> dict[str, StoredTensor]:
        return list_tensors(weight_files(folder / component, stem))

    # Autoencoders of old leave float16's range; diffusers' key for that is force_upcast.
    weak = isinstance(vae, AutoencoderKL) and vae.config.force_upcast and dtype == torch.float16
    diffusion_stem = "diffusion_pytorch_model"
    parts: list[tuple[str, nn.Module, dict[str, StoredTensor], torch.dtype]] = [
        ("text_encoder", text_model, _current_text_names(stored("text_encoder", "model")), dtype),
        ("unet", unet, stored("unet", diffusion_stem), dtype),
        (
            "vae",
            vae,
            _current_vae_names(stored("vae", diffusion_stem)),
            torch.float32 if weak else dtype,
        ),
    ]
    for component, module, tensors, _ in parts:
        check(module, tensors, folder / component)
    digest = Digest()
    for component, module, tensors, kind in parts:
        fill(module, tensors, device, kind, component, digest)

    return Checkpoint(
        name=folder.resolve().name,
        folder=folder,
        unet=unet,
        vae=vae,
        text_encoder=TextEncoder(tokenizer, text_model),
        noise_schedule=noise_schedule,
        defaults=defaults,
        device=device,
        dtype=dtype,
        digest=digest.text(),
    )
