"""Which module a LoRA's name means: all names that programs give to a checkpoint's modules.

Owns the components' prefixes and, by the networks' shapes, what family a LoRA was made for. The
original names of a U-Net's modules come from `key_maps`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from ldm.checkpoints.files import MOST_NAMES_SHOWN, CheckpointError
from ldm.checkpoints.key_maps import KeyMap, unet_map
from ldm.checkpoints.lora import Addition, Lora
from ldm.models.packed import plain_shape
from ldm.models.unet import UNet2DConditionModel

COMPONENTS = ("unet", "text_encoder", "text_encoder_2")  # those that LoRAs add to
# How a name begins, and the component it then means. kohya's names have "_" for every ".".
_PREFIXES: tuple[tuple[str, str], ...] = (
    ("lora_unet_", "unet"),
    ("lora_te_", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("unet.", "unet"),
    ("text_encoder.", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("base_model.model.", "unet"),  # a U-Net that PEFT saved
    ("diffusion_model.", "unet"),  # ComfyUI
    ("", "unet"),  # diffusers at first
)
# What the U-Net's cross-attention reads: features of the text, by family.
_TEXT_FEATURES: Mapping[int, str] = {
    768: "Stable Diffusion 1",
    1024: "Stable Diffusion 2",
    1280: "Stable Diffusion XL's refiner",
    2048: "Stable Diffusion XL",
}
_TEXT_LAYERS = ("attn2.to_k", "attn2_to_k")


@dataclass(frozen=True)
class Target:
    """A module that can be added to: its component, and its path there."""

    component: str
    path: str
    layer: nn.Linear | nn.Conv2d


def _names(path: str, module: nn.Module, originals: KeyMap | None) -> set[str]:
    """All that a module may be called: with dots and with underscores."""
    names = {path}
    if not isinstance(module, UNet2DConditionModel):
        names.add(f"text_model.{path.removeprefix('text_model.')}")
    if originals is not None:
        names |= set(originals.translate(path))
    return names | {name.replace(".", "_") for name in names}


def find_targets(modules: Mapping[str, nn.Module]) -> dict[tuple[str, str], Target]:
    """(component, name) -> module, for every name of every linear layer and convolution."""
    found: dict[tuple[str, str], Target] = {}
    for component, module in modules.items():
        originals = None
        if isinstance(module, UNet2DConditionModel):
            channels, layers = module.config.block_out_channels, module.config.layers_per_block
            originals = unet_map(len(channels), layers[0]).backwards()
        for path, layer in module.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                target = Target(component, path, layer)
                for name in _names(path, module, originals):
                    found[component, name] = target
    return found


def _made_for(lora: Lora) -> str:
    """The family that a LoRA's shapes tell of, as a part of a sentence."""
    for name, addition in lora.additions.items():
        if name.startswith(("lora_te2_", "text_encoder_2.")):
            return "one for Stable Diffusion XL"
        if name.endswith(_TEXT_LAYERS) and addition.shape[1] in _TEXT_FEATURES:
            return f"one for {_TEXT_FEATURES[addition.shape[1]]}"
    return "one for another model"


def _find(targets: Mapping[tuple[str, str], Target], name: str) -> Target | None:
    for prefix, component in _PREFIXES:
        if name.startswith(prefix):
            target = targets.get((component, name.removeprefix(prefix)))
            if target is not None:
                return target
    return None


def match(
    lora: Lora, targets: Mapping[tuple[str, str], Target], title: str
) -> list[tuple[str, Addition, Target]]:
    """Every addition with its name and the module that it is for. title: of the model's family.

    Raises:
        CheckpointError: additions to modules that the model has not, or of other shapes.
    """
    matched: list[tuple[str, Addition, Target]] = []
    strange: list[str] = []
    for name, addition in lora.additions.items():
        target = _find(targets, name)
        if target is None:
            strange.append(name)
            continue
        rows, *columns = plain_shape(target.layer)
        wanted = rows, math.prod(columns)
        if addition.shape != wanted:
            got = f"{_made_for(lora)}: {name} is of shape {addition.shape}, not {wanted}"
            raise CheckpointError(lora.path, got, f"a LoRA for {title}")
        matched.append((name, addition, target))
    if strange:
        shown = ", ".join(strange[:MOST_NAMES_SHOWN])
        more = ", ..." if len(strange) > MOST_NAMES_SHOWN else ""
        got = f"{_made_for(lora)}: {len(strange)} modules are not in this one ({shown}{more})"
        raise CheckpointError(lora.path, got, f"a LoRA for {title}")
    return matched
