"""How well captions and pictures fit each other, by a CLIP model that whoever runs the app names.

Owns loading it (`transformers`, safetensors alone) and the cosine. Knows nothing of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, CLIPModel

from ldm.checkpoints.load import CheckpointError


@dataclass(frozen=True, eq=False)
class Matcher:
    """A CLIP model and what prepares its inputs."""

    model: CLIPModel
    processor: AutoProcessor

    @torch.no_grad()
    def cosines(self, captions: Sequence[str], images: Sequence[Image.Image]) -> Tensor:
        """(captions, images), each in -1..1: Radford et al. 2021, 2103.00020, figure 3, without its
        temperature.
        """
        given = self.processor(  # pyright: ignore[reportCallIssue]
            text=list(captions),
            images=list(images),
            return_tensors="pt",
            padding=True,
            truncation=True,
        )
        found = self.model(**given)
        texts, pictures = (F.normalize(x, dim=-1) for x in (found.text_embeds, found.image_embeds))
        return texts @ pictures.T


def load_matcher(name: str) -> Matcher:
    """The CLIP model of a folder or Hub id. Raises CheckpointError where there is none to load."""
    try:
        model = CLIPModel.from_pretrained(name, use_safetensors=True).eval()
        return Matcher(model, AutoProcessor.from_pretrained(name))
    except (OSError, ValueError, KeyError) as error:
        got = f"{name!r}, which does not load ({type(error).__name__})"
        allowed = "a folder or Hub id of a CLIP model with model.safetensors"
        raise CheckpointError(Path(name), got, allowed) from error
