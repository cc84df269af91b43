"""A small server that speaks what `huggingface_hub` asks the Hub for: versions, lists, files.

The paths and headers are those of its public HTTP interface, as the client sends and reads them:
`api/models/ID/revision/REV`, `api/models/ID/tree/COMMIT`, `ID/resolve/COMMIT/FILE` with ETag,
X-Repo-Commit and Range, and X-Error-Code with every refusal.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

Files = Mapping[str, bytes]


def commit_of(files: Files) -> str:
    """40 hexadecimal digits that stand for a version of a repository."""
    return hashlib.sha1("".join(sorted(files)).encode()).hexdigest()


@dataclass
class Repository:
    files: Files
    gated: bool = False
    branches: tuple[str, ...] = ("main",)

    @property
    def commit(self) -> str:
        return commit_of(self.files)


@dataclass
class Hub:
    """What the server offers, how it behaves, and what it was asked for."""

    repositories: dict[str, Repository]
    url: str = ""
    token: str = "hf_of_someone_who_agreed"
    cut_at: int = 0  # bytes of a file after which the connection breaks, once
    seconds_a_block: float = 0
    status: int = 0  # instead of any answer
    asked: list[str] = field(default_factory=list)  # "GET path/of/file", "GET api/...", ...
    ranges: list[str] = field(default_factory=list)  # parts of files that were asked for

    def fetched(self) -> list[str]:
        """Files whose contents were asked for."""
        return [
            line.split("/resolve/")[1].split("/", 1)[1]
            for line in self.asked
            if line.startswith("GET ") and "/resolve/" in line
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests are quiet."""

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.send_slowly(content)

    def send_slowly(self, content: bytes) -> None:
        if 0 < self.hub.cut_at < len(content):
            self.wfile.write(content[: self.hub.cut_at])
            self.hub.cut_at, self.close_connection = 0, True
            self.connection.close()
            return
        for start in range(0, len(content), 1 << 16):
            self.wfile.write(content[start : start + (1 << 16)])
            time.sleep(self.hub.seconds_a_block)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, X_Error_Code=code, X_Error_Message=code)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.status:
            self.answer(self.hub.status)
            return
        inside = path.removeprefix("api/models/")
        name = "/".join(inside.split("/")[:2])
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.refuse(401 if path.startswith("api/") else 404, "RepoNotFound")
            return
        kind, _, rest = inside.removeprefix(f"{name}").lstrip("/").partition("/")
        if path.startswith("api/"):
            self.api(repository, name, kind, rest)
        else:
            self.file(repository, rest)

    def api(self, repository: Repository, name: str, kind: str, rest: str) -> None:
        if kind in ("", "revision"):
            if (rest or "main") not in (*repository.branches, repository.commit):
                self.refuse(404, "RevisionNotFound")
                return
            content: object = {"id": name, "sha": repository.commit, "siblings": []}
        else:
            content = [
                {"type": "file", "path": path, "size": len(data), "oid": _etag(data)}
                for path, data in repository.files.items()
            ]
        self.answer(200, json.dumps(content).encode(), Content_Type="application/json")

    def file(self, repository: Repository, rest: str) -> None:
        revision, _, path = rest.partition("/")
        if revision not in (*repository.branches, repository.commit):
            self.refuse(404, "RevisionNotFound")
        elif repository.gated and self.headers["Authorization"] != f"Bearer {self.hub.token}":
            self.refuse(403, "GatedRepo")
        elif path not in repository.files:
            self.refuse(404, "EntryNotFound")
        else:
            self.contents(repository, repository.files[path])

    def contents(self, repository: Repository, data: bytes) -> None:
        tag = {"ETag": f'"{_etag(data)}"', "X_Repo_Commit": repository.commit}
        begin = self.headers["Range"]
        if begin is None:
            self.answer(200, data, Accept_Ranges="bytes", **tag)
            return
        self.hub.ranges.append(begin)
        start = int(begin.removeprefix("bytes=").rstrip("-"))
        place = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206, data[start:], Content_Range=place, **tag)


def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask the hub of a URL, as HF_ENDPOINT does before the library is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    huggingface_hub.close_session()  # connections to the server of another test


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_HUB_OFFLINE does."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """A hub on this machine, until the block ends."""
    hub = Hub(repositories)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
