"""The lines under a caption: its tokens, where a long one is read in parts, and which of its words
the model never learned.

The page asks a moment after the last keystroke (`assets/page/tokens.js`), so typing never waits.
"""

from itertools import chain
from typing import Any

import gradio as gr

from ldm.alternatives import longest
from ldm.checkpoints.captions import words_in
from ldm.engine import Engine
from ldm.recipe import MAX_PROMPT_CHARACTERS
from ldm.ui.script import part
from ldm.ui.texts import attributes, say

MARKUP = (
    '<p class="ldm-tokens"{help}></p><p class="ldm-open" hidden>{open}</p>'
    '<p class="ldm-unknown"{unknown_help} hidden></p>'
)
MOST_UNKNOWN = 8  # words that are named
ASK = "(text, model) => ({text, model})"


def unknown_words(engine: Engine, model: str, caption: str) -> list[tuple[str, str]]:
    """Words that the model never learned, if it says which it has, each with the nearest of those
    or "".
    """
    captions = engine.captions(model)
    if captions is None:
        return []
    inversions = [words_in(path.stem) for path in engine.extras(model).embeddings]
    unknown = captions.unknown(caption, chain.from_iterable(inversions))
    return [(word, captions.nearest(word)) for word in unknown[:MOST_UNKNOWN]]


def build_tokens(tab: str, engine: Engine, text: str) -> gr.HTML:
    """The line for a caption that is `text` at first; `connect_tokens` keeps it up to date."""

    def count_tokens(asked: dict[str, Any]) -> dict[str, Any] | None:
        """Tokens, the limit of one chunk, the ends of the chunks in code points, and words that the
        model never learned, each with the nearest one that it has. Of a caption with alternatives
        the longest is counted, and told as `counted`.
        """
        caption, model = asked.get("text"), asked.get("model")
        if not isinstance(caption, str) or model not in engine.names():
            return None
        encoder = engine.checkpoint(str(model)).text_encoder
        if encoder is None:
            return None
        read = caption[: MAX_PROMPT_CHARACTERS * 2]
        counted = longest(read)
        length = encoder.length(counted)
        return {
            "tokens": length.tokens,
            "limit": length.limit,
            "ends": length.ends,
            "counted": counted,
            "open": counted != read,
            "unknown": unknown_words(engine, str(model), caption),
        }

    return gr.HTML(
        value={"text": text, "model": engine.names()[0]},
        html_template=MARKUP.format(
            help=attributes({"title": "tokens_help"}),
            open=say("alternatives"),
            unknown_help=attributes({"title": "unknown_words_help"}),
        ),
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
