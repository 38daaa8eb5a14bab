"""The lead's page, and the JSON below it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vlsu.annotate.projects.overview import audit_page, worker
from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.leading_figures import (
    figures_of,
    lead_figures,
    plan_rows,
    quality_figures,
)
from vlsu.annotate.work.people import ROLES
from vlsu.errors import UsageError

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_LEAD = frozenset({"lead"})
#: Seconds that the page waits for new counts, at most, and the JSON below it.
_FIRST_S, _AGAIN_S = 0.3, 1.0


def page(call: Call) -> Response:
    """The page from which a project is led."""
    project = call.service.project
    return call.service.page(
        call,
        "lead.html.jinja",
        {
            "figures": _figures(call, _FIRST_S),
            "plan": plan_rows(project),
            "record": project.record,
            "folder": project.folder.name,
            "officer": project.officer,
            "roles": ROLES,
        },
    )


def figures(call: Call) -> Mapping[str, Any]:
    """What on the page changes."""
    return _figures(call, _AGAIN_S)


def _figures(call: Call, wait: float) -> dict[str, Any]:
    return lead_figures(call, call.service.texts(call.language), wait=wait)


def log(call: Call) -> Mapping[str, Any]:
    """A page of the log."""
    before = call.request.query_params.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise UsageError("before: the number of an entry is expected")
    with call.service.project.database.read() as connection:
        return audit_page(connection, int(before) if before else None)


def invite(call: Call) -> Mapping[str, Any]:
    """Invite somebody, or give them a new link; the link's path is in this answer alone."""
    made = call.service.project.invite(
        call.text("name"), call.text("role"), languages=call.texts("languages"), by=call.who.id
    )
    return {"person": made.person, "path": f"/join/{made.token}"}


def pause(call: Call) -> Mapping[str, Any]:
    """Give somebody no more items."""
    call.service.project.pause(_worker(call), by=call.who.id)
    return _changed(call)


def resume(call: Call) -> Mapping[str, Any]:
    """Give somebody items again."""
    call.service.project.resume(_worker(call), by=call.who.id)
    return _changed(call)


def set_aside(call: Call) -> Mapping[str, Any]:
    """Have the grades of somebody who is paused count no longer."""
    number = call.service.project.set_aside(_worker(call), by=call.who.id)
    return {**_changed(call), "grades": number}


def lock_out(call: Call) -> Mapping[str, Any]:
    """Sign somebody out everywhere: they come back with a new link."""
    return {"ended": call.service.project.end_sessions(_worker(call), by=call.who.id)}


def report(call: Call) -> Mapping[str, Any]:
    """Record that a stopped item was reported."""
    call.service.project.report_stop(
        call.who.id, _whole(call, "stop"), to=call.text("to"), reference=call.text("reference", "")
    )
    return {}


def lift(call: Call) -> Mapping[str, Any]:
    """Put the samples of a false alarm back into the queues."""
    freed = call.service.project.lift_stop(call.who.id, _whole(call, "stop"), call.text("reason"))
    return {**_changed(call), "samples": len(freed)}


def _worker(call: Call) -> int:
    number = _whole(call, "person")
    with call.service.project.database.read() as connection:
        return int(worker(connection, number).id)


def _whole(call: Call, name: str) -> int:
    value = call.number(name, -1)
    if not 0 < value == int(value):
        raise UsageError(f"{name}: a number from the page is expected")
    return int(value)


def _changed(call: Call) -> dict[str, Any]:
    kept = figures_of(call.service.project)
    kept.counts.expire()
    kept.agreement.expire()
    return {}


@cache
def _vega() -> bytes:
    return files("vlsu.report").joinpath("static", "charts.js").read_bytes()


def vega(_: Call) -> Response:
    """The library that the report draws its charts with."""
    from starlette.responses import Response

    return Response(
        _vega(),
        media_type="text/javascript; charset=utf-8",
        headers={"Cache-Control": "private, max-age=86400"},
    )


ENDPOINTS = (
    Endpoint("GET", "/lead", _LEAD, page, page=True),
    Endpoint("GET", "/api/lead", _LEAD, figures),
    Endpoint("GET", "/api/lead/quality", _LEAD, quality_figures),
    Endpoint("GET", "/api/lead/log", _LEAD, log),
    Endpoint("POST", "/api/lead/invite", _LEAD, invite),
    Endpoint("POST", "/api/lead/pause", _LEAD, pause),
    Endpoint("POST", "/api/lead/resume", _LEAD, resume),
    Endpoint("POST", "/api/lead/set-aside", _LEAD, set_aside),
    Endpoint("POST", "/api/lead/lock-out", _LEAD, lock_out),
    Endpoint("POST", "/api/lead/report", _LEAD, report),
    Endpoint("POST", "/api/lead/lift", _LEAD, lift),
    Endpoint("GET", "/lead/charts.js", _LEAD, vega),
)
