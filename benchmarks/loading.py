"""Loading a folder of Stable Diffusion 1.5's size, its files in the system's memory already.

Against ``StableDiffusionPipeline.from_pretrained`` without a safety checker. Libraries are imported
before the clock starts. In bfloat16 and float32 both sides convert every weight; in float16, the
type of the files, diffusers maps them and reads none before the first use, while ours has read and
checked them all.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.stable_diffusion import stable_diffusion, warm_up, weights_of

DIFFUSERS = "diffusers"
DTYPES = ("bfloat16", "float32", "float16")


def measure(rival: str, dtype_name: str, folder: Path) -> Figures:
    import torch

    from benchmarks.memory import Peak

    dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}
    if rival == OURS:
        from ldm.checkpoints.load import load

        def run() -> object:
            return load(folder, torch.device("cpu"), dtype[dtype_name])
    else:
        import transformers
        from diffusers import StableDiffusionPipeline

        assert transformers.CLIPTextModel and transformers.CLIPTokenizer  # imported when named

        def run() -> object:
            return StableDiffusionPipeline.from_pretrained(folder, dtype=dtype[dtype_name])

    peak = Peak()
    start, processor = time.perf_counter(), time.process_time()
    loaded = run()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    figures = {
        "seconds": seconds,
        "processor seconds": processor,
        "peak memory, of the weights in the files": peak.rise / weights_of(folder),
    }
    del loaded
    return figures


def contest(dtype_name: str, key: str) -> Contest:
    def arguments() -> list[str]:
        folder = stable_diffusion()
        warm_up(folder)
        return [dtype_name, str(folder)]

    memory = "peak memory, of the weights in the files"
    return Contest(
        title=f"loading 2.1 GB of float16 as {dtype_name}",
        module="benchmarks.loading",
        arguments=arguments,
        rivals=(OURS, DIFFUSERS),
        ratios=(
            Ratio(f"load{key}_vs_diffusers", "seconds", DIFFUSERS),
            Ratio(f"load{key}_peak_memory_of_weights", memory),
        ),
    )


# In bfloat16 first: what the engine chooses where the processor has it.
CONTESTS = (contest("bfloat16", ""), contest("float32", "_float32"), contest("float16", "_float16"))

if __name__ == "__main__":
    report(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
