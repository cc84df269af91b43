"""A map twice as large, then a 3x3 convolution, without the arithmetic that repeats itself.

Of nine pixels that the convolution sees in an enlarged map, at most four differ. So each of the
four pixels that come of one is a 2x2 convolution of the small map, whose weights are sums of the
nine: 4/9 of the products (the sub-pixel convolution of Shi et al. 2016, 1609.07009, read
backwards). It took half the time (Zen 5, 2 threads, bfloat16, 256 to 1,280 channels). Such a sum
is rounded to bfloat16, as the weights themselves once were. Knows nothing of networks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ldm.models.packed import Conv2d, plain_weight

# Numbers of a small map's part that is made at a time: what lies beside the result stays small.
_BAND = 1 << 22
_AT_ONCE = 64  # of a convolution's outputs, when its weights are summed


def quarters(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) -> (4 O, I, 2, 2): for the pixel above left, above right, below left, below
    right of each.
    """
    outputs, inputs = weight.shape[:2]
    made = weight.new_empty(2, 2, outputs, inputs, 2, 2)
    # A part at a time, as all in float32 would take much room.
    for part, target in zip(weight.split(_AT_ONCE), made.split(_AT_ONCE, 2), strict=True):
        # Above, the first of three rows is the neighbour's and the others are the pixel's own;
        # below, the last one is the neighbour's.
        first, middle, last = part.float().unbind(2)
        rows = torch.stack([first, middle + last, first + middle, last], 2).unflatten(2, (2, 2))
        first, middle, last = rows.unbind(4)  # (O, I, above or below, 2)
        both = torch.stack([first, middle + last, first + middle, last], 4).unflatten(4, (2, 2))
        # (O, I, above or below, 2 rows, left or right, 2 columns)
        target.copy_(both.permute(2, 4, 0, 1, 3, 5))
    return made.flatten(0, 2)


class Enlarger:
    """What such a convolution does, for one whose weight is packed. Makes its own weights once."""

    def __init__(self) -> None:
        self._made: tuple[Tensor, Tensor, Tensor | None] | None = None

    def _weights(self, conv: Conv2d) -> tuple[Tensor, Tensor, Tensor | None]:
        """The convolution's weight, and what is made of it and of the bias."""
        if self._made is None or self._made[0] is not conv.weight:  # a LoRA brings another
            weight = quarters(plain_weight(conv))
            packed = torch.ops.aten.mkldnn_reorder_conv2d_weight(
                weight.contiguous(memory_format=torch.channels_last).to_mkldnn(),
                [1, 1],
                [1, 1],
                [1, 1],
                1,
                None,
            )
            bias = None if conv.bias is None else conv.bias.repeat(4)
            self._made = (conv.weight, packed, bias)
        return self._made

    def __call__(self, conv: Conv2d, x: Tensor) -> Tensor:
        """(B, I, h, w) -> (B, O, 2h, 2w)."""
        _, weight, bias = self._weights(conv)
        height, width = x.shape[2:]
        out = torch.empty(
            (len(x), conv.out_channels, 2 * height, 2 * width),
            dtype=x.dtype,
            memory_format=torch.channels_last,
        )
        rows = max(1, _BAND // (conv.out_channels * width * len(x)))
        for start in range(0, height, rows):
            end = min(start + rows, height)
            above, below = max(start - 1, 0), min(end + 1, height)
            made = torch.ops.mkldnn._convolution_pointwise(
                x[:, :, above:below], weight, bias, [1, 1], [1, 1], [1, 1], 1, "none", [], ""
            )  # (B, 4 O, below - above + 1, w + 1): of a pixel and those above and left of it
            for index, part in enumerate(made.chunk(4, dim=1)):
                top, left = divmod(index, 2)
                first = start - above + top
                part = part[:, :, first : first + end - start, left : left + width]
                out[:, :, 2 * start + top : 2 * end : 2, left::2] = part
        return out
