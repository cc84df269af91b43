"""The deploy script, run as a person runs it, against a local server that answers as the Hub."""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / ".huggingface" / "deploy.py"
SPACE = "someone/drawings"
PROJECT = {
    "README.md": "---\nsdk: gradio\n---\n# Drawings\n",
    "app.py": "print('hello')\n",
    "requirements.txt": "gradio==6.31.0\n",
    "ldm/engine.py": "ENGINE = 1\n",
    "ldm/train/data.py": "DATA = 1\n",
    "assets/models/tiny/config.json": "{}\n",
    "tests/test_app.py": "def test(): pass\n",
    "Makefile": "demo:\n",
}
SERVED = [
    "README.md",
    "app.py",
    "assets/models/tiny/config.json",
    "ldm/engine.py",
    "requirements.txt",
]


@dataclass
class Hub:
    """A Space as the server sees it: what it holds, and what was asked of it, in order."""

    endpoint: str = ""
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, str | None] = field(default_factory=dict)
    created: dict[str, Any] = field(default_factory=dict)
    hardware: str | None = None

    def answer(self, path: str, body: bytes) -> Any:
        """The JSON answer to a request for `path`, after doing what it asks; None: not found."""
        space = f"/api/spaces/{SPACE}"
        self.asked.append(path.removeprefix(space))
        match self.asked[-1]:
            case "/api/repos/create":
                self.created = json.loads(body)
                return {"url": f"{self.endpoint}/spaces/{SPACE}"}
            case "/api/validate-yaml":
                return {"errors": [], "warnings": []}
            case "/variables":
                variable = json.loads(body)
                self.variables[variable["key"]] = variable["value"]
                return {}
            case "/tree/main":
                return [
                    {"type": "file", "path": name, "size": len(text), "oid": "0" * 40}
                    for name, text in self.files.items()
                ]
            case "/preupload/main":
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = {"uploadMode": "regular", "shouldIgnore": False}
                return {"files": [{"path": name, **modes} for name in names]}
            case "/commit/main":
                self._commit([json.loads(line) for line in body.splitlines()])
                return {"commitUrl": f"{self.endpoint}/spaces/{SPACE}/commit/1", "commitOid": "1"}
            case "/hardware":
                self.hardware = json.loads(body)["flavor"]
                return {"stage": "BUILDING", "hardware": {"requested": self.hardware}}
        return None

    def _commit(self, operations: list[dict[str, Any]]) -> None:
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"]).decode()
            elif operation["key"] == "deletedFile":
                del self.files[value["path"]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A running server; its Space holds a file of an earlier version and the Hub's own file."""
    state = Hub(files={"ldm/old.py": "OLD = 1\n", ".gitattributes": "*.safetensors filter=lfs\n"})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found = state.answer(self.path.split("?")[0], body)
            answer = json.dumps(found).encode()
            state.tokens[state.asked[-1]] = self.headers.get("Authorization")
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent; what was asked is in the Hub's own list."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository with the script in its place and everything committed."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".huggingface").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".huggingface")
    identity = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    for command in (["init", "-q"], ["add", "--all"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def deploy(
    project: Path, *arguments: str, hub: Hub | None = None, token: str | None = "secret"
) -> subprocess.CompletedProcess[str]:
    """Run the script; without a hub any connection is refused at once."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment["HF_HOME"] = str(project / ".git" / "hf")  # no login of the machine's
    environment["HF_ENDPOINT"] = hub.endpoint if hub else "http://127.0.0.1:9"
    if token is not None:
        environment["HF_TOKEN"] = token
    command = [sys.executable, str(project / ".huggingface" / "deploy.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_a_deployment_leaves_the_space_as_the_commit(project: Path, hub: Hub) -> None:
    done = deploy(
        project, SPACE, "--hardware", "cpu-basic", "--variable", "LDM_MODEL=tiny", hub=hub
    )
    assert done.returncode == 0, done.stderr
    assert hub.created["name"] == "drawings" and hub.created["organization"] == "someone"
    assert hub.created["sdk"] == "gradio"
    assert hub.variables == {"LDM_MODEL": "tiny"}
    assert hub.hardware == "cpu-basic"
    assert sorted(hub.files) == [".gitattributes", *SERVED]
    assert {name: hub.files[name] for name in SERVED} == {name: PROJECT[name] for name in SERVED}
    assert hub.tokens["/commit/main"] == "Bearer secret"
    # Hardware is billed: it is asked for when everything else has worked.
    assert hub.asked[-1] == "/hardware"


def test_a_dry_run_needs_neither_token_nor_network(project: Path) -> None:
    done = deploy(project, SPACE, "--dry-run", "--variable", "LDM_MODEL=tiny", token=None)
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("     ")] == SERVED
    assert "LDM_MODEL=tiny" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drawings"], "space: got 'drawings', allowed: owner/name"),
        ([SPACE, "--variable", "LDM_MODEL"], "--variable: got 'LDM_MODEL', allowed: NAME=VALUE"),
        ([SPACE, "--variable", "A=1", "--variable", "A=2"], "--variable: A is given twice"),
        ([SPACE, "--hardware", "zero-a10g"], "--hardware: invalid choice: 'zero-a10g'"),
        ([SPACE], "HF_TOKEN: not set"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    project: Path, arguments: list[str], message: str
) -> None:
    done = deploy(project, *arguments, token=None)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_differ_from_the_commit_are_not_deployed(project: Path, hub: Hub) -> None:
    (project / "app.py").write_text("print('changed')\n")
    done = deploy(project, SPACE, hub=hub)
    assert done.returncode == 2
    assert "app.py" in done.stderr
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_said_without_a_traceback(project: Path) -> None:
    done = deploy(project, SPACE)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
