"""LoRAs against diffusers' and PEFT's own load and fuse, and against the formula."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ldm.checkpoints.extras import Extras
from ldm.checkpoints.load import Checkpoint, load
from ldm.checkpoints.memory import Turns
from ldm.models.text_encoder import TextEncoder
from tests.checkpoints.lora_files import (
    Factors,
    attention_of,
    bytes_of,
    first_diffusers,
    kohya,
    modules_of,
    peft,
    random_factors,
    write,
)
from tests.checkpoints.original_layout import unet_state
from tests.checkpoints.small_models import Small, sd1, xl

CPU, FLOAT32 = torch.device("cpu"), torch.float32
TEXT = "text_model."


@pytest.fixture(scope="module")
def small() -> Small:
    torch.manual_seed(0)
    return sd1()


@pytest.fixture(scope="module")
def folder(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lora") / "sd1"
    small.pipeline.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load(folder, CPU, FLOAT32)


@pytest.fixture(autouse=True)
def clean(checkpoint: Checkpoint) -> Iterator[None]:
    """Every test leaves the model's own weights behind, to the bit."""
    before = bytes_of(modules(checkpoint).values())
    yield
    checkpoint.loras.use(())
    assert bytes_of(modules(checkpoint).values()) == before
    checkpoint.loras.files = {}


def modules(checkpoint: Checkpoint) -> dict[str, Any]:
    assert isinstance(checkpoint.text_encoder, TextEncoder)
    return {"unet": checkpoint.unet, "text_encoder": checkpoint.text_encoder.model}


def weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {
        f"{component}.{name}": value.clone()
        for component, module in modules(checkpoint).items()
        for name, value in module.state_dict().items()
    }


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def use(checkpoint: Checkpoint, *wanted: tuple[Path, float]) -> dict[str, Tensor]:
    """The weights with these files added."""
    checkpoint.loras.files = {path.stem: path for path, _ in wanted}
    pairs = tuple((path.stem, weight) for path, weight in wanted)
    checkpoint.loras.check(pairs)
    checkpoint.loras.use(pairs)
    return weights(checkpoint)


def expected(
    own: dict[str, Tensor], *added: tuple[str, dict[str, Factors], float]
) -> dict[str, Tensor]:
    """W + weight * alpha / rank * up @ down, written out."""
    result = dict(own)
    for component, factors, weight in added:
        for name, each in factors.items():
            key = f"{component}.{name}.weight"
            result[key] = result[key] + weight * each.product.view(result[key].shape)
    return result


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """1e-5 in float32: the same sums in another order."""
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=0, msg=name)


def assert_moved(own: dict[str, Tensor], merged: dict[str, Tensor], count: int) -> None:
    """So many weights and no others have changed, and by more than rounding."""
    assert sum(bool((merged[n] - v).abs().max() > 1e-2) for n, v in own.items()) == count


# --- layouts ------------------------------------------------------------------------------------


def test_kohyas_layout_and_its_alpha(checkpoint: Checkpoint, small: Small, tmp_path: Path) -> None:
    pipeline = small.pipeline
    unet = random_factors(attention_of(pipeline.unet), 4, 2.0, generator(1))
    text = random_factors(attention_of(pipeline.text_encoder), 8, 8.0, generator(2))
    file = write(
        tmp_path / "style.safetensors",
        kohya("lora_unet_", unet),
        kohya("lora_te_text_model_", text),
    )
    own = weights(checkpoint)
    merged = use(checkpoint, (file, 0.7))
    assert_same(merged, expected(own, ("unet", unet, 0.7), ("text_encoder", text, 0.7)))
    assert_moved(own, merged, len(unet) + len(text))


def test_convolutions_of_every_size(checkpoint: Checkpoint, small: Small, tmp_path: Path) -> None:
    """LoCon: 3x3, 1x1, strided; of rank 3, with and without a factor between (CP)."""
    convolutions = modules_of(
        small.pipeline.unet,
        lambda n: n.endswith((".conv1", ".conv2", ".conv", "conv_shortcut", "conv_in")),
    )
    assert len(convolutions) > 20
    own = weights(checkpoint)
    for mid in (False, True):
        factors = random_factors(convolutions, 3, 1.0, generator(3), mid)
        file = write(tmp_path / f"locon{mid}.safetensors", kohya("lora_unet_", factors))
        merged = use(checkpoint, (file, 1.0))
        assert_same(merged, expected(own, ("unet", factors, 1.0)))
        assert_moved(own, merged, len(factors))


def test_every_layout_is_the_same_lora(
    checkpoint: Checkpoint, small: Small, tmp_path: Path
) -> None:
    """One LoRA in five layouts, among them the original names of the U-Net's blocks."""
    layers = modules_of(small.pipeline.unet, lambda n: ".attn" in n and ".to_" in n)
    factors = random_factors(layers, 4, None, generator(4))
    originals = _original_names(small.pipeline.unet)
    renamed = {originals[name]: each for name, each in factors.items()}
    files = {
        "kohya": kohya("lora_unet_", factors),
        "original": kohya("lora_unet_", renamed),
        "peft": peft("unet.", factors),
        "saved": peft("base_model.model.", factors),
        "comfy": peft("diffusion_model.", renamed),
        "first": first_diffusers(factors),
    }
    own = weights(checkpoint)
    wanted = expected(own, ("unet", factors, 1.0))
    for name, state in files.items():
        merged = use(checkpoint, (write(tmp_path / f"{name}.safetensors", state), 1.0))
        assert_same(merged, wanted)


def _original_names(unet: Any) -> dict[str, str]:
    """Module -> its original name, by writing the model in the original layout."""
    kept = {id(value): name for name, value in unet.named_parameters()}
    assert len(kept) == len(dict(unet.named_parameters()))
    numbered = {name: torch.full((1,), float(i)) for i, name in enumerate(kept.values())}
    found: dict[str, str] = {}
    with torch.no_grad():
        saved = {name: value.data for name, value in unet.named_parameters()}
        for name, value in unet.named_parameters():
            value.data = numbered[name]
        state = unet_state(unet)
        for name, value in unet.named_parameters():
            value.data = saved[name]
    names = list(kept.values())
    for original, value in state.items():
        ours = names[int(value)]
        found[ours.rpartition(".")[0]] = original.rpartition(".")[0]
    return found


def test_old_names_of_text_models(checkpoint: Checkpoint, small: Small, tmp_path: Path) -> None:
    layers = modules_of(small.pipeline.text_encoder, lambda n: n.endswith("_proj"))
    factors = random_factors(layers, 2, None, generator(5))
    own = weights(checkpoint)
    wanted = expected(own, ("text_encoder", factors, 1.0))
    second = {
        f"text_encoder.{TEXT}{name}.lora_linear_layer.{part}.weight": getattr(each, part)
        for name, each in factors.items()
        for part in ("up", "down")
    }
    first = {
        key.replace("q_proj.lora_linear_layer", "to_q_lora")
        .replace("k_proj.lora_linear_layer", "to_k_lora")
        .replace("v_proj.lora_linear_layer", "to_v_lora")
        .replace("out_proj.lora_linear_layer", "to_out_lora"): value
        for key, value in second.items()
    }
    assert not any("_proj" in key for key in first)
    for name, state in (("first", first), ("second", second)):
        merged = use(checkpoint, (write(tmp_path / f"{name}.safetensors", state), 1.0))
        assert_same(merged, wanted)


# --- against diffusers --------------------------------------------------------------------------


def _fused(folder: Path, file: Path, weight: float) -> dict[str, Tensor]:
    """The weights of diffusers' pipeline with a LoRA fused by diffusers and PEFT."""
    import diffusers

    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    pipeline.fuse_lora(lora_scale=weight)
    pipeline.unload_lora_weights()
    parts = ("unet", "text_encoder", "text_encoder_2")
    return {
        f"{part}.{name}": value.detach()
        for part in parts
        if getattr(pipeline, part, None) is not None
        for name, value in getattr(pipeline, part).state_dict().items()
    }


def test_kohyas_files_as_diffusers_loads_them(
    checkpoint: Checkpoint, small: Small, folder: Path, tmp_path: Path
) -> None:
    unet = random_factors(attention_of(small.pipeline.unet), 4, 1.0, generator(6))
    text = random_factors(
        modules_of(small.pipeline.text_encoder, lambda n: "self_attn" in n), 4, 3.0, generator(7)
    )
    file = write(
        tmp_path / "kohya.safetensors",
        kohya("lora_unet_", unet),
        kohya("lora_te_text_model_", text),
    )
    assert_same(use(checkpoint, (file, 0.8)), _fused(folder, file, 0.8))


def test_a_file_that_diffusers_saved(checkpoint: Checkpoint, folder: Path, tmp_path: Path) -> None:
    """With ranks and alphas that differ, which it writes into the header."""
    import diffusers
    from peft import LoraConfig

    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder)
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["to_q", "to_v", "conv1", "ff.net.0.proj"],
        rank_pattern={"conv1": 2},
        alpha_pattern={"to_v": 3},
    )
    pipeline.unet.add_adapter(config)
    with torch.no_grad():
        for name, value in pipeline.unet.named_parameters():
            if "lora_B" in name:  # which begin at zero
                value.normal_(generator=generator(8))
    from peft.utils import get_peft_model_state_dict

    kind: Any = type(pipeline)
    kind.save_lora_weights(
        tmp_path,
        unet_lora_layers=get_peft_model_state_dict(pipeline.unet),
        weight_name="saved.safetensors",
        unet_lora_adapter_metadata=pipeline.unet.peft_config["default"].to_dict(),
    )
    file = tmp_path / "saved.safetensors"
    own = weights(checkpoint)
    merged = use(checkpoint, (file, 1.0))
    assert_same(merged, _fused(folder, file, 1.0))
    assert sum(not torch.equal(own[name], value) for name, value in merged.items()) > 20


def test_both_text_models_and_the_original_names_of_xl(tmp_path: Path) -> None:
    torch.manual_seed(1)
    pipeline = xl().pipeline
    folder = tmp_path / "xl"
    pipeline.save_pretrained(folder)
    originals = _original_names(pipeline.unet)
    layers = modules_of(pipeline.unet, lambda n: ".attn" in n and ".to_" in n)
    unet = random_factors(layers, 4, 2.0, generator(9))
    texts = [
        random_factors(modules_of(part, lambda n: "self_attn" in n), 4, 4.0, generator(10 + index))
        for index, part in enumerate((pipeline.text_encoder, pipeline.text_encoder_2))
    ]
    file = write(
        tmp_path / "xl.safetensors",
        kohya("lora_unet_", {originals[name]: each for name, each in unet.items()}),
        kohya("lora_te1_text_model_", texts[0]),
        kohya("lora_te2_", texts[1]),
    )
    assert any(
        name.startswith("lora_te2_text_model_encoder") for name in kohya("lora_te2_", texts[1])
    )
    checkpoint = load(folder, CPU, FLOAT32, Extras(loras={"xl": file}))
    checkpoint.loras.use((("xl", 0.6),))
    own = {
        f"{component}.{name}": value
        for component, module in checkpoint.loras.modules.items()
        for name, value in module.state_dict().items()
    }
    assert set(checkpoint.loras.modules) == {"unet", "text_encoder", "text_encoder_2"}
    assert_same(own, _fused(folder, file, 0.6))


# --- several, and none again --------------------------------------------------------------------


def test_several_at_once_and_each_alone_again(
    checkpoint: Checkpoint, small: Small, tmp_path: Path
) -> None:
    """The second is added to the model's own weights, not to what rounding left of the first."""
    unet = small.pipeline.unet
    first = random_factors(attention_of(unet), 4, 4.0, generator(12))
    second = random_factors(modules_of(unet, lambda n: "attn1" in n), 2, 1.0, generator(13))
    files = [
        write(tmp_path / "first.safetensors", kohya("lora_unet_", first)),
        write(tmp_path / "second.safetensors", peft("unet.", second)),
    ]
    second = {name: Factors(each.up, each.down) for name, each in second.items()}
    own = weights(checkpoint)
    both = use(checkpoint, (files[0], 0.5), (files[1], -1.5))
    assert_same(both, expected(own, ("unet", first, 0.5), ("unet", second, -1.5)))
    alone = use(checkpoint, (files[1], 1.0))
    assert_same(alone, expected(own, ("unet", second, 1.0)))
    again = use(checkpoint, (files[0], 0.5), (files[1], -1.5))
    assert all(torch.equal(again[name], value) for name, value in both.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once_and_removed_to_the_bit(
    folder: Path, small: Small, tmp_path: Path, dtype: torch.dtype
) -> None:
    checkpoint = load(folder, CPU, dtype)
    before = bytes_of(modules(checkpoint).values())
    own = weights(checkpoint)
    layers = {**attention_of(small.pipeline.unet)}
    layers |= modules_of(small.pipeline.unet, lambda n: n.endswith("conv1"))
    factors = random_factors(layers, 4, 1.0, generator(14))
    file = write(tmp_path / "half.safetensors", kohya("lora_unet_", factors))
    merged = use(checkpoint, (file, 1.0))
    wanted = expected({n: v.float() for n, v in own.items()}, ("unet", factors, 1.0))
    for name, value in wanted.items():
        assert merged[name].dtype == dtype
        # One rounding of the exact sum, which another order of sums moves to a neighbour at most.
        step = torch.finfo(dtype).eps
        torch.testing.assert_close(merged[name].float(), value, atol=1e-5, rtol=step)
    conv = checkpoint.unet.get_parameter("down_blocks.0.resnets.0.conv1.weight")
    assert conv.is_contiguous(memory_format=torch.channels_last)
    checkpoint.loras.use(())
    assert bytes_of(modules(checkpoint).values()) == before


class _OtherMemory(Turns):
    """Parts that take turns on a device whose memory is stood for by copies."""

    def moved(self, tensor: Tensor) -> Tensor:
        return tensor.clone()


@pytest.mark.parametrize("used_there", [True, False])
@pytest.mark.parametrize("removed_there", [True, False])
def test_parts_may_take_turns_meanwhile(
    folder: Path, small: Small, tmp_path: Path, used_there: bool, removed_there: bool
) -> None:
    """Whether the U-Net is on the device or waits while a LoRA is added and taken away."""
    checkpoint = load(folder, CPU, FLOAT32)
    before = bytes_of(modules(checkpoint).values())
    own = weights(checkpoint)
    factors = random_factors(attention_of(small.pipeline.unet), 4, 1.0, generator(15))
    file = write(tmp_path / "turns.safetensors", kohya("lora_unet_", factors))
    turns = _OtherMemory([checkpoint.unet], CPU)
    if used_there:
        turns.begin(checkpoint.unet)
    merged = use(checkpoint, (file, 1.0))
    assert_same(merged, expected(own, ("unet", factors, 1.0)))
    turns.end()
    turns.begin(checkpoint.unet)
    assert all(torch.equal(merged[name], value) for name, value in weights(checkpoint).items())
    if not removed_there:
        turns.end()
    checkpoint.loras.use(())
    turns.end()
    assert bytes_of(modules(checkpoint).values()) == before
