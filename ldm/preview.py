"""Quick looks at latents: a linear map from cells to pixels, fitted to the autoencoder.

The pixels around a cell are a linear function of the cell and its eight neighbours, and blend into
those of the next: one small convolution, a hundredth of a denoising step. (Decoding would cost more
than a step in most models.) Knows nothing of requests.
"""

from functools import cache
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.kinds import Autoencoder

SIDE = 3  # cells, of the neighbourhood that decides about the pixels around a cell
REACH = SIDE + 2  # cells that have a say about a cell's own pixels, as those around cells overlap
RIDGE = 1e-3  # of the latents' variance: directions that the pictures hardly show stay small
# Cells across the fitted pictures, none of which falls in with a patch of 8 pixels.
SCALES = (2, 3, 5, 11, 23, 47)

# Dropped with the model they belong to.
_maps: WeakKeyDictionary[nn.Module, tuple[Tensor, Tensor]] = WeakKeyDictionary()


@cache
def random_pictures() -> Tensor:
    """Eight pictures (8, 3, 128, 128) in [-1, 1], the same every time: soft patches of every size,
    larger ones standing out more and colours going together, as in photographs.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(8, 3, 128, 128)
    for side in SCALES:
        colours = torch.randn(8, 3, side, side, generator=generator)
        colours = colours.mean(1, keepdim=True) * 1.2 + colours * 0.5
        total += F.interpolate(colours, size=total.shape[2:], mode="bilinear") / side
    return (total * 1.5).clamp(-1, 1)


def _neighbourhoods(latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B * h * w, C * SIDE^2 + 1): every cell with those around it, and a 1."""
    padded = F.pad(latents, (SIDE // 2,) * 4, mode="replicate")
    return F.pad(F.unfold(padded, SIDE).movedim(1, -1).flatten(0, 1), (0, 1), value=1.0)


def _window(factor: int) -> Tensor:
    """(2f, 2f): how much a cell says of the pixels around it. What all say of a pixel sums to 1."""
    rising = (torch.arange(factor) + 0.5) / factor
    line = torch.cat([rising, rising.flip(0)])
    return line[:, None] * line


def _fitted(vae: Autoencoder) -> Tensor:
    """(C * SIDE^2 + 1, 3 * 4f^2): from a neighbourhood's numbers and a constant 1 to the 2f x 2f
    pixels around its middle cell, f x f of them its own, faded out towards their edges.

    Ridge regression (Hoerl & Kennard 1970) on pictures that the autoencoder itself encodes.
    """
    pictures, factor = random_pictures(), vae.factor
    device = next(vae.parameters()).device
    latents = vae.encode(pictures.to(device)).float().cpu()
    inputs = _neighbourhoods(latents).double()
    around = F.pad(pictures, (factor // 2,) * 4, mode="replicate")
    pixels = F.unfold(around, 2 * factor, stride=factor).movedim(1, -1).flatten(0, 1).double()
    ridge = RIDGE * len(inputs) * float(latents.var()) * torch.eye(inputs.shape[1]).double()
    solved = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ pixels).float()
    return solved * _window(factor).flatten().repeat(3)


@torch.no_grad()
def linear_map(vae: Autoencoder) -> tuple[Tensor, Tensor]:
    """A convolution from latents to the f x f pixels of each cell, in [-1, 1], f being the factor:
    its kernel (3 f^2, C, REACH, REACH) and its constants (3 f^2,).

    Takes a fraction of a second, once a model.
    """
    known = _maps.get(vae)
    if known is not None:
        return known
    fitted, factor, channels = _fitted(vae), vae.factor, vae.latent_channels
    # What a single 1 among zeros does to the pixels around it is the kernel, mirrored.
    size = 2 * REACH - 1
    probes = torch.zeros(channels + 1, channels, size, size)
    probes[range(channels), range(channels), REACH - 1, REACH - 1] = 1
    patches = (_neighbourhoods(probes) @ fitted).view(len(probes), size * size, -1).movedim(1, -1)
    pixels = F.fold(patches, (size + 1) * factor, 2 * factor, stride=factor)
    first, last = factor // 2, factor // 2 + size * factor
    cells = F.pixel_unshuffle(pixels[..., first:last, first:last], factor)
    constants = cells[-1, :, REACH - 1, REACH - 1]
    near = slice(REACH // 2, REACH // 2 + REACH)
    answers = cells[:-1, :, near, near] - constants[:, None, None]
    _maps[vae] = answers.flip(-1, -2).movedim(0, 1).contiguous(), constants.contiguous()
    return _maps[vae]


@torch.no_grad()
def approximate(vae: Autoencoder, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), roughly in [-1, 1], of latents (B, C, h, w): less sharp, quickly."""
    kernel, constants = (part.to(latents) for part in linear_map(vae))
    padded = F.pad(latents, (REACH // 2,) * 4, mode="replicate")
    return F.pixel_shuffle(F.conv2d(padded, kernel, constants), vae.factor)
