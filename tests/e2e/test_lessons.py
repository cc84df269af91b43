"""The eight lessons as a student walks them, the worksheet, and a class behind a teacher's link."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ldm.ui.how_it_works.lessons.course import LESSONS
from ldm.ui.texts import LESSONS as WORDS
from ldm.ui.texts import PANELS, plain
from tests.e2e.conftest import OpenPage
from tests.e2e.tab import RUN_MS
from tests.e2e.test_how_it_works import explain, open_tab

pytestmark = pytest.mark.e2e

TEXTS = WORDS["en"]


def predict(page: Page, choice: int) -> None:
    """Choose, and wait for what was measured."""
    button = page.locator("#how-lesson-choices button").nth(choice)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator("#how-lesson-reveal").click()
    expect(page.locator("#how-lesson-found .how-verdict")).to_be_visible(timeout=RUN_MS)


def question_is(page: Page, name: str, index: int) -> None:
    asked = page.locator("#how-lesson-question h3").first
    expect(asked).to_have_text(TEXTS[f"lesson_{name}_{index + 1}_ask"], timeout=RUN_MS)


def test_all_eight_lessons_are_walked_on_one_run(page: Page) -> None:
    explain(page, "a lighthouse by the sea at sunset")
    for number, name in enumerate(LESSONS):
        page.locator("#how-lessons-menu button").nth(number).click()
        for index, question in enumerate(LESSONS[name].questions):
            question_is(page, name, index)
            tab = page.get_by_role("tab", name=plain(f"panel_{question.panel}_title"), exact=True)
            expect(tab).to_have_attribute("aria-selected", "true")
            predict(page, index)
            assert page.locator("#how-lesson .ldm-problem").count() == 0
            page.locator("#how-lesson-next").click()
        expect(page.locator(".how-save button")).to_be_visible()


def test_a_worksheet_is_one_file_with_what_was_written(page: Page, tmp_path: Path) -> None:
    explain(page, "a tent on a hill at night")
    page.locator("#how-lessons-menu button").nth(1).click()
    question_is(page, "latents", 0)
    page.locator("#how-lesson-why textarea").fill("it is <b>small</b>")
    predict(page, 1)
    for _ in LESSONS["latents"].questions:
        page.locator("#how-lesson-next").click()
    page.locator("#how-lesson-own textarea").fill("packing <i>loses</i> edges")
    with page.expect_download() as saving:
        page.locator(".how-save button").click()
    assert saving.value.suggested_filename == "lesson-latents.html"
    path = tmp_path / "sheet.html"
    saving.value.save_as(path)
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and not re.search(r'src="(?!data:)', text)
    assert "it is &lt;b&gt;small&lt;/b&gt;" in text
    assert "packing &lt;i&gt;loses&lt;/i&gt; edges" in text
    assert "a tent on a hill at night" in text


def test_before_a_run_a_lesson_says_what_to_do(page: Page) -> None:
    open_tab(page)
    page.locator("#how-lessons-menu button").first.click()
    draw_first = TEXTS["lessons_draw_first"].format(button=PANELS["en"]["how_draw"])
    expect(page.locator("#how-lesson-question")).to_contain_text(draw_first)
    page.locator("#how-lesson-reveal").click()
    found = page.locator("#how-lesson-found")
    expect(found).to_contain_text(TEXTS["lesson_choose_first"])
    page.locator("#how-lesson-choices button").first.click()
    page.locator("#how-lesson-reveal").click()
    expect(found).to_contain_text(draw_first)


def links_of(page: Page) -> list[str]:
    """A teacher's two links: for students, and their own."""
    open_tab(page)
    page.locator("#how_it_works-prompt textarea").fill("a windmill in a field")
    page.locator("#how-for > button").click()
    page.locator("#how-teacher-wall input").check()
    page.locator("#how-teacher-steps input").fill("6")
    page.locator("#how-teacher-steps input").blur()
    page.locator(".ldm-settings:visible > button").first.click()
    steps = page.locator("#how_it_works-steps input[type=number]")
    expect(steps).to_be_visible()
    page.wait_for_timeout(300)
    steps.fill("4")
    steps.blur()
    page.locator("#how-teacher-make").click()
    expect(page.locator(".how-link a").nth(1)).to_be_visible()
    return [link.evaluate("link => link.href") for link in page.locator(".how-link a").all()]


def test_three_students_of_a_class_draw_post_and_the_teacher_clears(
    page: Page, browser: Browser
) -> None:
    for_students, for_teacher = links_of(page)
    assert "key=" not in for_students and "#key=" in for_teacher
    context = browser.new_context()
    students = [context.new_page() for _ in range(3)]
    for student in students:
        student.goto(for_students)
    for student in students:
        question_is(student, "noise", 0)
        expect(student.locator(".ldm-tabs > .tab-wrapper").first).to_be_hidden()
        prompt = student.locator("#how_it_works-prompt textarea")
        expect(prompt).to_have_value("a windmill in a field")
        student.locator("#how_it_works-generate").click()
    status = "#how_it_works-status .ldm-status > p"
    for student in students:
        expect(student.locator(status).first).to_have_text(
            re.compile("4 steps recorded"), timeout=RUN_MS
        )
        student.locator("#how-wall-post").click()
        message = student.locator("#how-wall-message")
        expect(message).to_contain_text(TEXTS["wall_posted"], timeout=RUN_MS)
    for student in students:
        pictures = student.locator("#how-wall img")
        expect(pictures).to_have_count(3, timeout=RUN_MS)
        expect(student.locator("#how-wall button")).to_have_count(0)
    teacher = context.new_page()
    teacher.goto(for_teacher)
    teacher.locator("#how-wall .how-clear button").click()
    for someone in (teacher, *students):
        wall = someone.locator("#how-wall")
        expect(wall).to_contain_text(TEXTS["wall_empty"], timeout=RUN_MS)
    context.close()


def test_a_link_that_cannot_be_used_is_refused_by_name(open_page: OpenPage) -> None:
    page = open_page(query="?lesson=noise&steps=many")
    problem = page.locator("#how_it_works-status [data-kind=problem] p").first
    expect(problem).to_contain_text("Steps: got 'many'", timeout=RUN_MS)
    expect(page.locator(".ldm-tabs > .tab-wrapper").first).to_be_visible()
