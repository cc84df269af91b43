"""SDXL's two text models side by side, against transformers' models called by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ldm.models.text_encoder import TextEncoder
from ldm.models.text_encoder_pair import TextEncoderPair
from tests import small_models
from tests.small_models import END, FIRST, LENGTH, VOCABULARY

# float32; kernels add in another order for another batch.
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def pair(randomise: Callable[[nn.Module], None]) -> TextEncoderPair:
    torch.manual_seed(0)
    first = small_models.text_model(CLIPTextModel, 24, 3, "quick_gelu")
    second = small_models.text_model(CLIPTextModelWithProjection, 32, 4, "gelu")
    for model in (first, second):
        randomise(model)
        embeddings = model.get_input_embeddings()
        embeddings.weight += 0.5  # each token's mean has one sign, as in CLIP's models
    return TextEncoderPair(
        TextEncoder(small_models.tokenizer(END), first, 1, normalised=False),
        TextEncoder(small_models.tokenizer(FIRST), second, 1, normalised=False),
    )


def numbers(words: str, padding: str) -> Tensor:
    """Token numbers (1, LENGTH) of one-letter words, written out."""
    ids = [VOCABULARY["<|startoftext|>"], *(VOCABULARY[f"{word}</w>"] for word in words.split())]
    ids += [VOCABULARY[END]]
    return torch.tensor([ids + [VOCABULARY[padding]] * (LENGTH - len(ids))])


@torch.no_grad()
def by_hand(
    pair: TextEncoderPair, words: str, skipped: int = 0, weights: dict[int, float] | None = None
) -> tuple[Tensor, Tensor]:
    """States (L, D) and pooled text (P,); weights: by the token's place in the caption, from 0."""
    parts, pooled = [], torch.empty(0)
    for encoder, padding in ((pair.first, END), (pair.second, FIRST)):
        assert isinstance(encoder, TextEncoder)
        read = encoder.model(input_ids=numbers(words, padding), output_hidden_states=True)
        states = read.hidden_states[-2 - skipped][0]
        factors = torch.ones(LENGTH)
        for place, weight in (weights or {}).items():
            factors[1 + place] = weight
        weighted = states * factors[:, None]
        parts.append(weighted * states.mean() / weighted.mean())
        pooled = read[0][0]
    return torch.cat(parts, dim=-1), pooled


@pytest.mark.parametrize("skipped", [0, 1])
def test_states_stand_side_by_side(pair: TextEncoderPair, skipped: int) -> None:
    """Of the last layer but one, not normalised; the pooled text is of the last one, always."""
    text = pair.encode_captions(["a b, c", ""], skipped)
    assert text.pooled is not None
    for index, words in enumerate(("a b , c", "")):
        states, pooled = by_hand(pair, words, skipped)
        torch.testing.assert_close(text.states[index], states, **TOLERANCE)
        torch.testing.assert_close(text.pooled[index], pooled, **TOLERANCE)


def test_a_weight_changes_both_and_no_pooled_text(pair: TextEncoderPair) -> None:
    text = pair.encode_captions(["a (b:1.5) [c]"])
    states, pooled = by_hand(pair, "a b c", weights={1: 1.5, 2: 1 / 1.1})
    torch.testing.assert_close(text.states[0], states, **TOLERANCE)
    assert text.pooled is not None
    torch.testing.assert_close(text.pooled[0], pooled, **TOLERANCE)
    plain, _ = by_hand(pair, "a b c")
    assert (states - plain).abs().max() > 0.1


def test_chunks_follow_one_another_and_the_first_gives_the_pooled_text(
    pair: TextEncoderPair,
) -> None:
    text = pair.encode_captions(["a BREAK b c", "d"])
    assert text.states.shape[1] == 2 * LENGTH
    (first, pooled), (second, _), (short, _), (empty, _) = (
        by_hand(pair, words) for words in ("a", "b c", "d", "")
    )
    torch.testing.assert_close(text.states[0], torch.cat([first, second]), **TOLERANCE)
    torch.testing.assert_close(text.states[1], torch.cat([short, empty]), **TOLERANCE)
    assert text.pooled is not None and text.pooled.shape[0] == 2
    torch.testing.assert_close(text.pooled[0], pooled, **TOLERANCE)


def test_what_the_page_is_told(pair: TextEncoderPair) -> None:
    assert (pair.limit, pair.layers) == (LENGTH - 2, 2)
    assert pair.tokens("a b") == ["a</w>", "b</w>"]
    length = pair.length("a BREAK b c")
    assert (length.tokens, length.limit, len(length.ends)) == (3, LENGTH - 2, 2)
    with pytest.raises(ValueError, match="clip_skip: got 2, allowed: 0 to 1"):
        pair.encode_captions(["a"], 2)
