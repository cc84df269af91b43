"""Writing a model folder in diffusers layout: what ships in assets/ is written here and nowhere
else.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.captions import CAPTIONS, words_in
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train.autoencoder import config_json
from ldm.train.diffusion import SCHEDULER, UNET
from ldm.train.tokenizer import learned_merges

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["ldm.models.patch_autoencoder", "PatchAutoencoder"],
}

# Captions to try: so many of those that begin as a person would and are short, without people,
# whom the model draws least well.
EXAMPLES = 240
_PEOPLE = (
    "person|people|m[ae]n|wom[ae]n|lady|lovers|couple|someone|child|children|kids?|toddler|girls?|"
    "boys?|hikers?|walkers?|fisherman|farmers|workers|labourers|pickers|pedestrians|shoppers"
)
TRIED = re.compile(rf"(?!.*\b(?:{_PEOPLE})\b)(?:an?|two|three) [a-z ]{{14,58}}")


def save_module(module: nn.Module, path: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Weights in bf16, whose range is float32's: nothing overflows that did not in training."""
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, path, {"format": "pt"})


def save_vocabulary(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """tokenizer.json for today's transformers, vocab.json and merges.txt for every other reader."""
    tokenizer.save_pretrained(folder)
    # In the order of their numbers: the tokenizer's own is another at every start.
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]))
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    merges = learned_merges(tokenizer.backend_tokenizer)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))


def taught(captions: Sequence[str]) -> dict[str, list[str]]:
    """What `ldm.checkpoints.captions.Captions` is read from: the words of captions, and short ones
    among them to try.
    """
    words = {word for caption in captions for word in words_in(caption)}
    short = (caption for caption in captions if re.fullmatch(TRIED, caption))
    return {"words": sorted(words), "examples": list(dict.fromkeys(short))[:EXAMPLES]}


def export(
    folder: Path,
    vae: PatchAutoencoder,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    side: int,
    defaults: dict[str, object],
    captions: Sequence[str],
) -> None:
    """Write the whole model folder. `defaults` is what `ldm.checkpoints.load.Defaults` reads;
    captions: many that the model has learned, or the like.
    """
    for part in ("vae", "unet", "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True, exist_ok=True)

    def write(path: str, value: object) -> None:
        (folder / path).write_text(json.dumps(value, indent=2) + "\n")

    write("model_index.json", INDEX)
    write("defaults.json", defaults)
    write(CAPTIONS, taught(captions))
    write("scheduler/scheduler_config.json", SCHEDULER)
    write(
        "unet/config.json",
        UNET | {"sample_size": side // vae.factor},
    )
    (folder / "vae" / "config.json").write_text(config_json(vae.config))
    text_encoder.config.architectures = ["CLIPTextModel"]
    text_encoder.config.save_pretrained(folder / "text_encoder")
    save_vocabulary(tokenizer, folder / "tokenizer")
    save_module(vae, folder / "vae" / "diffusion_pytorch_model.safetensors")
    save_module(unet, folder / "unet" / "diffusion_pytorch_model.safetensors")
    save_module(text_encoder, folder / "text_encoder" / "model.safetensors")
