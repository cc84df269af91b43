"""The denoising U-Net: ``UNet2DConditionModel`` of Stable Diffusion 1, 2 and XL.

Owns the order of blocks and skips. Knows nothing of what its output means (noise, velocity
or picture), of schedules or of guidance.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldm.models.config import CROSS_DOWN, CROSS_UP, UNetConfig
from ldm.models.group_norm import GroupNorm
from ldm.models.layers import (
    Attention,
    BasicTransformerBlock,
    Context,
    KeysValues,
    TransformerShape,
    silu,
)
from ldm.models.timestep import TimestepEmbedding, sinusoids
from ldm.models.unet_blocks import (
    SHALLOW_LAYERS,
    CrossAttnDownBlock2D,
    CrossAttnUpBlock2D,
    DeepFeatures,
    DownBlock2D,
    ResnetShape,
    UNetMidBlock2DCrossAttn,
    UpBlock2D,
)


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else str(tuple(tensor.shape))


class UNet2DConditionModel(nn.Module):
    """Noisy latents, a timestep and a text's states in; the model's raw prediction out."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, levels = config.block_out_channels, len(config.block_out_channels)
        resnet = ResnetShape(config.time_embedding_dim, config.norm_num_groups, config.norm_eps)

        # Tokens are merged where they are most: in the first level that attends to them at all.
        attending = [kind == CROSS_DOWN for kind in config.down_block_types]
        merging = attending.index(True) if any(attending) else None

        def transformer(level: int, depth: int, only_cross_attention: bool) -> TransformerShape:
            return TransformerShape(
                heads=config.num_attention_heads[level],
                depth=depth,
                context_dim=config.cross_attention_dim[level],
                groups=config.norm_num_groups,
                linear_projection=config.use_linear_projection,
                only_cross_attention=only_cross_attention,
                upcast=config.upcast_attention,
                merges=level == merging and not only_cross_attention,
            )

        def transformers(level: int, depths: tuple[int, ...]) -> list[TransformerShape]:
            return [transformer(level, d, config.only_cross_attention[level]) for d in depths]

        self.conv_in = nn.Conv2d(
            config.in_channels,
            channels[0],
            kernel_size=config.conv_in_kernel,
            padding=config.conv_in_kernel // 2,
        )
        self.time_embedding = TimestepEmbedding(
            channels[0], config.time_embedding_dim, config.time_cond_proj_dim
        )
        if config.num_class_embeds is not None:
            self.class_embedding = nn.Embedding(config.num_class_embeds, config.time_embedding_dim)
        if config.size_embedding is not None:
            self.add_embedding = TimestepEmbedding(
                config.size_embedding.input_dim, config.time_embedding_dim
            )

        # Down: the channels of every skip are noted for the way up.
        self.down_blocks = nn.ModuleList()
        skips, width = [channels[0]], channels[0]
        for level, kind in enumerate(config.down_block_types):
            out, layers = channels[level], config.layers_per_block[level]
            padding = config.downsample_padding if level < levels - 1 else None
            if kind == CROSS_DOWN:
                shapes = transformers(level, config.transformer_layers_per_block[level])
                block: nn.Module = CrossAttnDownBlock2D(width, out, resnet, shapes, padding)
            else:
                block = DownBlock2D(width, out, layers, resnet, padding)
            self.down_blocks.append(block)
            skips += [out] * (layers if padding is None else layers + 1)
            width = out

        self.mid_block = (
            UNetMidBlock2DCrossAttn(
                width,
                resnet,
                transformer(levels - 1, config.transformer_layers_per_block[-1][0], False),
            )
            if config.mid_block_type is not None
            else None
        )

        # Up: the levels backwards, with one residual block more than on the way down.
        self.up_blocks = nn.ModuleList()
        ways_up = zip(
            reversed(range(levels)),
            config.up_block_types,
            config.reverse_transformer_layers_per_block,
            strict=True,
        )
        for level, kind, depths in ways_up:
            out = channels[level]
            taken = [skips.pop() for _ in range(config.layers_per_block[level] + 1)]
            if kind == CROSS_UP:
                shapes = transformers(level, depths)
                block = CrossAttnUpBlock2D(width, out, taken, resnet, shapes, level > 0)
            else:
                block = UpBlock2D(width, out, taken, resnet, level > 0)
            self.up_blocks.append(block)
            width = out

        self.conv_norm_out = GroupNorm(config.norm_num_groups, width, eps=config.norm_eps)
        self.conv_out = nn.Conv2d(
            width,
            config.out_channels,
            kernel_size=config.conv_out_kernel,
            padding=config.conv_out_kernel // 2,
        )

    def project(
        self, states: Tensor, token_merging_ratio: float = 0.0, again: Tensor | None = None
    ) -> Context:
        """Project a context (B, L, D) once, for use at many steps.

        The result takes the place of ``encoder_hidden_states``; it is only valid for these
        weights and this batch. With ``again``, (B - n,), the last rows are for the samples of these
        indices, whose first rows are theirs too: see :meth:`forward`.
        """
        layers = [m for m in self.modules() if isinstance(m, Attention) and m.is_cross]
        projected: dict[nn.Module, KeysValues] = {}
        for layer in layers:
            keys, values = layer.keys_values(states)  # laid out now, and not at every step
            projected[layer] = keys.contiguous(), values.contiguous()
        return Context(states, projected, token_merging_ratio, again)

    def _waves(self, numbers: Tensor, dim: int) -> Tensor:
        return sinusoids(numbers, dim, self.config.flip_sin_to_cos, self.config.freq_shift)

    def _embed(
        self,
        timestep: Tensor,
        pooled: Tensor | None,
        time_ids: Tensor | None,
        class_labels: Tensor | None,
        guidance: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        config, condition = self.config, None
        if guidance is not None and config.time_cond_proj_dim is not None:
            condition = sinusoids(1000 * guidance, config.time_cond_proj_dim, False, 1).to(dtype)
        waves = self._waves(timestep, config.block_out_channels[0])
        embedding = self.time_embedding(waves.to(dtype), condition)
        if class_labels is not None:
            embedding = embedding + self.class_embedding(class_labels)
        if pooled is not None and time_ids is not None and config.size_embedding is not None:
            waves = self._waves(time_ids.flatten(), config.size_embedding.time_embed_dim)
            sizes = waves.view(len(time_ids), -1)
            embedding = embedding + self.add_embedding(torch.cat([pooled, sizes], 1).to(dtype))
        # Each residual block begins by activating it: done once for all of them.
        return F.silu(embedding)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor | Context,
        *,
        pooled: Tensor | None = None,
        time_ids: Tensor | None = None,
        class_labels: Tensor | None = None,
        guidance: Tensor | None = None,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """Predict.

        Args:
            sample: (B, in_channels, h, w), of any height and width.
            timestep: (B,), one for each row, fractions allowed; 0 to 999 in training's terms.
            encoder_hidden_states: (B, L, cross_attention_dim), or what :meth:`project` made
                of it. Of one that says which rows come ``again``, ``sample``, ``timestep`` and what
                is told beside them may be the n first rows alone, if :attr:`may_share`: up to the
                first layer that looks at the context, the others are what these are.
            pooled: (B, P) text and time_ids: (B, 5 or 6) sizes, where the configuration has a
                ``size_embedding``.
            class_labels: (B,) whole numbers below ``num_class_embeds``, where it has that.
            guidance: (B,) guidance scales less 1 (the w of Luo et al. 2023, section 4.2), where
                it has ``time_cond_proj_dim``.
            deep: where the deep levels' features are left, or taken from in the place of running
                them; see :class:`DeepFeatures` and :attr:`can_be_shallow`.

        Returns:
            (B, out_channels, h, w) in the dtype of ``sample``.

        Raises:
            ValueError: shapes that do not belong together; something that is missing or that
                this model is not told.
        """
        context = encoder_hidden_states
        if isinstance(context, Tensor):
            context = Context(context)
        self._check(sample, timestep, context)
        sized, counted = self.config.size_embedding, self.config.num_class_embeds
        for name, given, needed in (
            ("pooled", pooled, sized),
            ("time_ids", time_ids, sized),
            ("class_labels", class_labels, counted),
            ("guidance", guidance, self.config.time_cond_proj_dim),
        ):
            if (given is None) != (needed is None):
                allowed = "nothing" if needed is None else "one for each row"
                raise ValueError(f"{name}: got {_shape(given)}, allowed: {allowed}, of this model")

        embedding = context.spread(
            self._embed(timestep, pooled, time_ids, class_labels, guidance, sample.dtype)
        )
        x = self.conv_in(sample)
        if deep is not None and deep.features is not None:
            x = self._shallow(x, embedding, context, deep)
        else:
            x, skips = self._down(x, embedding, context)
            if self.mid_block is not None:
                x = self.mid_block(x, embedding, context)
            x = self._up(x, skips, embedding, context, deep)
        return context.spread(self.conv_out(silu(self.conv_norm_out(x))))

    @property
    def may_share(self) -> bool:
        """Whether two captions' calls are the same up to the first layer that looks at the context:
        a caption's pooled text is in every layer.
        """
        return self.config.size_embedding is None

    @property
    def can_merge_tokens(self) -> bool:
        """Whether a :class:`Context` with a ratio of tokens to merge makes a difference."""
        return any(isinstance(m, BasicTransformerBlock) and m.merges for m in self.modules())

    @property
    def can_be_shallow(self) -> bool:
        """Whether the first level alone can make a prediction of the deep levels' features."""
        return self.config.layers_per_block[0] >= SHALLOW_LAYERS and len(self.up_blocks) > 1

    def _down(self, x: Tensor, embedding: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
        skips = [x]
        for block in self.down_blocks:
            x, more = block(x, embedding, context)
            skips += more
        return x, skips

    def _up(
        self,
        x: Tensor,
        skips: list[Tensor],
        embedding: Tensor,
        context: Context,
        deep: DeepFeatures | None,
    ) -> Tensor:
        *others, last = self.up_blocks
        for block in others:
            x = block(x, skips, embedding, context)
        return last(x, skips, embedding, context, deep)

    def _shallow(
        self, x: Tensor, embedding: Tensor, context: Context, deep: DeepFeatures
    ) -> Tensor:
        first = self.down_blocks[0]
        assert isinstance(first, DownBlock2D)
        skips = [x]
        for i in range(SHALLOW_LAYERS):
            skips.append(first.layer(i, skips[-1], embedding, context))
        return self.up_blocks[-1](x, skips, embedding, context, deep)

    def _check(self, sample: Tensor, timestep: Tensor, context: Context) -> None:
        channels, batch = self.config.in_channels, sample.shape[0]
        if sample.ndim != 4 or sample.shape[1] != channels:
            raise ValueError(f"sample: got {tuple(sample.shape)}, allowed: (B, {channels}, h, w)")
        if timestep.shape != (batch,):
            raise ValueError(f"timestep: got {tuple(timestep.shape)}, allowed: ({batch},)")
        again = 0 if context.again is None or not self.may_share else len(context.again)
        rows = (batch, batch + again)
        if context.states.ndim != 3 or len(context.states) not in rows:
            allowed = " or ".join(f"({n}, tokens, features)" for n in sorted({*rows}))
            raise ValueError(
                f"encoder_hidden_states: got {tuple(context.states.shape)}, allowed: {allowed}"
            )
