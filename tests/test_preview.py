"""Previews: the fitted map against a map that is known."""

import torch
import torch.nn.functional as F
from torch import nn

from ldm.preview import approximate, linear_map


class LinearAutoencoder(nn.Module):
    """Latents of which each 8 x 8 patch's mean colour is a linear function, and one of no use."""

    factor = 8

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.tensor([[1.0, 2, 0], [0, 1, -1], [0.5, 0, 2]]))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        useful = torch.einsum("dc,bchw->bdhw", self.mix, F.avg_pool2d(images, 8)) + 0.3
        return torch.cat([useful, F.max_pool2d(images[:, :1], 8)], dim=1)


@torch.no_grad()
def test_the_map_is_found() -> None:
    """Where colours are a linear function of the latents, the fit is that function (float32)."""
    vae = LinearAutoencoder()
    found = linear_map(vae)  # type: ignore[arg-type]
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    latents = vae.encode(pictures)
    colours = F.avg_pool2d(pictures, 8)
    exact = latents.movedim(1, -1) @ found[:-1] + found[-1]
    assert torch.allclose(exact.movedim(-1, 1), colours, atol=1e-4)
    shown = approximate(vae, latents)  # type: ignore[arg-type]
    assert shown.shape == pictures.shape
    middle = F.avg_pool2d(shown, 8)
    assert torch.corrcoef(torch.stack([middle.flatten(), colours.flatten()]))[0, 1] > 0.8
