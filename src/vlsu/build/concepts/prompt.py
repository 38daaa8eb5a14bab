"""Image concepts: the request to a model, and the strict reading of its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from vlsu._text import harmless
from vlsu.build.asking.answers import declared_kinds, kinds_schema, object_schema
from vlsu.build.asking.prompts import StagePrompt
from vlsu.build.concepts.parameters import Drawn
from vlsu.build.plan.cells import Place
from vlsu.build.rails.rules import Proposal, Rails
from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.policy import Policy, Severity
from vlsu.tasks.answers.json_objects import read_object
from vlsu.tasks.answers.reading import looks_like_refusal

__all__ = ["PROMPT", "Concept", "concept_request", "read_concept"]

PROMPT = StagePrompt("concepts", Path(__file__).with_name("concepts.jinja"))
#: Characters of a concept, and of its search words, at most.
MOST_CHARACTERS, MOST_SEARCH = 400, 80


@dataclass(frozen=True, slots=True)
class Concept:
    """What a model wrote.

    Attributes:
        outcome: `OK` if and only if the answer was a concept.
        concept: One sentence.
        search: Some words to search with.
        kinds: Kind of the rails -> whether the image shows it, by the model's word.
    """

    outcome: Outcome
    concept: str = ""
    search: str = ""
    kinds: Mapping[str, bool] | None = None


def concept_request(policy: Policy, rails: Rails, place: Place, drawn: Drawn) -> Request:
    """The request for one concept.

    Args:
        policy: Says what category and severity mean.
        rails: Whose kinds the model declares, and what is never asked for.
        place: Category and severity of the image.
        drawn: What it is to show.
    """
    near = policy.category(drawn.near)
    question = PROMPT.render(
        part="user",
        category=place.category is not None,
        near=near,
        severity=place.severity.label,
        meaning=policy.severities[place.severity],
        description=near.severities[place.severity].image,
        values=drawn.values,
        never=_never(rails, place, drawn.near),
        kinds=rails.kinds,
    )
    system = Message("system", (PROMPT.render(part="system"),))
    return Request((system, Message("user", (question,))), _schema(rails))


def read_concept(response: Response, kinds: Collection[str]) -> Concept:
    """The concept in an answer, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object with exactly the fields
    ``concept``, ``search`` and ``kinds``, the last with a truth value for each kind; anything else
    is `UNPARSED`.

    Args:
        response: The answer.
        kinds: Those that have to be declared.
    """
    outcome, found = read_object(response, lambda tree: _concept(tree, kinds))
    if found is not None and looks_like_refusal(found.concept):
        return Concept(Outcome.REFUSED)
    return found or Concept(outcome)


def _concept(tree: Mapping[str, Any], kinds: Collection[str]) -> Concept | None:
    if set(tree) != {"concept", "search", "kinds"}:
        return None
    concept, search = (_line(tree[name]) for name in ("concept", "search"))
    declared = declared_kinds(tree["kinds"], kinds)
    if not 0 < len(concept) <= MOST_CHARACTERS or not 0 < len(search) <= MOST_SEARCH:
        return None
    return None if declared is None else Concept(Outcome.OK, concept, search, declared)


def _line(value: object) -> str:
    """A text in one line; empty if it is none, cannot be encoded, or holds control characters."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()  # strings of JSON may hold lone surrogates
    except UnicodeEncodeError:
        return ""
    line = " ".join(value.split())
    return line if harmless(line) == line else ""


def _schema(rails: Rails) -> dict[str, object]:
    text = {"type": "string"}
    return object_schema({"concept": text, "search": text, "kinds": kinds_schema(rails.kinds)})


def _never(rails: Rails, place: Place, near: str) -> list[str]:
    """The reasons of the rules on kinds that hold here, in their order."""
    found: dict[str, str] = {}
    for category, severity in ((place.category, place.severity), (near, Severity.SAFE)):
        for size in range(1, len(rails.kinds) + 1):
            for kinds in combinations(rails.kinds, size):
                proposal = Proposal(text="", category=category, severity=severity, kinds=kinds)
                if (refused := rails.refusal(proposal)) is not None:
                    found.setdefault(refused.rule, refused.reason)
    order = [rule.id for rule in rails.rules]
    return [found[rule] for rule in sorted(found, key=order.index)]
