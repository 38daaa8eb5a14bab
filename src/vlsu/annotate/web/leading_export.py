"""The export, begun from the lead's page: a folder below the project's, and a table to download."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.exchange.grading import one_moment, read_graded
from vlsu.annotate.exchange.long import LongTable
from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.records import log
from vlsu.errors import MachineError, VlsuError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

__all__ = ["ENDPOINTS", "FOLDER"]

#: Where exports go, below the project's folder; its owner's alone, since they have the content.
FOLDER = "exports"
_LEAD = frozenset({"lead"})
_PIECE = 1 << 16
_LOG = logging.getLogger(__name__)


class Exports:
    """The export of a project that runs, or was the last; one at a time in a server.

    Args:
        project: Opened.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        #: Of tables that are downloaded.
        self.turn = threading.Lock()
        self._told: dict[str, Any] = {"state": "none"}

    def tell(self) -> Mapping[str, Any]:
        """How it is: ``state``, and where, when, and what came of it."""
        return self._told

    def begin(self) -> Path:
        """Begin one in a thread of its own; its folder.

        Raises:
            LeaseLostError: One runs already.
            MachineError: There can be no folder.
        """
        with self._lock:
            if self._told["state"] == "running":
                raise LeaseLostError("an export is running already; wait for it")
            now = self._project.clock()
            folder = self._new_folder(now)
            shown = str(folder.relative_to(self._project.folder.parent))
            told = {"state": "running", "folder": shown, "began_at": now}
            self._told = told
        threading.Thread(target=self._work, args=(folder, told), daemon=True).start()
        return folder

    def _new_folder(self, now: int) -> Path:
        name = f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%d-%H%M%S}"
        parent = self._project.folder / FOLDER
        try:
            parent.mkdir(mode=0o700, exist_ok=True)
            for number in range(1, 1000):
                folder = parent / (name if number == 1 else f"{name}-{number}")
                if not folder.exists():
                    folder.mkdir()
                    return folder
        except OSError as error:
            raise MachineError(f"{parent}: cannot be written ({error.strerror})") from None
        raise MachineError(f"{parent}: has too many exports of one second")

    def _work(self, folder: Path, told: Mapping[str, Any]) -> None:
        found: dict[str, Any] = {"state": "failed"}
        try:
            made = export_project(self._project, folder / "dataset", long=folder / "grades.csv")
            tree = made.tree()
            found = {
                "state": "done",
                **{name: tree[name] for name in ("samples", "stopped", "graders", "modalities")},
            }
        except VlsuError as error:
            _LOG.error("vlsu annotate: export: %s", error)
        except Exception as error:
            # Its message might quote an answer.
            _LOG.error("vlsu annotate: export: a defect of vlsu (%s)", type(error).__name__)
        finally:
            self._told = {**told, **found, "ended_at": self._project.clock()}


_EXPORTS: WeakKeyDictionary[Project, Exports] = WeakKeyDictionary()
_LOCK = threading.Lock()


def _exports_of(project: Project) -> Exports:
    with _LOCK:
        return _EXPORTS.setdefault(project, Exports(project))


def begin(call: Call) -> Mapping[str, Any]:
    """Begin an export."""
    exports = _exports_of(call.service.project)
    _record(call, exports.begin().name)
    return exports.tell()


def told(call: Call) -> Mapping[str, Any]:
    """How the last export is."""
    return _exports_of(call.service.project).tell()


def table(call: Call) -> Response:
    """Every grade by pseudonym, as of this moment, without notes; nothing of what was stopped."""
    project = call.service.project
    turn = _exports_of(project).turn
    if not turn.acquire(blocking=False):
        raise LeaseLostError("the table is being made for somebody already; wait for it")
    try:
        _record(call, "grades.csv")
        file = _written(project)
    finally:
        turn.release()
    return _sent(file)


def _written(project: Project) -> IO[bytes]:
    """The table in a file without a name."""
    try:
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(dir=project.folder))
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            rows = LongTable(text)
            with one_moment(project.database) as connection:
                for graded in read_graded(connection):
                    if not graded.stopped:
                        rows.add(graded)
            text.detach()
            file.seek(0)
            opened.pop_all()  # it is closed when it was sent
            return file
    except OSError as error:
        raise MachineError(f"{project.folder}: cannot be written ({error.strerror})") from None


def _sent(file: IO[bytes]) -> Response:
    """What is in a file, which is closed however the sending ends.

    Whoever reads it may leave in the middle. Left to the garbage collector, the file would be open
    until that comes by.
    """
    from starlette.responses import StreamingResponse

    class Closing(StreamingResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            with file:
                await super().__call__(scope, receive, send)

    return Closing(
        iter(lambda: file.read(_PIECE), b""),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="grades.csv"'},
    )


def _record(call: Call, what: str) -> None:
    project, who = call.service.project, call.who.id
    project.database.write(lambda c: log(c, project.clock(), who, "export", what))


ENDPOINTS = (
    Endpoint("GET", "/api/lead/export", _LEAD, told),
    Endpoint("POST", "/api/lead/export", _LEAD, begin),
    Endpoint("GET", "/lead/grades.csv", _LEAD, table, page=True),
)
