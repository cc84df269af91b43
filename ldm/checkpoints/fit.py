"""Whether a checkpoint's parts were made for one another.

Owns the numbers that two parts must agree in, one function for the families of a base. Reads
configurations and vocabularies, no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ldm.checkpoints.family import Family
from ldm.checkpoints.files import CheckpointError
from ldm.checkpoints.source import Source
from ldm.models.k_unet import NOISE_NUMBERS, KUNet2DConditionModel
from ldm.models.kinds import Autoencoder, UNet
from ldm.models.ldm_bert import LDMBertModel
from ldm.models.unet import UNet2DConditionModel
from ldm.models.vq_model import VQModel

Modules = Mapping[str, nn.Module]
ADDED_NUMBERS = {"sdxl": 6, "sdxl_refiner": 5}  # beside the pooled text


def _check_channels(source: Source, family: Family, modules: Modules) -> None:
    """The U-Net's latents are the autoencoder's."""
    unet, vae = modules["unet"], modules[family.autoencoder]
    assert isinstance(unet, UNet2DConditionModel) and isinstance(vae, Autoencoder)
    config, channels = unet.config, vae.latent_channels
    taken = (channels, 2 * channels + 1)  # inpainting adds the masked picture and the mask
    if config.in_channels != taken[family.masked_input] or config.out_channels != channels:
        raise CheckpointError(
            source.config_path("unet"),
            f"{config.in_channels} channels in and {config.out_channels} out",
            f"{taken[0]} or {taken[1]} in and {channels} out, as the vae has {channels}",
        )


def _check_text(source: Source, family: Family, modules: Modules) -> None:
    """The text models know all tokens, and their states side by side are what the U-Net reads."""
    unet, hidden = modules["unet"], 0
    assert isinstance(unet, UNet2DConditionModel | KUNet2DConditionModel)
    read = unet.config.cross_attention_dim
    for component, tokenizer in family.text_encoders:
        text = modules[component]
        assert isinstance(text, CLIPTextModel | CLIPTextModelWithProjection | LDMBertModel)
        hidden += text.config.hidden_size
        tokens = len(source.tokenizers[tokenizer])
        if tokens > text.config.vocab_size:
            raise CheckpointError(
                source.where(tokenizer),
                f"{tokens} tokens",
                f"at most {text.config.vocab_size}, the vocab_size of the {component}",
            )
    if ({read} if isinstance(read, int) else set(read)) != {hidden}:
        names = " and ".join(component for component, _ in family.text_encoders)
        raise CheckpointError(
            source.config_path("unet"),
            f"cross_attention_dim {read}",
            f"{hidden}, the hidden_size of the {names}",
        )


def _check_told(source: Source, family: Family, modules: Modules) -> None:
    """The U-Net is told what this family tells it besides, and no more."""
    unet, path = modules["unet"], source.config_path("unet")
    assert isinstance(unet, UNet2DConditionModel)
    if unet.config.num_class_embeds is not None:
        got = f"num_class_embeds: {unet.config.num_class_embeds}"
        raise CheckpointError(path, got, f"None, with {family.title} models")
    sizes, wanted = unet.config.size_embedding, ADDED_NUMBERS.get(family.base)
    if wanted is None:
        if sizes is not None:
            raise CheckpointError(path, "addition_embed_type", f"None, with {family.title} models")
        return
    text = modules["text_encoder_2"]
    assert isinstance(text, CLIPTextModelWithProjection)
    pooled = text.text_projection.out_features
    if sizes is None or sizes.numbers(pooled) != wanted:
        raise CheckpointError(
            path,
            "no addition_embed_type"
            if sizes is None
            else f"projection_class_embeddings_input_dim: {sizes.input_dim}",
            f"text_time with {wanted} numbers beside the {pooled} features of text_encoder_2",
        )


def _check_one_vocabulary(source: Source, family: Family) -> None:
    """Text models that stand side by side read the same tokens."""
    (_, first), *rest = family.text_encoders
    for _, other in rest:
        if source.tokenizers[other].get_vocab() != source.tokenizers[first].get_vocab():
            allowed = f"those of {first}, as {family.title} models have"
            raise CheckpointError(source.where(other), "other words", allowed)


def _stable_diffusion(source: Source, family: Family, modules: Modules) -> None:
    if not isinstance(modules["unet"], UNet2DConditionModel):
        allowed = f"the blocks of {family.title} models"
        raise CheckpointError(source.config_path("unet"), "a U-Net of K-blocks", allowed)
    _check_channels(source, family, modules)
    _check_text(source, family, modules)
    _check_told(source, family, modules)
    _check_one_vocabulary(source, family)


# --- upscalers and models without captions ---


def _check_counts(source: Source, unet: UNet, given: int, put_out: int) -> None:
    got = (unet.config.in_channels, unet.config.out_channels)
    if got != (given, put_out):
        raise CheckpointError(
            source.config_path("unet"),
            f"{got[0]} channels in and {got[1]} out",
            f"{given} in and {put_out} out, as the autoencoder and what is given beside ask",
        )


def _colours(vae: Autoencoder) -> int:
    return vae.config.levels.in_channels if isinstance(vae, VQModel) else vae.config.in_channels


def _upscaler(source: Source, family: Family, modules: Modules) -> None:
    """Beside its latents the U-Net takes a small picture, or its latents, and perhaps a level."""
    unet, vae, way = modules["unet"], modules[family.autoencoder], family.upscaling
    assert isinstance(unet, UNet) and isinstance(vae, Autoencoder) and way is not None
    latents, path = vae.latent_channels, source.config_path("unet")
    beside = latents if way.given == "latents" else _colours(vae)
    variance = int(isinstance(unet, KUNet2DConditionModel))  # a channel that is not used
    _check_counts(source, unet, latents + beside, latents + variance)
    # Of a given picture a latent stands for as many pixels as it is enlarged by.
    allowed = way.factor if way.given == "picture" else vae.factor
    if vae.factor != allowed:
        got = f"{vae.factor} pixels to a latent"
        raise CheckpointError(source.config_path(family.autoencoder), got, f"{allowed}")
    if family.text_encoders:
        _check_text(source, family, modules)
    if isinstance(unet, UNet2DConditionModel) and unet.config.num_class_embeds is None:
        raise CheckpointError(path, "no num_class_embeds", "one for each level of noise")


def _latent_upscaler(source: Source, family: Family, modules: Modules) -> None:
    unet, text, path = modules["unet"], modules["text_encoder"], source.config_path("unet")
    if not isinstance(unet, KUNet2DConditionModel):
        raise CheckpointError(path, "no U-Net of K-blocks", "the x2 latent upscaler's")
    _upscaler(source, family, modules)
    assert isinstance(text, CLIPTextModel) and family.upscaling is not None
    told = NOISE_NUMBERS + text.config.hidden_size
    if unet.config.time_cond_proj_dim != told:
        got = f"time_cond_proj_dim: {unet.config.time_cond_proj_dim}"
        raise CheckpointError(path, got, f"{told}, with this text_encoder")
    vae, way = modules[family.autoencoder], family.upscaling
    assert isinstance(vae, Autoencoder)
    if way.factor * way.multiple % (unet.multiple * vae.factor):
        got = f"{len(unet.config.block_out_channels)} levels"
        raise CheckpointError(path, got, "at most 4")


def _unconditional(source: Source, family: Family, modules: Modules) -> None:
    unet, vae = modules["unet"], modules[family.autoencoder]
    assert isinstance(unet, UNet) and isinstance(vae, Autoencoder)
    _check_counts(source, unet, vae.latent_channels, vae.latent_channels)


# By the families' base.
CHECKS: Mapping[str, Callable[[Source, Family, Modules], None]] = {
    "sd1": _stable_diffusion,
    "sd2": _stable_diffusion,
    "sdxl": _stable_diffusion,
    "sdxl_refiner": _stable_diffusion,
    "vignette": _stable_diffusion,
    "x4_upscaler": _upscaler,
    "latent_upscaler": _latent_upscaler,
    "ldm_text2im": _stable_diffusion,
    "ldm_super_resolution": _upscaler,
    "unconditional": _unconditional,
}


def check_fit(source: Source, family: Family, modules: Modules) -> None:
    """Refuse parts that were not made for one another.

    Raises:
        CheckpointError: two of them disagree.
    """
    CHECKS[family.base](source, family, modules)
