"""What calculates beside the steps leaves no helpers of OpenMP behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Helpers are the threads that Python does not know. One is the stepping thread's, of two CPUs.
COUNT = """
import asyncio, os, sys, threading, time
from pathlib import Path
import gradio as gr
import torch
from ldm.engine import Engine
from ldm.recipe import Recipe
from ldm.ui.how_it_works.panel import drawn, scene_of
from ldm.ui.how_it_works.tab import build_how_it_works

def helpers():
    return len(os.listdir("/proc/self/task")) - threading.active_count()

def left():
    until = time.monotonic() + 30
    while helpers() > 1 and time.monotonic() < until:  # the last thread is ending
        time.sleep(0.05)
    return helpers()

async def explain(engine, recipe):
    with gr.Blocks(), gr.Tabs():
        tab = build_how_it_works(engine)
    found = {}
    async for updates in tab.explain(recipe, (), "somebody"):
        found |= updates
    plain = [tab.hooks.terms, *(c for panel in tab.panels for c in panel.inputs)]
    values = {c: c.value for c in plain} | {tab.key: found[tab.key], tab.step: 1}
    for panel in tab.panels:
        await asyncio.to_thread(drawn, panel, scene_of(tab.hooks, values))
    return left()  # while the threads are there that handlers run in

with Engine({"small": Path(sys.argv[1])}, torch.device("cpu"), torch.float32) as engine:
    recipe = Recipe(
        "a lake", model="small", num_inference_steps=2, guidance_scale=4.0, width=64, height=64
    )
    for _ in range(2):
        list(engine.run(recipe))
    print(left(), asyncio.run(explain(engine, recipe)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
def test_only_the_stepping_thread_keeps_helpers(
    root: Path, small_stable_diffusion_folder: Path
) -> None:
    """More threads than CPUs would have every kernel wake its helpers anew. What is loaded,
    prepared and finished ends with its threads, and so do the panels of *How it works*.
    """
    alone = {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, str(small_stable_diffusion_folder)],
        cwd=root,
        env=os.environ | alone | {"OMP_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert counted.stdout.split() == ["1", "1"]
