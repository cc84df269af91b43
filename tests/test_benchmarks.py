"""The benchmarks: turns, medians and ratios; and that each can be run."""

from __future__ import annotations

import json
from mmap import mmap
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import loading, lora, picture, vae_decode
from benchmarks.contest import OURS, Contest, Ratio, hold
from benchmarks.memory import Peak

KEYS = {"load_vs_diffusers", "load_float32_vs_diffusers", "load_float16_vs_diffusers"}
KEYS |= {"load_peak_memory_of_weights", "lora_vs_diffusers", "unet_step_vs_diffusers"}
KEYS |= {"unet_step_vs_openvino", "vae_decode_vs_diffusers", "picture_vs_diffusers"}
KEYS |= {"peak_memory_vs_diffusers", "embedded_vs_diffusers", "throughput_16_vs_one_by_one"}
KEYS |= {"first_preview_16_vs_one_by_one", "speed_up_by_guidance_to_half", "speed_up_by_cache_of_3"}
KEYS |= {"speed_up_by_half_merged", "speed_up_by_all_three"}


def probe(log: Path, *rivals: str) -> Contest:
    return Contest(
        title="probing",
        module="tests.benchmark_probe",
        arguments=lambda: [str(log)],
        rivals=(OURS, *rivals),
        ratios=(
            Ratio("probe_vs_theirs", "seconds", "theirs"),
            Ratio("probe_of_theirs", "seconds", "theirs", of_rival=True),
            Ratio("probe_seconds", "seconds"),
        ),
        rounds=3,
    )


def test_rivals_take_turns_and_medians_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.chdir(root)
    log = tmp_path / "log"
    outcome = hold(probe(log, "theirs"))
    # The first of a round is the last of the next.
    assert log.read_text().split() == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert [run["seconds"] for run in outcome.runs[OURS]] == [2, 4, 6]
    assert outcome.medians["theirs"]["seconds"] == 12
    assert outcome.ratios == {
        "probe_vs_theirs": 3.0,
        "probe_of_theirs": pytest.approx(1 / 3),
        "probe_seconds": 4.0,
    }


def test_a_rival_that_fails_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(RuntimeError, match="this rival cannot run"):
        hold(probe(tmp_path / "log", "broken"), rounds=1)


def test_the_results_are_written_and_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    root: Path,
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results")
    contests = {"probe": (probe(tmp_path / "log", "theirs"),), "other": ()}
    monkeypatch.setattr(program, "BENCHMARKS", contests)
    program.main(["probe", "--rounds", "1"])
    written = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert written["ratios"]["probe_vs_theirs"] == 3.0
    assert written["ratios"]["probe_seconds"] == 2.0
    assert written["machine"]["cores"] >= 1
    assert len(written["runs"]["probing"]["theirs"]) == 1
    assert "probe_vs_theirs" in capsys.readouterr().out


def test_every_key_once() -> None:
    keys = [
        ratio.key
        for contests in program.BENCHMARKS.values()
        for contest in contests
        for ratio in contest.ratios
    ]
    assert set(keys) >= KEYS
    assert len(keys) == len(set(keys))


def test_what_is_measured_is_loading(small_stable_diffusion_folder: Path) -> None:
    """On a small folder both sides run, and say what they took."""
    for rival, dtype in ((OURS, "default"), (loading.DIFFUSERS, "default"), (OURS, "float32")):
        figures = loading.measure(rival, dtype, small_stable_diffusion_folder)
        assert 0 < figures["seconds"] < 60
        assert figures[loading.MEMORY] >= 0


def test_what_is_measured_is_adding(small_stable_diffusion_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "known.safetensors"
    lora.write(small_stable_diffusion_folder, file)
    for rival in lora.CONTESTS[0].rivals:
        assert lora.measure(rival, small_stable_diffusion_folder, file)["seconds"] > 0


def test_what_is_measured_is_drawing(small_stable_diffusion_folder: Path) -> None:
    for rival in picture.CONTESTS[0].rivals:
        figures = picture.measure(rival, small_stable_diffusion_folder, steps=2, size=64)
        assert figures[picture.SECONDS] > 0
        assert figures[picture.MEMORY] >= 0


def test_what_is_measured_is_decoding(small_stable_diffusion_folder: Path) -> None:
    for rival in vae_decode.CONTESTS[0].rivals:
        assert vae_decode.measure(rival, small_stable_diffusion_folder)[vae_decode.SECONDS] > 0


def test_memory_is_counted_from_here() -> None:
    """The system's own pages: what this process freed before would be used again unseen."""
    peak = Peak()
    assert peak.rise < 10 << 20
    with mmap(-1, 50 << 20) as more:
        more.write(b"1" * (50 << 20))
    assert 45 << 20 < peak.rise < 150 << 20
