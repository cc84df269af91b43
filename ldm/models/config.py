"""Model configurations: frozen dataclasses read from a checkpoint's ``config.json``.

Owns the meaning of every key of those files: which are kept, which do not change what is
computed at inference, and which would change it in a way the models here do not implement.
The last kind is refused, never ignored. Knows nothing of weights or files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

CROSS_DOWN = "CrossAttnDownBlock2D"
PLAIN_DOWN = "DownBlock2D"
CROSS_UP = "CrossAttnUpBlock2D"
PLAIN_UP = "UpBlock2D"
CROSS_MID = "UNetMidBlock2DCrossAttn"

# Training aids and labels: they change nothing of what a trained model puts out.
_UNET_SILENT = frozenset(
    {
        "dropout",
        "addition_embed_type_num_heads",  # read with another addition_embed_type alone
        "mid_block_only_cross_attention",  # read by another class of middle block alone
        # How a moving average of the weights was kept (diffusers' EMAModel).
        "decay",
        "inv_gamma",
        "min_decay",
        "optimization_step",
        "power",
        "update_after_step",
        "use_ema_warmup",
    }
)

# Keys that would change the maths, with the only value implemented.
_UNET_FIXED: Mapping[str, object] = {
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "cross_attention_norm": None,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "mid_block_scale_factor": 1,
    "num_attention_heads": None,  # diffusers refuses it too: the count is attention_head_dim
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "time_embedding_act_fn": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
}

_VAE_FIXED: Mapping[str, object] = {
    "latents_mean": None,
    "latents_std": None,
    "mid_block_add_attention": True,
}


class ConfigError(ValueError):
    """A configuration asks for something these models do not compute."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        shown = repr(got)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{field}: got {shown}, allowed: {allowed}")
        self.field, self.got, self.allowed = field, got, allowed


class Reader:
    """Takes typed values out of a ``config.json`` and notes which keys were taken."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._taken: set[str] = set()

    def _get(self, key: str, default: object) -> object:
        self._taken.add(key)
        return self._values.get(key, default)

    def integer(self, key: str, default: int, minimum: int = 1) -> int:
        got = self._get(key, default)
        if not isinstance(got, int) or isinstance(got, bool) or got < minimum:
            raise ConfigError(key, got, f"a whole number of at least {minimum}")
        return got

    def optional_integer(self, key: str) -> int | None:
        return None if self._get(key, None) is None else self.integer(key, 0)

    def number(self, key: str, default: float) -> float:
        got = self._get(key, default)
        if not isinstance(got, int | float) or isinstance(got, bool):
            raise ConfigError(key, got, "a number")
        return float(got)

    def flag(self, key: str, default: bool) -> bool:
        """True or false; null is false, as published files have it."""
        got = self._get(key, default)
        got = False if got is None else got
        if not isinstance(got, bool):
            raise ConfigError(key, got, "true or false")
        return got

    def choice(self, key: str, default: str, allowed: Collection[str]) -> str:
        got = self._get(key, default)
        if not isinstance(got, str) or got not in allowed:
            raise ConfigError(key, got, " or ".join(allowed))
        return got

    def optional_choice(self, key: str, allowed: Collection[str]) -> str | None:
        return None if self._get(key, None) is None else self.choice(key, "", allowed)

    def choices(
        self, key: str, default: tuple[str, ...], allowed: Collection[str]
    ) -> tuple[str, ...]:
        got = self._get(key, default)
        if not isinstance(got, list | tuple) or not got or any(x not in allowed for x in got):
            raise ConfigError(key, got, "a list of " + " or ".join(allowed))
        return tuple(str(x) for x in got)

    def integers(
        self, key: str, default: int | tuple[int, ...], levels: int | None = None
    ) -> tuple[int, ...]:
        """One value a level: a list of that length, or one number that serves them all."""
        got = self._get(key, default)
        items = got if isinstance(got, list | tuple) else [got] * (levels or 1)
        whole = all(isinstance(x, int) and not isinstance(x, bool) and x > 0 for x in items)
        if not items or not whole or (levels is not None and len(items) != levels):
            count = "" if levels is None else f", one or {levels} of them"
            raise ConfigError(key, got, f"positive whole numbers{count}")
        return tuple(x for x in items if isinstance(x, int))

    def depths(
        self, key: str, default: Sequence[object], layers: Sequence[int]
    ) -> tuple[tuple[int, ...], ...]:
        """For each level one value a layer: a number serves every layer of its level, and one
        number alone every level. layers: how many each level has.
        """
        got = self._get(key, default)
        items = got if isinstance(got, list | tuple) else [got] * len(layers)
        nested = [
            tuple(item) if isinstance(item, list | tuple) else (item,) * count
            for item, count in zip(items, layers, strict=False)
        ]
        whole = all(
            isinstance(x, int) and not isinstance(x, bool) and x > 0
            for level in nested
            for x in level
        )
        if not whole or [*map(len, nested)] != [*layers] or len(items) != len(layers):
            raise ConfigError(
                key, got, f"positive whole numbers, one or a list for each of {len(layers)} levels"
            )
        return tuple(tuple(x for x in level if isinstance(x, int)) for level in nested)

    def flags(self, key: str, default: bool, levels: int) -> tuple[bool, ...]:
        got = self._get(key, default)
        items = got if isinstance(got, list | tuple) else [got] * levels
        if len(items) != levels or not all(isinstance(x, bool) for x in items):
            raise ConfigError(key, got, f"true or false, one or {levels} of them")
        return tuple(bool(x) for x in items)

    def size(self, key: str) -> tuple[int, int] | None:
        """(height, width), from one number or a pair; None where the file has none."""
        if self._get(key, None) is None:
            return None
        pair = self.integers(key, 0, levels=2)
        return pair[0], pair[1]

    def finish(self, fixed: Mapping[str, object], silent: Collection[str] = ()) -> None:
        """Refuse every key left that could change the maths.

        A key nobody here has heard of passes only where its value says "not used".
        """
        for key, got in self._values.items():
            if key in self._taken or key in silent or key.startswith("_"):
                continue
            if key in fixed:
                if got != fixed[key]:
                    raise ConfigError(key, got, f"{fixed[key]!r} alone (the rest is not supported)")
            elif got is not None and got is not False:
                raise ConfigError(key, got, "no such key is known")


@dataclass(frozen=True)
class SizeEmbedding:
    """How SDXL's U-Net is told sizes (Podell et al. 2023, section 2.2) beside the pooled text.

    time_embed_dim: features of each number; input_dim: those of all numbers and the pooled text.
    """

    time_embed_dim: int
    input_dim: int

    def numbers(self, pooled_dim: int) -> int | None:
        """How many numbers there are beside a pooled text of so many features; None: it cannot be.

        Six: original height and width, top and left of the crop, target height and width. Five:
        an aesthetic score in place of the last two.
        """
        count, rest = divmod(self.input_dim - pooled_dim, self.time_embed_dim)
        return count if rest == 0 and count in (5, 6) else None


@dataclass(frozen=True)
class UNetConfig:
    """A ``UNet2DConditionModel``; tuples hold one value a level, first level first.

    ``num_attention_heads`` counts heads: that is what diffusers reads from the key it calls
    ``attention_head_dim``; the size of a head is the level's channels divided by it.
    """

    in_channels: int
    out_channels: int
    sample_size: tuple[int, int] | None  # (height, width) of the latents it was trained at
    block_out_channels: tuple[int, ...]
    down_block_types: tuple[str, ...]
    mid_block_type: str | None
    up_block_types: tuple[str, ...]
    layers_per_block: tuple[int, ...]
    # one value a layer: of the levels' way down, and of their way up, the last level first
    transformer_layers_per_block: tuple[tuple[int, ...], ...]
    reverse_transformer_layers_per_block: tuple[tuple[int, ...], ...]
    num_attention_heads: tuple[int, ...]
    cross_attention_dim: tuple[int, ...]
    only_cross_attention: tuple[bool, ...]
    use_linear_projection: bool
    upcast_attention: bool
    norm_num_groups: int
    norm_eps: float
    downsample_padding: int
    conv_in_kernel: int
    conv_out_kernel: int
    flip_sin_to_cos: bool
    freq_shift: float
    time_embedding_dim: int
    time_cond_proj_dim: int | None  # features of an embedded guidance scale (LCM)
    num_class_embeds: int | None  # noise levels of a given picture (x4 upscaler)
    size_embedding: SizeEmbedding | None  # SDXL's

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> UNetConfig:
        """Read the contents of ``unet/config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: a value out of range, lists of different lengths, or a key that asks
                for something that is not implemented.
        """
        read = Reader(values)
        channels = read.integers("block_out_channels", (320, 640, 1280, 1280))
        levels = len(channels)
        down = read.choices(
            "down_block_types", (CROSS_DOWN,) * 3 + (PLAIN_DOWN,), (CROSS_DOWN, PLAIN_DOWN)
        )
        up = read.choices("up_block_types", (PLAIN_UP,) + (CROSS_UP,) * 3, (CROSS_UP, PLAIN_UP))
        for key, blocks in (("down_block_types", down), ("up_block_types", up)):
            if len(blocks) != levels:
                raise ConfigError(key, blocks, f"{levels} names, one for each block_out_channels")
        read.choice("act_fn", "silu", ("silu", "swish"))
        no_middle = "mid_block_type" in values and values["mid_block_type"] is None
        layers = read.integers("layers_per_block", 2, levels)
        depths, depths_up = _transformer_depths(read, values, layers)
        config = cls(
            in_channels=read.integer("in_channels", 4),
            out_channels=read.integer("out_channels", 4),
            sample_size=read.size("sample_size"),
            block_out_channels=channels,
            down_block_types=down,
            mid_block_type=None
            if no_middle
            else read.choice("mid_block_type", CROSS_MID, (CROSS_MID,)),
            up_block_types=up,
            layers_per_block=layers,
            transformer_layers_per_block=depths,
            reverse_transformer_layers_per_block=depths_up,
            num_attention_heads=read.integers("attention_head_dim", 8, levels),
            cross_attention_dim=read.integers("cross_attention_dim", 1280, levels),
            only_cross_attention=read.flags("only_cross_attention", False, levels),
            use_linear_projection=read.flag("use_linear_projection", False),
            upcast_attention=read.flag("upcast_attention", False),
            norm_num_groups=read.integer("norm_num_groups", 32),
            norm_eps=read.number("norm_eps", 1e-5),
            downsample_padding=read.integer("downsample_padding", 1, minimum=0),
            conv_in_kernel=read.integer("conv_in_kernel", 3),
            conv_out_kernel=read.integer("conv_out_kernel", 3),
            flip_sin_to_cos=read.flag("flip_sin_to_cos", True),
            freq_shift=read.number("freq_shift", 0),
            time_embedding_dim=4 * channels[0]
            if values.get("time_embedding_dim") is None
            else read.integer("time_embedding_dim", 0),
            time_cond_proj_dim=read.optional_integer("time_cond_proj_dim"),
            num_class_embeds=read.optional_integer("num_class_embeds"),
            size_embedding=_size_embedding(read),
        )
        read.finish(_UNET_FIXED, _UNET_SILENT)
        check_groups(channels, config.norm_num_groups)
        for key in ("conv_in_kernel", "conv_out_kernel"):
            if getattr(config, key) % 2 == 0:
                raise ConfigError(key, getattr(config, key), "an odd number")
        return config


Depths = tuple[tuple[int, ...], ...]


def _transformer_depths(
    read: Reader, values: Mapping[str, object], layers: tuple[int, ...]
) -> tuple[Depths, Depths]:
    """How many transformer blocks each layer has, on the way down and on the way up."""
    key, reverse = "transformer_layers_per_block", "reverse_transformer_layers_per_block"
    down = read.depths(key, [1] * len(layers), layers)
    up_layers = [count + 1 for count in reversed(layers)]
    mirrored = [level[0] for level in reversed(down)]
    if values.get(reverse) is not None:
        return down, read.depths(reverse, mirrored, up_layers)
    given = values.get(key)
    if isinstance(given, list | tuple) and any(isinstance(each, list | tuple) for each in given):
        raise ConfigError(reverse, None, f"a list, as {key} has lists in it")
    return down, tuple((d,) * count for d, count in zip(mirrored, up_layers, strict=True))


def _size_embedding(read: Reader) -> SizeEmbedding | None:
    kind = read.optional_choice("addition_embed_type", ("text_time",))
    keys = ("addition_time_embed_dim", "projection_class_embeddings_input_dim")
    if kind is not None:
        return SizeEmbedding(*(read.integer(key, 0) for key in keys))
    for key in keys:  # read with addition_embed_type alone
        read.optional_integer(key)
    return None


@dataclass(frozen=True)
class AutoencoderKLConfig:
    """An ``AutoencoderKL``; ``block_out_channels`` run from full to lowest resolution."""

    in_channels: int
    out_channels: int
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    latent_channels: int
    norm_num_groups: int
    use_quant_conv: bool
    use_post_quant_conv: bool
    scaling_factor: float
    shift_factor: float
    force_upcast: bool

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> AutoencoderKLConfig:
        """Read the contents of ``vae/config.json``; absent keys mean what diffusers means.

        Raises:
            ConfigError: as :meth:`UNetConfig.from_dict`.
        """
        read = Reader(values)
        channels = read.integers("block_out_channels", (64,))
        for key, name in (
            ("down_block_types", "DownEncoderBlock2D"),
            ("up_block_types", "UpDecoderBlock2D"),
        ):
            blocks = read.choices(key, (name,), (name,))
            if len(blocks) != len(channels):
                raise ConfigError(
                    key, blocks, f"{len(channels)} names, one for each block_out_channels"
                )
        read.choice("act_fn", "silu", ("silu", "swish"))
        no_shift = values.get("shift_factor") is None
        config = cls(
            in_channels=read.integer("in_channels", 3),
            out_channels=read.integer("out_channels", 3),
            block_out_channels=channels,
            layers_per_block=read.integer("layers_per_block", 1),
            latent_channels=read.integer("latent_channels", 4),
            norm_num_groups=read.integer("norm_num_groups", 32),
            use_quant_conv=read.flag("use_quant_conv", True),
            use_post_quant_conv=read.flag("use_post_quant_conv", True),
            scaling_factor=read.number("scaling_factor", 0.18215),
            shift_factor=0.0 if no_shift else read.number("shift_factor", 0.0),
            force_upcast=read.flag("force_upcast", True),
        )
        read.finish(_VAE_FIXED, silent={"sample_size"})
        check_groups(channels, config.norm_num_groups)
        if config.scaling_factor <= 0:
            raise ConfigError("scaling_factor", config.scaling_factor, "a number above 0")
        return config


def check_groups(channels: tuple[int, ...], groups: int) -> None:
    if any(c % groups for c in channels):
        raise ConfigError("norm_num_groups", groups, f"a divisor of each of {list(channels)}")
