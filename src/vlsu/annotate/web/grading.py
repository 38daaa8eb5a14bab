"""The grader's page, and the JSON below it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlsu.annotate.plan.answers import BECAUSE, CONFIDENCES, REFERS, STOP_KINDS, Answer
from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.keys import Key, seal, unseal
from vlsu.annotate.web.policy_setup import policy_setup
from vlsu.annotate.work.answering import Receipt
from vlsu.annotate.work.leases import Lease
from vlsu.annotate.work.leasing import Nothing

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_GRADER = frozenset({"grader"})


def page(call: Call) -> Response:
    """The page on which items are graded."""
    project = call.service.project
    policy = project.policy
    who = f"{project.record.id} {call.who.id}".encode()
    setup = {
        # Answers that are kept in a browser are sent for nobody else who signs in there.
        "me": hmac.digest(call.service.secret.encode(), b"page " + who, hashlib.sha256).hex()[:16],
        "held": project.plan.order.held,
        "severities": [severity.label for severity in policy.severities],
        "confidences": CONFIDENCES,
        "refers": REFERS,
        "because": BECAUSE,
        "stop_kinds": STOP_KINDS,
        "policy": policy_setup(policy),
    }
    return call.service.page(call, "grade.html.jinja", {"setup": setup})


def me(call: Call) -> Mapping[str, Any]:
    """What a grader has done today and may do, for them alone."""
    project = call.service.project
    found = project.progress_of(call.who.id)
    bounds = project.plan.bounds
    return {
        "done": found.done,
        "today": {"items": found.items, "hard": found.hard, "minutes": found.seconds / 60},
        "bounds": {"minutes": bounds.minutes_a_day, "hard": bounds.hard_a_day},
        "break_due": project.break_due(call.who.id),
        "support": {
            "text": project.record.care.support
            or call.service.texts(call.language)["common.support"]
        },
        "policy": {
            "version": found.version,
            "notes": [
                dict(zip(("id", "category", "text", "version"), note, strict=True))
                for note in found.notes
            ],
        },
    }


def next_item(call: Call) -> Mapping[str, Any]:
    """The next item, or why there is none."""
    holds = [_key(call, text) for text in call.texts("holds")]
    found = call.service.project.next_item(call.who.id, holds=holds)
    if isinstance(found, Nothing):
        return {"item": None, "why": found.value}
    return {"item": item_of(call, found)}


def item_of(call: Call, lease: Lease) -> dict[str, Any]:
    """An item as a page has it."""
    key = seal(call.service.secret, Key(lease.kind, lease.slot, lease.token))
    shown = call.service.content.of(lease.sample_id, lease.modality)
    return {
        "key": key,
        "sample": lease.alias,
        "modality": lease.modality,
        "image": f"image/{key}" if shown["image_sha256"] else None,
        "text": shown["text"],
        "language": shown["language"],
        "training": lease.training,
        "until": lease.until,
    }


def extend(call: Call) -> Mapping[str, Any]:
    """Heartbeat: the items that are still the grader's."""
    given = {_key(call, text): text for text in call.texts("holds")}
    still = call.service.project.extend_leases(call.who.id, list(given))
    return {"held": [given[key] for key in still]}


def submit(call: Call) -> Mapping[str, Any]:
    """Store a grade."""
    key = _key(call, call.text("key"))
    confidence = call.body.get("confidence")
    revealed = call.body.get("revealed")
    answer = Answer(
        client_id=call.text("client_id"),
        kind=key.kind,
        slot=key.number,
        token=key.token,
        grade=call.text("grade"),
        category=_or_none(call, "category"),
        confidence=None if confidence is None else int(call.number("confidence")),
        admissible=call.texts("admissible"),
        refers=_or_none(call, "refers"),
        because=_or_none(call, "because"),
        revealed=None if revealed is None else call.flag("revealed"),
        note=call.text("note", ""),
        seconds=call.number("seconds"),
    )
    receipt = call.service.project.submit(call.who.id, answer)
    return {"stored": True, "again": receipt.again, "feedback": _feedback(receipt)}


def _feedback(receipt: Receipt) -> dict[str, Any] | None:
    return None if receipt.feedback is None else asdict(receipt.feedback)


def take_back(call: Call) -> Mapping[str, Any]:
    """Take the last grade back; its item."""
    return {"item": item_of(call, call.service.project.take_back(call.who.id))}


def skip(call: Call) -> Mapping[str, Any]:
    """Leave an item to others."""
    key = _key(call, call.text("key"))
    call.service.project.skip(call.who.id, key, seconds=call.number("seconds"))
    return {"skipped": True}


def stop(call: Call) -> Response:
    """Take an item that may be illegal, or is a threat, from everybody, also this browser."""
    from starlette.responses import JSONResponse

    key = _key(call, call.text("key"))
    call.service.project.stop(call.who.id, key, call.text("kind"), seconds=call.number("seconds"))
    return JSONResponse({"stopped": True}, headers={"Clear-Site-Data": '"cache"'})


def _key(call: Call, text: str) -> Key:
    return unseal(call.service.secret, text)


def _or_none(call: Call, name: str) -> str | None:
    return None if call.body.get(name) is None else call.text(name)


ENDPOINTS = (
    Endpoint("GET", "/grade", _GRADER, page, page=True),
    Endpoint("GET", "/api/me", _GRADER, me),
    Endpoint("POST", "/api/next", _GRADER, next_item),
    Endpoint("POST", "/api/extend", _GRADER, extend),
    Endpoint("POST", "/api/submit", _GRADER, submit),
    Endpoint("POST", "/api/take-back", _GRADER, take_back),
    Endpoint("POST", "/api/skip", _GRADER, skip),
    Endpoint("POST", "/api/stop", _GRADER, stop),
)
