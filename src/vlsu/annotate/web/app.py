"""The application (ASGI): the table of endpoints, and what each request goes through.

A request names this server (`Guard`), comes from a page of it, is read, matched with a session,
checked against the roles of its endpoint and, if it changes anything, against the token of the page
it comes from. Then the endpoint's function runs in a thread: it talks to the database.
"""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.database import DatabaseAwayError
from vlsu.annotate.web import (
    adjudicating,
    assets,
    caring,
    grading,
    images,
    joining,
    language,
    leading,
    leading_export,
)
from vlsu.annotate.web.bodies import BODY_S, BodyError, read_body
from vlsu.annotate.web.endpoints import ANYBODY, Call, Endpoint
from vlsu.annotate.web.limiting import SIGN_IN, Limit
from vlsu.annotate.web.security import Guard, is_for_scripts, is_foreign, same_secret
from vlsu.annotate.web.service import Service, Site
from vlsu.annotate.web.strings import LANGUAGE_COOKIE, language_of
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.errors import DataError, MachineError, VlsuError

__all__ = ["ENDPOINTS", "annotate_app"]

#: Every path of the app, and who may use it.
ENDPOINTS: tuple[Endpoint, ...] = (
    *joining.ENDPOINTS,
    *grading.ENDPOINTS,
    *caring.ENDPOINTS,
    *images.ENDPOINTS,
    *adjudicating.ENDPOINTS,
    *leading.ENDPOINTS,
    *leading_export.ENDPOINTS,
    *language.ENDPOINTS,
    *assets.ENDPOINTS,
)
#: Seconds between two looks for leases that are overdue, for graders who stay away, and whether
#: opt-outs and skips are to be deleted.
SWEEP_S, ABSENT_S, FORGET_S = 5.0, 3600.0, 3600.0
#: Seconds between two lines of the log about one kind of failure.
QUIET_S = 10.0
_AWAY = "the server cannot store anything at the moment; keep what you have and send it again"
_LOG = logging.getLogger(__name__)


def annotate_app(
    project: Project,
    site: Site,
    *,
    connections: int = 10,
    sign_ins: Mapping[str, Limit] = SIGN_IN,
    patience: float = BODY_S,
) -> Guard:
    """The server's application.

    Args:
        project: Opened with as many connections.
        site: How it is reached.
        connections: To the database; as many requests are worked on at once.
        sign_ins: How often somebody may try to sign in with a password.
        patience: Seconds that the body of a request may take.
    """
    service = Service(project, site, sign_ins)
    limiter = anyio.CapacityLimiter(connections)
    _ = service.content  # a dataset that is gone or has changed is told before the server starts
    log = Failures()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_repeating, project.sweep, SWEEP_S, limiter, log)
            tasks.start_soon(_repeating, project.release_absent, ABSENT_S, limiter, log)
            tasks.start_soon(_repeating, project.forget, FORGET_S, limiter, log)
            yield
            tasks.cancel_scope.cancel()

    async def unrouted(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        why = {404: "there is no such page", 405: "the method is not allowed here"}
        is_page = not is_for_scripts(request.scope["path"])
        found = _refused(_call(service, request), status, why.get(status, ""), page=is_page)
        found.headers.update(getattr(error, "headers", None) or {})
        return found

    routes = [
        Route(
            each.path,
            partial(_respond, service, limiter, log, patience, each),
            methods=[each.method],
        )
        for each in ENDPOINTS
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: unrouted})
    app.router.redirect_slashes = False
    return Guard(app, site)


class Failures:
    """What went wrong and is not the sender's fault: a line in the log, without any content."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def say(self, kind: str, line: str) -> None:
        """Log a line, unless one of its kind was logged a moment ago."""
        now = time.monotonic()
        if now - self._said.get(kind, -QUIET_S) >= QUIET_S:
            self._said[kind] = now
            _LOG.error("vlsu annotate: %s", line)

    def of(self, error: BaseException, where: str) -> None:
        """Log an error that was not foreseen: its kind and place, not its message."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        line = f"{where}: a defect of vlsu ({type(error).__name__} at {place}); report it"
        self.say(line, line)


async def _repeating(
    work: Any, seconds: float, limiter: anyio.CapacityLimiter, log: Failures
) -> None:
    """Do some work again and again for as long as the server runs."""
    while True:
        try:
            await anyio.to_thread.run_sync(work, limiter=limiter)
        except VlsuError as error:  # a database that is away comes back
            log.say("away", str(error))
        except Exception as error:
            log.of(error, "between requests")
        await anyio.sleep(seconds)


async def _respond(
    service: Service,
    limiter: anyio.CapacityLimiter,
    log: Failures,
    patience: float,
    endpoint: Endpoint,
    request: Request,
) -> Response:
    if is_foreign(request.headers, request.method, request.url.scheme, service.site):
        call = _call(service, request)
        return _refused(call, 403, "a page of another site may not do this", page=endpoint.page)
    body: dict[str, Any] = {}
    if endpoint.method == "POST":
        try:
            body = await read_body(request, endpoint.largest, patience)
        except BodyError as error:
            found = _refused(_call(service, request), error.status, str(error), page=endpoint.page)
            if error.status != 400:  # the rest of it is not read
                found.headers["Connection"] = "close"
            return found
    return await anyio.to_thread.run_sync(
        partial(_answer, service, log, endpoint, request, body), limiter=limiter
    )


def _answer(
    service: Service,
    log: Failures,
    endpoint: Endpoint,
    request: Request,
    body: Mapping[str, Any],
) -> Response:
    call = _call(service, request, body)
    refused = partial(_refused, page=endpoint.page)
    try:
        person = service.sessions.person(request)
        call = Call(service, request, person, body, call.language)
        if endpoint.roles != ANYBODY:
            if person is None:
                if endpoint.page:
                    return RedirectResponse(f"{service.site.root}/login", 303)
                return refused(call, 401, "you are not signed in")
            if person.role not in endpoint.roles:
                return refused(call, 403, "this is not for your role")
            if endpoint.method == "POST":
                given = request.headers.get("x-csrf-token") or body.get("csrf")
                if not same_secret(given, service.csrf(person.session)):
                    return refused(call, 403, "the page is too old; load it again")
        found = endpoint.answer(call)
        if endpoint.method == "POST" and person is not None and person.role == "lead":
            service.sessions.forget()  # leads may have ended some
        return found if isinstance(found, Response) else JSONResponse(found)
    except LeaseLostError as error:
        return refused(call, 409, str(error))
    except (MachineError, DatabaseAwayError) as error:
        log.say("away", str(error))
        return refused(call, 503, _AWAY)
    except DataError:
        # Not what the error says, which may quote content.
        line = f"a sample cannot be read; run vlsu data check {service.project.record.dataset}"
        log.say(line, line)
        return refused(call, 503, "the dataset cannot be read at the moment")
    except VlsuError as error:
        return refused(call, 400, str(error))
    except Exception as error:
        log.of(error, f"{endpoint.method} {endpoint.path}")
        return refused(call, 500, "the server failed at this; it is in its log")


def _call(service: Service, request: Request, body: Mapping[str, Any] | None = None) -> Call:
    """A request of nobody yet."""
    wanted = request.headers.get("accept-language", "")
    chosen = language_of(wanted, request.cookies.get(LANGUAGE_COOKIE, ""))
    return Call(service, request, None, body or {}, chosen)


def _refused(call: Call, status: int, why: str, *, page: bool) -> Response:
    """What a page or a script gets instead of what it asked for."""
    found = (
        call.service.problem(call, status, why) if page else JSONResponse({"error": why}, status)
    )
    if status == 503:
        found.headers["Retry-After"] = "2"
    return found
