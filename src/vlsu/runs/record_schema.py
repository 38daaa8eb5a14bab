"""What kinds of values ``run.yaml`` holds: a record of other kinds is damaged, whoever did it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["wrong_part"]

_Check = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _count(value: object) -> bool:
    return _whole(value) and isinstance(value, int) and value >= 0


def _number(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and abs(value) < 1e300 and not math.isnan(value)  # type: ignore[arg-type]


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _tree(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _maybe(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _list_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _by_name(check: _Check) -> _Check:
    return lambda value: _tree(value) and all(map(check, value.values()))  # type: ignore[attr-defined]


def _parts(needed: Mapping[str, _Check], /, **optional: _Check) -> _Check:
    """A mapping that holds all that is needed, and of what it may hold the right kind."""

    def check(value: object) -> bool:
        if not isinstance(value, dict) or not _tree(value) or not needed.keys() <= value.keys():
            return False
        known = {**needed, **optional}
        return all(known[name](each) for name, each in value.items() if name in known)

    return check


_HASHED = _parts({"name": _text, "hash": _text}, version=_text)
_JUDGE = _parts(
    {"spec": _text, "identity": _tree, "rubric": _text, "fingerprint": _text, "repeats": _count},
    gives=_list_of(_text),
    unknown_languages=_by_name(_count),
)
_DATASET = {
    "name": _text,
    "version": _text,
    "content_hash": _text,
    "samples": _count,
    "path": _text,
}

#: Part of a record -> what it must be, where it is there at all.
_PARTS: Mapping[str, _Check] = {
    "task": _text,
    "status": _text,
    "model": _parts({"spec": _text, "identity": _tree}, base_url=_maybe(_text)),
    "dataset": _parts(_DATASET),
    "policy": _HASHED,
    "prompt": _HASHED,
    "system": _parts({"hash": _text}),
    "framings": _by_name(_text),
    "judges": _list_of(_JUDGE),
    "captions": _flag,
    "draws": _count,
    "calibrated": _flag,
    "labels": _maybe(_tree),
    "modalities": _list_of(_text),
    "limit": _maybe(_count),
    "seed": _maybe(_whole),
    "sampling": _maybe(
        _parts({}, budget=_maybe(_count), until=_maybe(_text), seed=_whole, requests=_tree)
    ),
    "split": _tree,
    "fingerprint": _text,
    "versions": _by_name(_text),
    "started": _text,
    "ended": _maybe(_text),
    "stopped": _maybe(_text),
    "stop_reason": _maybe(_text),
    "requests": _parts(
        {"asked": _count, "reused": _count, "stored": _count},
        needed=_count,
        shared=_count,
        retries=_by_name(_count),
        errors=_by_name(_count),
        unanswered=_by_name(_count),
    ),
    "outcomes": _by_name(_by_name(_count)),
    "not_asked": _by_name(_by_name(_count)),
    "images": _by_name(_count),
    "results": _by_name(_text),
    "held_out_shown": _list_of(_text),
    "concurrency": _maybe(_count),
    "requests_per_minute": _maybe(_number),
    "tokens_per_minute": _maybe(_number),
    "max_requests": _maybe(_count),
    "max_cost": _maybe(_number),
    "price": _maybe(_tree),
    "cost": _number,
    "cost_of_start": _number,
    "cost_source": _text,
    "cost_of": _by_name(_number),
}
#: Parts that every record has, and those that one of a task has besides.
_NEEDED = ("task", "status", "model", "dataset", "policy", "modalities", "versions", "started")
_NEEDED_OF = {
    "understanding": ("prompt", "fingerprint", "limit", "seed"),
    "alignment": ("framings", "judges", "captions", "limit", "seed"),
    "tuning": ("framings", "judges", "captions", "split"),
}


def wrong_part(record: Mapping[str, Any]) -> str | None:
    """The first part of a record that is missing or of the wrong kind, if there is one."""
    for name in (*_NEEDED, *_NEEDED_OF.get(record.get("task", ""), ())):
        if name not in record:
            return name
    for name, check in _PARTS.items():
        if name in record and not check(record[name]):
            return name
    return None
