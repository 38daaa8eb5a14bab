"""Models that fall silent, so that who asks them is killed at a moment that is known."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.conftest import ChatServer
from vlsu.errors import RunError
from vlsu.runs.store.store import ResponseStore

__all__ = ["Silent", "on_disk"]

LONG_S = 300.0


def on_disk(folder: Path) -> int:
    """How many answers and failed attempts the files of responses in a folder hold."""
    held = 0
    for file in folder.rglob("responses.sqlite"):
        with suppress(RunError), closing(ResponseStore(file, read_only=True)) as store:
            held += store.count() + sum(store.error_counts().values())
    return held


def never(number: int) -> bool:
    """Whether to fall silent at a request of a number: at none."""
    return False


class Silent:
    """Answers as a server's models do until they are to fall silent, and then not at all.

    While they are silent the server does nothing else: whatever was asked before is answered, and
    nothing that is asked meanwhile.
    """

    def __init__(self, server: ChatServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._respond, server.respond = server.respond, self
        self._when: Callable[[int], bool] = never
        self._silent, self._go_on = threading.Event(), threading.Event()
        self._asked = self._stored = self._unanswered = 0

    def __call__(self, body: dict[str, Any], number: int) -> Any:
        answer = self._respond(body, number)
        if self._when(number) and not self._silent.is_set():
            self._unanswered = number
            self._silent.set()
            assert self._go_on.wait(LONG_S)
        return answer

    def begin_at(self, number: int) -> None:
        """Before a process is started: what is asked as so many-th in all is not answered."""
        self.begin(lambda asked: asked == number)

    def begin(self, when: Callable[[int], bool]) -> None:
        """Likewise: the first request of whose number this holds is not answered."""
        self._when = never
        with suppress(urllib.error.HTTPError):  # whatever was sent before it has been read then
            urllib.request.urlopen(self.server.base_url, timeout=LONG_S).close()
        self._silent.clear()
        self._go_on.clear()
        self._asked, self._stored = len(self.server.requests), on_disk(self.folder)
        self._when = when

    def kill(self, process: Popen[Any]) -> None:
        """Kill a process that waits for an answer, once all that it was answered is on disk."""
        self._wait_for(process, self._silent.is_set)
        answered = self._unanswered - self._asked - 1
        self._wait_for(process, lambda: on_disk(self.folder) >= self._stored + answered)
        process.kill()
        process.wait()
        self._go_on.set()

    @staticmethod
    def _wait_for(process: Popen[Any], holds: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG_S
        while not holds():
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < end
            time.sleep(0.005)
