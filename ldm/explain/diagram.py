"""The plan of a U-Net, read off the loaded network: blocks, sizes, channels, attention, skips.

Plain data for whoever draws it. Nothing is taken from a configuration: what is told is what runs.
"""

from dataclasses import dataclass

from torch import nn

from ldm.explain.attention import layers_of
from ldm.explain.edits import SkipOff
from ldm.explain.questions import blocks_of
from ldm.models.layers import Downsample2D, ResnetBlock2D, Upsample2D
from ldm.models.unet import UNet2DConditionModel


@dataclass(frozen=True)
class Block:
    """One part of the network.

    name: as in the checkpoint's keys; side: "in", "down", "middle", "up"; channels: that it puts
    out; scale: the latents' side divided by that of its resnets' maps (1, 2, 4 ...); resnets,
    cross: how many residual blocks and cross-attention layers it has; parameters: its numbers.
    """

    name: str
    side: str
    channels: int
    scale: int
    resnets: int
    cross: int
    parameters: int


@dataclass(frozen=True)
class Skip:
    """A connection from the way down to the way up, past everything between.

    source: the block whose output (or one of whose outputs) it carries; target: the block that
    takes it; edit: what cuts it.
    """

    source: str
    target: str
    edit: SkipOff


@dataclass(frozen=True)
class Plan:
    """A U-Net: its blocks in the order they run in, and its skip connections in the order taken."""

    blocks: tuple[Block, ...]
    skips: tuple[Skip, ...]
    parameters: int
    text_parameters: int  # of the cross-attention layers


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _resnets(module: nn.Module) -> dict[str, ResnetBlock2D]:
    return {name: m for name, m in module.named_modules() if isinstance(m, ResnetBlock2D)}


def _has(module: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(m, kind) for m in module.modules())


def plan_of(unet: UNet2DConditionModel) -> Plan:
    """The plan of the network as it is loaded."""
    blocks: list[Block] = []
    skips: list[Skip] = []
    waiting: list[tuple[str, int]] = []  # (block, channels) of each skip, last in, first out
    scale, width = 1, unet.conv_in.out_channels
    cross = layers_of(unet, True)
    for name, module in blocks_of(unet).items():
        side = {"conv_in": "in", "mid_block": "middle"}.get(name, name.split("_")[0])
        resnets = _resnets(module)
        inner = scale
        if side == "down":
            waiting += [(name, each.conv2.out_channels) for each in resnets.values()]
        if side == "up":
            for inside, resnet in resnets.items():
                source, channels = waiting.pop()
                skips.append(Skip(source, name, SkipOff(f"{name}.{inside}", channels)))
                width = resnet.conv2.out_channels
        elif resnets:
            width = [*resnets.values()][-1].conv2.out_channels
        if _has(module, Downsample2D):
            scale *= 2
            waiting.append((name, width))
        elif _has(module, Upsample2D):
            scale //= 2
        if side == "in":
            waiting.append((name, width))
        blocks.append(
            Block(
                name=name,
                side=side,
                channels=width,
                scale=inner,
                resnets=len(resnets),
                cross=sum(each.startswith(f"{name}.") for each in cross),
                parameters=_count(module),
            )
        )
    return Plan(
        blocks=tuple(blocks),
        skips=tuple(skips),
        parameters=_count(unet),
        text_parameters=sum(map(_count, cross.values())),
    )
