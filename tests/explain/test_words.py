"""The text model's inside against transformers' own eager attention, and brute force."""

import diffusers
import torch
from torch.nn.functional import cosine_similarity
from transformers import CLIPTextModel

from ldm.checkpoints.load import Checkpoint
from ldm.explain.tokens import places_of, words_of
from ldm.explain.words import (
    attention_between_tokens,
    embedding_cosines,
    nearest,
    numbers_of,
    position_embeddings,
    written,
)
from ldm.models.text_encoder import TextEncoder

CAPTION = "a lake, at dawn"
TOLERANCE = 1e-5  # float32, two layers


def encoder_of(checkpoint: Checkpoint) -> TextEncoder:
    assert isinstance(checkpoint.text_encoder, TextEncoder)
    return checkpoint.text_encoder


def test_attention_between_tokens_is_transformers_own(
    checkpoint: Checkpoint, small_stable_diffusion: diffusers.StableDiffusionPipeline
) -> None:
    encoder = encoder_of(checkpoint)
    numbers = numbers_of(encoder, places_of(encoder, CAPTION))
    assert numbers == encoder.ids([CAPTION])[0].tolist()
    theirs = small_stable_diffusion.text_encoder
    eager = CLIPTextModel._from_config(theirs.config, attn_implementation="eager").eval()
    eager.load_state_dict(theirs.state_dict(), strict=False)
    with torch.no_grad():
        expected = eager(torch.tensor([numbers]), output_attentions=True).attentions
    found = attention_between_tokens(encoder, numbers)
    torch.testing.assert_close(found, torch.cat(expected), atol=TOLERANCE, rtol=0)
    assert not found[..., 0, 1:].any()  # the first token sees itself alone


def test_nearest_by_brute_force(checkpoint: Checkpoint) -> None:
    encoder = encoder_of(checkpoint)
    table = encoder.text_model.embeddings.token_embedding.weight.detach()
    number = 300
    likeness = [
        (float(cosine_similarity(row, table[number], dim=0)), i)
        for i, row in enumerate(table)
        if i != number
    ]
    expected = sorted(likeness, reverse=True)[:5]
    found = nearest(encoder, number, 5)
    names = encoder.tokenizer.convert_ids_to_tokens([i for _, i in expected])
    assert [each.text for each in found] == [written(name) for name in names]
    for each, (value, _) in zip(found, expected, strict=True):
        assert abs(each.cosine - value) < TOLERANCE


def test_embeddings_are_the_models_rows(checkpoint: Checkpoint) -> None:
    encoder = encoder_of(checkpoint)
    assert position_embeddings(encoder).shape == (64, 32)
    found = embedding_cosines(encoder, [300, 301])
    table = encoder.text_model.embeddings.token_embedding.weight.detach()
    value = cosine_similarity(table[300], table[301], dim=0)
    torch.testing.assert_close(found[0, 1], value, atol=TOLERANCE, rtol=0)


def test_places_say_what_each_state_is_of(checkpoint: Checkpoint) -> None:
    encoder = encoder_of(checkpoint)
    places = places_of(encoder, CAPTION)
    assert [place.position for place in places] == list(range(64))
    assert "".join(place.text for place in places) == CAPTION.replace(" ", "")
    words = words_of(places, CAPTION)
    assert [word.text for word in words] == ["a", "lake", ",", "at", "dawn"]
    covered = [position for word in words for position in word.positions]
    assert covered == [place.position for place in places if place.kind == "token"]


def test_a_caption_of_two_chunks_and_a_longer_negative_prompt(checkpoint: Checkpoint) -> None:
    encoder = encoder_of(checkpoint)
    places = places_of(encoder, "a lake BREAK (dawn:1.5)", total=192)
    kinds = [place.kind for place in places]
    assert len(places) == 192
    assert [kinds[first] for first in (0, 64, 128)] == ["begin"] * 3
    dawn = [place for place in places if place.kind == "token" and place.position > 64]
    assert "".join(place.text for place in dawn) == "dawn"
    assert {place.weight for place in dawn} == {1.5}
    assert kinds[128:] == ["begin", "end", *["padding"] * 62]
