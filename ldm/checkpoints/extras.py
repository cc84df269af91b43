"""What a host puts beside a checkpoint's own files, or says of them because they do not.

Owns nothing but the list. What becomes of each is told where it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Extras:
    """Beside a checkpoint.

    Attributes:
        variant: of a folder's weights, such as "fp16" (see `files.choose_weights`).
        vae: a file with an autoencoder, in place of the checkpoint's own.
        predicts: "epsilon" or "v_prediction", for a single file of which it is not known.
        preview: a folder or file of a tiny autoencoder (see `preview_vae`).
        embeddings: files of textual inversion; captions call each by its name without suffix.
        loras: name -> file, of those that a recipe may ask for.
    """

    variant: str | None = None
    vae: Path | None = None
    predicts: str | None = None
    preview: Path | None = None
    embeddings: tuple[Path, ...] = ()
    loras: Mapping[str, Path] = field(default_factory=dict)


NOTHING = Extras()
