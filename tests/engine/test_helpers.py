"""What is loaded, prepared and finished leaves no helpers of OpenMP behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Helpers are the threads that Python does not know. One is the stepping thread's, of two CPUs.
COUNT = """
import os, sys, threading, time
from pathlib import Path
import torch
from ldm.engine import Engine
from ldm.recipe import Recipe

def helpers():
    return len(os.listdir("/proc/self/task")) - threading.active_count()

with Engine({"small": Path(sys.argv[1])}, torch.device("cpu"), torch.float32) as engine:
    recipe = Recipe(
        "a lake", model="small", num_inference_steps=2, guidance_scale=4.0, width=64, height=64
    )
    for _ in range(2):
        list(engine.run(recipe))
    until = time.monotonic() + 30
    while helpers() > 1 and time.monotonic() < until:  # the last picture's thread is ending
        time.sleep(0.05)
    print(helpers())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
def test_only_the_stepping_thread_keeps_helpers(
    root: Path, small_stable_diffusion_folder: Path
) -> None:
    """More threads than CPUs would have every kernel wake its helpers anew."""
    alone = {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, str(small_stable_diffusion_folder)],
        cwd=root,
        env=os.environ | alone | {"OMP_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert counted.stdout.split() == ["1"]
