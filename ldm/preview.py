"""Quick looks at latents: a linear map from a latent cell to its colour, fitted to the autoencoder.

Decoding a preview would cost more than a denoising step in most models, those of `kinds.QUICK` and
such with a tiny autoencoder beside them excepted. Knows nothing of requests.
"""

from functools import cache
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.kinds import Autoencoder

# Dropped with the model they belong to.
_maps: WeakKeyDictionary[nn.Module, Tensor] = WeakKeyDictionary()


@cache
def colour_fields() -> Tensor:
    """Four smooth random pictures (4, 3, 128, 128) in [-1, 1], the same every time."""
    coarse = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return F.interpolate(coarse, size=(128, 128), mode="bilinear")


@torch.no_grad()
def linear_map(vae: Autoencoder) -> Tensor:
    """(C + 1, 3): from a latent cell's C numbers and a constant 1 to its mean colour in [-1, 1].

    Least squares on smooth pictures that the autoencoder itself encodes. Takes a fraction of a
    second, once a model.
    """
    known = _maps.get(vae)
    if known is not None:
        return known
    pictures = colour_fields()
    device = next(vae.parameters()).device
    latents = vae.encode(pictures.to(device)).float().cpu()
    inputs = F.pad(latents.movedim(1, -1).flatten(0, -2), (0, 1), value=1.0)
    colours = F.avg_pool2d(pictures, vae.factor).movedim(1, -1).flatten(0, -2)
    _maps[vae] = torch.linalg.lstsq(inputs, colours).solution
    return _maps[vae]


def approximate(vae: Autoencoder, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), roughly in [-1, 1], of latents (B, C, h, w): colours, no detail."""
    colours = linear_map(vae).to(latents)
    cells = torch.einsum("bchw,cd->bdhw", latents, colours[:-1]) + colours[-1][:, None, None]
    return F.interpolate(cells, scale_factor=vae.factor, mode="bilinear")
