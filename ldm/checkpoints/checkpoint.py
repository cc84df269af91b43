"""A loaded checkpoint: its networks, its noise levels, and what it is like.

Knows nothing of how it comes to be (see `load`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ldm.checkpoints.defaults import Defaults
from ldm.checkpoints.family import Family
from ldm.checkpoints.lora_merge import Loras, Wanted
from ldm.checkpoints.memory import Thrift
from ldm.diffusion.schedule import NoiseSchedule
from ldm.models.autoencoder_tiny import AutoencoderTiny
from ldm.models.caption_cache import CaptionCache
from ldm.models.compiled import Network
from ldm.models.kinds import Autoencoder, UNet
from ldm.models.text_encoder import CaptionEncoder


@dataclass(frozen=True, eq=False)
class NoisyInput:
    """The noise that an upscaler is trained with in what it is given: its levels, and the last
    one it knows.
    """

    schedule: NoiseSchedule
    max_level: int


@dataclass
class Checkpoint:
    """A model, ready to draw.

    ``text_encoder``: None where a model reads no captions. ``noisy_input``: of an upscaler that is
    given a picture with noise. ``preview_vae``: what draws previews, where such a one was beside
    the model. ``zero_empty_negative``: guidance compares with states of zeros where the negative
    prompt is empty. ``dtype`` is the U-Net's and the text model's; an autoencoder that does not
    bear float16 is in float32 beside them. ``thrift``: what was done for it to fit in memory.
    ``digest``: see :class:`ldm.checkpoints.reading.Digest`. ``embeddings``: the words of textual
    inversion that captions may call, with their files' digests. ``compiled``: the U-Net's call,
    where it is compiled. ``captions``: what it read of late.
    """

    name: str
    path: Path
    family: Family
    unet: UNet
    vae: Autoencoder
    text_encoder: CaptionEncoder | None
    zero_empty_negative: bool
    noise_schedule: NoiseSchedule
    noisy_input: NoisyInput | None
    preview_vae: AutoencoderTiny | None
    defaults: Defaults
    device: torch.device
    dtype: torch.dtype
    thrift: Thrift
    digest: str
    loras: Loras
    embeddings: Mapping[str, str]
    compiled: Network | None = None
    captions: CaptionCache = field(default_factory=CaptionCache)
    _turn: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _autoencoder_turn: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @contextmanager
    def using(self, loras: Wanted) -> Iterator[None]:
        """These LoRAs and no others are in the weights, for this thread alone, inside the block.

        Whoever calls the text model or the U-Net from a thread of several does it in here. Raises
        LoraError for one that cannot be added.
        """
        with self._turn:
            self.loras.use(loras)
            yield

    def autoencoding(self) -> AbstractContextManager[object]:
        """The autoencoder is this thread's alone while the block lasts.

        LoRAs leave it be, so it may work beside the U-Net, unless parts take turns on the device.
        """
        return self._turn if self.thrift.offload else self._autoencoder_turn
