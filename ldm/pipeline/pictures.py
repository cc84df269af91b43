"""Latents to pictures and back, and the PNG of a finished row.

Does not know how latents come about.
"""

import json
import platform

import torch
from torch import Tensor

from ldm import __version__, imaging
from ldm.checkpoints.load import Checkpoint
from ldm.diffusion.denoiser import scale_input
from ldm.events import Picture
from ldm.pipeline.rows import NO_PICTURE, DrawingError, Row
from ldm.recipe import Recipe


@torch.no_grad()
def decode(checkpoint: Checkpoint, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) of latents (B, C, h, w); what is not finite is decoded again in
    float32.

    Half precision overflows in some autoencoders (a black picture elsewhere). Raises DrawingError
    if float32 does not help.
    """
    vae = checkpoint.vae
    with checkpoint.autoencoding():
        decoded = vae.decode(latents).float()
        if decoded.isfinite().all():
            return decoded
        dtype = next(vae.parameters()).dtype
        try:
            decoded = vae.float().decode(latents.float())
        finally:
            vae.to(dtype)
    if not decoded.isfinite().all():
        raise DrawingError(NO_PICTURE)
    return decoded


def finish(checkpoint: Checkpoint, row: Row) -> Picture:
    """Decode a finished row, paste the original back outside the mask, and write the PNG."""
    last = torch.tensor([float(row.sigmas[-1])], dtype=torch.float64)
    image = imaging.to_image(decode(checkpoint, scale_input(row.x, last)))
    changed, mask = None, row.mask
    if row.region is not None:
        image, mask, changed = row.region.set_back(image, row.recipe.mask_feather)
    elif row.picture is not None and mask is not None:
        image = imaging.paste_back(row.picture, image, mask)
        changed = imaging.changed_outside(row.picture, image, mask)
    text = {"recipe": row.recipe.to_json(), "made_with": made_with(checkpoint, row.recipe)}
    return Picture(image, imaging.encode_png(image, text), row.recipe, changed, mask)


def made_with(checkpoint: Checkpoint, recipe: Recipe) -> str:
    """JSON of what else decides the bytes: program, weights, number type, device."""
    loras = {name: checkpoint.loras.digests[name] for name, _ in recipe.loras}
    encoder = checkpoint.text_encoder
    called = [
        name
        for caption in (recipe.prompt, recipe.negative_prompt)
        for name in (encoder.called(caption) if encoder is not None else ())
    ]
    embeddings = {name: checkpoint.embeddings[name] for name in called}
    return json.dumps(
        {
            "ldm": __version__,
            "model": checkpoint.name,
            "model_hash": checkpoint.digest,
            **({"lora_hashes": loras} if loras else {}),
            **({"embedding_hashes": embeddings} if embeddings else {}),
            "dtype": str(checkpoint.dtype).removeprefix("torch."),
            "device": checkpoint.device.type,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }
    )
