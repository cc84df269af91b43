"""The text encoder against transformers' tokenizer and model called by hand."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ldm.models.text_encoder import TextEncoder

LETTERS = "abcdefghijklmnopqrstuvwxyz,."
VOCABULARY = {
    token: number
    for number, token in enumerate(
        [
            *LETTERS,
            *(letter + "</w>" for letter in LETTERS),
            *("la", "lake</w>", "ke</w>", "!</w>", "<|startoftext|>", "<|endoftext|>"),
        ]
    )
}
MERGES = [("l", "a"), ("k", "e</w>"), ("la", "ke</w>")]


def _tokenizer(length: int | None = 12, pad: str = "<|endoftext|>") -> CLIPTokenizer:
    lengths = {} if length is None else {"model_max_length": length}
    return CLIPTokenizer(VOCABULARY, MERGES, pad_token=pad, **lengths)


@pytest.fixture(scope="module")
def model() -> CLIPTextModel:
    end = VOCABULARY["<|endoftext|>"]
    config = CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    torch.manual_seed(0)
    return CLIPTextModel(config).eval()


def test_states_are_transformers_last_hidden_state(model: CLIPTextModel) -> None:
    encoder = TextEncoder(_tokenizer(), model)
    texts = ["a lake", "", "a lake at dawn, a boat on the lake, mist"]
    states = encoder.encode(texts)
    assert states.shape == (3, 12, 32) and not states.requires_grad
    for text, row in zip(texts, states, strict=True):
        tokens = ["<|startoftext|>", *encoder.tokens(text)[:10], "<|endoftext|>"]
        tokens += ["<|endoftext|>"] * (12 - len(tokens))
        ids = torch.tensor([[VOCABULARY[token] for token in tokens]])
        with torch.no_grad():
            wanted = model(input_ids=ids).last_hidden_state[0]
        # float32; kernels add in another order for another batch.
        torch.testing.assert_close(row, wanted, atol=1e-5, rtol=0)


def test_tokens_are_the_captions_own(model: CLIPTextModel) -> None:
    encoder = TextEncoder(_tokenizer(), model)
    assert encoder.tokens("A lake") == ["a</w>", "lake</w>"]
    assert encoder.tokens("") == []
    assert len(encoder.tokens("a " * 40)) == 40  # uncut: the page says what is lost
    assert encoder.limit == 10


def test_limit_is_the_models_where_the_tokenizer_names_none(model: CLIPTextModel) -> None:
    encoder = TextEncoder(_tokenizer(None), model)
    assert encoder.limit == 14
    assert encoder.encode(["a " * 40]).shape == (1, 16, 32)


def test_padding_is_the_tokenizers(model: CLIPTextModel) -> None:
    """Stable Diffusion 2 pads with "!", not with the end of the text."""
    ids = TextEncoder(_tokenizer(pad="!</w>"), model).ids(["a"])
    assert ids[0, 3:].tolist() == [VOCABULARY["!</w>"]] * 9


def test_threads_may_share_it(model: CLIPTextModel) -> None:
    """A tokenizer alone fails here: padding set by one call is gone in the other."""
    encoder = TextEncoder(_tokenizer(), model)

    def use(i: int) -> tuple[int, ...]:
        return (len(encoder.tokens("a " * (i % 20))), *encoder.ids(["a lake"] * 3).shape)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(200))) == [(i % 20, 3, 12) for i in range(200)]
