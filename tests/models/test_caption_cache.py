"""Kept captions: the encoder's own states, each made once, the oldest given up first."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from transformers import CLIPTextModel

from ldm.models.caption_cache import CaptionCache
from ldm.models.text_encoder import TextEncoder, TextStates
from tests import small_models

LONG = "a, lake, at, dawn, with, a, boat, and, two, trees, on, it"


class Counting:
    """The encoder, and the captions that it was asked for."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder, self.asked = encoder, list[str]()

    def encode_captions(self, captions: Sequence[str], clip_skip: int = 0) -> TextStates:
        self.asked += captions
        return self.encoder.encode_captions(captions, clip_skip)


@pytest.fixture(scope="module")
def encoder() -> Iterator[TextEncoder]:
    torch.manual_seed(0)
    model = small_models.text_model(CLIPTextModel, 24, 3, "quick_gelu")
    yield TextEncoder(small_models.tokenizer(), model)


def test_states_are_those_of_the_encoder(encoder: TextEncoder) -> None:
    """Captions of one chunk and of more, filled up. 1e-6: another batch adds in another order."""
    counted, cache = Counting(encoder), CaptionCache()
    for captions in (["a lake"], ["a lake", LONG], [LONG, "", "(fog:1.3)"]):
        wanted = encoder.encode_captions(captions, 1)
        for _ in range(2):
            found = cache.encode(counted, captions, 1, ())  # type: ignore[arg-type]
            assert found.states.shape == wanted.states.shape
            assert (found.states - wanted.states).abs().max() < 1e-6
            assert found.pooled is not None and wanted.pooled is not None
            assert (found.pooled - wanted.pooled).abs().max() < 1e-6
    assert sorted(counted.asked) == sorted(["a lake", LONG, "", "(fog:1.3)"]), "each once"


def test_what_decides_the_states_tells_them_apart(encoder: TextEncoder) -> None:
    counted, cache = Counting(encoder), CaptionCache()
    for clip_skip, weights in ((0, ()), (1, ()), (0, (("lora", 1.0),)), (0, ())):
        cache.encode(counted, ["a lake"], clip_skip, weights)  # type: ignore[arg-type]
    assert counted.asked == ["a lake"] * 3


def test_the_oldest_is_given_up_first(encoder: TextEncoder) -> None:
    one = encoder.encode_captions(["a"])
    assert one.pooled is not None
    counted = Counting(encoder)
    cache = CaptionCache(2 * (one.states.nbytes + one.pooled.nbytes))
    for caption in ("a", "b", "a", "c", "a", "b"):
        cache.encode(counted, [caption], 0, ())  # type: ignore[arg-type]
        assert cache.nbytes <= cache.most_bytes
    assert counted.asked == ["a", "b", "c", "b"], "b was used longest ago when c came"
