"""The report of runs that are too large for a file, served on this machine alone.

The page is the report's own; its samples are looked up in the runs' Parquet files as they come
into view. Who may ask is decided in `vlsu.report.serve.access`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vlsu.analysis.table.answered import ENOUGH
from vlsu.errors import UsageError, VlsuError
from vlsu.report.comparison.compared import in_order
from vlsu.report.comparison.page import comparison_page, of_one_dataset
from vlsu.report.comparison.tasks import samples_of
from vlsu.report.page.render import Listed, pictures_of, served
from vlsu.report.page.run_page import run_page
from vlsu.report.serve.access import HEADERS, Access
from vlsu.report.serve.comparing import LARGE, Begun, judged, waiting_page
from vlsu.report.serve.kept_pictures import KeptPictures
from vlsu.report.serve.sample_index import SampleIndex
from vlsu.report.tasks import report_of
from vlsu.runs import Run
from vlsu.runs.damage import damage

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["view_app"]

#: Samples and characters of thumbnails in one answer at most.
WINDOW = 200
_ROOM = 4_000_000
#: Seconds after which a browser asks again for a comparison that is not there yet.
_AGAIN = "2"
#: Digits of a place or of a run's number at most: no run has more samples.
_DIGITS = 12


class _View:
    """One run, or several of one dataset, as they are served."""

    def __init__(self, *runs: Run, enough: float) -> None:
        self.runs = runs
        self.enough = enough
        self.pictures = KeptPictures(lambda images, room: pictures_of(runs[0], images, room)[0])

    @cached_property
    def index(self) -> SampleIndex:
        return SampleIndex(*self.runs)

    @cached_property
    def page(self) -> str:
        if len(self.runs) > 1:
            live = self._served if of_one_dataset(self.runs) else None
            return comparison_page(self.runs, "", live=live, links=True, enough=self.enough)[0]
        (run,) = self.runs
        return run_page(report_of(run), run, "", live=self._served(), enough=self.enough)[0]

    def _served(self) -> Listed:
        return served(
            total=len(self.index.ids),
            columns=samples_of(self.runs).columns,
            choices=self.index.choices,
            source="samples",
        )

    def window(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What matches: how many, and the entries and pictures of a part.

        Args:
            asked: ``from`` and ``to``, places among what matches; ``words``; and facets.

        Raises:
            UsageError: A place is no number, or ends before it begins.
        """
        filters = dict(asked)
        start, end = (_number(filters.pop(name, "0"), name) for name in ("from", "to"))
        if end < start:
            raise UsageError(f"to {end} is before from {start}")
        words = filters.pop("words", "")
        places = self.index.matching(tuple(sorted(filters.items())), words)
        entries = self.index.entries(places[start : min(end, start + WINDOW)])
        images = dict.fromkeys(str(e["image"]) for e in entries if e.get("image"))
        pictures = self.pictures.of(images, _ROOM)
        return {"count": len(places), "entries": entries, "pictures": pictures}


def view_app(runs: Sequence[Run], *, enough: float = ENOUGH, large: int = LARGE) -> Access:
    """The server's application (ASGI): the page of a run, or of several and each of them.

    Args:
        runs: Finished runs, at least one.
        enough: The share answered below which a page opens with it.
        large: Judgments of several runs from which on they are compared while others of its pages
            are served already.

    Returns:
        The application; every path begins with its `secret`, which is new each time.

    Raises:
        UsageError: No run, or what serves it is not installed.
        RunError: A run is not finished, or what its first page needs is damaged. Of large runs
            that are compared the page says so.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import (
            HTMLResponse,
            JSONResponse,
            PlainTextResponse,
            RedirectResponse,
        )
        from starlette.routing import Route
    except ImportError:
        raise UsageError(
            "vlsu view needs a web server; install it with: pip install 'vlsu[view]'"
        ) from None
    if not runs:
        raise UsageError("nothing to view; give at least one run folder")
    for run in runs:
        _ = run.metrics  # an unfinished run is reported before the server starts
    runs = in_order(runs)
    views = [_View(run, enough=enough) for run in runs]
    together = _View(*runs, enough=enough)
    begun, waiting = None, ""
    if len(runs) == 1:
        _ = views[0].page  # damage is reported now
    elif (judgments := judged(runs)) < large:
        _ = together.page
    else:
        waiting = waiting_page(runs, judgments)
        begun = Begun(lambda: together.page)

    def reporting_damage(
        answer: Callable[[Request], Response],
    ) -> Callable[[Request], Response]:
        """The same, with damage of a run as a line in place of a traceback."""

        def respond(request: Request) -> Response:
            try:
                return answer(request)
            except VlsuError as error:
                trouble: VlsuError = error
            except Exception as error:
                known = damage([run.path for run in runs], error)
                if known is None:
                    raise
                trouble = known
            return PlainTextResponse(str(trouble), 500, headers=HEADERS)

        return respond

    def of(request: Request) -> _View | None:
        number = request.path_params.get("number")
        if number is None:
            return together
        known = number.isascii() and number.isdigit() and len(number) <= _DIGITS
        return views[int(number) - 1] if known and 1 <= int(number) <= len(views) else None

    def front(request: Request) -> Response:
        if len(views) == 1:
            return RedirectResponse("run/1/", headers=HEADERS)  # below the secret
        if begun is None:
            return page(request)
        if not begun.is_done:
            return HTMLResponse(waiting, headers=HEADERS | {"Refresh": _AGAIN})
        return HTMLResponse(begun.page(), headers=HEADERS)

    def page(request: Request) -> Response:
        view = of(request)
        if view is None:
            return HTMLResponse("no such run", 404, headers=HEADERS)
        return HTMLResponse(view.page, headers=HEADERS)

    def window(request: Request) -> Response:
        view = of(request)
        if view is None:
            return JSONResponse({"error": "no such run"}, 404, headers=HEADERS)
        try:
            return JSONResponse(view.window(request.query_params), headers=HEADERS)
        except UsageError as error:
            return JSONResponse({"error": str(error)}, 400, headers=HEADERS)

    def place(request: Request) -> Response:
        view = of(request)
        if view is None:
            return JSONResponse({"error": "no such run"}, 404, headers=HEADERS)
        at = view.index.place(request.query_params.get("id", ""))
        return JSONResponse({"at": at}, headers=HEADERS)

    app = Starlette(
        routes=[
            Route("/", reporting_damage(front)),
            Route("/samples", reporting_damage(window)),
            Route("/place", reporting_damage(place)),
            Route("/run/{number}/", reporting_damage(page)),
            Route("/run/{number}/samples", reporting_damage(window)),
            Route("/run/{number}/place", reporting_damage(place)),
        ]
    )
    app.router.redirect_slashes = False  # a redirect would lose the secret
    return Access(app)


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise UsageError(f"{name} {text[:20]!r}: expected a place, a number from 0")
    return int(text)
