"""The page on which graders look after themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.work.days import Seen
from vlsu.errors import UsageError

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_GRADER = frozenset({"grader"})


def page(call: Call) -> Response:
    """What a grader has seen, what they are not shown, a break, help, and the way out."""
    return call.service.page(call, "care.html.jinja", _context(call))


def _context(call: Call) -> dict[str, Any]:
    project = call.service.project
    found = project.exposure(call.who.id)
    bounds = project.plan.bounds
    out = project.opted_out(call.who.id)
    until = project.health_data_until()
    return {
        "rows": [
            ("items", found.today.items, found.total.items, 0),
            ("hard", found.today.hard, found.total.hard, bounds.hard_a_day),
            ("minutes", *(round(each.minutes) for each in (found.today, found.total)),
             bounds.minutes_a_day),
        ],
        "categories": [(each.id, each.name, each.id in out) for each in project.policy.categories],
        "break_minutes": bounds.break_minutes,
        "forget_days": bounds.forget_after_days,
        "forget_on": "" if until is None else _day(until),
    }  # fmt: skip


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d}"


def seen(call: Call) -> Mapping[str, Any]:
    """What a grader has seen, for them alone, and whether a break is due."""
    project = call.service.project
    found = project.exposure(call.who.id)
    return {
        "today": _numbers(found.today),
        "total": _numbers(found.total),
        "break_due": project.break_due(call.who.id),
        "opted_out": sorted(project.opted_out(call.who.id)),
    }


def _numbers(each: Seen) -> dict[str, float]:
    return {"items": each.items, "hard": each.hard, "minutes": round(each.minutes, 1)}


def opt_out(call: Call) -> Mapping[str, Any]:
    """Never show a grader a category, or show it again.

    Raises:
        UsageError: The policy has no such category.
    """
    project = call.service.project
    category, out = call.text("category"), call.flag("out")
    if category not in project.policy.category_ids:
        raise UsageError(f"category: the policy has no {category[:40]!r}")
    (project.opt_out if out else project.opt_in)(call.who.id, category)
    return {"opted_out": sorted(project.opted_out(call.who.id))}


def take_break(call: Call) -> Mapping[str, Any]:
    """Begin a break."""
    call.service.project.start_break(call.who.id)
    return {"minutes": call.service.project.plan.bounds.break_minutes}


def clock(call: Call) -> Mapping[str, Any]:
    """How far a grader's clock is ahead of UTC's, in minutes."""
    minutes = int(call.number("utc_offset"))
    return {"changed": call.service.project.set_utc_offset(call.who.id, minutes)}


def leave(call: Call) -> Response:
    """Stop taking part: what they hold goes to others, and they are signed out."""
    if not call.body.get("sure"):
        return call.service.page(
            call, "care.html.jinja", {**_context(call), "unsure": True}, status=400
        )
    call.service.project.stop_taking_part(call.who.id)
    call.service.project.sign_out(call.service.sessions.token(call.request))
    call.service.sessions.forget()
    response = call.service.page(call, "care_left.html.jinja")
    response.headers["Clear-Site-Data"] = '"cache"'
    call.service.sessions.take(response)
    return response


ENDPOINTS = (
    Endpoint("GET", "/care", _GRADER, page, page=True),
    Endpoint("GET", "/api/care", _GRADER, seen),
    Endpoint("POST", "/api/opt-out", _GRADER, opt_out),
    Endpoint("POST", "/api/break", _GRADER, take_break),
    Endpoint("POST", "/api/clock", _GRADER, clock),
    Endpoint("POST", "/care/leave", _GRADER, leave, page=True),
)
