"""The application (ASGI): the table of endpoints, and what each request goes through.

A request is named (`Guard`), read, matched with a session, checked against the roles of its
endpoint and, if it changes anything, against the token of the page it says it comes from. Then the
endpoint's function runs in a thread: it talks to the database.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from vlsu.annotate.projects.project import Project
from vlsu.annotate.web import adjudicating, assets, grading, images, joining, language, leading
from vlsu.annotate.web.endpoints import ANYBODY, Call, Endpoint, Person
from vlsu.annotate.web.security import Guard
from vlsu.annotate.web.service import Service, Site
from vlsu.annotate.web.strings import LANGUAGE_COOKIE, language_of
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.sessions import person_of, token_hash
from vlsu.errors import MachineError, UsageError, VlsuError

__all__ = ["COOKIE", "ENDPOINTS", "annotate_app"]

#: Every path of the app, and who may use it.
ENDPOINTS: tuple[Endpoint, ...] = (
    *joining.ENDPOINTS,
    *grading.ENDPOINTS,
    *images.ENDPOINTS,
    *adjudicating.ENDPOINTS,
    *leading.ENDPOINTS,
    *language.ENDPOINTS,
    *assets.ENDPOINTS,
)
#: Name of the session's cookie.
COOKIE = "vlsu-annotate"
#: Bytes of a body at most.
LARGEST = 65_536
#: Seconds between two looks for leases that are overdue.
SWEEP_S = 5.0


def annotate_app(project: Project, site: Site, *, connections: int = 10) -> Guard:
    """The server's application.

    Args:
        project: Opened with as many connections.
        site: How it is reached.
        connections: To the database; as many requests are worked on at once.
    """
    service = Service(project, site)
    limiter = anyio.CapacityLimiter(connections)
    _ = service.content  # a dataset that is gone or has changed is told before the server starts

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_sweeping, project)
            yield
            tasks.cancel_scope.cancel()

    routes = [
        Route(each.path, partial(_respond, service, limiter, each), methods=[each.method])
        for each in ENDPOINTS
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return Guard(app, site)


async def _sweeping(project: Project) -> None:
    """Put back what is overdue, for as long as the server runs."""
    while True:
        with contextlib.suppress(VlsuError):  # a database that is away comes back
            await anyio.to_thread.run_sync(project.sweep)
        await anyio.sleep(SWEEP_S)


async def _respond(
    service: Service, limiter: anyio.CapacityLimiter, endpoint: Endpoint, request: Request
) -> Response:
    try:
        body = await _body(request) if endpoint.method == "POST" else {}
    except UsageError as error:
        return JSONResponse({"error": str(error)}, 400)
    return await anyio.to_thread.run_sync(
        partial(_answer, service, endpoint, request, body), limiter=limiter
    )


def _answer(
    service: Service, endpoint: Endpoint, request: Request, body: Mapping[str, Any]
) -> Response:
    wanted = request.headers.get("accept-language", "")
    chosen = language_of(wanted, request.cookies.get(LANGUAGE_COOKIE, ""))
    try:
        person = _person(service, request)
        if endpoint.roles != ANYBODY:
            if person is None:
                if endpoint.page:
                    return RedirectResponse(f"{service.site.root}/login", 303)
                return JSONResponse({"error": "you are not signed in"}, 401)
            if person.role not in endpoint.roles:
                return JSONResponse({"error": "this is not for your role"}, 403)
        if endpoint.method == "POST" and not _is_ours(service, person, request, body):
            return JSONResponse({"error": "the page is too old; load it again"}, 403)
        found = endpoint.answer(Call(service, request, person, body, chosen))
    except LeaseLostError as error:
        return JSONResponse({"error": str(error)}, 409)
    except MachineError as error:
        return JSONResponse({"error": str(error)}, 503)
    except VlsuError as error:
        return JSONResponse({"error": str(error)}, 400)
    return found if isinstance(found, Response) else JSONResponse(found)


def _person(service: Service, request: Request) -> Person | None:
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    project = service.project
    with project.database.read() as connection:
        row = person_of(connection, token, project.clock())
    if row is None:
        return None
    return Person(row.id, row.name, row.role, token_hash(token))


def _is_ours(
    service: Service, person: Person | None, request: Request, body: Mapping[str, Any]
) -> bool:
    """Whether a request that changes something comes from a page of ours."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    if person is None:
        return True
    given = request.headers.get("x-csrf-token") or str(body.get("csrf", ""))
    return hmac.compare_digest(given.encode(), service.csrf(person.session).encode())


async def _body(request: Request) -> dict[str, Any]:
    """The object of a JSON body, or the fields of a form.

    Raises:
        UsageError: It is too large, or neither.
    """
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LARGEST:
            raise UsageError(f"the body has more than {LARGEST} bytes")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(read.decode(), keep_blank_values=True, max_num_fields=100))
        found = json.loads(read or b"{}") if kind in ("application/json", "") else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError("the body is no JSON object")
    return found
