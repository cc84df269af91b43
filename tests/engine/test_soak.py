"""Thirty-two visitors at once: every request ends in its own picture, error or cancel."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ldm.diffusion.samplers import SAMPLERS
from ldm.engine import Engine
from ldm.events import Picture, Progress, Result
from ldm.imaging import read_png_text
from ldm.pipeline import Row, run
from ldm.pipeline import check_pictures as checked
from ldm.recipe import Recipe
from tests import small_models
from tests.engine.visitors import make

VISITORS, WARM, REQUESTS = 32, 30, 300
MEMORY = Path("/proc/self/statm")


class Broken:
    """A watcher that fails at the first answer, with the number of its request."""

    changes = False

    def __init__(self, number: int) -> None:
        self.number = number

    def watch(self, row: Row, unet: nn.Module, places: Sequence[int]) -> nullcontext[None]:
        return nullcontext()

    def saw(self, row: Row, conditional: Tensor, unconditional: Tensor | None, x0: Tensor) -> None:
        raise ZeroDivisionError(f"injected into {self.number}")


@dataclass(frozen=True)
class Plan:
    """What request `number` asks for and how it is to end."""

    number: int

    @property
    def end(self) -> str:
        return {3: "cancelled", 7: "failed"}.get(self.number % 10, "drawn")

    @property
    def asked(self) -> tuple[Recipe, Image.Image | None, Image.Image | None]:
        n, rng = self.number, np.random.default_rng(self.number)
        changes: dict[str, object] = {
            "seed": n,
            "prompt": f"a lake {'at dawn ' * (n % 3)}",
            "model": ("sd1", "sd2")[n % 5 == 4],
            "sampler": list(SAMPLERS)[n % len(SAMPLERS)],
            "num_inference_steps": 2 + n % 3,
            "guidance_scale": (1.0, 4.0)[n % 2],
            "width": (64, 72)[n % 4 == 3],
            "num_images": (1, 2)[n % 8 == 6],
        }
        picture = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        mask = Image.new("L", (64, 64))
        mask.paste(255, (8, 8, 40, 56))
        if n % 6 == 1:
            return make(**changes, task="image_to_image", strength=1.0), picture, None
        if n % 6 == 2:
            return make(**changes, task="inpaint", strength=1.0), picture, mask
        return make(**changes), None, None


async def visit(engine: Engine, plan: Plan, visitor: str, found: dict[int, object]) -> None:
    """Make one request and note how it ended."""
    watcher = Broken(plan.number) if plan.end == "failed" else None
    try:
        async with aclosing(engine.stream(*plan.asked, visitor=visitor, watcher=watcher)) as events:
            async for event in events:
                if isinstance(event, Progress) and plan.end == "cancelled":
                    found[plan.number] = "cancelled"
                    return
                if isinstance(event, Result):
                    assert plan.number not in found, "ended twice"
                    found[plan.number] = event.pictures
    except ZeroDivisionError as error:
        found[plan.number] = str(error)


async def visit_all(engine: Engine, numbers: Sequence[int], found: dict[int, object]) -> None:
    async def visitor(name: int) -> None:
        for number in numbers[name::VISITORS]:
            await visit(engine, Plan(number), str(name), found)

    await asyncio.gather(*(visitor(name) for name in range(VISITORS)))


def memory() -> int:
    gc.collect()
    return int(MEMORY.read_text("ascii").split()[1])


# More threads for small sums would only wait for one another.
@pytest.mark.usefixtures("one_thread")
@pytest.mark.skipif(not MEMORY.exists(), reason="only Linux tells what a process has in memory")
def test_thirty_two_visitors(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("sd1", "sd2")}
    for name, folder in folders.items():
        small_models.FAMILIES[name]().save_pretrained(folder)
    found: dict[int, object] = {}
    cpu = torch.device("cpu")
    with Engine(folders, cpu, torch.float32, max_rows=16) as engine:
        asyncio.run(visit_all(engine, range(WARM), found))
        after_few = memory()
        asyncio.run(visit_all(engine, range(WARM, REQUESTS), found))
        after_many = memory()
        checkpoints = {name: engine.checkpoint(name) for name in folders}
    assert after_many <= 1.05 * after_few

    assert sorted(found) == list(range(REQUESTS)), "none is lost"
    ends: Counter[str] = Counter()
    for number, outcome in found.items():
        plan = Plan(number)
        ends[plan.end] += 1
        if plan.end == "cancelled":
            assert outcome == "cancelled"
        elif plan.end == "failed":
            assert outcome == f"injected into {number}"
        else:
            assert isinstance(outcome, tuple)
            _check_pictures(plan, outcome)
    assert ends == {"drawn": 240, "cancelled": 30, "failed": 30}

    for number in (*range(6), 8, 14, 19):
        if Plan(number).end != "drawn":
            continue
        recipe, *given = Plan(number).asked
        (*_, alone) = run(checkpoints[recipe.model], checked(recipe, *given), *given)
        assert isinstance(alone, Result)
        shared = found[number]
        assert isinstance(shared, tuple)
        for one, other in zip(alone.pictures, shared, strict=True):
            # Another batch size adds in another order.
            assert np.abs(np.asarray(one.image, int) - np.asarray(other.image, int)).mean() <= 1


def _check_pictures(plan: Plan, pictures: Sequence[Picture]) -> None:
    """They are the plan's own, by what their files say."""
    recipe = plan.asked[0]
    assert len(pictures) == recipe.num_images
    for index, picture in enumerate(pictures):
        written = json.loads(read_png_text(picture.png)["recipe"])
        assert written["seed"] == recipe.seed + index and written["prompt"] == recipe.prompt
        assert written["sampler"] == recipe.sampler and written["task"] == recipe.task
        assert picture.image.size == (recipe.width, recipe.height)
