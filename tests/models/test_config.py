"""Configurations: what a key means, and that what is not implemented is refused by name."""

from typing import Any

import diffusers
import pytest
import torch

from ldm.models.config import AutoencoderKLConfig, ConfigError, UNetConfig


def test_empty_config_means_what_diffusers_means() -> None:
    with torch.device("meta"):
        unet = dict(diffusers.UNet2DConditionModel().config)
        vae = dict(diffusers.AutoencoderKL().config)
    assert UNetConfig.from_dict({}) == UNetConfig.from_dict(unet)
    assert AutoencoderKLConfig.from_dict({}) == AutoencoderKLConfig.from_dict(vae)


def test_one_number_serves_every_level() -> None:
    config = UNetConfig.from_dict({"attention_head_dim": 5, "layers_per_block": 3})
    assert config.num_attention_heads == (5, 5, 5, 5)
    assert config.layers_per_block == (3, 3, 3, 3)
    assert config.time_embedding_dim == 4 * 320


def test_sample_size_is_height_and_width() -> None:
    assert UNetConfig.from_dict({"sample_size": 96}).sample_size == (96, 96)
    assert UNetConfig.from_dict({"sample_size": [64, 96]}).sample_size == (64, 96)
    assert UNetConfig.from_dict({}).sample_size is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_embed_type", "timestep"),
        ("num_class_embeds", 0),
        ("addition_embed_type", "image"),
        ("addition_embed_type", "text_time"),  # without its two sizes
        ("addition_time_embed_dim", "256"),
        ("encoder_hid_dim", 1024),
        ("time_cond_proj_dim", 0),
        ("time_embedding_type", "fourier"),
        ("resnet_time_scale_shift", "scale_shift"),
        ("center_input_sample", True),
        ("dual_cross_attention", True),
        ("num_attention_heads", 8),
        ("mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
        ("mid_block_scale_factor", 2),
        ("act_fn", "gelu"),
        ("attention_type", "gated"),
        ("a_key_from_the_future", 3),
        ("down_block_types", ["DownBlock2D"]),
        ("up_block_types", ["AttnUpBlock2D"] * 4),
        ("layers_per_block", [2, 2]),
        ("layers_per_block", 0),
        ("layers_per_block", True),
        ("transformer_layers_per_block", [[1, 1, 1], 2, 2, 2]),
        ("transformer_layers_per_block", [1, 2]),
        ("reverse_transformer_layers_per_block", [[1, 1], 2, 2, 2]),
        ("block_out_channels", "320"),
        ("block_out_channels", []),
        ("norm_num_groups", 33),
        ("norm_num_groups", None),
        ("norm_eps", "small"),
        ("only_cross_attention", "no"),
        ("conv_in_kernel", 4),
        ("use_linear_projection", 1),
    ],
)
def test_unet_refuses_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        UNetConfig.from_dict({key: value})
    named = "addition_time_embed_dim" if value == "text_time" else key
    assert str(caught.value).startswith(f"{named}: got ") and ", allowed: " in str(caught.value)
    assert caught.value.field == named


def test_numbers_beside_the_pooled_text() -> None:
    """SDXL's base is told six numbers, its refiner five: the widths are those published."""
    keys = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    for width, expected in ((2816, 6), (2560, 5), (2561, None), (3072, None), (1280, None)):
        config = UNetConfig.from_dict({**keys, "projection_class_embeddings_input_dim": width})
        assert config.size_embedding is not None
        assert config.size_embedding.numbers(1280) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latents_mean", [0.0]),
        ("latents_std", [1.0]),
        ("mid_block_add_attention", False),
        ("down_block_types", ["AttnDownEncoderBlock2D"]),
        ("scaling_factor", 0),
        ("scaling_factor", "0.18"),
        ("act_fn", "relu"),
        ("a_key_from_the_future", "on"),
    ],
)
def test_vae_refuses_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: got .*, allowed: "):
        AutoencoderKLConfig.from_dict({key: value})


def test_keys_that_say_unused_pass() -> None:
    UNetConfig.from_dict({"_class_name": "x", "a_key_from_the_future": None, "another": False})


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        UNetConfig.from_dict({"class_embed_type": "x" * 1000})
    assert len(str(caught.value)) < 200


def test_lists_on_the_way_down_need_theirs_on_the_way_up() -> None:
    """As diffusers has it: there is one layer more in a level, and no rule for its depth."""
    with pytest.raises(ConfigError, match="reverse_transformer_layers_per_block: got None"):
        UNetConfig.from_dict({"transformer_layers_per_block": [[1, 1], 2, 2, 2]})
