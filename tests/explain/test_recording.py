"""What is recorded of a run, against the run, formulas and direct calls of diffusers' model."""

from dataclasses import replace

import diffusers
import pytest
import torch

from ldm.checkpoints.load import Checkpoint
from ldm.explain import recording as module
from ldm.explain.edits import WordsOff
from ldm.explain.recording import Recorder, Recording, pooled
from ldm.pipeline import Row, advance, finish, prepare
from ldm.recipe import Recipe

# float32 on both sides, a network of some thirty layers.
TOLERANCE = 2e-5


def draw(checkpoint: Checkpoint, rows: list[Row]) -> None:
    while not all(row.finished for row in rows):
        advance(checkpoint, [row for row in rows if not row.finished])


def recorded(checkpoint: Checkpoint, recipe: Recipe) -> Recording:
    (row,) = prepare(checkpoint, recipe, None, None)
    row.watcher = recorder = Recorder()
    draw(checkpoint, [row])
    return recorder.recording(checkpoint, finish(checkpoint, row).image)


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint) -> Recording:
    recipe = Recipe(
        prompt="a lake, at dawn",
        negative_prompt="rain",
        num_inference_steps=5,
        guidance_scale=3.0,
        sampler="ddim",
        seed=3,
        width=64,
        height=64,
    )
    return recorded(checkpoint, recipe)


def test_every_step_has_its_frame(run: Recording) -> None:
    assert [frame.index for frame in run.frames] == [0, 1, 2, 3, 4]
    assert [frame.sigma for frame in run.frames] == run.sigmas[:-1].tolist() == list(run.asked)
    assert len(run.moved) == 5


def test_clean_latents_and_noise_recombine(run: Recording) -> None:
    for frame in run.frames:
        back = frame.x0 + frame.sigma * frame.noise
        torch.testing.assert_close(back, frame.x, atol=1e-5 * (1 + frame.sigma), rtol=1e-6)
        as_given = (frame.x0 + frame.sigma * frame.noise) / (1 + frame.sigma**2) ** 0.5
        torch.testing.assert_close(frame.latents, as_given, atol=1e-5, rtol=1e-5)


def test_a_step_of_ddim_leads_to_the_next_frame(run: Recording) -> None:
    """Song et al. 2020, eq. 12 with eta 0, from what was recorded of the step alone."""
    for frame, following in zip(run.frames, run.frames[1:], strict=False):
        expected = frame.x0 + following.sigma * frame.noise
        torch.testing.assert_close(following.x, expected, atol=1e-4, rtol=1e-4)


def test_guidance_is_the_formula(run: Recording) -> None:
    """Ho & Salimans 2022, eq. 6: it holds for clean latents too, which are linear in the output."""
    for frame in run.frames:
        assert frame.of_negative is not None and frame.guided_by is not None
        expected = frame.of_negative + 3 * (frame.of_prompt - frame.of_negative)
        scale = 1e-5 * (1 + frame.sigma)
        torch.testing.assert_close(frame.x0, expected, atol=scale, rtol=1e-4)


def test_predictions_are_diffusers_own(
    run: Recording, small_stable_diffusion: diffusers.StableDiffusionPipeline
) -> None:
    pipe = small_stable_diffusion
    scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    states, _ = pipe.encode_prompt("a lake, at dawn", "cpu", 1, False)
    for frame in run.frames[::2]:
        a = 1 / (1 + frame.sigma**2)
        distance = (scheduler.alphas_cumprod.double() - a).abs()
        timestep = distance.argmin()
        assert distance[timestep] < 1e-6
        with torch.no_grad():
            noise = pipe.unet(frame.latents[None], timestep, states).sample[0]
        expected = frame.x - frame.sigma * noise
        scale = TOLERANCE * (1 + frame.sigma)
        torch.testing.assert_close(frame.of_prompt, expected, atol=scale, rtol=1e-4)


def test_maps_have_every_layer_and_add_up_to_one(run: Recording) -> None:
    assert len(run.places) == 64  # the small model's text length
    for frame in run.frames:
        assert [*frame.maps] == [
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
            "mid_block.attentions.0.transformer_blocks.0.attn2",
            "up_blocks.1.attentions.0.transformer_blocks.0.attn2",
            "up_blocks.1.attentions.1.transformer_blocks.0.attn2",
        ]
        for map_ in frame.maps.values():
            # float16 keeps three digits of each of the 64 numbers.
            assert torch.allclose(map_.float().sum(-1), torch.ones(map_.shape[:2]), atol=5e-3)


def test_words_are_those_of_the_caption(run: Recording) -> None:
    assert [word.text for word in run.words] == ["a", "lake", ",", "at", "dawn"]
    kinds = [place.kind for place in run.places]
    count = kinds.count("token")
    assert kinds == ["begin"] + ["token"] * count + ["end"] + ["padding"] * (62 - count)


def test_a_watched_row_and_its_neighbours_stay_the_same(
    checkpoint: Checkpoint, recipe: Recipe
) -> None:
    """A batch of three in which the middle one is watched, against the same batch unwatched."""
    results = []
    for watched in (False, True):
        rows = [
            prepare(checkpoint, replace(recipe, seed=seed), None, None)[0] for seed in (1, 2, 3)
        ]
        rows[1].watcher = Recorder() if watched else None
        draw(checkpoint, rows)
        results.append([row.x for row in rows])
    for plain, watched in zip(*results, strict=True):
        assert torch.equal(plain, watched)


def test_what_is_switched_off_is_so_in_this_row_alone(
    checkpoint: Checkpoint, recipe: Recipe
) -> None:
    rows = [prepare(checkpoint, replace(recipe, seed=seed), None, None)[0] for seed in (1, 1)]
    rows[1].watcher = Recorder((WordsOff(""),))
    draw(checkpoint, rows)
    (alone,) = prepare(checkpoint, replace(recipe, seed=1), None, None)
    draw(checkpoint, [alone])
    # A batch of another size may take another kernel: equal but for float32's rounding.
    torch.testing.assert_close(rows[0].x, alone.x, atol=1e-4, rtol=1e-4)
    assert (rows[1].x - alone.x).abs().max() > 1e-2
    frames = rows[1].watcher.recording(checkpoint, finish(checkpoint, rows[1]).image).frames
    for frame in frames:  # without words both prompts say the same
        assert frame.of_negative is not None
        scale = 1e-5 * (1 + frame.sigma)
        torch.testing.assert_close(frame.of_prompt, frame.of_negative, atol=scale, rtol=1e-4)


def test_the_end_of_the_run_is_kept(run: Recording, checkpoint: Checkpoint) -> None:
    last = run.frames[-1]
    expected = last.x0 + float(run.sigmas[-1]) * last.noise
    expected = expected / (1 + float(run.sigmas[-1]) ** 2) ** 0.5
    torch.testing.assert_close(run.final, expected, atol=1e-4, rtol=1e-4)
    moved = (run.final - last.latents).square().mean().sqrt().item()
    assert run.moved[-1] == pytest.approx(moved, rel=1e-5)
    assert run.picture.size == (64, 64)


def test_long_runs_are_thinned_evenly_and_end_with_the_last_step(
    checkpoint: Checkpoint, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FRAMES", 6)
    kept = recorded(checkpoint, replace(recipe, num_inference_steps=20, guidance_scale=1.0))
    assert kept.every == 4
    assert [frame.index for frame in kept.frames] == [0, 4, 8, 12, 16, 19]
    assert len(kept.asked) == len(kept.moved) == 20
    assert kept.frames[0].of_negative is None


def test_bytes_are_bounded(
    checkpoint: Checkpoint, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recorded(checkpoint, recipe)
    monkeypatch.setattr(module, "MAX_BYTES", whole.nbytes // 2)
    assert recorded(checkpoint, recipe).nbytes <= whole.nbytes * 0.8  # 3 of 5, the last among them


def test_samplers_of_two_evaluations_are_recorded_whole(
    checkpoint: Checkpoint, recipe: Recipe
) -> None:
    kept = recorded(checkpoint, replace(recipe, sampler="heun"))
    assert len(kept.frames) == len(kept.asked) == 9  # the last step needs one alone


def test_a_run_that_has_not_ended_is_no_recording(checkpoint: Checkpoint, recipe: Recipe) -> None:
    (row,) = prepare(checkpoint, recipe, None, None)
    row.watcher = recorder = Recorder()
    advance(checkpoint, [row])
    with pytest.raises(ValueError, match="has not ended"):
        recorder.recording(checkpoint, None)  # pyright: ignore[reportArgumentType]


def test_fine_maps_are_averaged_over_blocks() -> None:
    fine = torch.rand(8, 6, 3)
    coarse = pooled(fine, 12)
    assert coarse.shape == (4, 3, 3)
    torch.testing.assert_close(coarse[1, 2], fine[2:4, 4:6].mean((0, 1)))
