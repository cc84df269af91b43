"""Textual inversion: files of vectors that a caption calls by the file's name.

Gal et al. 2022 (2208.01618) teach a text model a new word by vectors in the place of its tokens'.
Owns the layouts of such files (AUTOMATIC1111's and kohya's one tensor, diffusers' one, XL's pair)
and how a loaded model gets more words; where a caption calls one is found in `ldm.models.chunks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection

from ldm.checkpoints.files import MOST_NAMES_SHOWN, CheckpointError, check_weight_file
from ldm.checkpoints.reading import digest_of, read_tensor
from ldm.checkpoints.weights import list_tensors
from ldm.models.chunks import AddedWord
from ldm.models.text_encoder import CaptionEncoder, TextEncoder
from ldm.models.text_encoder_pair import TextEncoderPair

FIRST, SECOND, ONLY = 0, 1, 2  # which text model a file's tensor is for
# The tensors of a pair, as A1111's and ComfyUI's users have them, and as diffusers' training wrote.
_PAIR: Mapping[str, int] = {
    "clip_l": FIRST,
    "clip_g": SECOND,
    "text_encoders_0": FIRST,
    "text_encoders_1": SECOND,
}
_ALLOWED = "an embedding: one tensor, or clip_l and clip_g, of as many vectors"


@dataclass(frozen=True)
class Embedding:
    """A file's vectors (N, D) for each text model that it is for.

    name: what captions call it; digest: the file's fingerprint.
    """

    path: Path
    name: str
    vectors: Mapping[int, Tensor]
    digest: str


def read_embedding(path: Path) -> Embedding:
    """A file of textual inversion.

    Raises:
        CheckpointError: another kind of file, or a damaged one.
    """
    check_weight_file(path)
    tensors = list_tensors([path])
    names = sorted(tensors)
    roles = {name: _PAIR[name] for name in names if name in _PAIR}
    if len(names) == 1:
        roles = {names[0]: roles.get(names[0], ONLY)}
    if not names or roles.keys() != tensors.keys() or len(set(roles.values())) < len(roles):
        shown = ", ".join(names[:MOST_NAMES_SHOWN])
        more = ", ..." if len(names) > MOST_NAMES_SHOWN else ""
        raise CheckpointError(path, f"{len(names)} tensors ({shown}{more})", _ALLOWED)
    vectors: dict[int, Tensor] = {}
    for name, role in sorted(roles.items(), key=lambda item: item[1]):
        shape = tensors[name].shape
        if len(shape) not in (1, 2) or 0 in shape:
            raise CheckpointError(path, f"{name} of shape {shape}", "vectors of (N, D) or one (D,)")
        vectors[role] = read_tensor(name, tensors[name]).view(-1, shape[-1])
    if len({len(each) for each in vectors.values()}) > 1:
        counts = " and ".join(str(len(each)) for each in vectors.values())
        raise CheckpointError(path, f"{counts} vectors", _ALLOWED)
    return Embedding(path, path.stem, vectors, digest_of(tensors))


def _models(encoder: CaptionEncoder | None) -> tuple[TextEncoder, ...]:
    """The text models of CLIP that a caption goes through."""
    if isinstance(encoder, TextEncoder):
        return (encoder,)
    if isinstance(encoder, TextEncoderPair):
        return tuple(e for e in (encoder.first, encoder.second) if isinstance(e, TextEncoder))
    return ()


def _for_models(embedding: Embedding, models: Sequence[TextEncoder]) -> list[Tensor]:
    """The vectors for each of the models. CheckpointError: they are another family's."""
    widths = [model.text_model.config.hidden_size for model in models]
    given = embedding.vectors
    roles = (FIRST, SECOND)
    if len(models) == 1:
        # XL's refiner has the second text model alone, and takes that part of a pair.
        refines = isinstance(models[0].model, CLIPTextModelWithProjection)
        roles = (SECOND,) if refines and SECOND in given else tuple(given)
    found = [given[role] for role in roles if role in given]
    if not models or [vectors.shape[1] for vectors in found] != widths:
        got = " and ".join(str(vectors.shape[1]) for vectors in given.values())
        allowed = " and ".join(map(str, widths)) or "none: this model has no text model of CLIP's"
        raise CheckpointError(
            embedding.path, f"vectors of {got} numbers, for another family", allowed
        )
    limit = models[0].limit
    if len(found[0]) > limit:
        allowed = f"at most {limit}, which the model reads at once"
        raise CheckpointError(embedding.path, f"{len(found[0])} vectors", allowed)
    return found


def read_embeddings(encoder: CaptionEncoder | None, paths: Sequence[Path]) -> list[Embedding]:
    """Files that fit a model's text models, which need no weights yet.

    Raises:
        CheckpointError: one that does not, that is damaged, or whose name another has.
    """
    found: dict[str, Embedding] = {}
    models = _models(encoder)
    for path in paths:
        embedding = read_embedding(path)
        _for_models(embedding, models)
        if not models[0].tokens(embedding.name):
            raise CheckpointError(path, "a name without a word", "a name that a caption can call")
        other = found.setdefault(embedding.name.lower(), embedding)
        if other is not embedding:
            raise CheckpointError(path, f"the name of {other.path}", "a name of its own")
    return list(found.values())


def _append(table: nn.Embedding, rows: Tensor) -> None:
    own = table.weight.data
    table.weight = nn.Parameter(torch.cat([own, rows.to(own)]), requires_grad=False)
    table.num_embeddings = len(table.weight)


def add_embeddings(encoder: CaptionEncoder | None, embeddings: Sequence[Embedding]) -> None:
    """Teach text models with weights the words that `read_embeddings` gave for them."""
    if not embeddings:
        return
    models = _models(encoder)
    tables = [model.text_model.embeddings.token_embedding for model in models]
    # XL's two models are given the same numbers, so their tables grow from the same length.
    start = max(table.num_embeddings for table in tables)
    words: list[AddedWord] = []
    rows: list[list[Tensor]] = [[] for _ in models]
    end = start
    for embedding in embeddings:
        vectors = _for_models(embedding, models)
        for each, own in zip(rows, vectors, strict=True):
            each.append(own)
        tokens = models[0].token_ids(embedding.name)
        numbers = tuple(range(end, end + len(vectors[0])))
        words.append(AddedWord(embedding.name, tokens, numbers))
        end = numbers[-1] + 1
    for model, table, own in zip(models, tables, rows, strict=True):
        unused = torch.zeros(start - table.num_embeddings, table.embedding_dim)
        _append(table, torch.cat([unused, *own]))
        model.words = tuple(words)
