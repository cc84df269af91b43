"""The app as a visitor meets it: `python app.py` in a process of its own, and a real browser.

Any error on the browser's console fails the test it came in.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.e2e.serving import served

WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
# The fewest steps of which an enlargement, which goes through a few hundredths, has one left.
QUICK = {
    "title": "Quick",
    "native_size": [128, 128],
    "sizes": [[128, 128], [192, 128], [128, 192]],
    "num_inference_steps": 8,
}
ANSWER_MS = 60_000  # for what needs no run: 0.1 s, unless the machine stands still
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Pictures, forms and the secret of a visit; the page's own connection stays open till it is left.
FORGET = """() => {
    document.querySelectorAll("button.ldm-stop:not(:disabled)").forEach((button) => button.click());
    localStorage.clear();
    sessionStorage.clear();
    return new Promise((done) => {
        const opening = indexedDB.open("ldm", 1);
        opening.onerror = done;
        opening.onsuccess = () => {
            const database = opening.result;
            if (!database.objectStoreNames.contains("pictures")) return done();
            const clearing = database.transaction("pictures", "readwrite");
            clearing.objectStore("pictures").clear();
            clearing.oncomplete = clearing.onerror = done;
        };
    });
}"""

OpenPage = Callable[..., Page]
Leaving = Callable[[Page], AbstractContextManager[None]]
# What Gradio reports of its own stream when the page that reads it is left.
CUT = re.compile("AbortError|Connection errored out|network error|Failed to fetch")


@pytest.fixture(scope="session")
def quick_model(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model under another name, drawing small and in few steps if nobody says more."""
    folder = tmp_path_factory.mktemp("models") / "quick"
    for each in embedded_model.rglob("*"):
        if each.is_file():
            place = folder / each.relative_to(embedded_model)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(each)
    own = json.loads((embedded_model / "defaults.json").read_text())
    (folder / "defaults.json").unlink()
    (folder / "defaults.json").write_text(json.dumps(own | QUICK))
    return folder


@pytest.fixture(scope="session")
def app_url(
    root: Path, quick_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of an app with two models, for as long as the tests run; the quick one is
    chosen first.
    """
    models = {"LDM_MODELS": str(quick_model), "LDM_MODEL": quick_model.name}
    settings = {**models, "LDM_CLASSES": "2"}
    with served(root, tmp_path_factory.mktemp("app"), settings) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium where there is one, else the browser that Playwright brought."""
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    expect.set_options(timeout=ANSWER_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A visitor's page, kept from test to test as its browser's cache is, and loaded anew in each.

    Every load is a session of its own for the app.
    """

    page: Page
    errors: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """The block leaves the page or loads it anew, and waits for what it leads to: that cuts
        Gradio's stream, which is no error of the page's. What else comes meanwhile is one.
        """
        before = len(self.errors)
        yield
        self.errors[before:] = [each for each in self.errors[before:] if not CUT.search(each)]

    def forget(self, url: str) -> None:
        """Empty what this browser keeps of the app, and leave it."""
        if self.page.url.startswith(url):
            self.page.evaluate(FORGET)
        self.page.goto("about:blank")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@dataclass
class Visits:
    """The page of each visitor (numbered) at a desk or on a phone."""

    browser: Browser
    made: dict[tuple[int, bool], Visit] = field(default_factory=dict)

    def of(self, visitor: int, phone: bool) -> Visit:
        if (visitor, phone) not in self.made:
            viewport = PHONE if phone else WIDE
            context = self.browser.new_context(viewport=viewport, has_touch=phone, is_mobile=phone)
            context.set_default_timeout(ANSWER_MS)
            self.made[visitor, phone] = Visit(context.new_page())
            self.made[visitor, phone].listen()
        return self.made[visitor, phone]


@pytest.fixture(scope="session")
def visits(browser: Browser) -> Visits:
    return Visits(browser)


@pytest.fixture
def open_page(visits: Visits, app_url: str) -> Iterator[OpenPage]:
    """Opens the app as this visitor; at the end nobody may have seen an error."""
    opened: list[Visit] = []

    def open_one(
        visitor: int = 0, phone: bool = False, failing: bool = False, query: str = ""
    ) -> Page:
        """failing: the test cuts a connection, which the browser reports as errors.

        query: of the address. (To go there from the open page would cut off what that asks for.)
        """
        visit = visits.of(visitor, phone)
        visit.forget(app_url)  # what the test before left is another visitor's
        visit.errors.clear()
        visit.page.set_viewport_size(PHONE if phone else WIDE)
        visit.page.goto(f"{app_url}{query}")
        # A lesson's link opens its own tab, which hides the first one's button.
        hidden = "lesson=" in query
        button = visit.page.locator("#text_to_image-generate")
        button.wait_for(state="attached" if hidden else "visible")
        if not failing:
            opened.append(visit)
        return visit.page

    yield open_one
    errors = [error for visit in opened for error in visit.errors]
    assert not errors, errors


@pytest.fixture
def leaving(visits: Visits) -> Leaving:
    """See `Visit.leaving`: `with leaving(page): page.reload()`."""
    return lambda page: next(
        visit.leaving() for visit in visits.made.values() if visit.page is page
    )


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The app at a desk's width."""
    return open_page()
