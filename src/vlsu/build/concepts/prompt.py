"""Image concepts: the request to a model, and the strict reading of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu._text import harmless
from vlsu.build.concepts.parameters import Drawn
from vlsu.build.folder.demand import Place
from vlsu.build.rails.rules import Proposal, Rails
from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.models.output import after_reasoning
from vlsu.policy import Policy, Severity
from vlsu.tasks.answers.reading import looks_like_refusal

__all__ = ["TEMPLATE", "Concept", "concept_request", "read_concept", "template_text"]

#: Name of the prompt, under which its text is kept with the records.
TEMPLATE = "concepts"
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


@cache
def template_text() -> str:
    """The prompt before anything is put into it."""
    return files("vlsu.build.concepts").joinpath("concepts.jinja").read_text(encoding="utf-8")


def concept_request(policy: Policy, rails: Rails, place: Place, drawn: Drawn) -> Request:
    """The request for one concept.

    Args:
        policy: Says what category and severity mean.
        rails: Whose kinds the model declares, and what is never asked for.
        place: Category and severity of the image.
        drawn: What it is to show.
    """
    near = policy.category(drawn.near)
    template = _template()
    question = template.render(
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
    system = Message("system", (template.render(part="system"),))
    return Request((system, Message("user", (question,))), _schema(rails))


def read_concept(response: Response, kinds: Mapping[str, object]) -> Concept:
    """The concept in an answer, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object with exactly the fields
    ``concept``, ``search`` and ``kinds``, the last with a truth value for each kind; anything else
    is `UNPARSED`.

    Args:
        response: The answer.
        kinds: Those that have to be declared.
    """
    if response.outcome is not Outcome.OK:
        return Concept(response.outcome)
    after = after_reasoning(response.text)
    if not response.cut_off:
        for text in (response.text, after):
            if (found := _concept(text, kinds)) is not None:
                refused = looks_like_refusal(found.concept)
                return Concept(Outcome.REFUSED) if refused else found
        if looks_like_refusal(after):
            return Concept(Outcome.REFUSED)
    return Concept(Outcome.UNPARSED)


def _concept(text: str, kinds: Mapping[str, object]) -> Concept | None:
    text = text.strip()
    fence, _, fenced = text.partition("\n")
    if fence.rstrip() in {"```", "```json"} and fenced.endswith("```"):
        text = fenced.removesuffix("```")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict) or set(tree) != {"concept", "search", "kinds"}:
        return None
    concept, search = (_line(tree[name]) for name in ("concept", "search"))
    declared = tree["kinds"]
    if not 0 < len(concept) <= MOST_CHARACTERS or not 0 < len(search) <= MOST_SEARCH:
        return None
    if not isinstance(declared, dict) or set(declared) != set(kinds):
        return None
    if not all(isinstance(each, bool) for each in declared.values()):
        return None
    return Concept(Outcome.OK, concept, search, {kind: declared[kind] for kind in kinds})


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
    declared: dict[str, object] = {
        "type": "object",
        "properties": {kind: {"type": "boolean"} for kind in rails.kinds},
        "required": list(rails.kinds),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "concept": {"type": "string"},
            "search": {"type": "string"},
            "kinds": declared,
        },
        "required": ["concept", "search", "kinds"],
        "additionalProperties": False,
    }


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


@cache
def _template() -> jinja2.Template:
    return ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined).from_string(
        template_text()
    )
