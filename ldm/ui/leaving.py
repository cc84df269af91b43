"""What becomes of a visitor's opened pictures when they leave: forgotten after ten minutes.

Gradio itself keeps a closed page's state for an hour, and calls a page closed as soon as its
connection drops: so what counts here is when it was last used.
"""

import asyncio
import datetime

import gradio as gr

from ldm.ui.jobs import KEPT_SECONDS


def forget_later(demo: gr.Blocks, session: str) -> None:
    """Drop the session's state once nobody has used it for `KEPT_SECONDS`."""
    holder = demo.state_holder
    loop = asyncio.get_running_loop()

    def look() -> None:
        last = holder.time_last_used.get(session)
        if last is None:
            return
        idle = (datetime.datetime.now() - last).total_seconds()
        if idle < KEPT_SECONDS:
            loop.call_later(KEPT_SECONDS - idle, look)
            return
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)

    loop.call_later(KEPT_SECONDS, look)


def connect_leaving(demo: gr.Blocks) -> None:
    """Within the Blocks being built."""

    async def leave(request: gr.Request) -> None:
        if request.session_hash:
            forget_later(demo, request.session_hash)

    demo.unload(leave)
