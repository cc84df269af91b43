"""Previews: the fitted map against a map that is known, and what it costs against a step."""

import torch
import torch.nn.functional as F
from torch import nn

from ldm.preview import approximate, linear_map


class LinearAutoencoder(nn.Module):
    """Latents of which each 2 x 2 patch's pixels are a linear function: mixed, and shifted."""

    factor, latent_channels = 2, 12

    def __init__(self) -> None:
        super().__init__()
        random = torch.randn(12, 12, generator=torch.Generator().manual_seed(3))
        self.mix = nn.Parameter(torch.linalg.qr(random).Q)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        patches = F.pixel_unshuffle(images, 2)
        return torch.einsum("dc,bchw->bdhw", self.mix, patches) * 3 + 0.3


@torch.no_grad()
def test_the_map_is_found() -> None:
    """Where pixels are a linear function of a cell, the fit is that function: within 0.1, as the
    ridge holds the finest differences back a little, and a cell knows its neighbours alone.
    """
    vae = LinearAutoencoder()
    kernel, constants = linear_map(vae)  # type: ignore[arg-type]
    assert kernel.shape == (3 * 4, 12, 5, 5) and constants.shape == (3 * 4,)
    coarse = torch.rand(2, 3, 4, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pictures = F.interpolate(coarse, size=(64, 48), mode="bilinear")
    shown = approximate(vae, vae.encode(pictures))  # type: ignore[arg-type]
    assert shown.shape == pictures.shape
    assert (shown - pictures).abs().max() < 0.1
