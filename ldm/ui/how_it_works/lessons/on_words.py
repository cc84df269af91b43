"""What the lessons on words, on where they look, and on guidance measure."""

import re
from dataclasses import replace

import torch

from ldm.explain import colours
from ldm.explain.measures import colourfulness, concentration, root_mean_square
from ldm.explain.recording import Recording
from ldm.explain.words import attention_between_tokens, numbers_of
from ldm.recipe import LIMITS
from ldm.ui.how_it_works.caption import chunks_of, clip_of, swapped
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.lessons.measuring import (
    band,
    by_thirds,
    drawn,
    long_enough,
    percent,
    tensor,
)
from ldm.ui.how_it_works.lessons.walk import Found, picture, side_by_side
from ldm.ui.how_it_works.looking import (
    ALL,
    CLEAREST,
    attention_at,
    first_noun,
    of_part,
    parts_of,
    spread,
    weighted_caption,
)
from ldm.ui.how_it_works.panel import Scene
from ldm.ui.texts import say

NEW_WORDS = ("snow", "fire")  # the second where the caption ends in the first
CHANGED = 0.1  # of the range from black to white: seen as another colour
LOUDER = 1.6
MUCH = 3.0  # times the guidance
LIT = 0.25  # the share of the cells that count as lit


def _with_words(run: Recording) -> None:
    if not run.words:
        raise LabError(say("panel_words_no_tokens"))


# --- lesson 3: words ---


def tokens_and_words(scene: Scene) -> Found:
    """Whether there are more tokens than words between spaces."""
    run = scene.recording
    _with_words(run)
    words = len(run.recipe.prompt.split())
    tokens = sum(place.kind == "token" for place in run.places)
    right = 0 if tokens < words else 2 if tokens > words else 1
    longest = max(run.words, key=lambda word: (len(word.positions), len(word.text)))
    values = {"words": words, "tokens": tokens}
    return Found(right, {**values, "word": longest.text, "pieces": len(longest.positions)}, "")


def looking_ahead(scene: Scene) -> Found:
    """Whether a token of the text model sees those behind it."""
    encoder = clip_of(scene)
    chunk = chunks_of(scene, encoder.limit)[0]
    with scene.lab.asking():
        found = attention_between_tokens(encoder, numbers_of(encoder, chunk))
    ahead = float(found.triu(1).sum() / found.sum())
    return Found(1 if ahead < 1e-6 else 0, {"percent": percent(ahead)}, "")


async def swapped_word(scene: Scene, visitor: str) -> Found:
    """How much of the picture changes with the caption's last word."""
    run = scene.recording
    _with_words(run)
    plain = [word.text for word in run.words if re.search(r"\w", word.text)]
    old = plain[-1] if plain else run.words[-1].text
    new = NEW_WORDS[1] if old == NEW_WORDS[0] else NEW_WORDS[0]
    recipe = replace(run.recipe, prompt=swapped(run.recipe.prompt, old, new))
    (other,) = await drawn(scene, visitor, recipe)
    apart = (tensor(run.picture) - tensor(other)).abs().amax(0) / 2
    share = float((apart > CHANGED).float().mean())
    shown = [
        picture(run.picture, "lesson_with_word", word=old),
        picture(other, "lesson_with_word", word=new),
    ]
    return Found(
        band(share, 0.25, 0.75),
        {"percent": percent(share), "old": old, "new": new},
        side_by_side(shown),
    )


# --- lesson 4: looks ---


def most_looked_at(scene: Scene) -> Found:
    """What gets most attention: the words together, or begin, end and padding."""
    run = scene.recording
    words, others = 0.0, 0.0
    for frame in run.frames:
        attention = attention_at(run, frame, ALL)
        for key, (_, places) in parts_of(run).items():
            mean = float(of_part(attention, places).mean()) / len(run.frames)
            words, others = (words + mean, others) if key[0] == "w" else (words, others + mean)
    share = words / (words + others)
    right = (1, 2, 0)[band(share, 0.45, 0.55)]
    return Found(right, {"percent": percent(share)}, "")


def _maps_of(run: Recording, key: str) -> list[torch.Tensor]:
    """Where a part is listened to at each step, in the layer that tells words apart most."""
    places = parts_of(run)[key][1]
    return [of_part(attention_at(run, frame, CLEAREST), places) for frame in run.frames]


def narrower(scene: Scene) -> Found:
    """Whether the area that listens to a word shrinks from the first third to the last."""
    run = scene.recording
    _with_words(run)
    long_enough(run)
    key = first_noun(run)
    maps = _maps_of(run, key)
    third = max(1, len(maps) // 3)
    early, late = (torch.stack(part).mean(0) for part in (maps[:third], maps[-third:]))
    before, after = concentration(early), concentration(late)
    shown = [
        picture(
            colours.overlaid(run.picture, spread(map_, float(map_.min()), float(map_.max()))),
            text,
            "words",
            word=parts_of(run)[key][0],
        )
        for map_, text in ((early, "lesson_looks_early"), (late, "lesson_looks_late"))
    ]
    values = {"word": parts_of(run)[key][0], "early": percent(before), "late": percent(after)}
    return Found(band(after / before, 0.9, 1.1), values, side_by_side(shown))


async def louder_word(scene: Scene, visitor: str) -> Found:
    """Whether a louder word changes the picture where it was listened to."""
    run = scene.recording
    _with_words(run)
    key = first_noun(run)
    text, positions = parts_of(run)[key]
    places = [run.places[position] for position in positions]
    prompt = weighted_caption(run.recipe.prompt, places[0].start, places[-1].end, LOUDER)
    (other,) = await drawn(scene, visitor, replace(run.recipe, prompt=prompt))
    change = (tensor(run.picture) - tensor(other)).abs().mean(0)
    map_ = torch.stack(_maps_of(run, key)).mean(0)
    fine = torch.nn.functional.interpolate(
        map_[None, None], size=change.shape, mode="bilinear", align_corners=False
    )[0, 0]
    lit = fine >= fine.flatten().quantile(1 - LIT)
    ratio = float(change[lit].mean() / change[~lit].mean().clamp(min=1e-9))
    low, high = float(map_.min()), float(map_.max())
    shown = [
        picture(
            colours.overlaid(run.picture, spread(map_, low, high)),
            "lesson_looks_all",
            "words",
            word=text,
        ),
        picture(run.picture, "lesson_yours"),
        picture(other, "lesson_louder", word=text, weight=LOUDER),
    ]
    # In the order of the choices: where it is listened to, everywhere alike, elsewhere.
    right = 2 - band(ratio, 0.8, 1.2)
    return Found(right, {"word": text, "times": round(ratio, 2)}, side_by_side(shown))


# --- lesson 7: guidance ---


def _guided(run: Recording) -> None:
    if any(frame.of_negative is None for frame in run.frames):
        raise LabError(say("lesson_needs_guidance"))


def how_often_asked(scene: Scene) -> Found:
    """How many predictions a step with guidance takes."""
    run = scene.recording
    _guided(run)
    frame = run.frames[len(run.frames) // 2]
    parts = [part for part in (frame.of_negative, frame.of_prompt) if part is not None]
    without, with_words = scene.lab.pictures_of(run, torch.stack(parts))
    shown = [
        picture(without, "lesson_without_words", "latents"),
        picture(with_words, "lesson_with_words", "words"),
    ]
    values = {"times": len(parts), "steps": len(run.asked), "total": len(parts) * len(run.asked)}
    return Found(len(parts) - 1, values, side_by_side(shown))


def loudest_third(scene: Scene) -> Found:
    """In which third of the run the words change the prediction most."""
    run = scene.recording
    _guided(run)
    long_enough(run)
    sizes = [root_mean_square(f.guided_by) for f in run.frames if f.guided_by is not None]
    right, gaps = by_thirds(sizes)
    frame = run.frames[sizes.index(max(sizes))]
    assert frame.guided_by is not None
    size = frame.guided_by.square().mean(0).sqrt()
    light = colours.change(size, float(size.max())).resize(run.picture.size)
    shown = [picture(light, "lesson_most_changed", "guidance", step=frame.index + 1)]
    return Found(right, gaps, side_by_side(shown))


async def much_guidance(scene: Scene, visitor: str) -> Found:
    """What much guidance does to the colours."""
    run = scene.recording
    _guided(run)
    scale = min(run.recipe.guidance_scale * MUCH, LIMITS["guidance_scale"].maximum)
    (other,) = await drawn(scene, visitor, replace(run.recipe, guidance_scale=scale))
    ratio = colourfulness(tensor(other)) / max(colourfulness(tensor(run.picture)), 1e-6)
    shown = [
        picture(run.picture, "lesson_guided_by", scale=run.recipe.guidance_scale),
        picture(other, "lesson_guided_by", scale=scale),
    ]
    return Found(
        band(ratio, 0.93, 1.07),
        {"percent": percent(ratio), "scale": scale},
        side_by_side(shown),
    )
