"""Latents of pictures, by an autoencoder that stays as it is."""

import hashlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.train.weights import training_dtype

BATCH = 32  # pictures that are encoded together


def digest(module: nn.Module, content: bytes) -> str:
    """Eight hexadecimal digits that change with the weights and with `content`, for names of files
    that keep what the module made of it.
    """
    found = hashlib.sha256(content)
    for weight in module.state_dict().values():
        found.update(weight.float().numpy().tobytes())
    return found.hexdigest()[:8]


@torch.no_grad()
def encoded(vae: PatchAutoencoder, batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """Latents (B, C, h/f, w/f) float32 of each batch of pictures (B, 3, h, w) in [-1, 1].

    By another with the same weights, in the training's type: `vae` itself keeps its own as they
    are.
    """
    dtype = training_dtype(torch.device("cpu"))
    compute = PatchAutoencoder(vae.config).to(dtype)
    compute.load_state_dict(vae.state_dict())
    nn.utils.convert_conv2d_weight_memory_format(compute, torch.channels_last)
    for pictures in batches:
        yield compute.encode(pictures.to(dtype)).float()
