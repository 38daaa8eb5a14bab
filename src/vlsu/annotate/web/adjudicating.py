"""The adjudicator's page, and the JSON below it: cases without names, decisions, revisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlsu.annotate.consensus.majority import Vote, soft_label
from vlsu.annotate.plan.answers import STOP_KINDS
from vlsu.annotate.web import noting
from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.images import image_of
from vlsu.annotate.web.keys import Key, seal, unseal
from vlsu.annotate.web.policy_setup import policy_setup
from vlsu.annotate.work.adjudicating import MOST_REASON
from vlsu.annotate.work.cases import Case, Decision
from vlsu.errors import UsageError
from vlsu.policy import NOT_SURE

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS", "case_number"]

_ADJUDICATOR = frozenset({"adjudicator"})


def page(call: Call) -> Response:
    """The page on which disputes are decided."""
    project = call.service.project
    policy = project.policy
    setup = {
        "held": min(2, project.plan.order.held),
        "severities": [severity.label for severity in policy.severities],
        "stop_kinds": STOP_KINDS,
        "most": {"reason": MOST_REASON},
        "policy": policy_setup(policy),
    }
    return call.service.page(call, "adjudicate.html.jinja", {"setup": setup})


def next_case(call: Call) -> Mapping[str, Any]:
    """The next case, and how many disputes are open."""
    project = call.service.project
    holds = [case_number(call, text) for text in call.texts("holds")]
    found = project.next_case(call.who.id, holds=holds)
    return {
        "case": None if found is None else case_of(call, found),
        "open": project.open_disputes(),
    }


def case_of(call: Call, case: Case) -> dict[str, Any]:
    """A case as a page has it: of the graders nothing but what they answered."""
    key = seal(call.service.secret, Key("case", case.dispute, case.token))
    shown = call.service.content.of(case.sample_id, case.modality)
    votes = [Vote(each.grade, each.category, each.admissible) for each in case.opinions]
    labels = call.service.severities
    counts = Counter(vote.grade for vote in votes)
    return {
        "dispute": key,
        "sample": case.alias,
        "modality": case.modality,
        "image": f"case-image/{key}" if shown["image_sha256"] else None,
        "text": shown["text"],
        "language": shown["language"],
        "reason": case.reason,
        "opinions": [asdict(each) for each in case.opinions],
        "distribution": {
            "grades": {grade: counts[grade] for grade in (*labels, NOT_SURE)},
            "categories": Counter(vote.category for vote in votes if vote.category),
            "soft": soft_label(votes, labels),
        },
        "decision": None if case.decision is None else _decision(case.decision),
        "until": case.until,
    }


def extend(call: Call) -> Mapping[str, Any]:
    """Heartbeat: the cases that are still the adjudicator's."""
    given = {case_number(call, text): text for text in call.texts("holds")}
    still = call.service.project.extend_cases(call.who.id, list(given))
    return {"held": [given[number] for number in still]}


def decide(call: Call) -> Mapping[str, Any]:
    """Store a decision, or a revised one."""
    category = None if call.body.get("category") is None else call.text("category")
    again = call.service.project.decide(
        call.who.id,
        case_number(call, call.text("dispute")),
        call.text("grade"),
        category,
        call.text("reason"),
        contested=call.flag("contested"),
        seconds=call.number("seconds"),
    )
    return {"stored": True, "again": again}


def skip(call: Call) -> Mapping[str, Any]:
    """Leave a case to another adjudicator."""
    number = case_number(call, call.text("dispute"))
    call.service.project.skip_case(call.who.id, number, seconds=call.number("seconds"))
    return {"skipped": True}


def stop(call: Call) -> Mapping[str, Any]:
    """Take the item of a case that may be illegal, or is a threat, from everybody."""
    number = case_number(call, call.text("dispute"))
    call.service.project.stop_case(
        call.who.id, number, call.text("kind"), seconds=call.number("seconds")
    )
    return {"stopped": True}


def decided(call: Call) -> Mapping[str, Any]:
    """What the adjudicator has decided, the latest first."""
    found = call.service.project.decided_by(call.who.id)
    return {
        "decided": [
            {
                # For `revise` alone: no lease has this token, and no image is served by it.
                "dispute": seal(call.service.secret, Key("case", each.dispute, "0" * 32)),
                "sample": each.alias,
                "modality": each.modality,
                **_decision(each),
            }
            for each in found
        ]
    }


def revise(call: Call) -> Mapping[str, Any]:
    """A decided case, to be decided anew."""
    number = case_number(call, call.text("dispute"))
    return {"case": case_of(call, call.service.project.open_again(call.who.id, number))}


def image(call: Call) -> Response:
    """The image of a case that is before the adjudicator, if what is to be decided has one."""
    key = unseal(call.service.secret, str(call.request.path_params["key"]))
    shown = None
    if key.kind == "case":
        shown = call.service.project.case_shown_to(call.who.id, key.number, key.token)
    return image_of(call, shown)


def case_number(call: Call, text: str) -> int:
    """The number of a dispute, from its sealed key.

    Raises:
        UsageError: It is the key of something else, or none.
    """
    key = unseal(call.service.secret, text)
    if key.kind != "case":
        raise UsageError("dispute: is not the key of a case")
    return key.number


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "grade": decision.grade,
        "category": decision.category,
        "contested": decision.contested,
        "reason": decision.reason,
        "version": decision.version,
        "decided_at": decision.decided_at,
        "live": decision.live,
        "revisable": decision.revisable,
    }


ENDPOINTS = (
    Endpoint("GET", "/adjudicate", _ADJUDICATOR, page, page=True),
    Endpoint("POST", "/api/case", _ADJUDICATOR, next_case),
    Endpoint("POST", "/api/extend-cases", _ADJUDICATOR, extend),
    Endpoint("POST", "/api/decide", _ADJUDICATOR, decide),
    Endpoint("POST", "/api/skip-case", _ADJUDICATOR, skip),
    Endpoint("POST", "/api/stop-case", _ADJUDICATOR, stop),
    Endpoint("POST", "/api/decided", _ADJUDICATOR, decided),
    Endpoint("POST", "/api/revise", _ADJUDICATOR, revise),
    Endpoint("GET", "/case-image/{key}", _ADJUDICATOR, image),
    *noting.ENDPOINTS,
)
