"""The report of runs that are too large for a file, served on this machine alone.

The page is the report's own; its samples are looked up in the runs' Parquet files as they come
into view. It answers on the loopback address only, and only to requests that name it: a page of
another site that a browser has open can neither read nor guess at what is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vlsu.errors import UsageError
from vlsu.report import alignment_samples, samples
from vlsu.report.alignment_page import alignment_page
from vlsu.report.comparison_page import comparison_page, of_one_dataset
from vlsu.report.page import Listed, pictures_of, served
from vlsu.report.sample_index import SampleIndex
from vlsu.report.shared_samples import columns_of
from vlsu.report.tables import one_task
from vlsu.report.understanding_page import understanding_page
from vlsu.runs import Run

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["HOSTS", "view_app"]

#: Names a request may call this server by: a name of elsewhere that points here is not one.
HOSTS = ["127.0.0.1", "localhost", "[::1]"]
#: Samples and characters of thumbnails in one answer at most.
WINDOW = 200
_ROOM = 4_000_000
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class _View:
    """One run, or several of one dataset, as they are served."""

    def __init__(self, *runs: Run) -> None:
        self.runs = runs

    @cached_property
    def index(self) -> SampleIndex:
        return SampleIndex(*self.runs)

    @cached_property
    def page(self) -> str:
        if len(self.runs) > 1:
            live = self._served() if of_one_dataset(self.runs) else None
            return comparison_page(self.runs, "", live=live, links=True)[0]
        alignment = self.runs[0].record["task"] == "alignment"
        make = alignment_page if alignment else understanding_page
        return make(self.runs[0], "", live=self._served())[0]

    def _served(self) -> Listed:
        task = self.runs[0].record["task"]
        if len(self.runs) > 1:
            columns = columns_of(task)
        else:
            columns = (alignment_samples if task == "alignment" else samples).COLUMNS
        return served(
            total=len(self.index.ids),
            columns=columns,
            choices=self.index.choices,
            source="samples",
        )

    def window(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What matches: how many, and the entries and pictures of a part.

        Args:
            asked: ``from`` and ``to``, places among what matches; ``words``; and facets.

        Raises:
            UsageError: A place is no number.
        """
        filters = dict(asked)
        start, end = (_number(filters.pop(name, "0"), name) for name in ("from", "to"))
        words = filters.pop("words", "")
        found = self.index.matching(tuple(sorted(filters.items())), words)
        entries = self.index.entries(found[start : min(end, start + WINDOW)])
        images = dict.fromkeys(str(e["image"]) for e in entries if e.get("image"))
        pictures, _ = pictures_of(self.runs[0], images, _ROOM)
        return {"count": len(found), "entries": entries, "pictures": pictures}


def view_app(runs: Sequence[Run]) -> Starlette:
    """The server's application (ASGI): the page of a run, or of several and each of them.

    Args:
        runs: Finished runs, at least one.

    Raises:
        UsageError: No run, or what serves it is not installed.
        RunError: A run is not finished.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
        from starlette.routing import Route
    except ImportError:
        raise UsageError(
            "vlsu view needs a web server; install it with: pip install 'vlsu[view]'"
        ) from None
    if not runs:
        raise UsageError("nothing to view; give at least one run folder")
    views = [_View(run) for run in runs]
    together = _View(*runs)
    one_task(runs)
    for run in runs:
        _ = run.metrics  # one that is not finished is said before the server starts

    def of(request: Request) -> _View | None:
        number = request.path_params.get("number")
        if number is None:
            return together
        return views[number - 1] if 1 <= number <= len(views) else None

    def front(request: Request) -> Response:
        if len(views) == 1:
            return RedirectResponse("/run/1/", headers=_HEADERS)
        return page(request)

    def page(request: Request) -> Response:
        view = of(request)
        if view is None:
            return HTMLResponse("no such run", 404, headers=_HEADERS)
        return HTMLResponse(view.page, headers=_HEADERS)

    def window(request: Request) -> Response:
        view = of(request)
        if view is None:
            return JSONResponse({"error": "no such run"}, 404, headers=_HEADERS)
        try:
            return JSONResponse(view.window(request.query_params), headers=_HEADERS)
        except UsageError as error:
            return JSONResponse({"error": str(error)}, 400, headers=_HEADERS)

    def place(request: Request) -> Response:
        view = of(request)
        at = None if view is None else view.index.place(request.query_params.get("id", ""))
        return JSONResponse({"at": at}, headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", front),
            Route("/samples", window),
            Route("/place", place),
            Route("/run/{number:int}/", page),
            Route("/run/{number:int}/samples", window),
            Route("/run/{number:int}/place", place),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
    )


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{name} {text[:20]!r}: expected a place, a number from 0")
    return int(text)
