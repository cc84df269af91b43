"""Files in the original key layout, written from diffusers' and transformers' models.

Walks the models' blocks in the order in which CompVis' and Stability AI's programs numbered them
(their ``openaimodel.py`` and ``model.py``) and OpenCLIP its layers, so it shares nothing with the
tables that read such files.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
RESIDUAL = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)


def _put(state: State, name: str, module: nn.Module | None) -> None:
    if module is not None:
        state |= {f"{name}.{key}": value for key, value in module.state_dict().items()}


def _put_residual(state: State, name: str, block: nn.Module) -> None:
    for ours, theirs in RESIDUAL:
        _put(state, f"{name}.{theirs}", getattr(block, ours, None))


def unet_state(unet: Any) -> State:
    """A UNet2DConditionModel's tensors by their original names."""
    state: State = {}
    _put(state, "time_embed.0", unet.time_embedding.linear_1)
    _put(state, "time_embed.2", unet.time_embedding.linear_2)
    _put(state, "time_embed.cond_proj", unet.time_embedding.cond_proj)
    if unet.config.addition_embed_type is not None:
        _put(state, "label_emb.0.0", unet.add_embedding.linear_1)
        _put(state, "label_emb.0.2", unet.add_embedding.linear_2)
    _put(state, "input_blocks.0.0", unet.conv_in)
    count = 0
    for block in unet.down_blocks:
        for index, resnet in enumerate(block.resnets):
            count += 1
            _put_residual(state, f"input_blocks.{count}.0", resnet)
            if hasattr(block, "attentions"):
                _put(state, f"input_blocks.{count}.1", block.attentions[index])
        if block.downsamplers is not None:
            count += 1
            _put(state, f"input_blocks.{count}.0.op", block.downsamplers[0].conv)
    _put_residual(state, "middle_block.0", unet.mid_block.resnets[0])
    _put(state, "middle_block.1", unet.mid_block.attentions[0])
    _put_residual(state, "middle_block.2", unet.mid_block.resnets[1])
    count = 0
    for block in unet.up_blocks:
        for index, resnet in enumerate(block.resnets):
            place = 1
            _put_residual(state, f"output_blocks.{count}.0", resnet)
            if hasattr(block, "attentions"):
                _put(state, f"output_blocks.{count}.1", block.attentions[index])
                place = 2
            if index == len(block.resnets) - 1 and block.upsamplers is not None:
                _put(state, f"output_blocks.{count}.{place}.conv", block.upsamplers[0].conv)
            count += 1
    _put(state, "out.0", unet.conv_norm_out)
    _put(state, "out.2", unet.conv_out)
    return state


def _put_vae_residual(state: State, name: str, block: nn.Module) -> None:
    for part in ("norm1", "conv1", "norm2", "conv2"):
        _put(state, f"{name}.{part}", getattr(block, part))
    _put(state, f"{name}.nin_shortcut", block.conv_shortcut)


def vae_state(vae: Any) -> State:
    """An AutoencoderKL's tensors by their original names, without a prefix."""
    state: State = {}
    for half in ("encoder", "decoder"):
        part = getattr(vae, half)
        _put(state, f"{half}.conv_in", part.conv_in)
        _put(state, f"{half}.norm_out", part.conv_norm_out)
        _put(state, f"{half}.conv_out", part.conv_out)
        for index, resnet in enumerate(part.mid_block.resnets):
            _put_vae_residual(state, f"{half}.mid.block_{index + 1}", resnet)
        attention = part.mid_block.attentions[0]
        _put(state, f"{half}.mid.attn_1.norm", attention.group_norm)
        for ours, theirs in (("to_q", "q"), ("to_k", "k"), ("to_v", "v")):
            _put(state, f"{half}.mid.attn_1.{theirs}", getattr(attention, ours))
        _put(state, f"{half}.mid.attn_1.proj_out", attention.to_out[0])
        for name in ("q", "k", "v", "proj_out"):  # convolutions over one pixel
            key = f"{half}.mid.attn_1.{name}.weight"
            state[key] = state[key][:, :, None, None]
    for level, block in enumerate(vae.encoder.down_blocks):
        for index, resnet in enumerate(block.resnets):
            _put_vae_residual(state, f"encoder.down.{level}.block.{index}", resnet)
        if block.downsamplers is not None:
            _put(state, f"encoder.down.{level}.downsample.conv", block.downsamplers[0].conv)
    for level, block in enumerate(reversed(vae.decoder.up_blocks)):
        for index, resnet in enumerate(block.resnets):
            _put_vae_residual(state, f"decoder.up.{level}.block.{index}", resnet)
        if block.upsamplers is not None:
            _put(state, f"decoder.up.{level}.upsample.conv", block.upsamplers[0].conv)
    _put(state, "quant_conv", vae.quant_conv)
    _put(state, "post_quant_conv", vae.post_quant_conv)
    return state


def open_clip_state(model: Any, unread: int = 0) -> State:
    """A CLIPTextModel's (or ...WithProjection's) tensors as OpenCLIP has them.

    unread: layers to add behind, which Stable Diffusion 2's files hold and nobody reads.
    """
    text = getattr(model, "text_model", model)
    state: State = {
        "positional_embedding": text.embeddings.position_embedding.weight.detach(),
        "logit_scale": torch.tensor(4.6),
    }
    _put(state, "token_embedding", text.embeddings.token_embedding)
    _put(state, "ln_final", text.final_layer_norm)
    layers = [*text.encoder.layers, *text.encoder.layers[:unread]]
    for index, layer in enumerate(layers):
        name = f"transformer.resblocks.{index}"
        _put(state, f"{name}.ln_1", layer.layer_norm1)
        _put(state, f"{name}.ln_2", layer.layer_norm2)
        _put(state, f"{name}.mlp.c_fc", layer.mlp.fc1)
        _put(state, f"{name}.mlp.c_proj", layer.mlp.fc2)
        _put(state, f"{name}.attn.out_proj", layer.self_attn.out_proj)
        parts = [getattr(layer.self_attn, f"{each}_proj") for each in "qkv"]
        state[f"{name}.attn.in_proj_weight"] = torch.cat([part.weight.detach() for part in parts])
        state[f"{name}.attn.in_proj_bias"] = torch.cat([part.bias.detach() for part in parts])
    width = text.config.hidden_size
    projection = getattr(model, "text_projection", None)
    # x @ text_projection there; Stable Diffusion 2's files have one that nobody reads.
    state["text_projection"] = (
        torch.zeros(width, width) if projection is None else projection.weight.detach().T
    )
    return state


def clip_state(model: Any) -> State:
    """A CLIPTextModel's tensors as transformers 4 saved them."""
    positions = torch.arange(model.config.max_position_embeddings)[None]
    state = {f"text_model.{name}": value for name, value in model.state_dict().items()}
    return {**state, "text_model.embeddings.position_ids": positions}


def under(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def leftovers(unet: Mapping[str, Tensor], some: Iterable[str]) -> State:
    """What training left in the published files: averaged weights and the noise levels."""
    averages = {f"model_ema.diffusion_model{n.replace('.', '')}": unet[n] for n in some}
    levels = ("betas", "alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "posterior_variance")
    return {
        **averages,
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.num_updates": torch.tensor(7),
        **{name: torch.linspace(0, 1, 1000) for name in levels},
    }
