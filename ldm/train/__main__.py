"""`python -m ldm.train STAGE`: from drawings to a model folder, one stage or all in turn.

draw       pictures and captions
tokenizer  the byte-pair vocabulary, from the captions
autoencoder, words, diffusion, decoder
           training: of latents; of what captions say that things look like; of the U-Net; of the
           decoder alone, on what the U-Net draws, while the latents stay as they are
export     the averaged weights as a model folder
plot       what each stage logged so far, as log.png beside its log.csv

Everything but the export goes to --folder (git-ignored), where each stage continues what it finds.
Training stages run under `accelerate launch` on one or many processes; without it, on one.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import CLIPTextModel, CLIPTokenizer

from ldm.checkpoints.load import load
from ldm.models.config import UNetConfig
from ldm.models.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from ldm.models.text_encoder import TextEncoder
from ldm.models.unet import UNet2DConditionModel
from ldm.train import autoencoder, data, decoder, diffusion, words
from ldm.train.data import HELD_OUT_SEEDS, Drawings, Source
from ldm.train.encoding import digest
from ldm.train.export import export, save_vocabulary
from ldm.train.looks import Looks, learn_looks
from ldm.train.parts import Parts, part_of
from ldm.train.plot import plot_log
from ldm.train.scenes import FOLDER, KINDS, caption_of, is_held_out
from ldm.train.tokenizer import END, train_tokenizer
from ldm.train.weights import draw_back, take_average

STAGES = ("draw", "tokenizer", "autoencoder", "words", "diffusion", "decoder", "export", "plot")

WORDS_MINUTES = 12.0  # at most: from then on little is gained


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ldm.train", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument(
        "--folder", type=Path, default=Path(".train"), help="where the training's state is kept"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("assets/models/vignette"), help="where export writes"
    )
    parser.add_argument(
        "--drawings", type=int, default=30_000, help="pictures to draw for training"
    )
    parser.add_argument(
        "--first-drawing",
        type=int,
        default=0,
        help="number of the first: a training whose pictures are lost goes on with new ones",
    )
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="landscape alone needs no sprites"
    )
    parser.add_argument(
        "--sprites", type=Path, default=FOLDER, help="where `make train-data` left the sprites"
    )
    parser.add_argument(
        "--size", type=int, default=256, help="side of the pictures the U-Net learns, in pixels"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="how long a training stage goes on"
    )
    parser.add_argument("--batch-size", type=int, default=0, help="per process; 0: the stage's own")
    parser.add_argument("--learning-rate", type=float, default=0.0, help="0: the stage's own")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="export goes this share of the way from the model in --out to the training's weights",
    )
    parser.add_argument(
        "--cpu", action="store_true", help="train on the CPU whatever else there is"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="tiny and quick: proves that the chain works"
    )
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Shipped:
    """The parts of a model in assets/ that training can go on from."""

    vae: PatchAutoencoder
    unet: UNet2DConditionModel
    text_model: CLIPTextModel
    tokenizer: CLIPTokenizer


class Run:
    """The files of one training folder, and the stages that fill it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.drawing_size = 256
        self.max_steps = 4 if options.smoke else None
        self.count = 8 if options.smoke else options.drawings
        # For words alone, pictures unseen; of rare ones a few in a thousand are not among them.
        captions = 64 if options.smoke else 60_000
        self.caption_seeds = range(options.first_drawing, options.first_drawing + captions)
        self.source = Source(tuple(options.kinds), options.sprites)
        self.drawings_folder = (
            self.folder / "drawings" / f"{self.drawing_size}-{data.drawing_version(self.source)}"
        )

    @cached_property
    def accelerator(self) -> Accelerator:
        """RuntimeError for processes that do not know of one another: each would train alone."""
        found = Accelerator(cpu=self.options.cpu)
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if found.num_processes != started:
            raise RuntimeError(
                f"WORLD_SIZE: got {started}, but this is one of {found.num_processes}; "
                "allowed: `accelerate launch`, or torchrun with --cpu where there is no GPU"
            )
        return found

    def drawings(self) -> Drawings:
        return Drawings(self.drawings_folder)

    def held_out(self) -> Drawings:
        return Drawings(self.drawings_folder, held_out=True)

    @cached_property
    def shipped(self) -> Shipped | None:
        """The model that an earlier export left: where training starts if its own state is lost.

        None where there is none, or one of another design, which this training does not continue.
        """
        if not (self.options.out / "model_index.json").exists():
            return None
        found = load(self.options.out, torch.device("cpu"), torch.float32)
        vae, unet, text = found.vae, found.unet, found.text_encoder
        if (
            isinstance(vae, PatchAutoencoder)
            and isinstance(unet, UNet2DConditionModel)
            and isinstance(text, TextEncoder)
            and isinstance(text.model, CLIPTextModel)
            and isinstance(text.tokenizer, CLIPTokenizer)
            and unet.config == UNetConfig.from_dict(diffusion.UNET)
            and vae.latent_channels == unet.config.in_channels
        ):
            return Shipped(vae, unet, text.model, text.tokenizer)
        print(f"{self.options.out} is of another design: training starts anew", flush=True)
        return None

    def has_state(self, stage: str) -> bool:
        return (self.folder / stage / "state.safetensors").exists()

    def tokenizer_files(self) -> CLIPTokenizer:
        return CLIPTokenizer.from_pretrained(self.folder / "tokenizer")

    def draw(self) -> None:
        target = self.folder / "drawings"
        held_out = 4 if self.options.smoke else 500
        data.draw(target, held_out, self.drawing_size, self.source, HELD_OUT_SEEDS)
        first = self.options.first_drawing
        data.draw(target, self.count, self.drawing_size, self.source, first)

    def tokenizer(self) -> None:
        if (self.folder / "tokenizer").exists():
            return
        shipped = self.shipped
        made = shipped.tokenizer if shipped else train_tokenizer(self.drawings().captions)
        save_vocabulary(made, self.folder / "tokenizer")

    def vae(self) -> PatchAutoencoder:
        if self.has_state("autoencoder"):
            config = PatchAutoencoderConfig()
            vae = autoencoder.trained(self.folder / "autoencoder", self.drawings(), config)
        elif self.shipped:
            vae = self.shipped.vae
        else:
            raise FileNotFoundError(f"{self.folder}: no autoencoder yet; run that stage first")
        if self.has_state("decoder"):
            take_average(self.folder / "decoder" / "state.safetensors", {"vae": vae})
        return vae.requires_grad_(False)

    def autoencoder(self) -> None:
        fresh = not self.has_state("autoencoder")
        start = self.shipped.vae if self.shipped and fresh else None
        training = autoencoder.AutoencoderTraining(
            batch_size=self.options.batch_size or (2 if self.options.smoke else 12),
            learning_rate=self.options.learning_rate or 1.5e-3,
            minutes=self.options.minutes,
            max_steps=self.max_steps,
        )
        autoencoder.train(
            self.drawings(),
            self.held_out(),
            self.folder / "autoencoder",
            start.config if start else PatchAutoencoderConfig(),
            training,
            self.accelerator,
            start,
        )

    @cached_property
    def looks(self) -> Looks | None:
        return learn_looks(self.source, self.vae(), self.folder, self.options.size)

    def start(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """What training of captions and pictures begins with, where it has no state."""
        shipped = self.shipped
        if shipped:
            return shipped.unet, shipped.text_model
        torch.manual_seed(0)
        return diffusion.build(self.tokenizer_files())

    def words(self) -> None:
        """Done once: from then on the text encoder is trained with the U-Net."""
        if self.has_state("diffusion"):
            return
        accelerator = self.accelerator
        with accelerator.main_process_first():
            looks = self.looks
        if looks is None:
            return
        seeds = self.caption_seeds
        specs = [self.source.spec(seed) for seed in seeds]
        captions = [caption_of(seed, spec) for seed, spec in zip(seeds, specs, strict=True)]
        kept = [i for i, caption in enumerate(captions) if not is_held_out(caption)]
        tokenizer = self.tokenizer_files()
        training = words.WordsTraining(
            batch_size=4 if self.options.smoke else 96,
            minutes=min(self.options.minutes, WORDS_MINUTES),
            max_steps=self.max_steps,
            staying=words.WordsTraining.staying if self.shipped else 0.0,
        )
        words.train(
            self.start()[1],
            diffusion.tokenize(tokenizer, [captions[i] for i in kept]),
            looks.of([specs[i] for i in kept]),
            looks,
            tokenizer.get_vocab()[END],
            self.folder / "words",
            training,
            accelerator,
        )

    def diffusion(self) -> None:
        training = diffusion.DiffusionTraining(
            size=self.options.size,
            batch_size=self.options.batch_size or (4 if self.options.smoke else 48),
            learning_rate=self.options.learning_rate or 1e-3,
            minutes=self.options.minutes,
            max_steps=self.max_steps,
        )
        accelerator = self.accelerator
        tokenizer = self.tokenizer_files()
        with accelerator.main_process_first():
            drawings = self.drawings()
            latents = diffusion.encode_drawings(self.vae(), drawings, training.size, self.folder)
            looks = self.looks
        # Wordings that the evaluation asks for are never learned.
        kept = [i for i, caption in enumerate(drawings.captions) if not is_held_out(caption)]
        captions, seeds = drawings.captions, drawings.seeds()
        specs = [self.source.spec(seeds[i]) for i in kept]
        cells = drawings.cells()[kept]
        found = [
            part_of(spec, shown[0], seeds[i])
            for i, spec, shown in zip(kept, specs, cells, strict=True)
        ]
        boxes, names = zip(*found, strict=True)
        examples = diffusion.Examples(
            latents[kept],
            diffusion.tokenize(tokenizer, [captions[i] for i in kept]),
            cells,
            looks.of(specs) if looks else torch.full((len(kept), 2), -1),
            Parts(torch.tensor(boxes), diffusion.tokenize(tokenizer, names)),
        )
        unet, text_encoder = self.start()
        if self.has_state("words"):
            state = self.folder / "words" / "state.safetensors"
            take_average(state, {"text_encoder": text_encoder})
        diffusion.train(
            examples,
            looks,
            tokenizer,
            self.folder / "diffusion",
            training,
            accelerator,
            unet,
            text_encoder,
        )

    def trained(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """What training of captions and pictures has come to, here or in an earlier folder."""
        if self.has_state("diffusion"):
            return diffusion.trained(self.folder / "diffusion", self.tokenizer_files())
        if self.shipped:
            return self.shipped.unet, self.shipped.text_model
        raise FileNotFoundError(f"{self.folder}: no U-Net yet; run diffusion first")

    def decoder(self) -> None:
        accelerator = self.accelerator
        training = decoder.DecoderTraining(
            side=2 if self.options.smoke else decoder.DecoderTraining.side,
            batch_size=self.options.batch_size or (2 if self.options.smoke else 8),
            learning_rate=self.options.learning_rate or 5e-4,
            minutes=self.options.minutes,
            max_steps=self.max_steps,
        )
        vae, drawings = self.vae(), self.drawings()
        with accelerator.main_process_first():
            latents = diffusion.encode_drawings(vae, drawings, self.drawing_size, self.folder)
            again = self.redrawn(latents, drawings)
        examples, folder = decoder.Examples(latents, again, drawings), self.folder / "decoder"
        decoder.train(vae, examples, self.held_out(), folder, training, accelerator)

    def redrawn(self, latents: torch.Tensor, drawings: Drawings) -> torch.Tensor:
        unet, text_encoder = self.trained()
        tokens = diffusion.tokenize(self.tokenizer_files(), [*drawings.captions, ""])
        path = self.folder / f"redrawn-{digest(unet, latents.numpy().tobytes())}.npy"
        return decoder.redraw_all(unet, text_encoder, latents, tokens, path)

    def export(self) -> None:
        tokenizer = self.tokenizer_files()
        unet, text_encoder = self.trained()
        if self.shipped and self.options.share != 1:
            draw_back(unet, self.shipped.unet, self.options.share)
            draw_back(text_encoder, self.shipped.text_model, self.options.share)
        side = self.options.size
        defaults = {
            "title": "Vignette",
            "native_size": [side, side],
            "sizes": [[side, side], [side * 3 // 2, side], [side, side * 3 // 2]],
            "num_inference_steps": diffusion.NUM_INFERENCE_STEPS,
            "guidance_scale": diffusion.GUIDANCE_SCALE,
            "guidance_end": diffusion.GUIDANCE_END,
            "sampler": "dpmpp_2m",
            "schedule": "uniform",
            "licence": "Apache-2.0",
            "clean_surroundings": True,
        }
        vae, out = self.vae(), self.options.out
        captions = [caption_of(seed, self.source.spec(seed)) for seed in self.caption_seeds]
        export(out, vae, unet, text_encoder, tokenizer, side, defaults, captions)

    def plot(self) -> None:
        for log in sorted(self.folder.glob("*/log.csv")):
            plot_log(log, log.with_suffix(".png"))


def main() -> None:
    options = parse()
    try:
        run = Run(options)
    except FileNotFoundError as error:  # the sprites are missing
        sys.exit(f"ldm.train: {error}")
    for stage in STAGES if options.stage == "all" else (options.stage,):
        getattr(run, stage)()


if __name__ == "__main__":
    main()
