"""The command line with models of the Hub: fetched from a small server, then drawn with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from PIL import Image

from ldm.__main__ import main
from ldm.checkpoints import locate, registry
from ldm.recipe import Recipe
from tests.checkpoints.hub_server import Hub, Repository, ask, commit_of, go_offline, serve

DRAW = ("a lake", "--size", "64x64", "--steps", "2", "--guidance", "1", "-o")


@pytest.fixture(scope="module")
def files(
    small_stable_diffusion: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """A whole small Stable Diffusion, in float32 and in its variant fp16, and an old pickle."""
    folder = tmp_path_factory.mktemp("hub")
    small_stable_diffusion.save_pretrained(folder)
    small_stable_diffusion.save_pretrained(folder, variant="fp16")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve({"someone/small": Repository(files)}) as server:
        ask(server.url, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)
        yield server


def recipe_of(path: Path) -> Recipe:
    return Recipe.from_json(Image.open(path).text["recipe"])  # type: ignore[attr-defined]


def test_an_id_is_fetched_drawn_with_and_kept(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*DRAW, "a.png", "--model", "someone/small"]) == 0
    commit = commit_of(hub.repositories["someone/small"].files)
    assert f"someone/small is taken at commit {commit}" in capsys.readouterr().err
    assert recipe_of(tmp_path / "a.png").model == "someone/small"
    assert not [name for name in hub.fetched() if name.endswith((".bin", ".fp16.safetensors"))]

    go_offline(monkeypatch)
    again = ["--from", "a.png", "--revision", commit, "-o", "b.png"]
    assert main(again) == 0  # the recipe's own model, from the cache
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_a_name_of_the_list_with_its_variant(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.KnownModel(
        "small", "someone/small", "Small", "sd1", (64, 64), "mit", {"unet": 1}
    )
    monkeypatch.setattr(locate, "MODELS", {"small": model})
    assert main([*DRAW, "a.png", "--model", "small", "--quiet"]) == 0
    assert recipe_of(tmp_path / "a.png").model == "small"
    weights = [name for name in hub.fetched() if name.endswith(".safetensors")]
    assert len(weights) == 3 and all(name.endswith(".fp16.safetensors") for name in weights)


def test_what_cannot_be_had_is_one_line(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        (("--model", "someone/else"), "someone/else: got no model of that name"),
        (("--model", "someone/small", "--variant", "bf16"), "got variant 'bf16', allowed: fp16"),
        (("--model", "someone/small", "--revision", "v9"), "got no revision 'v9'"),
        (("--model", "someone/small/old.ckpt"), "got a pickle file"),
        (("--model", "small.ckpt"), "small.ckpt: got a pickle file"),
    ):
        assert main([*DRAW, "a.png", *options]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: --model: ") and words in error
        assert error.count("\n") == 1
