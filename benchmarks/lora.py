"""A LoRA of rank 16 for all attention of Stable Diffusion 1.5, added to the weights.

Against diffusers' ``load_lora_weights`` and ``fuse_lora``. On both sides the time is that from the
file to weights that are ready to draw.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import DTYPE
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import RESULTS, stable_diffusion, warm_up

FILE = RESULTS / "models" / "attention-rank-16.safetensors"
RANK = 16


def write(folder: Path, file: Path) -> None:
    """A LoRA with random numbers for the U-Net of a folder."""
    import diffusers
    import torch
    from safetensors.torch import save_file
    from torch import nn

    torch.manual_seed(0)
    with torch.device("meta"):
        config = diffusers.UNet2DConditionModel.load_config(folder / "unet")
        unet = diffusers.UNet2DConditionModel.from_config(config)
    state = {}
    for name, module in unet.named_modules():
        if ".attn" in name and isinstance(module, nn.Linear):
            down, up = (RANK, module.in_features), (module.out_features, RANK)
            state[f"unet.{name}.lora_A.weight"] = torch.randn(down).half() * 0.01
            state[f"unet.{name}.lora_B.weight"] = torch.randn(up).half() * 0.01
    save_file(state, file)


def measure(rival: str, folder: Path, file: Path) -> Figures:
    import torch

    if rival == OURS:
        from ldm.checkpoints.extras import Extras
        from ldm.checkpoints.load import load

        extras = Extras(loras={"known": file})
        checkpoint = load(folder, torch.device("cpu"), DTYPE, extras)
        start = time.perf_counter()
        checkpoint.loras.use((("known", 1.0),))
    else:
        from benchmarks.pipelines import pipeline

        theirs = pipeline(folder, DTYPE)
        start = time.perf_counter()
        theirs.load_lora_weights(file)
        theirs.fuse_lora()
    return {"seconds": time.perf_counter() - start}


def _arguments() -> list[str]:
    folder = stable_diffusion()
    if not FILE.is_file():
        write(folder, FILE)
    warm_up(folder)
    return [str(folder), str(FILE)]


CONTESTS = (
    Contest(
        title="adding a LoRA",
        module="benchmarks.lora",
        arguments=_arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=(Ratio("lora_vs_diffusers", "seconds", DIFFUSERS),),
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
