"""Loading a folder of Stable Diffusion 1.5's size, its files in the system's memory already.

Against ``StableDiffusionPipeline.from_pretrained`` without a safety checker. First as each side
loads when it is told nothing else: ours in the type that it draws in on this machine, diffusers in
float32. Then both in the same type. In float16, the type of the files, diffusers maps them and
reads none before the first use, while ours has read and checked them all; so there is a second
figure, until a first call of the U-Net (on 8 x 8 latents, which is little but its weights) is done.
Libraries are imported before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import stable_diffusion, warm_up, weights_of

DEFAULT = "default"
LOADED = "seconds"
STEPPED = "seconds, first U-Net call included"
MEMORY = "peak memory, of the weights in the files"


def measure(rival: str, dtype_name: str, folder: Path) -> Figures:
    import torch
    from torch import nn

    from benchmarks.memory import Peak

    dtypes = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}
    dtype = dtypes.get(dtype_name)
    if rival == OURS:
        from ldm.checkpoints.load import load

        def run() -> tuple[nn.Module, torch.dtype]:
            checkpoint = load(folder, torch.device("cpu"), dtype)
            return checkpoint.unet, checkpoint.dtype
    else:
        import transformers

        from benchmarks.pipelines import pipeline

        assert transformers.CLIPTextModel and transformers.CLIPTokenizer  # imported when named

        def run() -> tuple[nn.Module, torch.dtype]:
            unet = pipeline(folder, dtype).unet
            return unet, unet.dtype

    peak = Peak()
    start = time.perf_counter()
    unet, kind = run()
    loaded, rise = time.perf_counter() - start, peak.rise
    config = json.loads((folder / "unet" / "config.json").read_text("utf-8"))
    states = torch.zeros(1, 77, config["cross_attention_dim"], dtype=kind)
    with torch.inference_mode():
        unet(torch.zeros(1, 4, 8, 8, dtype=kind), torch.zeros(1), states)
    return {
        LOADED: loaded,
        STEPPED: time.perf_counter() - start,
        MEMORY: rise / weights_of(folder),
    }


def _contest(dtype_name: str, key: str, title: str) -> Contest:
    def arguments() -> list[str]:
        folder = stable_diffusion()
        warm_up(folder)
        return [dtype_name, str(folder)]

    return Contest(
        title=f"loading 2.1 GB of float16, {title}",
        module="benchmarks.loading",
        arguments=arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=(
            Ratio(f"load{key}_vs_diffusers", LOADED, DIFFUSERS),
            Ratio(f"load{key}_to_first_call_vs_diffusers", STEPPED, DIFFUSERS),
            Ratio(f"load{key}_peak_memory_of_weights", MEMORY),
        ),
    )


CONTESTS = (
    _contest(DEFAULT, "", "each side by default"),
    _contest("bfloat16", "_bfloat16", "both as bfloat16"),
    _contest("float32", "_float32", "both as float32"),
    _contest("float16", "_float16", "both as float16"),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
