"""How runs of one model differ in how it was asked, in few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["differences"]

#: Characters of a value, and how many differences are named.
_SHOWN, _MOST = 24, 3
#: Of a model's identity what says who it is, and not how it was asked.
_WHO = ("spec", "model", "format", "fingerprint")


def differences(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each run what it does not share with all others, such as ``temperature 0.7, seed 3``.

    Args:
        records: Of the runs, as in ``run.yaml``.

    Returns:
        A text each; empty where the runs do not differ in how the model was asked.
    """
    varied = _varied(records)[:_MOST]
    return [", ".join(phrases[number] for phrases in varied) for number in range(len(records))]


def _varied(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Of what the runs do not share, a phrase for each run; what tells most comes first."""
    found = [[phrase(record) for record in records] for phrase in _PHRASES]
    settings = [_settings(record) for record in records]
    found += [
        [f"{name} {each[name]}" if name in each else f"{name} not set" for each in settings]
        for name in dict.fromkeys(name for each in settings for name in each)
    ]
    return [phrases for phrases in found if len(set(phrases)) > 1]


def _hashed(part: str) -> Callable[[Mapping[str, Any]], str]:
    def phrase(record: Mapping[str, Any]) -> str:
        about = record.get(part)
        return f"{part} {about['name']} {about['hash'][:6]}" if about else f"no {part}"

    return phrase


def _system(record: Mapping[str, Any]) -> str:
    words = record["model"]["identity"].get("system")
    return f"system prompt “{_cut(str(words))}”" if words else "no system prompt"


def _dataset(record: Mapping[str, Any]) -> str:
    about = record["dataset"]
    return f"{about['name']} {about['version']} {str(about['content_hash'])[-6:]}"


def _samples(record: Mapping[str, Any]) -> str:
    if drawn := record.get("sampling"):
        return f"samples drawn by pattern, {drawn.get('budget') or drawn.get('until')}"
    limit = record.get("limit")
    return "all samples" if limit is None else f"{limit} samples, seed {record.get('seed')}"


def _judge(record: Mapping[str, Any]) -> str:
    judges = record.get("judges")
    return f"judge {_cut(str(judges[0]['spec']))}" if judges else "no judge"


_PHRASES: Sequence[Callable[[Mapping[str, Any]], str]] = (
    _hashed("prompt"),
    _system,
    _dataset,
    _hashed("policy"),
    _judge,
    lambda record: "captions" if record.get("captions") else "images",
    lambda record: f"draws {record.get('draws', 1)}",
    _samples,
)


def _settings(record: Mapping[str, Any]) -> dict[str, str]:
    """How the model was asked: parameter -> value, those of groups by their own names."""
    found: dict[str, str] = {}

    def add(tree: Mapping[str, Any]) -> None:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                add(value)
            elif value is not None and value is not False:
                found[str(key)] = _cut(str(value))

    identity = record["model"]["identity"]
    add({key: value for key, value in identity.items() if key not in (*_WHO, "system")})
    return found


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
