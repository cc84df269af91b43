"""One call of a U-Net of Stable Diffusion 1.5's size: 512 x 512 pixels, two rows.

Against diffusers, and against OpenVINO with diffusers' U-Net converted (once; it is kept beside the
results). All make the same of one picture's latents, which guidance shows with two captions. Ours
is given them once, as it computes what comes before the first caption once for both, and has
projected the captions' keys and values before, as it does once a run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import DTYPE, NAME
from benchmarks.pipelines import DIFFUSERS
from benchmarks.stable_diffusion import RESULTS, stable_diffusion, warm_up
from benchmarks.timing import seconds

OPENVINO = "openvino"
SECONDS = "seconds a step"
CPU = torch.device("cpu")


def _inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, timesteps, a caption's states: two rows, as guidance has them."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 64, 64, generator=generator).expand(2, -1, -1, -1)
    states = torch.randn(2, 77, 768, generator=generator)
    return latents.to(dtype).contiguous(), torch.tensor([500.0, 500.0]), states.to(dtype)


class _Plain(nn.Module):
    """diffusers' U-Net as a function of tensors, which is what can be converted."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, latents: Tensor, timestep: Tensor, states: Tensor) -> Tensor:
        return self.unet(latents, timestep, states, return_dict=False)[0]


def _converted(folder: Path) -> Path:
    """OpenVINO's form of a folder's U-Net, written first if it is not there yet."""
    path = RESULTS / "models" / f"{folder.name}-openvino" / "unet.xml"
    if not path.is_file():
        import openvino
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
        assert isinstance(unet, nn.Module)
        with torch.no_grad():
            model = openvino.convert_model(
                _Plain(unet.eval()), example_input=_inputs(torch.float32)
            )
        partial = path.with_name("partial.xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, partial, compress_to_fp16=True)
        partial.with_suffix(".bin").rename(path.with_suffix(".bin"))
        partial.rename(path)
    return path


def _openvino_step(folder: Path) -> Callable[[], object]:
    import openvino

    precision = {"bfloat16": "bf16", "float32": "f32"}[NAME]
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(_converted(folder), "CPU", hints)
    request = compiled.create_infer_request()
    inputs = [tensor.numpy() for tensor in _inputs(torch.float32)]
    return lambda: request.infer(inputs)


def _step(rival: str, folder: Path) -> Callable[[], object]:
    if rival == OPENVINO:
        return _openvino_step(folder)
    latents, timestep, states = _inputs(DTYPE)
    if rival == OURS:
        from ldm.checkpoints.load import load
        from ldm.models.unet import UNet2DConditionModel

        unet = load(folder, CPU, DTYPE).unet
        assert isinstance(unet, UNet2DConditionModel)
        with torch.inference_mode():
            context = unet.project(states, again=torch.tensor([0]))
        return lambda: unet(latents[:1], timestep[:1], context)
    from benchmarks.pipelines import pipeline

    theirs = pipeline(folder, DTYPE).unet
    return lambda: theirs(latents, timestep[0], states, return_dict=False)


def measure(rival: str, folder: Path) -> Figures:
    step = _step(rival, folder)
    with torch.inference_mode():
        return {SECONDS: seconds(step)}


def _arguments() -> list[str]:
    folder = stable_diffusion()
    warm_up(folder)
    _converted(folder)
    return [str(folder)]


CONTESTS = (
    Contest(
        title=f"a step of Stable Diffusion 1.5's U-Net, 512 x 512, two rows, {NAME}",
        module="benchmarks.unet_step",
        arguments=_arguments,
        rivals=(OURS, DIFFUSERS, OPENVINO),
        ratios=(
            Ratio("unet_step_vs_diffusers", SECONDS, DIFFUSERS),
            Ratio("unet_step_vs_openvino", SECONDS, OPENVINO),
        ),
        rounds=3,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2])))
