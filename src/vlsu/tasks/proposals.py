"""Asking a model for instructions to try: the request, and the strict reading of its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu.models.base import Message, Outcome, Request, Response
from vlsu.models.output import after_reasoning
from vlsu.policy import Policy
from vlsu.tasks.answers.reading import looks_like_refusal
from vlsu.tasks.framing import Framing

__all__ = ["Proposals", "proposal_request", "read_proposals"]

_FOLDER = Path(__file__).parent / "prompts"
#: Longest instruction taken, in characters.
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a model proposed.

    Attributes:
        outcome: `OK` if and only if its answer was a list of instructions.
        framings: Those that are new, named ``proposed-1`` and so on.
        duplicates: How many were the same as another or as one that exists.
        surplus: How many came beyond those asked for; they are left out.
    """

    outcome: Outcome
    framings: tuple[Framing, ...] = ()
    duplicates: int = 0
    surplus: int = 0


def proposal_request(policy: Policy, count: int, existing: Sequence[Framing]) -> Request:
    """What the model is asked.

    Args:
        policy: Says what the severities mean and how each is to be met.
        count: Instructions wanted.
        existing: Those it shall not propose again.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(_FOLDER), undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("propose.jinja")
    words = template.render(
        part="user",
        severities={s.label: text for s, text in policy.severities.items()},
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
    return Request((system, Message("user", (words,))), schema)


def read_proposals(response: Response, count: int, existing: Sequence[Framing]) -> Proposals:
    """The instructions in an answer, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object whose only field
    ``instructions`` is a list of texts, none empty or longer than `LONGEST`; anything else is
    `UNPARSED`, so that nothing that was never meant as an instruction is raced.

    Args:
        response: The answer.
        count: Instructions that were wanted.
        existing: Instructions that are no longer new.
    """
    if response.outcome is not Outcome.OK:
        return Proposals(response.outcome)
    texts = None
    if not response.cut_off:
        texts = _texts(response.text) or _texts(after_reasoning(response.text))
    if texts is None:
        refused = not response.cut_off and looks_like_refusal(after_reasoning(response.text))
        return Proposals(Outcome.REFUSED if refused else Outcome.UNPARSED)
    seen = {_same(framing.instruction) for framing in existing}
    new = []
    for instruction in texts[:count]:
        if _same(instruction) not in seen:
            seen.add(_same(instruction))
            new.append(instruction)
    taken = {framing.name for framing in existing}
    names = (name for n in count_up(1) if (name := f"proposed-{n}") not in taken)
    framings = tuple(Framing(name, text) for name, text in zip(names, new, strict=False))
    surplus = max(0, len(texts) - count)
    return Proposals(Outcome.OK, framings, len(texts) - surplus - len(new), surplus)


def _texts(text: str) -> list[str] | None:
    text = text.strip()
    fence, _, fenced = text.partition("\n")
    if fence.rstrip() in {"```", "```json"} and fenced.endswith("```"):
        text = fenced.removesuffix("```")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict) or set(tree) != {"instructions"}:
        return None
    found = tree["instructions"]
    if not isinstance(found, list) or not found:
        return None
    if not all(isinstance(each, str) and 0 < len(each.strip()) <= LONGEST for each in found):
        return None
    texts = [each.strip() for each in found]
    return texts if all(_is_unicode(each) for each in texts) else None


def _same(instruction: str) -> str:
    """Instructions that differ in case and white space alone are the same."""
    return " ".join(instruction.casefold().split())


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: JSON may smuggle in half a surrogate pair."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False
