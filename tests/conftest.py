"""What every test shares: no network, a skip with its reason for `gpu` tests, the places of files.

Fixtures of one area stand in that area's own conftest.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import diffusers

    from tests.small_upscalers import Loaded

# Read by the libraries when they are first imported, so set before any test module is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread for each process that runs side by side: threads that wait for one another in turns
    # with another process's make both several times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, browser tests last; skip `gpu` ones where there is neither cuda nor mps.

    Playwright's synchronous interface keeps an event loop running in this thread from its first
    use to the end, and no test after it could run another.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # only where a test asks: it takes seconds

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="this machine has neither cuda nor mps"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch calculates with one thread, in the threads that the test starts as well."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def embedded_model(root: Path) -> Path:
    """The folder of the model that comes with the app."""
    return root / "assets" / "models" / "vignette"


@pytest.fixture(scope="session")
def small_stable_diffusion() -> "diffusers.StableDiffusionPipeline":
    """A whole Stable Diffusion with random weights: factor 8, 4 channels, native size 64 pixels."""
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    from ldm.train.tokenizer import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a lake at dawn", "a forest in the rain"] * 5, 600)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
    )
    return diffusers.StableDiffusionPipeline(
        vae,
        text,
        tokenizer,
        unet,
        diffusers.DDIMScheduler(beta_schedule="scaled_linear"),
        None,
        None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="session")
def small_stable_diffusion_folder(
    small_stable_diffusion: "diffusers.StableDiffusionPipeline",
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same, as diffusers saves it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    small_stable_diffusion.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Loaded]":
    """A small upscaler or first latent diffusion model by its name: diffusers', and ours of it."""
    from tests.small_upscalers import save_and_load

    return cache(lambda name: save_and_load(name, tmp_path_factory.mktemp(name)))
