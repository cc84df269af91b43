"""Loading holds the weights in memory once."""

import gc
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ldm.checkpoints.load import load
from ldm.models.allocation import give_back_memory
from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel

CPU = torch.device("cpu")


def _resident(kind: str) -> int:
    """Bytes of this process in memory: VmRSS is now, VmHWM the most since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


@pytest.mark.skipif(sys.platform != "linux", reason="reads and resets /proc/self")
def test_no_second_copy_of_the_weights(saved: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "large"))
    path = folder / "unet/config.json"
    settings = {**json.loads(path.read_text()), "block_out_channels": [256, 640]}
    path.write_text(json.dumps(settings))
    with torch.device("meta"):
        shapes = UNet2DConditionModel(UNetConfig.from_dict(settings)).state_dict()
    weights = {name: torch.zeros(t.shape, dtype=torch.float16) for name, t in shapes.items()}
    save_file(weights, folder / "unet/diffusion_pytorch_model.safetensors")
    size = sum(t.numel() * t.element_size() for t in weights.values())
    assert size > 100e6  # well above what allocators round and caches hold
    del weights

    load(saved, CPU, torch.bfloat16)  # what libraries load at their first use is there now
    gc.collect()
    give_back_memory()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    checkpoint = load(folder, CPU, torch.bfloat16)
    rise = _resident("VmHWM") - before
    assert next(checkpoint.unet.parameters()).dtype == torch.bfloat16
    # Once the weights, and for each reading thread a piece of a file. (Less than once, where freed
    # memory was kept by the process before.) Casting from a mapped file measured 2.0.
    assert 0.5 * size < rise < 1.2 * size
