"""How lessons look: the row of eight, a question with its choices, what was found, the end.

Markup alone; every word is a text of the lessons, translated on the page. Does not know events.
"""

import html

from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.how_it_works.lab import TO_DRAW
from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.how_it_works.lessons.walk import CHOICES, Answer, Lesson, Progress, key
from ldm.ui.texts import Markup, attributes, joined, say


def menu(chosen: str, alone: bool = False) -> str:
    """The eight lessons to press. alone: a link opened one, and there is no choice."""
    if alone:
        return (
            f'<p class="how-alone">{say("lesson_by_link")} '
            f'<a href="?">{say("lesson_leave_link")}</a></p>'
        )
    buttons = "".join(
        f'<button type="button" data-choice="{name}" aria-pressed="{str(name == chosen).lower()}">'
        f"<i>{number}</i><b>{say(f'lesson_{name}')}</b></button>"
        for number, name in enumerate(LESSONS, 1)
    )
    return (
        f'<div class="how-menu"><div class="how-heading"><h3>{say("lessons_heading")}</h3>'
        f'<p>{say("lessons_intro")}</p></div><div class="how-menu-row" role="group"'
        f"{attributes({'aria-label': 'lessons_heading'})}>{buttons}</div></div>"
    )


def _dots(progress: Progress) -> str:
    dots = "".join(
        f'<i data-state="{"now" if i == progress.at else "done" if answer.found else "open"}"></i>'
        for i, answer in enumerate((*progress.answers, Answer()))
    )
    return f'<span class="how-dots" aria-hidden="true">{dots}</span>'


def _head(lesson: Lesson, progress: Progress) -> str:
    count = len(lesson.questions)
    place = (
        say("lesson_at_end")
        if progress.done
        else say("lesson_question_of", at=progress.at + 1, of=count)
    )
    return (
        f'<header><p class="how-where">{_dots(progress)}{place}</p>'
        f"<h2>{say(f'lesson_{lesson.name}')}</h2></header>"
    )


def terms_of(names: tuple[str, ...]) -> str:
    rows = "".join(
        f"<div><dt>{say(f'term_{name}')}</dt><dd>{say(f'term_{name}_is')}</dd></div>"
        for name in names
    )
    return f'<dl class="how-terms">{rows}</dl>' if rows else ""


def choice_text(lesson: str, question: int, choice: int) -> Markup:
    return say(key(lesson, question, CHOICES[choice]))


def asked(lesson: Lesson, progress: Progress, has_run: bool) -> str:
    """The open question: what to read, its terms, what is asked."""
    question = lesson.questions[progress.at]
    first = (
        "" if has_run else f'<p class="how-first">{say("lessons_draw_first", button=TO_DRAW)}</p>'
    )
    goal = f'<p class="how-goal">{say(f"lesson_{lesson.name}_goal")}</p>' * (progress.at == 0)
    return (
        f'<section class="how-question">{_head(lesson, progress)}{goal}{first}'
        f"<p>{say(key(lesson.name, progress.at, 'read'))}</p>{terms_of(question.terms)}"
        f"<h3>{say(key(lesson.name, progress.at, 'ask'))}</h3></section>"
    )


def choices(lesson: Lesson, progress: Progress) -> str:
    """The three things one may expect; once measured, which one holds."""
    answer = progress.answers[progress.at]
    buttons = []
    for index in range(len(CHOICES)):
        holds = answer.found is not None and answer.found.right == index
        mark = ' data-holds="true"' if holds else ""
        pressed = str(answer.choice == index).lower()
        closed = ' aria-disabled="true"' if answer.found else ""
        buttons.append(
            f'<button type="button" data-choice="{index}" aria-pressed="{pressed}"{mark}{closed}>'
            f"<i>{CHOICES[index].upper()}</i>"
            f"{choice_text(lesson.name, progress.at, index)}</button>"
        )
    label = attributes({"aria-label": "lesson_your_guess"})
    return f'<div class="how-choices" role="group"{label}>{"".join(buttons)}</div>'


def found(lesson: str, question: int, answer: Answer) -> str:
    """What was measured, and why it is so; nothing before."""
    if answer.found is None:
        return ""
    right = answer.choice == answer.found.right
    holds = choice_text(lesson, question, answer.found.right)
    verdict = say("lesson_expected" if right else "lesson_not_expected")
    return (
        f'<section class="how-found" data-right="{str(right).lower()}" role="status">'
        f'<p class="how-verdict">{verdict}</p>'
        f"<p>{joined(say('lesson_holds', choice=''), holds, '.')} "
        f"<strong>{say(key(lesson, question, 'found'), **answer.found.values)}</strong></p>"
        f"{answer.found.shown}<p>{say(key(lesson, question, 'why'))}</p></section>"
    )


def sources(lesson: Lesson) -> str:
    """The papers behind a lesson's panels, each once."""
    panels = dict.fromkeys(question.panel for question in lesson.questions)
    found = dict.fromkeys(source for panel in panels for source in PANELS[panel].sources)
    links = "".join(
        f'<li><a href="{url}" target="_blank" rel="noopener">{html.escape(title)}</a></li>'
        for title, url in found
    )
    return f"<ul>{links}</ul>"


def glossary() -> str:
    """All terms, in the order of the lessons that explain them."""
    names = [
        name for each in LESSONS.values() for question in each.questions for name in question.terms
    ]
    return (
        f'<details class="how-glossary"><summary>{say("lesson_glossary")}</summary>'
        f"{terms_of(tuple(names))}</details>"
    )


def end(lesson: Lesson, progress: Progress) -> str:
    """How it went, and where it comes from."""
    count = len(progress.answers)
    right = sum(a.found is not None and a.found.right == a.choice for a in progress.answers)
    return (
        f'<section class="how-question">{_head(lesson, progress)}'
        f'<p class="how-goal">{say(f"lesson_{lesson.name}_goal")}</p>'
        f"<p>{say('lesson_count', right=right, of=count)}</p>"
        f"<h3>{say('lesson_sources')}</h3>{sources(lesson)}{glossary()}</section>"
    )
