"""Switching parts of a U-Net off for one row of a call, to see what breaks without them.

Owns what a part is called and which numbers become zero. Other rows of the call keep theirs.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from ldm.explain.attention import layers_of
from ldm.explain.hooks import Inputs, after, before


@dataclass(frozen=True)
class SkipOff:
    """The skip connection that enters `resnet` ("up_blocks.1.resnets.0") carries zeros.

    channels: how many of the last input channels are the skip's.
    """

    resnet: str
    channels: int


@dataclass(frozen=True)
class WordsOff:
    """The cross-attention layers within `block` ("mid_block", or "" for all) add nothing."""

    block: str


Edit = SkipOff | WordsOff


@contextmanager
def edited(unet: nn.Module, places: Sequence[int], edits: Sequence[Edit]) -> Iterator[None]:
    """Makes the edits at the rows `places` of every call of the network by this thread."""
    with ExitStack() as stack:
        for edit in edits:
            if isinstance(edit, SkipOff):
                stack.enter_context(_without_skip(unet, places, edit))
            else:
                stack.enter_context(_without_words(unet, places, edit))
        yield


@contextmanager
def _without_skip(unet: nn.Module, places: Sequence[int], edit: SkipOff) -> Iterator[None]:
    def cut(inputs: Inputs) -> Inputs:
        x, *others = inputs
        wiped = x.clone()
        wiped[list(places), x.shape[1] - edit.channels :] = 0
        return (wiped, *others)

    with before([(unet.get_submodule(edit.resnet), cut)]):
        yield


@contextmanager
def _without_words(unet: nn.Module, places: Sequence[int], edit: WordsOff) -> Iterator[None]:
    inside = [
        layer
        for name, layer in layers_of(unet, True).items()
        if not edit.block or name.startswith(f"{edit.block}.")
    ]

    def cut(inputs: Inputs, out: Tensor) -> Tensor:
        *_, residual = inputs  # the layer's part is in `out` already
        kept = out.clone()
        kept[list(places)] = residual[list(places)]
        return kept

    with after([(layer, cut) for layer in inside]):
        yield
