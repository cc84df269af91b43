"""The text model of text2im-large-256 against diffusers' class, with small random weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.pipelines.latent_diffusion import pipeline_latent_diffusion as reference
from torch import nn

from ldm.models.config import ConfigError
from ldm.models.ldm_bert import LDMBertConfig, LDMBertModel

Randomise = Callable[[nn.Module], None]

TOLERANCE = 1e-5  # float32: a few layers' roundings on results of size 1
SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "max_position_embeddings": 12,
    "encoder_layers": 3,
    "encoder_ffn_dim": 40,
    "encoder_attention_heads": 2,
    "head_dim": 8,
    "d_model": 24,
}


def test_equals_diffusers(randomise: Randomise) -> None:
    theirs = reference.LDMBertModel(reference.LDMBertConfig(**SMALL))
    randomise(theirs)
    ours = LDMBertModel(LDMBertConfig.from_dict(theirs.config.to_dict()))
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert missing == [] and set(unexpected) == {"to_logits.weight", "to_logits.bias"}
    ours.eval().requires_grad_(False)
    ids = torch.tensor([[2, 7, 9, 3, 0, 0], [2, 5, 5, 59, 3, 0]])
    states = theirs(ids, output_hidden_states=True, return_dict=True)
    assert states.last_hidden_state.std() > 0.1
    torch.testing.assert_close(ours(ids), states.last_hidden_state, atol=TOLERANCE, rtol=0)

    # One layer left out: the state before it, normalised all the same.
    wanted = theirs.model.layer_norm(states.hidden_states[2])
    torch.testing.assert_close(ours(ids, 1), wanted, atol=TOLERANCE, rtol=0)


def test_full_size_has_every_tensor() -> None:
    """The published configuration of CompVis/ldm-text2im-large-256 is diffusers' default."""
    with torch.device("meta"):
        theirs = reference.LDMBertModel(reference.LDMBertConfig())
        ours = LDMBertModel(LDMBertConfig.from_dict({}))
    assert {k: t.shape for k, t in ours.state_dict().items()} == {
        k: t.shape for k, t in theirs.state_dict().items() if not k.startswith("to_logits.")
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"activation_function": "relu"}, "activation_function"),
        ({"encoder_layers": 0}, "encoder_layers"),
        ({"decoder_layers": 2}, "decoder_layers"),
    ],
)
def test_what_is_not_implemented_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LDMBertConfig.from_dict({**SMALL, **changes})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("ids", "skipped", "message"),
    [
        (torch.zeros(1, 13, dtype=torch.long), 0, "at most 12"),
        (torch.zeros(1, 3).long(), 3, "0 to 2"),
    ],
)
def test_what_it_cannot_read_is_named(ids: torch.Tensor, skipped: int, message: str) -> None:
    with torch.device("meta"):
        ours = LDMBertModel(LDMBertConfig.from_dict(SMALL))
    with pytest.raises(ValueError, match=message):
        ours(ids, skipped)
