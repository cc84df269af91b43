"""The line under a caption that counts its tokens, and shows where a long one is read in parts.

The page asks a moment after the last keystroke (`assets/page/tokens.js`), so typing never waits.
"""

from typing import Any

import gradio as gr

from ldm.engine import Engine
from ldm.recipe import MAX_PROMPT_CHARACTERS
from ldm.ui.script import part
from ldm.ui.texts import attributes

MARKUP = '<p class="ldm-tokens"{help}></p>'
ASK = "(text, model) => ({text, model})"


def build_tokens(tab: str, engine: Engine, text: str) -> gr.HTML:
    """The line for a caption that is `text` at first; `connect_tokens` keeps it up to date."""

    def count_tokens(asked: dict[str, Any]) -> dict[str, Any] | None:
        """Tokens, the limit of one chunk, and the ends of the chunks in code points."""
        caption, model = asked.get("text"), asked.get("model")
        if not isinstance(caption, str) or model not in engine.names():
            return None
        encoder = engine.checkpoint(str(model)).text_encoder
        if encoder is None:
            return None
        length = encoder.length(caption[: MAX_PROMPT_CHARACTERS * 2])
        return {"tokens": length.tokens, "limit": length.limit, "ends": length.ends}

    return gr.HTML(
        value={"text": text, "model": engine.names()[0]},
        html_template=MARKUP.format(help=attributes({"title": "tokens_help"})),
        js_on_load=part("tokens"),
        server_functions=[count_tokens],
        apply_default_css=False,
        elem_id=f"{tab}-tokens",
        elem_classes="ldm-tokens-block",
    )


def connect_tokens(line: gr.HTML, prompt: gr.Textbox, model: gr.Dropdown) -> None:
    gr.on(
        [prompt.change, model.change],
        None,
        [prompt, model],
        line,
        js=ASK,
        show_progress="hidden",
        api_visibility="private",
    )
