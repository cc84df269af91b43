"""A picture by the embedded model, as it draws when it is told nothing else.

Against diffusers' loop on the same U-Net, text encoder and scheduler, decoded by our autoencoder on
both sides, as diffusers has none of that kind. Models are loaded before the clock
starts, and a picture is drawn that does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.contest import OURS, Contest, Figures, Ratio, report
from benchmarks.number_type import DTYPE
from benchmarks.pipelines import DIFFUSERS
from benchmarks.timing import seconds

SECONDS = "seconds a picture"
MODEL = Path(__file__).parents[1] / "assets" / "models" / "vignette"
CAPTION = "a red house by a lake at dawn"
CPU = torch.device("cpu")


def _ours(folder: Path) -> Callable[[], object]:
    from ldm.checkpoints.load import load
    from ldm.pipeline import own_recipe, run

    checkpoint = load(folder, CPU, DTYPE)
    own = own_recipe(checkpoint.defaults, CAPTION, checkpoint.name, seed=1)
    recipe = replace(own, guidance_end=1.0)  # all the way, as theirs
    return lambda: list(run(checkpoint, recipe, preview_every=0))


def _theirs(folder: Path) -> Callable[[], object]:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    from ldm.checkpoints.load import load

    checkpoint = load(folder, CPU, DTYPE)
    own, vae = checkpoint.defaults, checkpoint.vae
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=DTYPE)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=DTYPE)
    assert isinstance(unet, UNet2DConditionModel)
    scheduler = DPMSolverMultistepScheduler.from_pretrained(folder / "scheduler")
    width, height = (side // vae.factor for side in own.native_size)

    def draw() -> object:
        words = tokenizer(
            ["", CAPTION],
            padding="max_length",
            max_length=tokenizer.model_max_length,
            return_tensors="pt",
        )
        states = encoder(words.input_ids)[0]
        scheduler.set_timesteps(own.num_inference_steps)
        generator = torch.Generator().manual_seed(1)
        shape = (1, unet.config["in_channels"], height, width)
        x = torch.randn(shape, generator=generator).to(DTYPE) * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            both = scheduler.scale_model_input(torch.cat([x, x]), timestep)
            without, with_caption = unet(both, timestep, states, return_dict=False)[0].chunk(2)
            guided = without + own.guidance_scale * (with_caption - without)
            x = scheduler.step(guided, timestep, x, return_dict=False)[0]
        return vae.decode(x)

    return draw


def measure(rival: str, folder: Path) -> Figures:
    draw = _ours(folder) if rival == OURS else _theirs(folder)
    with torch.inference_mode():
        return {SECONDS: seconds(draw, 5)}


CONTESTS = (
    Contest(
        title="a picture by the embedded model",
        module="benchmarks.embedded",
        arguments=lambda: [str(MODEL)],
        rivals=(OURS, DIFFUSERS),
        ratios=(Ratio("embedded_vs_diffusers", SECONDS, DIFFUSERS),),
        rounds=3,
    ),
)

if __name__ == "__main__":
    report(measure(sys.argv[1], Path(sys.argv[2])))
