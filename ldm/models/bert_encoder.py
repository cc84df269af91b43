"""Captions to the states that text2im-large-256's U-Net attends to, with BERT's tokenizer.

The same notation, chunks and weights as CLIP's captions have. Knows nothing of guidance.
"""

from __future__ import annotations

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ldm.models.ldm_bert import LDMBertModel
from ldm.models.text_encoder import ChunkEncoder, TextStates, special_token


class BertEncoder(ChunkEncoder):
    """A :class:`CaptionEncoder` of a BERT tokenizer and the model that was trained with it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: LDMBertModel) -> None:
        config = model.config
        super().__init__(
            tokenizer,
            config.max_position_embeddings,
            config.num_hidden_layers,
            special_token(tokenizer.cls_token_id),
            special_token(tokenizer.sep_token_id),
        )
        self.model = model

    def read(self, ids: Tensor, clip_skip: int) -> TextStates:
        """See :class:`ChunkEncoder`."""
        return TextStates(self.model(ids.to(self.model.device), clip_skip))
