"""A picture does not depend on who is drawn beside it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm.engine import Engine
from ldm.events import Result
from ldm.recipe import Recipe
from tests.engine.visitors import Gate, image_of, make, wait_until

Asked = tuple[Recipe, Image.Image | None, Image.Image | None]


def mixed() -> list[Asked]:
    """Eight requests: three tasks, eight samplers, other steps, guidance, captions and sizes."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((64, 64))
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    drawn = {"task": "image_to_image", "strength": 0.8}
    painted = {"task": "inpaint", "strength": 0.9}
    return [
        (make(seed=1, sampler="ddim"), None, None),
        (make(seed=2, sampler="dpmpp_2m", num_inference_steps=4), None, None),
        (make(seed=3, sampler="euler_ancestral", guidance_scale=1.0), None, None),
        (make(seed=4, sampler="heun", num_inference_steps=3, guidance_scale=7.5), None, None),
        (make(seed=5, sampler="unipc", prompt="a forest in the rain"), None, None),
        (make(seed=6, sampler="dpmpp_2m_sde", width=72), None, None),
        (make(seed=7, sampler="euler", **drawn), picture, None),
        (make(seed=8, sampler="lms", **painted), picture, mask),
    ]


@pytest.fixture
def makers(small_stable_diffusion_folder: Path) -> Iterator[tuple[Engine, Engine]]:
    """An engine that shares calls and a strict one."""
    models, cpu = {"small": small_stable_diffusion_folder}, torch.device("cpu")
    with (
        Engine(models, cpu, torch.float32, max_rows=8) as sharing,
        Engine(models, cpu, torch.float32, max_rows=8, strict=True) as strict,
    ):
        yield sharing, strict


def at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    with monkeypatch.context() as patch:
        gate = Gate(patch)
        streams = [engine.run(*asked, visitor=str(i)) for i, asked in enumerate(mixed())]
        wait_until(lambda: all(ticket.request for ticket in engine._tickets))
        gate.open.set()
        results = [list(stream)[-1] for stream in streams]
    widest = max(len(rows) for rows in gate.calls)
    assert widest == (1 if engine._steps.strict else 7), "seven of one size, or each alone"
    assert all(isinstance(result, Result) for result in results)
    return results  # type: ignore[return-value]


def test_alone_and_among_eight(
    makers: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 1/255 apart on the average, and 40 dB: kernels add in another order for another
    batch size. Strictly: the same bytes.
    """
    sharing, strict = makers
    for engine in makers:
        alone = [list(engine.run(*asked))[-1] for asked in mixed()]
        together = at_once(engine, monkeypatch)
        for one, other in zip(alone, together, strict=True):
            difference = np.abs(image_of([one]) - image_of([other]))
            assert difference.mean() <= 1
            assert (difference**2).mean() <= 255**2 / 10**4
            assert isinstance(one, Result)
            if engine is strict:
                assert one.pictures[0].png == other.pictures[0].png
    assert sharing is not strict
