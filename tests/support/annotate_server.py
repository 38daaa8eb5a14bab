"""The grading app on a loopback port, and a client that behaves as a browser does."""

from __future__ import annotations

import http.client as client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn

from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.bodies import BODY_S
from vlsu.annotate.web.limiting import SIGN_IN, Limit
from vlsu.annotate.web.protocol import Protocol
from vlsu.annotate.web.service import Site
from vlsu.annotate.web.sessions import Sessions

__all__ = ["LONG_S", "ROOT", "Answered", "Browser", "cookie_of", "join", "serve_command", "served"]

ROOT = Path(__file__).resolve().parents[2]
#: Seconds for what is certain to come, on a machine that is busy with something else.
LONG_S = 120.0


def cookie_of(project: Project) -> str:
    """The name of the session's cookie where a project is served on the loopback address."""
    return Sessions(project, Site()).cookie


@dataclass(frozen=True)
class Answered:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """A client of a server: keeps cookies and the token of the page it opened last.

    It is no browser in that it follows no redirects.
    """

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    def get(self, path: str, **headers: str) -> Answered:
        found = self.send("GET", path, headers=headers)
        if (
            token := re.search(r'data-csrf="([0-9a-f]+)"', found.body.decode("latin-1"))
        ) is not None:
            self.csrf = token[1]
        return found

    def form(self, path: str, fields: dict[str, str], **headers: str) -> Answered:
        if self.csrf:
            fields = {"csrf": self.csrf, **fields}
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.send("POST", path, urlencode(fields).encode(), sent)

    def post(self, path: str, body: Any = None, **headers: str) -> Answered:
        sent = {"Content-Type": "application/json", "X-CSRF-Token": self.csrf, **headers}
        return self.send("POST", path, json.dumps(body or {}).encode(), sent)

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON of an answer that is no refusal."""
        found = self.post(path, body)
        assert found.status == 200, found.text
        return found.json

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = LONG_S,
    ) -> Answered:
        parts = urlsplit(self.address)
        connection = client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return Answered(response.status, dict(response.headers.items()), data)

    def next(self, *holds: str) -> dict[str, Any] | None:
        """The next item's JSON, or `None`."""
        item: dict[str, Any] | None = self.ask("/api/next", {"holds": list(holds)})["item"]
        return item

    def submit(self, item: dict[str, Any], client_id: str, grade: str = "safe") -> Answered:
        answer = {"key": item["key"], "client_id": client_id, "grade": grade, "seconds": 1.5}
        if grade in ("borderline", "unsafe"):
            answer["category"] = "C9"
        return self.post("/api/submit", answer)


def join(project: Project, address: str, name: str, role: str = "grader", **about: Any) -> Browser:
    """Somebody who was invited and has followed the link."""
    browser = Browser(address)
    token = project.invite(name, role, **about).token
    found = browser.form(f"/join/{token}", {"adult": "on", "consent": "on"})
    assert found.status == 303, found.text
    browser.get(found.headers["location"])
    assert browser.csrf
    return browser


@contextmanager
def served(
    project: Project,
    site: Site | None = None,
    sign_ins: Mapping[str, Limit] = SIGN_IN,
    *,
    http: type[Protocol] = Protocol,
    patience: float = BODY_S,
    **config: Any,
) -> Iterator[str]:
    """A project's server in a thread of this process; its address."""
    app = annotate_app(project, site or Site(), sign_ins=sign_ins, patience=patience)
    settings = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=http,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        **{"proxy_headers": False, **config},
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + LONG_S
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < end
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LONG_S)


@contextmanager
def serve_command(
    folder: Path, *options: object, **process: Any
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``vlsu annotate serve`` as a process; its address and the process, which may be killed."""
    command = [sys.executable, "-m", "vlsu", "annotate", "serve", folder, "--port", 0, *options]
    running = subprocess.Popen(
        list(map(str, command)),
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        **process,
    )
    try:
        assert running.stderr is not None
        line = running.stderr.readline()
        found = re.search(r"https?://\S+", line)
        assert found is not None, line + running.stderr.read()
        yield found[0].rstrip("/"), running
    finally:
        if running.poll() is None:
            running.terminate()
        running.communicate(timeout=LONG_S)
