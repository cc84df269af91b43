"""`python app.py` in a process of its own, for as long as it is needed."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 180  # a slow disk reads torch and the weights for a while


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
        except urllib.error.HTTPError:
            return  # it asks for a password
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise RuntimeError(f"no page at {url} after {START_SECONDS} s:\n{log.read_text()}")


@contextmanager
def served(root: Path, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of the app in `root`; its files and its log go into `folder`.

    settings: further environment variables. Any traceback in the log is an AssertionError.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}/"
    files = {"PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "files")}
    log = folder / "log.txt"
    with log.open("wb") as output:
        app = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=root,
            env=os.environ | files | dict(settings or {}),
            stdout=output,
            stderr=output,
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
