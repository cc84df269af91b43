"""Quick looks at latents: a linear map from cells to pixels, fitted to the autoencoder.

Each cell's patch of pixels is a linear function of the cell and its eight neighbours: one small
convolution, a hundredth of a denoising step. (Decoding would cost more than a step in most models.)
Knows nothing of requests.
"""

from functools import cache
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.kinds import Autoencoder

SIDE = 3  # cells, of the neighbourhood
RIDGE = 1e-3  # of the latents' variance: directions that the pictures hardly show stay small
# Cells across the fitted pictures, none of which falls in with a patch of 8 pixels.
SCALES = (2, 3, 5, 11, 23, 47)

# Dropped with the model they belong to.
_maps: WeakKeyDictionary[nn.Module, Tensor] = WeakKeyDictionary()


@cache
def random_pictures() -> Tensor:
    """Eight pictures (8, 3, 128, 128) in [-1, 1], the same every time: hard and soft patches of
    every size, larger ones standing out more and colours going together, as in photographs.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(8, 3, 128, 128)
    for side in SCALES:
        for mode in ("bilinear", "nearest"):
            colours = torch.randn(8, 3, side, side, generator=generator)
            colours = colours.mean(1, keepdim=True) * 1.2 + colours * 0.5
            total += F.interpolate(colours, size=total.shape[2:], mode=mode) * side**-0.7
    return (total * 0.57).clamp(-1, 1)


def _neighbourhoods(latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B * h * w, C * SIDE^2 + 1): every cell with those around it, and a 1."""
    padded = F.pad(latents, (SIDE // 2,) * 4, mode="replicate")
    return F.pad(F.unfold(padded, SIDE).movedim(1, -1).flatten(0, 1), (0, 1), value=1.0)


@torch.no_grad()
def linear_map(vae: Autoencoder) -> Tensor:
    """(C * SIDE^2 + 1, 3 f^2): from a neighbourhood's numbers and a constant 1 to the f x f pixels
    of its middle cell, in [-1, 1].

    Ridge regression (Hoerl & Kennard 1970) on pictures that the autoencoder itself encodes. Takes a
    fraction of a second, once a model.
    """
    known = _maps.get(vae)
    if known is not None:
        return known
    pictures = random_pictures()
    device = next(vae.parameters()).device
    latents = vae.encode(pictures.to(device)).float().cpu()
    inputs = _neighbourhoods(latents).double()
    pixels = F.pixel_unshuffle(pictures, vae.factor).movedim(1, -1).flatten(0, -2).double()
    ridge = RIDGE * len(inputs) * float(latents.var()) * torch.eye(inputs.shape[1]).double()
    _maps[vae] = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ pixels).float()
    return _maps[vae]


@torch.no_grad()
def approximate(vae: Autoencoder, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), roughly in [-1, 1], of latents (B, C, h, w): less sharp, quickly."""
    found = linear_map(vae).to(latents)
    kernel = found[:-1].T.reshape(-1, latents.shape[1], SIDE, SIDE)
    padded = F.pad(latents, (SIDE // 2,) * 4, mode="replicate")
    return F.pixel_shuffle(F.conv2d(padded, kernel, found[-1]), vae.factor)
