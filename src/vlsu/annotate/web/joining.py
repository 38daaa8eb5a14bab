"""Invitations, consent, and the way back in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import ANYBODY, STAFF, Call, Endpoint
from vlsu.annotate.web.limiting import network
from vlsu.annotate.work.passwords import LEAST, LONGEST
from vlsu.errors import AnnotationError, UsageError

if TYPE_CHECKING:
    from starlette.responses import RedirectResponse, Response

    from vlsu.annotate.web.endpoints import Person

__all__ = ["CONSENT", "ENDPOINTS", "FIRST_PAGE"]

#: Version of the text that graders agree to (strings ``consent``).
CONSENT = "1"
#: Where each role begins.
FIRST_PAGE = {"grader": "/grade", "adjudicator": "/adjudicate", "lead": "/lead"}


def front(call: Call) -> Response:
    """To the first page of a role, or to the sign-in."""
    return _to(call, "/login" if call.person is None else FIRST_PAGE[call.person.role])


def invited(call: Call) -> Response:
    """What an invitation is for, before it is used: a mail scanner that opens it uses none up.

    Who is signed in and opens the link they came by, once more or by Back, goes on.
    """
    role = call.service.project.invited_as(_token(call))
    if role is None and call.person is not None:
        return front(call)
    return _invitation(call, role, 200 if role else 404)


def join(call: Call) -> Response:
    """Accept an invitation: of age, and with consent, where somebody is to grade."""
    project, sessions = call.service.project, call.service.sessions
    role = project.invited_as(_token(call))
    if role is None:
        return _invitation(call, None, 404)
    if role == "grader" and not (call.body.get("adult") and call.body.get("consent")):
        return _invitation(call, role, 400)
    try:
        session = project.sign_in(_token(call), consent=CONSENT if role == "grader" else None)
    except AnnotationError:  # by somebody else, a moment ago
        if project.invited_as(_token(call)) is not None:
            raise
        return _invitation(call, None, 404)
    if earlier := sessions.token(call.request):
        project.sign_out(earlier)
        sessions.forget()
    response = _to(call, FIRST_PAGE[role])
    sessions.give(response, session)
    return response


def login(call: Call) -> Response:
    """How to get in."""
    return call.service.page(call, "login.html.jinja", {"failed": "", "name": ""})


def sign_in(call: Call) -> Response:
    """Get in by name and password."""
    service = call.service
    name, password = call.text("name", ""), call.text("password", "")
    client = call.request.client
    keys = {
        "name": " ".join(name.split()).casefold(),
        "address": network(client.host if client else None),
        "all": "",
    }
    wait = service.sign_ins.take(keys)
    if wait > 0:
        context = {"failed": "often", "name": name}
        found = service.page(call, "login.html.jinja", context, status=429)
        found.headers["Retry-After"] = str(int(wait) + 1)
        return found
    session = service.project.sign_in_by_name(name[:200], password)
    if session is None:
        context = {"failed": "wrong", "name": name}
        return service.page(call, "login.html.jinja", context, status=403)
    service.sign_ins.give_back(keys)
    if earlier := service.sessions.token(call.request):
        service.project.sign_out(earlier)
        service.sessions.forget()
    response = _to(call, "/")
    service.sessions.give(response, session)
    return response


def account(call: Call) -> Response:
    """A page on which to give oneself a password, and to end sessions elsewhere."""
    return _account(call, call.who, str(call.request.query_params.get("done", "")))


def change_account(call: Call) -> Response:
    """Set a password, go without one, or sign out everywhere else."""
    project, who = call.service.project, call.who
    what = call.text("what", "")
    if what == "password":
        if call.text("password", "") != call.text("again", ""):
            return _account(call, who, "differ", 400)
        if (refused := _unproved(call, who)) is not None:
            return refused
        try:
            project.set_password(who.id, who.name, call.text("password", ""), session=who.session)
        except UsageError:
            return _account(call, who, "weak", 400)
    elif what == "forget":
        if (refused := _unproved(call, who)) is not None:
            return refused
        project.forget_password(who.id)
    elif what == "sessions":
        project.end_sessions(who.id, by=who.id, but=who.session)
    else:
        raise UsageError("what: give password, forget or sessions")
    call.service.sessions.forget()
    return _to(call, f"/account?done={what}")


def _unproved(call: Call, who: Person) -> Response | None:
    """The page, if somebody has a password and does not give it: a session alone does not do."""
    project = call.service.project
    if not project.has_password(who.id):
        return None
    keys = {"name": who.name.casefold(), "all": ""}
    if call.service.sign_ins.take(keys) > 0:
        return _account(call, who, "often", 429)
    if not project.is_password_of(who.id, call.text("current", "")):
        return _account(call, who, "wrong", 403)
    call.service.sign_ins.give_back(keys)
    return None


def leave(call: Call) -> Response:
    """Sign out, and have the browser forget the images it was shown."""
    call.service.project.sign_out(call.service.sessions.token(call.request))
    call.service.sessions.forget()
    response = _to(call, "/login")
    response.headers["Clear-Site-Data"] = '"cache"'
    call.service.sessions.take(response)
    return response


def _token(call: Call) -> str:
    return str(call.request.path_params["token"])


def _invitation(call: Call, role: str | None, status: int) -> Response:
    context = {"role": role, "token": _token(call), "missing": status == 400}
    return call.service.page(call, "join.html.jinja", context, status=status)


def _account(call: Call, who: Person, said: str, status: int = 200) -> Response:
    known = ("password", "forget", "sessions", "differ", "wrong", "weak", "often")
    context = {
        "said": said if said in known else "",
        "failed": status != 200,
        "has_password": call.service.project.has_password(who.id),
        "least": LEAST,
        "longest": LONGEST,
        "first_page": FIRST_PAGE[who.role],
    }
    return call.service.page(call, "account.html.jinja", context, status=status)


def _to(call: Call, path: str) -> RedirectResponse:
    from starlette.responses import RedirectResponse

    return RedirectResponse(call.service.site.root + path, 303)


ENDPOINTS = (
    Endpoint("GET", "/", ANYBODY, front, page=True),
    Endpoint("GET", "/join/{token}", ANYBODY, invited, page=True),
    Endpoint("POST", "/join/{token}", ANYBODY, join, page=True),
    Endpoint("GET", "/login", ANYBODY, login, page=True),
    Endpoint("POST", "/login", ANYBODY, sign_in, page=True),
    Endpoint("GET", "/account", STAFF, account, page=True),
    Endpoint("POST", "/account", STAFF, change_account, page=True),
    Endpoint("POST", "/leave", STAFF, leave, page=True),
)
