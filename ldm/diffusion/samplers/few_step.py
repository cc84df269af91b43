"""Samplers of models distilled to need a handful of steps.

They expect such a model: one that names, at any sigma, the x0 at the end of the trajectory, not
the mean of all x0 that may be. They own their step and nothing else; see the package for what they
are handed.
"""

import math
from itertools import pairwise

from torch import Tensor

from ldm.diffusion.samplers.steps import Noise, Steps
from ldm.diffusion.schedule import NoiseSchedule

# TCD's share of the way from each next timestep to 0 that a jump goes beyond it, to be filled with
# noise again: their gamma (eta in diffusers), at the value of their demonstrations.
GAMMA = 0.3
# TCD counts that share in timesteps, and a sampler knows sigmas. All models its authors distilled
# are Stable Diffusion's kind, with these.
STABLE_DIFFUSION = NoiseSchedule.from_config(
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
)


def lcm(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Latent consistency sampling: Luo et al., 2310.04378, algorithm 3.

    Each x0 is the result so far, and is noised afresh to the next level. The paper's c_skip and
    c_out (their section 4.1), which blend x into x0 near timestep 0, differ from 0 and 1 by less
    than 1e-5 at the lowest timestep visited (19) and are left out.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x = yield x, sigma
        if sigma_next > 0:
            x = x + sigma_next * noise()
    return x


def tcd(x: Tensor, sigmas: Tensor, noise: Noise) -> Steps:
    """Trajectory consistency's strategic stochastic sampling: Zheng et al., 2402.19159.

    From each level a jump along the trajectory to timestep s = (1 - gamma) t of the next level t,
    then noise up to t. No noise after the last.
    """
    trained = STABLE_DIFFUSION.trained_sigmas.tolist()
    timesteps = STABLE_DIFFUSION.timestep(sigmas).tolist()
    last = len(sigmas) - 2
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist())):
        x0 = yield x, sigma
        epsilon = (x - x0) / sigma
        jump = trained[math.floor((1 - GAMMA) * timesteps[i + 1])]
        sigma_s = sigma_next if i == last else min(jump, sigma_next)
        x = x0 + sigma_s * epsilon
        if sigma_s < sigma_next:
            x = x + math.sqrt(sigma_next**2 - sigma_s**2) * noise()
    return x
