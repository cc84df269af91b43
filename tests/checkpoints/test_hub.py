"""Models of the Hub, fetched by `huggingface_hub` itself from a small server in this process."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from ldm.checkpoints.files import CheckpointError, name_of
from ldm.checkpoints.hub import Transfer, fetch, parse_id
from tests.checkpoints.hub_server import Hub, Repository, ask, commit_of, go_offline, serve

WEIGHTS = bytes(range(256)) * 1000
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
    "requires_safety_checker": True,
}
SHARDS = [f"diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
SETTINGS = {
    "model_index.json": json.dumps(INDEX).encode(),
    "README.md": b"---\nlicense: mit\n---\n",
    "scheduler/scheduler_config.json": b'{"scheduler": 1}',
    "tokenizer/vocab.json": b'{"a": 1}',
    "tokenizer/merges.txt": b"a b",
    "unet/config.json": b'{"unet": 1}',
    "text_encoder/config.json": b'{"text_encoder": 1}',
}
PLAIN = {
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
    "text_encoder/model.safetensors": WEIGHTS[:999],
}
HALF_INDEX = "unet/diffusion_pytorch_model.safetensors.index.fp16.json"
HALF = {
    HALF_INDEX: json.dumps({"weight_map": dict(zip("ab", SHARDS, strict=True))}).encode(),
    f"unet/{SHARDS[0]}": WEIGHTS[:500],
    f"unet/{SHARDS[1]}": WEIGHTS[:501],
}
OTHERS = {  # what other programs need, and what is never opened
    ".gitattributes": b"",
    "unet/diffusion_pytorch_model.bin": WEIGHTS,
    "unet/diffusion_pytorch_model.non_ema.safetensors": WEIGHTS,
    "text_encoder/flax_model.msgpack": WEIGHTS,
    "text_encoder/model.onnx": WEIGHTS,
    "safety_checker/config.json": b"{}",
    "safety_checker/model.safetensors": WEIGHTS,
    "vae_1_0/config.json": b"{}",
    "v1-5-pruned.ckpt": WEIGHTS,
    "v1-5-pruned.safetensors": WEIGHTS[:777],
}
FILES = SETTINGS | PLAIN | HALF | OTHERS
PICKLED = SETTINGS | {
    "unet/diffusion_pytorch_model.bin": WEIGHTS,
    "text_encoder/model.safetensors": WEIGHTS,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with the model someone/model, which this process asks."""
    with serve({"someone/model": Repository(FILES)}) as server:
        ask(server.url, monkeypatch)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def refusal(
    model: str, cache: Path, revision: str | None = None, variant: str | None = None
) -> str:
    with pytest.raises(CheckpointError) as caught:
        fetch(model, revision, variant, cache=cache)
    return str(caught.value)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what is fetched ----------------------------------------------------------------------------


def test_only_the_files_that_are_used(hub: Hub, cache: Path) -> None:
    fetched = fetch("someone/model", cache=cache)
    assert fetched.commit == commit_of(FILES)
    assert files_in(fetched.path) == SETTINGS | PLAIN
    assert sorted(hub.fetched()) == sorted(SETTINGS | PLAIN)  # each once


def test_the_variant_where_there_is_one_and_the_plain_file_elsewhere(hub: Hub, cache: Path) -> None:
    fetched = fetch("someone/model", variant="fp16", cache=cache)
    text = {"text_encoder/model.safetensors": PLAIN["text_encoder/model.safetensors"]}
    assert files_in(fetched.path) == SETTINGS | HALF | text


def test_float16_where_it_is_all_there_is(hub: Hub, cache: Path) -> None:
    hub.repositories["someone/half"] = Repository(
        SETTINGS
        | HALF
        | {
            "text_encoder/model.fp16.safetensors": WEIGHTS,
        }
    )
    fetched = fetch("someone/half", cache=cache)
    assert {"text_encoder/model.fp16.safetensors", *HALF} <= files_in(fetched.path).keys()


def test_one_file_of_a_repository(hub: Hub, cache: Path) -> None:
    fetched = fetch("someone/model/v1-5-pruned.safetensors", cache=cache)
    assert fetched.path.read_bytes() == WEIGHTS[:777]
    assert not [name for name in hub.fetched() if "/" in name]
    assert name_of(fetched.path) == "someone/model/v1-5-pruned.safetensors"


def test_a_repository_that_is_one_part(hub: Hub, cache: Path) -> None:
    """As autoencoders are published."""
    part = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": WEIGHTS}
    hub.repositories["someone/vae"] = Repository(part | {"diffusion_pytorch_model.bin": b""})
    assert files_in(fetch("someone/vae", cache=cache).path) == part


def test_a_revision_is_pinned(hub: Hub, cache: Path) -> None:
    hub.repositories["someone/model"].branches = ("main", "refs/pr/3")
    by_branch = fetch("someone/model", revision="refs/pr/3", cache=cache)
    count = len(hub.asked)
    by_commit = fetch("someone/model", revision=commit_of(FILES), cache=cache)
    assert by_branch == by_commit
    assert len(hub.asked) == count  # a commit never changes: the cache knows all of it
    assert name_of(by_commit.path) == "someone/model"
    assert by_commit.path.name == by_commit.commit


def test_progress_adds_up(hub: Hub, cache: Path) -> None:
    told: list[Transfer] = []
    fetch("someone/model", report=told.append, cache=cache)
    total = sum(map(len, PLAIN.values()))
    assert {transfer.file for transfer in told} == set(PLAIN)
    assert {transfer.total for transfer in told} == {total}
    assert [transfer.done for transfer in told] == sorted(transfer.done for transfer in told)
    assert told[-1].done == total


def test_a_report_that_raises_ends_the_download(hub: Hub, cache: Path) -> None:
    class Stop(Exception):
        pass

    def stop(transfer: Transfer) -> None:
        raise Stop

    with pytest.raises(Stop):
        fetch("someone/model", report=stop, cache=cache)
    assert not list(cache.rglob("*.incomplete"))
    assert files_in(fetch("someone/model", cache=cache).path) == SETTINGS | PLAIN


def test_a_connection_that_breaks_is_taken_up_again(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 14)  # it keeps whole chunks
    hub.cut_at = 100_000
    fetched = fetch("someone/model", cache=cache)
    assert hub.cut_at == 0
    assert files_in(fetched.path) == SETTINGS | PLAIN
    assert hub.ranges == [f"bytes={100_000 // (1 << 14) * (1 << 14)}-"]


# --- the cache ----------------------------------------------------------------------------------


def test_without_a_connection_the_cache_answers(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = fetch("someone/model", cache=cache)
    go_offline(monkeypatch)
    count = len(hub.asked)
    assert fetch("someone/model", cache=cache) == online
    assert len(hub.asked) == count


def test_a_cache_of_an_older_library_answers_too(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds no list of the repository's files."""
    older = Path(
        shutil.copytree(
            fetch("someone/model", cache=cache).path.parents[1],
            cache.parent / "older" / "models--someone--model",
            symlinks=True,
        )
    )
    shutil.rmtree(older / "trees")
    go_offline(monkeypatch)
    fetched = fetch("someone/model", cache=older.parent)
    assert files_in(fetched.path) == SETTINGS | PLAIN


def test_a_cache_with_a_hole_is_no_model(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = fetch("someone/model", cache=cache)
    (fetched.path / "unet/diffusion_pytorch_model.safetensors").unlink()
    go_offline(monkeypatch)
    text = refusal("someone/model", cache)
    assert "HF_HUB_OFFLINE" in text and "someone/model" in text


# --- what is refused ----------------------------------------------------------------------------


def test_no_such_model(hub: Hub, cache: Path) -> None:
    text = refusal("someone/else", cache)
    assert text.startswith("someone/else: got no model of that name") and "HF_TOKEN" in text


def test_no_such_revision_variant_or_file(hub: Hub, cache: Path) -> None:
    assert "got no revision 'v9'" in refusal("someone/model", cache, revision="v9")
    text = refusal("someone/model", cache, variant="bf16")
    assert "got variant 'bf16', allowed: fp16, non_ema, or none" in text
    text = refusal("someone/model/v2.safetensors", cache)
    assert "got no such file" in text and "v1-5-pruned.safetensors" in text
    assert not hub.fetched() or not any(name.endswith(".safetensors") for name in hub.fetched())


def test_no_connection(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({}) as server:
        gone = server.url
    ask(gone, monkeypatch)
    text = refusal("someone/model", cache)
    assert f"got no way to {gone}" in text and "Connection refused" in text
    assert "a model's own folder" in text


def test_no_permission_and_then_a_token(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["someone/gated"] = Repository(FILES, gated=True)
    text = refusal("someone/gated", cache)
    assert "got no permission" in text and f"{hub.url}/someone/gated" in text
    assert not list(cache.rglob("snapshots"))
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert files_in(fetch("someone/gated", cache=cache).path) == SETTINGS | PLAIN


def test_pickles_alone(hub: Hub, cache: Path) -> None:
    hub.repositories["someone/old"] = Repository(PICKLED)
    text = refusal("someone/old", cache)
    assert text.startswith("someone/old/unet: got pickle files alone (diffusion_pytorch_model.bin)")
    assert "safetensors" in text and "refs/pr/" in text
    text = refusal("someone/model/v1-5-pruned.ckpt", cache)
    assert text.startswith("someone/model/v1-5-pruned.ckpt: got a pickle file")
    assert not [name for name in hub.fetched() if not name.endswith((".json", ".md", ".txt"))]


def test_a_repository_of_whole_files_names_them(hub: Hub, cache: Path) -> None:
    hub.repositories["someone/files"] = Repository({"a.safetensors": b"", "b.safetensors": b""})
    text = refusal("someone/files", cache)
    assert "someone/files/a.safetensors or someone/files/b.safetensors" in text


def test_a_disk_that_is_too_small(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=200_000))
    text = refusal("someone/model", cache)
    assert "got 200 kB free" in text and "allowed: 257 kB" in text and "HF_HUB_CACHE" in text
    assert not [name for name in hub.fetched() if name.endswith(".safetensors")]


@pytest.mark.parametrize("text", ["model", "/a/b", "./a", "a/b/c", "a/b/c.txt", "a b/c", "", "a/"])
def test_what_is_no_id(text: str) -> None:
    assert parse_id(text) is None


# --- programs of their own ----------------------------------------------------------------------

FETCH = "import sys; from ldm.checkpoints.hub import fetch; print(fetch('someone/model').path)"


def program(hub: Hub, cache: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """Another program that fetches the model; limit: bytes that a file of its may have."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    settings = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restrict,
    )


def test_two_programs_at_once_fetch_it_once(hub: Hub, cache: Path) -> None:
    hub.seconds_a_block = 0.3
    running = [program(hub, cache) for _ in range(2)]
    places = {process.communicate(timeout=300)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (place,) = places
    assert files_in(Path(place)) == SETTINGS | PLAIN
    for name in PLAIN:
        assert hub.fetched().count(name) == 1


def test_a_disk_that_fills_up_leaves_nothing_half_written(hub: Hub, cache: Path) -> None:
    """The system refuses to write on, as it does on a full disk."""
    process = program(hub, cache, limit=100_000)
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    assert "CheckpointError: someone/model: got no room for it in" in error
    assert not list(cache.rglob("*.incomplete"))
    written = {path.stat().st_size for path in cache.rglob("blobs/*")}
    assert max(written) <= 100_000  # what fits is whole, the rest is not there
    assert files_in(fetch("someone/model", cache=cache).path) == SETTINGS | PLAIN
