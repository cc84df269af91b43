"""What cells show, against the pictures themselves, and the loss that names it, by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel
from ldm.train.diffusion import CellNames, cell_weights
from ldm.train.scenes import CELLS, COLOURS, Spec, SpriteStore, Thing, draw, labels, shown
from ldm.train.scenes.things.catalogue import concepts

PIXELS = 256


def _still(where: str, colour: str = "red") -> Spec:
    concept = next(concept for concept in concepts() if concept.core and not concept.unfit)
    thing = Thing(concept.name, concept.code, "noto", where=where, colour=colour)
    return Spec("", "", "", things=(thing,), background="white")


@pytest.mark.parametrize("where", ["left", "middle", "right", "top left"])
def test_a_things_cells_are_those_that_it_covers(where: str, sprites: SpriteStore) -> None:
    """Against the colour of the disc that stands for it, on white: all but cells at its edge, which
    is soft, as the disc is drawn ten times as large as it is kept."""
    spec = _still(where)
    (code,) = (thing.code for thing in spec.things)
    names, colours = shown(spec, 7, sprites)
    found = names == labels().index(code)
    picture = np.asarray(draw(spec, 7, PIXELS, sprites).convert("HSV"))[..., 1] > 128
    side = PIXELS // CELLS
    share = picture.reshape(CELLS, side, CELLS, side).mean((1, 3))
    assert (share > 0.6).any()
    assert found[share > 0.6].all()
    assert not found[~ndimage.binary_dilation(share > 0.05)].any()
    assert (names[~found] == labels().index("white")).all()
    assert (colours[found] == COLOURS.index("red")).all()
    assert (colours[~found] == -1).all()


def test_an_elements_cells_and_its_place(sprites: SpriteStore) -> None:
    names, _ = shown(Spec("sea", "day", "clear", ("lighthouse",)), 3, sprites)
    found = names == labels().index("lighthouse")
    assert 2 <= found.sum() <= 100
    assert (names[~found] == labels().index("sea")).all()
    down, across = np.nonzero(found)
    assert np.ptp(down) > np.ptp(across), "a lighthouse is taller than wide"
    empty, _ = shown(Spec("sea", "day", "clear"), 3, sprites)
    assert (empty == labels().index("sea")).all()


def test_people_are_named_by_their_kind() -> None:
    names, _ = shown(Spec("lake", "day", "clear", ("man_boat",)), 3)
    assert labels().index("boat") in names
    names, _ = shown(Spec("hill", "day", "clear", ("woman",)), 3)
    assert labels().index("woman") in names


def _network() -> UNet2DConditionModel:
    torch.manual_seed(0)
    config = {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [32, 64],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 4,
    }
    return UNet2DConditionModel(UNetConfig.from_dict(config))


def test_the_error_of_names_by_hand() -> None:
    """Weighted means of -log softmax(4 W x), of the rows that are told, in float64."""
    unet = _network()
    names = CellNames(unet, things=3.0)
    for layer in (names.names, names.colours):
        nn.init.normal_(layer.weight, std=0.1)
    maps: list[torch.Tensor] = []
    unet.up_blocks[-2].register_forward_hook(lambda block, inputs, out: maps.append(out))
    thing, ground = labels().index("lighthouse"), labels().index("sea")
    cells = torch.full((3, 2, CELLS, CELLS), -1, dtype=torch.int16)
    cells[:, 0] = ground
    cells[:, 0, :8] = thing
    cells[0, 1, :4] = 2
    unet(torch.randn(3, 4, 8, 8), torch.zeros(3), torch.randn(3, 5, 16))
    told = torch.tensor([True, False, True])
    found = names(cells, told).detach()

    features = maps[0].detach().double().permute(0, 2, 3, 1)
    assert features.shape[1:3] == (8, 8), "half of the cells' 16 a side"
    logs = (4 * features @ names.names.weight.detach().double().T).log_softmax(-1)
    total = weight = 0.0
    for row in (0, 2):
        for y in range(8):
            wanted, weighs = (thing, 3.0) if y < 4 else (ground, 1.0)
            total += -weighs * float(logs[row, y, :, wanted].sum())
            weight += weighs * 8
    of_colours = (4 * features @ names.colours.weight.detach().double().T).log_softmax(-1)[
        0, :2, :, 2
    ]
    assert found.item() == pytest.approx(total / weight - float(of_colours.mean()), rel=1e-4)


def test_weights_of_things_and_places() -> None:
    numbers = torch.tensor([labels().index(name) for name in ("sea", "lighthouse", "white", "man")])
    assert cell_weights(numbers, 5.0).tolist() == [1.0, 5.0, 1.0, 5.0]
