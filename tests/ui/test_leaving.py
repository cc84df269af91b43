"""A visitor's state after they left: there for a while, then gone."""

import asyncio

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from ldm.ui import leaving


def test_state_is_dropped_once_it_was_idle_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "KEPT_SECONDS", 0.2)
    with gr.Blocks() as demo:
        picture = gr.State(None)
    holder = StateHolder()
    holder.set_blocks(demo)

    async def leave() -> None:
        for session in ("ann", "ben"):
            holder[session][picture._id] = "a picture"
        leaving.forget_later(demo, "ann")
        await asyncio.sleep(0.12)
        assert holder["ann"][picture._id] == "a picture"  # used again
        await asyncio.sleep(0.12)
        assert "ann" in holder
        await asyncio.sleep(0.3)
        assert "ann" not in holder
        assert "ben" in holder

    asyncio.run(leave())
