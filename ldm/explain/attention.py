"""Where the attention layers of a U-Net look: the softmax of a layer's own queries and keys.

Owns the computation and the shape of a layer's map. It is done beside the layer's own, whose fused
kernel keeps no probabilities, for the rows that are asked for. Knows nothing of words or pictures.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ldm.explain.hooks import Inputs, before
from ldm.models.layers import Attention, Context

Told = Callable[[str, Tensor], None]  # a layer's name and its probabilities (heads, N, L)


def probabilities(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)), (..., N, L) float32, of q (..., N, d) and k (..., L, d).

    Vaswani et al. 2017, 1706.03762, eq. 1, without its product with the values.
    """
    scores = q.float() @ k.float().transpose(-1, -2)
    return (scores * q.shape[-1] ** -0.5).softmax(-1)


def heads_of(layer: Attention, projected: Tensor) -> Tensor:
    """(N, heads * d) -> (heads, N, d)."""
    return projected.unflatten(-1, (layer.heads, -1)).transpose(0, 1)


def layers_of(unet: nn.Module, cross: bool) -> dict[str, Attention]:
    """A network's cross-attention layers (or those over itself), by name, in the order they run in.

    Names are those of the checkpoint's keys, such as
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2".
    """
    found = {
        name: module
        for name, module in unet.named_modules()
        if isinstance(module, Attention) and module.is_cross == cross
    }
    # Modules come as they were made: down, middle, up; but the middle may be made after the rest.
    order = {"down_blocks": 0, "mid_block": 1, "up_blocks": 2}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0].split(".")[0], 3)))


@contextmanager
def told_of_words(unet: nn.Module, place: int, tell: Told) -> Iterator[None]:
    """Tells, in every call by this thread, where row `place` of each cross-attention layer looks.

    Probabilities (heads, N, L): each of N cells of the layer's map spreads 1 over L tokens.
    """

    def watch(name: str, layer: Attention) -> Callable[[Inputs], None]:
        def look(inputs: Inputs) -> None:
            x, context, *_ = inputs
            assert isinstance(context, Context)
            if layer in context.projected:
                k = context.projected[layer][0][place]
            else:
                k = heads_of(layer, layer.to_k(context.states[place]))
            tell(name, probabilities(heads_of(layer, layer.to_q(x[place])), k))

        return look

    with before([(layer, watch(name, layer)) for name, layer in layers_of(unet, True).items()]):
        yield


@contextmanager
def told_of_cells(
    unet: nn.Module, place: int, cells: Callable[[int], Sequence[int]], tell: Told
) -> Iterator[None]:
    """The same of the layers that attend to the picture itself, for some of its cells.

    cells: from a layer's number of cells to those that are asked about; all of them would take
    gigabytes in a large model. Tells (heads, len(cells), N).
    """

    def watch(name: str, layer: Attention) -> Callable[[Inputs], None]:
        def look(inputs: Inputs) -> None:
            x = inputs[0][place]
            asked = x[list(cells(len(x)))]
            q = heads_of(layer, layer.to_q(asked))
            tell(name, probabilities(q, heads_of(layer, layer.to_k(x))))

        return look

    with before([(layer, watch(name, layer)) for name, layer in layers_of(unet, False).items()]):
        yield


def map_size(cells: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a layer's map of so many cells, in latents of height x width.

    Each level of a U-Net halves both sides, rounding up. ValueError where no level fits.
    """
    rows, columns = height, width
    while rows * columns > cells and (rows, columns) != (1, 1):
        rows, columns = -(-rows // 2), -(-columns // 2)
    if rows * columns != cells:
        raise ValueError(f"cells: got {cells}, allowed: a level of {height} x {width} latents")
    return rows, columns


def averaged(maps: Sequence[Tensor], height: int, width: int) -> Tensor:
    """The mean of maps (rows, columns, L), each brought to height x width: (height, width, L)."""
    resized = [
        torch.nn.functional.interpolate(
            each.float().permute(2, 0, 1)[None], size=(height, width), mode="bilinear"
        )[0]
        for each in maps
    ]
    return torch.stack(resized).mean(0).permute(1, 2, 0)


def clearest(maps: Sequence[Mapping[str, Tensor]], words: Sequence[Sequence[int]]) -> str:
    """Of the layers with the finest maps, the one that looks at words in the smallest areas.

    Averaged with the others, which look at a word nearly everywhere, its maps would fade.

    maps: of each step: a layer's name and (rows, columns, L); words: the places in L of each, where
    none are given all places alone. A layer's measure is the mean, over steps and words, of the
    standard deviation of a word's map divided by its mean.
    """
    first = next(iter(maps[0].values()))
    parts = [list(word) for word in words] or [[place] for place in range(first.shape[-1])]
    finest = max(map_.shape[:2].numel() for map_ in maps[0].values())

    def clear(name: str) -> float:
        found = 0.0
        for step in maps:
            of_words = torch.stack([step[name][..., part].float().sum(-1) for part in parts])
            found += float((of_words.std((1, 2)) / of_words.mean((1, 2))).mean())
        return found

    return max((n for n, map_ in maps[0].items() if map_.shape[:2].numel() == finest), key=clear)
