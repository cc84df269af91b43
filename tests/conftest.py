"""What every test shares: no network, a skip with its reason for `gpu` tests, the places of files.

It knows nothing of `ldm`; fixtures of one area stand in that area's own conftest.
"""

import os
from pathlib import Path

import pytest

# Read by the libraries when they are first imported, so set before any test module is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is neither cuda nor mps."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # only where a test asks: it takes seconds

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="this machine has neither cuda nor mps"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def embedded_model(root: Path) -> Path:
    """The folder of the model that comes with the app."""
    return root / "assets" / "models" / "vignette"
