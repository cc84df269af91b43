"""The app as a visitor meets it: `python app.py` in a process of its own, and a real browser.

Any error on the browser's console fails the test it came in.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
ANSWER_MS = 15_000  # for all that needs no run; it takes a tenth of a second on a free machine
START_SECONDS = 180  # a slow disk reads torch and the weights for a while
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

OpenPage = Callable[..., Page]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_served(url: str, app: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if app.poll() is not None:
            raise RuntimeError(f"app.py ended with {app.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise RuntimeError(f"no page at {url} after {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def app_url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app that serves the embedded model, for as long as the tests run."""
    folder = tmp_path_factory.mktemp("app")
    port = _free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "files")}
    log = folder / "log.txt"
    with log.open("wb") as output:
        app = subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=environment, stdout=output, stderr=output
        )
        try:
            _wait_until_served(url, app, log)
            yield url
        finally:
            app.terminate()
            try:
                app.wait(20)
            except subprocess.TimeoutExpired:
                app.kill()
                app.wait()
    text = log.read_text()
    assert "Traceback" not in text, text


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

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def visits(browser: Browser) -> Callable[[int, bool], Visit]:
    """The page of a visitor (numbered) at a desk or on a phone."""

    @cache
    def visit(visitor: int, phone: bool) -> Visit:
        viewport = PHONE if phone else WIDE
        context = browser.new_context(viewport=viewport, has_touch=phone, is_mobile=phone)
        made = Visit(context.new_page())
        made.listen()
        return made

    return visit


@pytest.fixture
def open_page(visits: Callable[[int, bool], Visit], app_url: str) -> Iterator[OpenPage]:
    """Opens the app as this visitor; at the end nobody may have seen an error."""
    opened: list[Visit] = []

    def open_one(visitor: int = 0, phone: bool = False) -> Page:
        visit = visits(visitor, phone)
        visit.page.goto("about:blank")  # what the test before left running ends here
        visit.errors.clear()
        visit.page.set_viewport_size(PHONE if phone else WIDE)
        visit.page.goto(app_url)
        visit.page.locator("#text_to_image-generate").wait_for()
        opened.append(visit)
        return visit.page

    yield open_one
    errors = [error for visit in opened for error in visit.errors]
    assert not errors, errors


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The app at a desk's width."""
    return open_page()
