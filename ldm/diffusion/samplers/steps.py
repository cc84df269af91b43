"""What every sampler shares: the types it speaks in, where a run starts, where signal begins."""

import math
from collections.abc import Callable, Generator

from torch import Tensor

Noise = Callable[[], Tensor]
Steps = Generator[tuple[Tensor, float], Tensor, Tensor]
# Above this sigma a millionth of the input's variance is signal: the terminal level of a
# zero-terminal-SNR schedule. From there uniform levels fall to 1/200 in one step, and a correction
# that takes d for linear between the two (Heun's, say) would overshoot a hundredfold.
NO_SIGNAL = 1000.0


def initial(noise: Tensor, sigmas: Tensor) -> Tensor:
    """x at the first level of a run from nothing: noise * sqrt(1 + sigmas[0]^2).

    In the variance-preserving form this is the noise itself, as DDIM and DPM-Solver start.
    """
    return noise * math.sqrt(1 + sigmas[0].item() ** 2)
