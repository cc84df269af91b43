"""The arrival by a teacher's link: checked, the lesson opened, the settings set and locked.

A link that cannot be used is refused in words, and leaves the page as it is.
"""

import gradio as gr

from ldm.ui.form import Updates
from ldm.ui.how_it_works.asking import TAB
from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.how_it_works.lessons.walk import begun
from ldm.ui.how_it_works.panel import words_of
from ldm.ui.how_it_works.tab import HowItWorks
from ldm.ui.how_it_works.teacher import KEY
from ldm.ui.how_it_works.terms import read_terms
from ldm.ui.stage import status_line
from ldm.ui.texts import joined, say


def connect_arrival(demo: gr.Blocks, made: HowItWorks, tabs: gr.Tabs) -> None:
    """Whoever comes by a teacher's link finds its lesson. tabs: the page's; outside of them."""
    link = gr.Textbox("", visible=False)
    hooks, card, wall = made.hooks, made.card, made.wall

    def arrive(address: str) -> Updates:
        query, _, fragment = (address or "").partition("#")
        try:
            terms = read_terms(made.lab.engine, query)
        except Exception as error:
            line = joined(say("teacher_link_refused"), " ", words_of(error))
            refused = status_line(line, problem=True)
            return {tabs: gr.Tabs(selected=TAB), made.status: refused}
        if terms is None:
            return gr.skip()
        secret = fragment.removeprefix(KEY) if fragment.startswith(KEY) else ""
        progress = begun(LESSONS[terms.lesson])
        return {
            tabs: gr.Tabs(selected=TAB),
            hooks.terms: terms,
            **made.asking.under(terms),
            **card.shown(made.lab, progress, "", terms.alone),
            **made.places.opened(LESSONS[terms.lesson].questions[0], hooks, ""),
            **wall.arrived(made.classes, terms.code, secret),
        }

    outputs = [
        tabs,
        made.status,
        hooks.terms,
        *made.asking.parts(),
        *card.parts(),
        *made.places.outputs(hooks),
        *wall.parts(),
    ]
    demo.load(
        arrive,
        link,
        outputs,
        js="() => location.search + location.hash",
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
