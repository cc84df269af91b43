"""A U-Net that torch.compile has made kernels of, for a host that lets its GPU wait for them once.

A small network on a fast GPU waits for Python more than for arithmetic, and its norms, activations
and sums each read and write whole maps; compiled, they run together. It takes a minute or more for
each new shape, so only calls of one picture are compiled: those of several have shapes as many as
there are visitors, and keep a GPU busy as they are. Compiled kernels are kept on disk by PyTorch
(TORCHINDUCTOR_CACHE_DIR), so a second start is a matter of seconds.

Not for CPUs: there the layers of `packed` are as fast or faster, whose kernels cannot be compiled.
(Measured on two cores in float32, the embedded model's U-Net: 60 to 75 s for 45 ms a call where it
takes 52; in bfloat16 weights would lie as plain as diffusers has them.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

KINDS = ("cuda",)  # of devices
BACKEND = "inductor"

Network = Callable[..., Tensor]


def compiled(network: nn.Module) -> Network:
    """The network's call, compiled for each new shape when that first comes.

    The weights stay the network's own: whatever changes them changes this too. Hooks of its parts
    are not called. Shapes beyond torch's limit (8) run as they are.
    """
    return torch.compile(network, backend=BACKEND, dynamic=False)
