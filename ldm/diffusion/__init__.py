"""The mathematics of diffusion: noise levels, what an output means, guidance, samplers.

Knows nothing of models, pictures or requests.
"""

from ldm.diffusion.denoiser import PREDICTION_TYPES, scale_input, to_epsilon, to_x0
from ldm.diffusion.guidance import combine
from ldm.diffusion.ramps import SCHEDULES
from ldm.diffusion.samplers import SAMPLERS, Noise, Sampler, Steps, initial
from ldm.diffusion.schedule import Grid, NoiseSchedule, truncated

__all__ = [
    "PREDICTION_TYPES",
    "SAMPLERS",
    "SCHEDULES",
    "Grid",
    "Noise",
    "NoiseSchedule",
    "Sampler",
    "Steps",
    "combine",
    "initial",
    "scale_input",
    "to_epsilon",
    "to_x0",
    "truncated",
]
