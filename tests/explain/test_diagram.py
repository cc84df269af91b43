"""The plan against the network that diffusers builds of the same configuration."""

import diffusers
import torch

from ldm.checkpoints.load import Checkpoint
from ldm.explain.diagram import plan_of
from ldm.models.config import UNetConfig
from ldm.models.unet import UNet2DConditionModel


def test_blocks_and_parameters(
    checkpoint: Checkpoint, reference: diffusers.UNet2DConditionModel
) -> None:
    plan = plan_of(checkpoint.unet)
    assert plan.parameters == sum(p.numel() for p in reference.parameters())
    cross = [p.numel() for name, p in reference.named_parameters() if ".attn2." in name]
    assert plan.text_parameters == sum(cross)
    told = [(b.name, b.side, b.channels, b.scale, b.cross) for b in plan.blocks]
    assert told == [
        ("conv_in", "in", 16, 1, 0),
        ("down_blocks.0", "down", 16, 1, 1),
        ("down_blocks.1", "down", 32, 2, 0),
        ("mid_block", "middle", 32, 2, 1),
        ("up_blocks.0", "up", 32, 2, 0),
        ("up_blocks.1", "up", 16, 1, 2),
    ]
    for block in plan.blocks:
        module = reference.get_submodule(block.name)
        assert block.parameters == sum(p.numel() for p in module.parameters())


def test_skips_are_those_that_the_resnets_take() -> None:
    """Stable Diffusion 1's plan at a tenth of its width: each skip's channels and what is left make
    up the input that diffusers gave the residual block.
    """
    theirs = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64, 128, 128), attention_head_dim=4, cross_attention_dim=16
    )
    with torch.device("meta"):
        ours = UNet2DConditionModel(UNetConfig.from_dict(dict(theirs.config)))
    plan = plan_of(ours)
    assert len(plan.skips) == 12
    for skip in plan.skips:
        resnet = theirs.get_submodule(skip.edit.resnet)
        arriving = resnet.conv1.in_channels - skip.edit.channels
        assert arriving in (64, 128, 32)
        assert skip.edit.resnet.startswith(skip.target)
    assert [(skip.source, skip.edit.channels) for skip in plan.skips] == [
        ("down_blocks.3", 128),
        ("down_blocks.3", 128),
        ("down_blocks.2", 128),
        ("down_blocks.2", 128),
        ("down_blocks.2", 128),
        ("down_blocks.1", 64),
        ("down_blocks.1", 64),
        ("down_blocks.1", 64),
        ("down_blocks.0", 32),
        ("down_blocks.0", 32),
        ("down_blocks.0", 32),
        ("conv_in", 32),
    ]
