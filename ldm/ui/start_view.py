"""What the model sees of a picture when it begins: the picture under the noise of its strength.

Asks the engine's own preparation, so that what is shown is what is used.
"""

import torch
from PIL import Image

from ldm.checkpoints.load import Checkpoint
from ldm.diffusion.denoiser import scale_input
from ldm.imaging import to_image
from ldm.pipeline import decode, prepare
from ldm.recipe import Recipe


@torch.no_grad()
def noised_start(checkpoint: Checkpoint, recipe: Recipe, picture: Image.Image) -> Image.Image:
    """The first latents of `recipe` on `picture`, as a picture of the recipe's size."""
    row = prepare(checkpoint, recipe, picture, None)[0]
    seen = scale_input(row.x, torch.tensor([row.sigma], dtype=torch.float64))
    return to_image(decode(checkpoint, seen).clamp(-1, 1))
