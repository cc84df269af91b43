"""The number type that both sides of a contest calculate in: the one this machine is fastest in."""

import torch

from ldm.checkpoints.load import choose_dtype

DTYPE = choose_dtype(torch.device("cpu"))
NAME = str(DTYPE).removeprefix("torch.")
