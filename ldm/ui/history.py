"""The tab *History*: this visitor's pictures, kept in their browser and nowhere else.

Owns the frame; the page's script fills it from the browser's own store (`assets/page/history.js`).
"""

import gradio as gr

from ldm.ui.texts import attributes, label, say

TAB = "history"


def _button(action: str, key: str) -> str:
    return f'<button type="button" data-do="{action}">{say(key)}</button>'


def build_history() -> None:
    box = '<input type="checkbox" data-do="history-keep" checked>'
    switch = f"<label>{box}{say('history_keep')}</label>"
    actions = _button("history-all", "history_all") + _button("history-clear", "history_clear")
    markup = (
        f'<section class="ldm-history"{attributes({"aria-label": "history_heading"})}>'
        f"<h2>{say('history_heading')}</h2><p>{say('history_note')}</p>"
        f'<div class="ldm-actions">{switch}{actions}</div>'
        f'<p class="ldm-none">{say("history_empty")}</p>'
        f'<ul class="ldm-kept"></ul></section>'
    )
    with gr.Tab(label("history_tab"), id=TAB):
        gr.HTML(markup, apply_default_css=False, elem_id="history-pictures")
