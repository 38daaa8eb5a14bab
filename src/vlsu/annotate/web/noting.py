"""Notes on the policy as JSON: read, weighed and added by adjudicators and leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.keys import unseal
from vlsu.annotate.work.notes import Opening
from vlsu.errors import UsageError

__all__ = ["ENDPOINTS"]

_SENIORS = frozenset({"adjudicator", "lead"})


def notes(call: Call) -> Mapping[str, Any]:
    """The notes, and the version of the policy that they make."""
    return {"notes": call.service.project.policy_notes()}


def touches(call: Call) -> Mapping[str, Any]:
    """What a note would open again."""
    found = call.service.project.touched(_opening(call.body), dispute=_dispute(call))
    return asdict(found)


def add(call: Call) -> Mapping[str, Any]:
    """Add a note; ``opens`` is missing, or says which grades are opened again."""
    opens = call.body.get("opens")
    if opens is not None and not isinstance(opens, dict):
        raise UsageError("opens: an object is expected")
    note = call.service.project.add_note(
        call.who.id,
        call.text("text"),
        category=_text(call.body, "category"),
        dispute=_dispute(call),
        opening=None if opens is None else _opening(opens),
    )
    return {"note": note}


def _opening(body: Mapping[str, Any]) -> Opening:
    decided = body.get("decided", False)
    if not isinstance(decided, bool):
        raise UsageError("decided: true or false is expected")
    return Opening(
        category=_text(body, "category"), modality=_text(body, "modality"), decided=decided
    )


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name}: a text is expected")
    return value


def _dispute(call: Call) -> int | None:
    text = _text(call.body, "dispute")
    if text is None:
        return None
    key = unseal(call.service.secret, text)
    if key.kind != "case":
        raise UsageError("dispute: is not the key of a case")
    return key.number


ENDPOINTS = (
    Endpoint("POST", "/api/notes", _SENIORS, notes),
    Endpoint("POST", "/api/note-touches", _SENIORS, touches),
    Endpoint("POST", "/api/note", _SENIORS, add),
)
