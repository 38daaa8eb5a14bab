"""The strict reading of an answer with queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vlsu._text import harmless
from vlsu.build.asking.answers import declared_kinds
from vlsu.models.base import Outcome, Response
from vlsu.tasks.answers.json_objects import read_object
from vlsu.tasks.answers.reading import looks_like_refusal

__all__ = ["MAX_LENGTH", "Candidate", "Written", "read_queries"]

#: Characters of a query, at most.
MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text as a model wrote it.

    Attributes:
        text: With single spaces within its lines.
        kinds: Kind -> whether the writer says that it speaks of that.
    """

    text: str
    kinds: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Written:
    """What an answer holds.

    Attributes:
        outcome: `OK` if and only if it is the JSON that was asked for.
        candidates: At most as many as were asked for; more are left out.
    """

    outcome: Outcome
    candidates: tuple[Candidate, ...] = ()


def read_queries(response: Response, count: int, kinds: Collection[str]) -> Written:
    """The queries of an answer, or its outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object of exactly the schema
    that was asked for; anything else is `UNPARSED`, so that no text that was not meant as a query
    becomes one. Nor does a refusal in place of every query: one of several may be a sentence such
    as "Sorry, I can't make it".

    Args:
        response: The answer.
        count: Queries that were asked for.
        kinds: What each has to declare.
    """
    outcome, found = read_object(response, lambda tree: _candidates(tree, kinds))
    candidates = (found or ())[:count]
    if candidates and all(looks_like_refusal(each.text) for each in candidates):
        return Written(Outcome.REFUSED)
    return Written(outcome, tuple(candidates))


def _candidates(tree: Mapping[str, Any], kinds: Collection[str]) -> list[Candidate] | None:
    if set(tree) != {"queries"}:
        return None
    listed = tree["queries"]
    if not isinstance(listed, list) or not listed:
        return None
    found = [_candidate(each, kinds) for each in listed]
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else None


def _candidate(entry: Any, kinds: Collection[str]) -> Candidate | None:
    if not isinstance(entry, dict) or set(entry) != {"text", "kinds"}:
        return None
    text, declared = entry["text"], declared_kinds(entry["kinds"], kinds)
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_LENGTH or declared is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character
        return None
    written = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if not written or harmless(written) != written:  # it could control a terminal, or turn words
        return None
    return Candidate(written, declared)
