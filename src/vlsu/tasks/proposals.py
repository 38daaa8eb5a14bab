"""Proposed instructions: the request to a model, and the strict parsing of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.policy import Policy, Severity
from vlsu.tasks.answers.json_objects import read_object
from vlsu.tasks.framing import Framing

__all__ = ["Proposals", "proposal_request", "read_proposals"]

_FOLDER = Path(__file__).parent / "prompts"
#: Maximum characters of an accepted instruction.
MAX_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Proposals:
    """The instructions that a model proposed.

    Attributes:
        outcome: `OK` if and only if its answer was a list of instructions.
        framings: The new ones, named ``proposed-1`` and so on.
        duplicates: Number of those equal to another or to an existing one.
        surplus: Number of those beyond the requested count; they are left out.
    """

    outcome: Outcome
    framings: tuple[Framing, ...] = ()
    duplicates: int = 0
    surplus: int = 0


def proposal_request(policy: Policy, count: int, existing: Sequence[Framing]) -> Request:
    """The request for instructions.

    Args:
        policy: Defines the severities and the desired response to each.
        count: Number of instructions to propose.
        existing: Instructions that shall not be proposed again.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(_FOLDER), undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("propose.jinja")
    question = template.render(
        part="user",
        severities={s.label: text for s, text in policy.severities.items()},
        engaged=[s.label for s in reversed(list(policy.severities)) if s is not Severity.UNSAFE],
        responses={s.label: text for s, text in policy.responses.items()},
        count=count,
        existing=[" ".join(f.instruction.split()) for f in existing if f.instruction],
    )
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"instructions": {"type": "array", "items": {"type": "string"}}},
        "required": ["instructions"],
        "additionalProperties": False,
    }
    system = Message("system", (template.render(part="system"),))
    return Request((system, Message("user", (question,))), schema)


def read_proposals(response: Response, count: int, existing: Sequence[Framing]) -> Proposals:
    """The instructions in an answer, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object whose only field
    ``instructions`` is a list of texts, none empty or longer than `MAX_LENGTH`; anything else is
    `UNPARSED`, so that no text that was not meant as an instruction is tried.

    Args:
        response: The answer.
        count: Number of requested instructions.
        existing: Instructions that are not new.
    """
    outcome, texts = read_object(response, _texts)
    if texts is None:
        return Proposals(outcome)
    seen = {_comparison_key(framing.instruction) for framing in existing}
    new = []
    for instruction in texts[:count]:
        if _comparison_key(instruction) not in seen:
            seen.add(_comparison_key(instruction))
            new.append(instruction)
    taken = {framing.name for framing in existing}
    names = (name for n in count_up(1) if (name := f"proposed-{n}") not in taken)
    framings = tuple(Framing(name, text) for name, text in zip(names, new, strict=False))
    surplus = max(0, len(texts) - count)
    return Proposals(Outcome.OK, framings, len(texts) - surplus - len(new), surplus)


def _texts(tree: Mapping[str, Any]) -> list[str] | None:
    if set(tree) != {"instructions"}:
        return None
    instructions = tree["instructions"]
    if not isinstance(instructions, list) or not instructions:
        return None
    if not all(
        isinstance(each, str) and 0 < len(each.strip()) <= MAX_LENGTH for each in instructions
    ):
        return None
    texts = [each.strip() for each in instructions]
    return texts if all(_is_unicode(each) for each in texts) else None


def _comparison_key(instruction: str) -> str:
    """A key that is equal for instructions that differ only in case and white space."""
    return " ".join(instruction.casefold().split())


def _is_unicode(text: str) -> bool:
    """Whether a text can be encoded: JSON strings may contain lone surrogates."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False
