"""`python -m ldm.train.evaluate`: how well the embedded model does what its captions say.

A probe is trained on fresh drawings. Its accuracy on drawings it never saw is the ceiling; on
pictures generated for held-out captions it is the model's score; on the same pictures with the
captions shuffled it is the floor, what one gets without reading. Things at places where training
never draws them are counted on their own. With --json the last line is all of it.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save

from ldm.checkpoints.load import Checkpoint, load
from ldm.train.contact_sheet import contact_sheet
from ldm.train.data import HELD_OUT_SEEDS, Source, drawing_version, write_atomically
from ldm.train.probe import (
    ATTRIBUTES,
    SIDE,
    Examples,
    Probe,
    accuracy,
    draw_examples,
    features,
    frechet_distance,
    labels,
    things_apart,
    to_pixels,
    train_probe,
)
from ldm.train.scenes import (
    FOLDER,
    KINDS,
    Spec,
    SpriteStore,
    describe,
    is_held_out,
    random_composite,
    random_spec,
)
from ldm.train.sheet import Settings, draw

# Apart from each other and from every seed that training draws.
PROBE_SEEDS, CEILING_SEEDS, CAPTION_SEEDS, PAIR_SEEDS = (HELD_OUT_SEEDS * k for k in (2, 3, 4, 5))


def held_out_captions(count: int, source: Source) -> list[tuple[Spec, str]]:
    """`count` pictures whose captions training never sees, in the captions' own distribution."""
    found: list[tuple[Spec, str]] = []
    seed = CAPTION_SEEDS
    while len(found) < count:
        rng = random.Random(seed)
        spec = random_spec(rng, source.sprites(), source.kinds)
        caption = describe(spec, rng)
        if is_held_out(caption):
            found.append((spec, caption))
        seed += 1
    return found


def held_out_pairs(count: int, sprites: SpriteStore) -> list[tuple[Spec, str]]:
    """`count` scenes of a thing at a place where training never draws it."""
    found: list[tuple[Spec, str]] = []
    seed = PAIR_SEEDS
    while len(found) < count:
        rng = random.Random(seed)
        spec = random_composite(rng, sprites, held_out=True)
        found.append((spec, describe(spec, rng)))
        seed += 1
    return found


def generated_pixels(
    checkpoint: Checkpoint, scenes: list[tuple[Spec, str]], settings: Settings
) -> tuple[list[Image.Image], torch.Tensor]:
    """One picture a caption at the model's own settings but for those given, and all of them for
    the probe.
    """
    images = draw(checkpoint, [caption for _, caption in scenes], 0, settings)
    return images, to_pixels([np.asarray(image) for image in images])


def probe_of(folder: Path, count: int, epochs: int, source: Source) -> Probe:
    """The probe kept in `folder` for so many drawings and epochs, trained first if it is not."""
    path = folder / f"probe-{drawing_version(source)}-{count}-{epochs}.safetensors"
    if path.exists():
        probe = Probe().eval().requires_grad_(False)
        probe.load_state_dict(load_file(path))
        return probe
    print(f"training the probe on {count} drawings", flush=True)
    probe = train_probe(draw_examples(folder, PROBE_SEEDS, count, source), epochs)
    # By rows, as safetensors wants them; the probe's own are by channels.
    kept = save({name: tensor.contiguous() for name, tensor in probe.state_dict().items()})
    write_atomically(path, lambda file: file.write(kept))
    return probe


def nearest(
    generated: list[Image.Image], own: torch.Tensor, probe: Probe, pool: Examples
) -> Image.Image:
    """Each generated picture beside the training drawing nearest to it in the probe's features."""
    theirs = features(probe, pool.pixels)
    closest = torch.cdist(own, theirs).argmin(1).tolist()
    pictures, captions = [], []
    for image, index in zip(generated, closest, strict=False):
        drawn = Image.fromarray(pool.pixels[index].permute(1, 2, 0).numpy())
        pictures += [image.resize((SIDE, SIDE)), drawn]
        captions += ["generated", f"nearest drawing: {pool.captions[index]}"]
    return contact_sheet(pictures, captions, columns=8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ldm.train.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/models/vignette"))
    parser.add_argument("--captions", type=int, default=500, help="pictures to generate")
    parser.add_argument(
        "--pairs", type=int, default=200, help="pictures of things where training has none"
    )
    parser.add_argument(
        "--drawings", type=int, default=24_000, help="drawings the probe learns from"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--sprites", type=Path, default=FOLDER, help="what make train-data wrote")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".train/evaluation"),
        help="where the probe and its drawings are kept",
    )
    parser.add_argument("--sheet", type=Path, help="write generated pictures here")
    parser.add_argument("--nearest", type=Path, help="write samples beside their nearest drawings")
    parser.add_argument("--json", action="store_true", help="the last line is a JSON object")
    options = parser.parse_args()
    source = Source(tuple(options.kinds), options.sprites)

    probe = probe_of(options.folder, options.drawings, options.epochs, source)
    fresh = draw_examples(options.folder, CEILING_SEEDS, options.captions, source)
    ceiling = accuracy(probe, fresh.pixels, fresh.labels)

    checkpoint = load(options.model)
    scenes = held_out_captions(options.captions, source)
    print(f"generating {len(scenes)} pictures", flush=True)
    images, pixels = generated_pixels(checkpoint, scenes, {})
    truth = labels([spec for spec, _ in scenes])
    score = accuracy(probe, pixels, truth)
    shuffled = truth[torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))]
    floor = accuracy(probe, pixels, shuffled)

    apart = {"model": things_apart(probe, pixels, truth)}
    apart["ceiling"] = things_apart(probe, fresh.pixels, fresh.labels)

    others = CEILING_SEEDS + options.captions
    second = draw_examples(options.folder, others, options.captions, source)
    own, drawn = features(probe, pixels), features(probe, fresh.pixels)
    report: dict[str, object] = {**score, "ceiling": ceiling, "floor": floor, "things": apart}
    report["frechet"] = frechet_distance(own, drawn)
    report["frechet_of_drawings"] = frechet_distance(features(probe, second.pixels), drawn)

    print(f"{'':10}{'model':>8}{'ceiling':>9}{'floor':>8}")
    for key in ATTRIBUTES:
        print(f"{key:10}{score[key]:8.1%}{ceiling[key]:9.1%}{floor[key]:8.1%}")
    for kind, share in apart["model"].items():
        bound = apart["ceiling"].get(kind, float("nan"))
        print(f"{'thing ' + kind.replace('_', ' a '):16}{share:8.1%}{bound:9.1%}")
    print(f"Fréchet distance to drawings {report['frechet']:.3f},", end=" ")
    print(f"between two sets of drawings {report['frechet_of_drawings']:.3f}")
    sprites = source.sprites()
    if options.pairs and sprites and "composite" in source.kinds:
        new = held_out_pairs(options.pairs, sprites)
        print(f"generating {len(new)} pictures of held-out pairs", flush=True)
        _, unseen = generated_pixels(checkpoint, new, {})
        pairs = accuracy(probe, unseen, labels([spec for spec, _ in new]))
        report["pairs"] = pairs
        print(f"held-out pairs: thing {pairs['thing']:.1%}, place {pairs['place']:.1%}")
    if options.sheet:
        captions = [caption for _, caption in scenes]
        contact_sheet(images[:48], captions[:48], columns=8).save(options.sheet)
    if options.nearest:
        # Training's own seeds start at 0.
        pool = draw_examples(options.folder, 0, 3000, source)
        nearest(images[:12], own[:12], probe, pool).save(options.nearest)
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
