"""The judge of the embedded model: what it reads, and the distance it measures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ldm.train.data import Source
from ldm.train.evaluate import held_out_captions, held_out_pairs, probe_of
from ldm.train.probe import (
    ATTRIBUTES,
    SIDE,
    UNKNOWN,
    Probe,
    accuracy,
    attributes,
    draw_examples,
    frechet_distance,
    labels,
    things_apart,
    train_probe,
)
from ldm.train.scenes import Spec, SpriteStore, Thing, is_held_out, is_held_out_pair

LANDSCAPES = Source(("landscape",))


@pytest.mark.usefixtures("one_thread")
def test_the_probe_learns_to_read_drawings(tmp_path: Path) -> None:
    """Time of day is told by colour alone, so a few drawings are enough to beat chance clearly."""
    probe = train_probe(draw_examples(tmp_path, 0, 192, LANDSCAPES), epochs=9)
    fresh = draw_examples(tmp_path, 10_000, 64, LANDSCAPES)
    scores = accuracy(probe, fresh.pixels, fresh.labels)
    assert scores["time"] > 0.5, scores
    assert set(scores) == set(ATTRIBUTES)


def test_a_trained_probe_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = probe_of(tmp_path, 64, 1, LANDSCAPES)
    assert "training the probe" in capsys.readouterr().out
    kept = probe_of(tmp_path, 64, 1, LANDSCAPES)
    assert "training" not in capsys.readouterr().out
    for name, tensor in trained.state_dict().items():
        assert torch.equal(kept.state_dict()[name], tensor), name


def as_read(probe: Probe, pixels: torch.Tensor) -> torch.Tensor:
    """Labels of which every one is what the probe reads, without second things."""
    read = [logits.argmax(1) for logits in probe(pixels)]
    return torch.stack([*read, torch.full_like(read[0], UNKNOWN)], dim=1)


def test_accuracy_counts_right_answers(tmp_path: Path) -> None:
    probe = Probe().eval()
    pixels = draw_examples(tmp_path, 0, 12, LANDSCAPES).pixels
    truth = as_read(probe, pixels)
    assert set(accuracy(probe, pixels, truth).values()) == {1.0}
    truth[:3, :-1] = (truth[:3, :-1] + 1) % 5
    assert set(accuracy(probe, pixels, truth).values()) == {0.75}


def test_the_second_thing_is_as_right_as_the_first(tmp_path: Path) -> None:
    probe = Probe().eval()
    pixels = draw_examples(tmp_path, 0, 4, LANDSCAPES).pixels
    truth = as_read(probe, pixels)
    truth[:2, 3] += 1
    truth[0, 4] = truth[0, 3] - 1
    assert accuracy(probe, pixels, truth)["thing"] == 0.75


def test_labels_name_what_the_scene_holds(tmp_path: Path) -> None:
    examples = draw_examples(tmp_path, 50, 20, LANDSCAPES)
    for seed, row in enumerate(examples.labels, 50):
        named = {key: ATTRIBUTES[key][int(i)] for key, i in zip(ATTRIBUTES, row[:-1], strict=True)}
        drawn = LANDSCAPES.sample(seed, SIDE)
        assert named == attributes(drawn.spec)
        assert examples.captions[seed - 50] == drawn.caption
        assert np.array_equal(examples.pixels[seed - 50].permute(1, 2, 0), drawn.image)


def test_things_on_their_own_have_no_place() -> None:
    fox = Thing("fox", "1f98a+body", "noto")
    specs = [
        Spec("", "", "", things=(fox,), background="red"),
        Spec("lake", "day", "rain", things=(fox, Thing("dog", "1f415", "noto"))),
        Spec("beach", "day", "clear", ("palms",)),
        Spec("sea", "night", "clear"),
    ]
    found = labels(specs)
    assert found[0, :3].tolist() == [UNKNOWN] * 3
    assert (found[1:, :-1] >= 0).all()
    names = [ATTRIBUTES["thing"][int(i)] for i in found[:, 3]]
    assert names == ["fox", "fox", "palm tree", "nothing"]
    assert ATTRIBUTES["thing"][int(found[1, 4])] == "dog"
    assert found[[0, 2, 3], 4].tolist() == [UNKNOWN] * 3


def test_accuracy_leaves_out_what_is_unknown(tmp_path: Path) -> None:
    probe = Probe().eval()
    pixels = draw_examples(tmp_path, 0, 4, LANDSCAPES).pixels
    truth = as_read(probe, pixels)
    truth[:2, 0] = UNKNOWN
    truth[2, 0] = (truth[2, 0] + 1) % 5
    assert accuracy(probe, pixels, truth) == {"place": 0.5, "time": 1, "weather": 1, "thing": 1}


def test_frechet_distance_of_known_gaussians() -> None:
    """For Gaussians with diagonal covariance the formula is sum (m1 - m2)^2 + (s1 - s2)^2, here
    with means 0 and 1 and deviations 1 and 3 in 4 dimensions: 4 + 16. 5% for 20,000 samples."""
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(20_000, 4, generator=generator)
    other = 1 + 3 * torch.randn(20_000, 4, generator=generator)
    assert frechet_distance(one, other) == pytest.approx(20, rel=0.05)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_held_out_captions_are_held_out() -> None:
    found = held_out_captions(30, LANDSCAPES)
    assert all(is_held_out(caption) for _, caption in found)
    assert len({caption for _, caption in found}) > 20
    assert found == held_out_captions(30, LANDSCAPES)
    assert len(np.unique([spec.place for spec, _ in found])) > 5


def test_held_out_pairs_are_held_out(sprites: SpriteStore) -> None:
    found = held_out_pairs(20, sprites)
    assert all(is_held_out_pair(spec.things[0].name, spec.place) for spec, _ in found)
    assert all(len(spec.things) == 1 for spec, _ in found)


def test_things_are_counted_alone_and_in_places(tmp_path: Path) -> None:
    """Pictures of nothing count in neither."""
    probe = Probe().eval()
    pixels = draw_examples(tmp_path, 0, 6, LANDSCAPES).pixels
    truth = as_read(probe, pixels)
    nothing = ATTRIBUTES["thing"].index("nothing")
    truth[truth[:, 3] == nothing, 3] = nothing + 1
    read = [logits.argmax(1) for logits in probe(pixels)][3]
    truth[:3, 0], truth[3:, 0] = UNKNOWN, 0
    right = read == truth[:, 3]
    truth[5, 3] = nothing
    assert things_apart(probe, pixels, truth) == {
        "alone": pytest.approx(float(right[:3].float().mean())),
        "in_place": pytest.approx(float(right[3:5].float().mean())),
    }
    assert "alone" not in things_apart(probe, pixels[3:], truth[3:])
