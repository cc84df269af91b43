"""A lesson as one sheet to keep: pictures, the recipe, what was expected, why, and what was found.

Owns its markup; what a visitor wrote is escaped. The page puts it into a file of its own
(`assets/page/lessons.js`), in the language that it shows, and nothing is sent anywhere.
"""

import html

from ldm.explain.recording import Recording
from ldm.ui.how_it_works.lessons import markup
from ldm.ui.how_it_works.lessons.walk import Answer, Lesson, Progress, key
from ldm.ui.how_it_works.visuals import Shown, figure, named
from ldm.ui.result import rows_of
from ldm.ui.texts import say


def _recipe(run: Recording) -> str:
    return (
        f"<blockquote>{html.escape(run.recipe.prompt)}</blockquote><dl>{rows_of(run.recipe)}</dl>"
        f"<p>{say('worksheet_recipe')}:</p><pre>{html.escape(run.recipe.to_json())}</pre>"
    )


def _question(lesson: Lesson, index: int, answer: Answer) -> str:
    expected = (
        say("lesson_still_open")
        if answer.choice is None
        else markup.choice_text(lesson.name, index, answer.choice)
    )
    because = (
        f"<div><dt>{say('worksheet_because')}</dt><dd>{html.escape(answer.why)}</dd></div>"
        if answer.why
        else ""
    )
    return (
        f"<section><h2>{index + 1}. {say(key(lesson.name, index, 'ask'))}</h2>"
        f"<p>{say(key(lesson.name, index, 'read'))}</p>"
        f"<dl><div><dt>{say('worksheet_expected')}</dt><dd>{expected}</dd></div>{because}</dl>"
        f"{markup.found(lesson.name, index, answer)}</section>"
    )


def worksheet(lesson: Lesson, progress: Progress, run: Recording | None) -> str:
    """The sheet, hidden on the page, and the button that saves it. run: whose picture stands on it,
    None where it is no longer kept. What the visitor found at the end, the page fills in.
    """
    questions = "".join(
        _question(lesson, index, answer) for index, answer in enumerate(progress.answers)
    )
    picture = ""
    if run is not None:
        shown = Shown(run.picture, named("worksheet_picture"), kind="picture")
        picture = f"<h2>{say('worksheet_picture')}</h2>{figure(shown)}{_recipe(run)}"
    return (
        f'<div class="how-save"><button type="button" data-do="worksheet" '
        f'data-name="{lesson.name}">{say("lesson_worksheet")}</button>'
        f"<p>{say('lesson_worksheet_info')}</p></div>"
        f'<article class="how-worksheet" hidden><p class="head">{say("worksheet")}</p>'
        f"<h1>{say(f'lesson_{lesson.name}')}</h1>"
        f"<p>{say(f'lesson_{lesson.name}_goal')}</p>"
        f'<p class="lines"><span>{say("worksheet_name")}:</span>'
        f"<span>{say('worksheet_date')}: <time></time></span></p>"
        f'{picture}{questions}<section><h2>{say("worksheet_own")}</h2><p class="own"></p>'
        f"</section><section><h2>{say('lesson_sources')}</h2>{markup.sources(lesson)}</section>"
        "</article>"
    )
