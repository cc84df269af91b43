"""States of weighted and long captions against transformers' model called by hand."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ldm.models.prompt import PromptError
from ldm.models.text_encoder import TextEncoder, weigh

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
ENTRIES = [*BYTES, *(byte + "</w>" for byte in BYTES), "<|startoftext|>", "<|endoftext|>"]
NUMBER = {entry: number for number, entry in enumerate(ENTRIES)}
BEGIN, END = NUMBER["<|startoftext|>"], NUMBER["<|endoftext|>"]
LIMIT = 30
LENGTH = LIMIT + 2
# float32; kernels add in another order for another batch.
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def make_encoder(randomise: Callable[[nn.Module], None], pad: str) -> TextEncoder:
    config = CLIPTextConfig(
        vocab_size=len(ENTRIES),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=BEGIN,
        eos_token_id=END,
    )
    torch.manual_seed(0)
    model = CLIPTextModel(config)
    randomise(model)
    model.final_layer_norm.bias -= 0.5  # each token's mean has one sign, as in CLIP's models
    return TextEncoder(CLIPTokenizer(NUMBER, [], pad_token=pad, model_max_length=LENGTH), model)


@pytest.fixture(scope="module")
def encoder(randomise: Callable[[nn.Module], None]) -> TextEncoder:
    return make_encoder(randomise, "<|endoftext|>")


def numbers(words: str, padding: int = END) -> list[int]:
    """Token numbers of one-letter words, written out."""
    ids = [BEGIN, *(NUMBER[word + "</w>"] for word in words.split()), END]
    return ids + [padding] * (LENGTH - len(ids))


def encoded(encoder: TextEncoder, captions: Sequence[str], clip_skip: int = 0) -> Tensor:
    return encoder.encode_captions(captions, clip_skip).states


@torch.no_grad()
def states_of(encoder: TextEncoder, words: str, padding: int = END) -> Tensor:
    return encoder.model(input_ids=torch.tensor([numbers(words, padding)])).last_hidden_state[0]


def weighed_by_hand(states: Tensor, weights: dict[int, float]) -> Tensor:
    """weights: by the token's place in the caption, from 0."""
    z = states.double().numpy()
    factors = np.ones(LENGTH)
    for place, weight in weights.items():
        factors[1 + place] = weight
    weighted = z * factors[:, None]
    return torch.from_numpy(weighted * z.mean() / weighted.mean()).float()


@pytest.mark.parametrize(
    "captions",
    [
        ["a b, c", ""],
        ["a" * 30, "two words"],
        ["", ""],
        ["café 🏔️ at 16:9, it's {so}  \n <|endoftext|> x", "湖"],
        ["a"],
    ],
)
def test_plain_captions_are_what_they_were(encoder: TextEncoder, captions: list[str]) -> None:
    """To the bit: pictures drawn before captions had a notation are drawn again."""
    assert torch.equal(encoded(encoder, captions), encoder.encode(captions))


def test_a_plain_caption_is_transformers_own(encoder: TextEncoder) -> None:
    (states,) = encoded(encoder, ["a b , c"])
    torch.testing.assert_close(states, states_of(encoder, "a b , c"), **TOLERANCE)


@pytest.mark.parametrize(
    ("caption", "words", "weights"),
    [
        ("a (b) c", "a b c", {1: 1.1}),
        ("a [b] c", "a b c", {1: 1 / 1.1}),
        ("(a (b:1.5) c:0.5)", "a b c", {0: 0.5, 1: 0.75, 2: 0.5}),
        ("a (b:0) c", "a b c", {1: 0}),
        ("a (b:10) c", "a b c", {1: 10}),
        (r"a \(b\) (c", "a ( b ) c", {4: 1.1}),
    ],
)
def test_weights_by_the_formula(
    encoder: TextEncoder, caption: str, words: str, weights: dict[int, float]
) -> None:
    states, plain = encoded(encoder, [caption, "d"])
    wanted = weighed_by_hand(states_of(encoder, words), weights)
    torch.testing.assert_close(states, wanted, **TOLERANCE)
    assert (states - states_of(encoder, words)).abs().max() > 0.01, "a weight must show"
    torch.testing.assert_close(plain, states_of(encoder, "d"), **TOLERANCE)


def test_weighing_keeps_the_mean_of_each_chunk_alone() -> None:
    states = torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0)) + 2
    weights = torch.ones(3, 8)
    weights[1, 2:5], weights[2, 3] = 1.7, 0.2
    weighed = weigh(states, weights)
    torch.testing.assert_close(weighed.mean((1, 2)), states.mean((1, 2)))
    ratio = weighed / states
    torch.testing.assert_close(ratio / ratio[:, :1], weights[..., None].expand_as(ratio))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_means_of_both_signs_cannot_blow_up(dtype: torch.dtype) -> None:
    """The plain formula may divide by almost nothing here, and turn the sign."""
    generator = torch.Generator().manual_seed(0)
    plain = []
    for _ in range(100):
        states = torch.randn(1, 8, 16, generator=generator)
        states += torch.randn(1, 8, 1, generator=generator)
        weights = torch.ones(1, 8)
        weights[0, 1:5] = torch.rand(4, generator=generator) * 10
        weighed = weigh(states.to(dtype), weights)
        assert weighed.dtype == dtype and weighed.isfinite().all()
        after = states * weights[..., None]
        plain.append(float(states.mean() / after.mean()))
        ratio = float(weighed.float()[0, 0] @ states[0, 0] / states[0, 0].square().sum())
        low, high = float(1 / weights.max()), float(1 / weights.min().clamp(min=0.1))
        assert low * 0.98 <= ratio <= high * 1.02  # 2%: float16 and bfloat16 round
    assert min(plain) < 0 and max(plain) > 10, "cases in which the bounds matter"


def test_centred_states_have_no_mean_to_restore() -> None:
    states = torch.randn(1, 8, 16, generator=torch.Generator().manual_seed(0))
    states = (states - states.mean(-1, keepdim=True)) + 5e-4
    weights = torch.ones(1, 8)
    weights[0, 1:4] = 1.5
    assert torch.equal(weigh(states, weights), states * weights[..., None])


def test_a_mean_of_exactly_zero() -> None:
    states = torch.tensor([1.0, -1.0]).repeat(1, 4, 1)
    weights = torch.tensor([[1.0, 0.0, 2.0, 1.0]])
    assert torch.equal(weigh(states, weights), states * weights[..., None])


def test_long_captions_chunk_by_chunk(encoder: TextEncoder) -> None:
    """Cut behind the last comma; weights and their mean are each chunk's own."""
    first, second = "a b , " + "c " * 12 + ",", "d " * 18
    caption = f"(a b:1.5) , {'c ' * 12}, {'d ' * 17}(d:0.7)"
    (states,) = encoded(encoder, [caption])
    assert states.shape == (2 * LENGTH, 32)
    wanted = weighed_by_hand(states_of(encoder, first), {0: 1.5, 1: 1.5})
    torch.testing.assert_close(states[:LENGTH], wanted, **TOLERANCE)
    wanted = weighed_by_hand(states_of(encoder, second), {17: 0.7})
    torch.testing.assert_close(states[LENGTH:], wanted, **TOLERANCE)


def test_break(encoder: TextEncoder) -> None:
    (states,) = encoded(encoder, ["a b BREAK c"])
    wanted = torch.cat([states_of(encoder, "a b"), states_of(encoder, "c")])
    torch.testing.assert_close(states, wanted, **TOLERANCE)


def test_the_shorter_caption_is_filled_with_empty_chunks(encoder: TextEncoder) -> None:
    long, short = encoded(encoder, ["a BREAK b BREAK c", "d"])
    assert long.shape == short.shape == (3 * LENGTH, 32)
    empty = states_of(encoder, "")
    wanted = torch.cat([states_of(encoder, "d"), empty, empty])
    torch.testing.assert_close(short, wanted, **TOLERANCE)


def test_padding_is_the_tokenizers(randomise: Callable[[nn.Module], None]) -> None:
    """Stable Diffusion 2 pads with "!", not with the end of the text."""
    encoder = make_encoder(randomise, "!</w>")
    first, second = encoded(encoder, ["a", "b"])
    torch.testing.assert_close(first, states_of(encoder, "a", NUMBER["!</w>"]), **TOLERANCE)
    assert (second - states_of(encoder, "b")).abs().max() > 0.01


@pytest.mark.parametrize("clip_skip", [0, 1, 2, 3])
def test_clip_skip(encoder: TextEncoder, clip_skip: int) -> None:
    """stable-diffusion-webui counts from 1: its 2 is our 1, as diffusers' is."""
    model = encoder.model
    ids = torch.tensor([numbers("a b"), numbers("c")])
    with torch.no_grad():
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        wanted = model.final_layer_norm(hidden[len(hidden) - 1 - clip_skip])
    states = encoded(encoder, ["a b", "c"], clip_skip)
    torch.testing.assert_close(states, wanted, **TOLERANCE)
    if clip_skip:
        assert (states - encoded(encoder, ["a b", "c"])).abs().max() > 0.01
    weighed = encoded(encoder, ["a (b:1.5)", "c"], clip_skip)
    torch.testing.assert_close(weighed[0], weighed_by_hand(wanted[0], {1: 1.5}), **TOLERANCE)


@pytest.mark.parametrize("clip_skip", [-1, 4])
def test_layers_that_there_are_not(encoder: TextEncoder, clip_skip: int) -> None:
    with pytest.raises(ValueError, match=rf"clip_skip: got {clip_skip}, allowed: 0 to 3"):
        encoded(encoder, ["a", "b"], clip_skip)


def test_what_cannot_be_encoded(encoder: TextEncoder) -> None:
    with pytest.raises(PromptError, match="got the weight 11 for 'b'"):
        encoded(encoder, ["a", "(b:11)"])
    assert len(encoder.chunks("a BREAK " * 63 + "a")) == 64
    with pytest.raises(PromptError, match="got a caption of 65 chunks, allowed: at most 64 of"):
        encoder.chunks("a BREAK " * 64 + "a")


def test_the_length_is_told_of_any_caption(encoder: TextEncoder) -> None:
    length = encoder.length("a (b:99) BREAK c")
    assert (length.tokens, length.limit, length.ends) == (3, LIMIT, (4, 16))
    assert len(encoder.length("a BREAK " * 70).ends) == 70


def test_threads_may_share_it(encoder: TextEncoder) -> None:
    def use(index: int) -> Sequence[int]:
        caption = "a " * (index % 40)
        return encoder.length(caption).tokens, *encoder.ids([caption]).shape

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(use, range(200)))
    assert found == [(index % 40, 1, LENGTH) for index in range(200)]
