"""Invitations, consent, and the way back in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlsu.annotate.web.endpoints import ANYBODY, STAFF, Call, Endpoint
from vlsu.annotate.work.sessions import SESSION_MS

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["CONSENT", "ENDPOINTS", "FIRST_PAGE"]

#: Version of the text that graders agree to (strings ``join.consent``).
CONSENT = "1"
#: Where each role begins.
FIRST_PAGE = {"grader": "/grade", "adjudicator": "/adjudicate", "lead": "/lead"}


def front(call: Call) -> Response:
    """To the first page of a role, or to the sign-in."""
    from starlette.responses import RedirectResponse

    path = "/login" if call.person is None else FIRST_PAGE[call.person.role]
    return RedirectResponse(call.service.site.root + path, 303)


def invited(call: Call) -> Response:
    """What an invitation is for, before it is used: a mail scanner that opens it uses none up."""
    token = str(call.request.path_params["token"])
    role = call.service.project.invited_as(token)
    return call.service.page(
        call, "join.html.jinja", {"role": role, "token": token}, status=200 if role else 404
    )


def join(call: Call) -> Response:
    """Accept an invitation: of age, and with consent, where somebody is to grade."""
    from starlette.responses import RedirectResponse

    project = call.service.project
    token = str(call.request.path_params["token"])
    role = project.invited_as(token)
    if role == "grader" and not (call.body.get("adult") and call.body.get("consent")):
        return call.service.page(
            call, "join.html.jinja", {"role": role, "token": token, "missing": True}, status=400
        )
    session = project.sign_in(token, consent=CONSENT if role == "grader" else None)
    response = RedirectResponse(call.service.site.root + FIRST_PAGE[role or "grader"], 303)
    set_cookie(call, response, session)
    return response


def _page(call: Call, role: str | None, status: int) -> Response:
    token = str(call.request.path_params["token"])
    context = {"role": role, "token": token, "incomplete": status == 400}
    return call.service.page(call, "join.html.jinja", context, status=status)


def set_cookie(call: Call, response: Response, session: str | None) -> None:
    """Give a session's cookie, or take it away."""
    from vlsu.annotate.web.app import COOKIE

    site = call.service.site
    about: Mapping[str, Any] = {
        "path": site.root or "/",
        "secure": site.secure,
        "httponly": True,
        "samesite": "lax",
    }
    if session is None:
        response.delete_cookie(COOKIE, **about)
    else:
        response.set_cookie(COOKIE, session, max_age=SESSION_MS // 1000, **about)


def login(call: Call) -> Response:
    """How to get in."""
    return call.service.page(call, "login.html.jinja")


def leave(call: Call) -> Response:
    """Sign out."""
    from starlette.responses import RedirectResponse

    from vlsu.annotate.web.app import COOKIE

    call.service.project.sign_out(call.request.cookies.get(COOKIE, ""))
    response = RedirectResponse(f"{call.service.site.root}/login", 303)
    set_cookie(call, response, None)
    return response


ENDPOINTS = (
    Endpoint("GET", "/", ANYBODY, front, page=True),
    Endpoint("GET", "/join/{token}", ANYBODY, invited, page=True),
    Endpoint("POST", "/join/{token}", ANYBODY, join, page=True),
    Endpoint("GET", "/login", ANYBODY, login, page=True),
    Endpoint("POST", "/leave", STAFF, leave, page=True),
)
