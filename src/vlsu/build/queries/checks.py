"""Why a candidate is given up: the rails first, then what a query must not be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vlsu.build.folder.records import Record
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.duplicates import Texts
from vlsu.build.queries.manners import LENGTHS, Manner
from vlsu.build.queries.reading import Candidate
from vlsu.build.queries.wording import describes, in_language, names_grade, word_count
from vlsu.build.rails.rules import Proposal, Rails
from vlsu.build.rails.telling import telling
from vlsu.policy import Policy

__all__ = [
    "DESCRIBES",
    "GRADE",
    "Finding",
    "Seen",
    "kinds_of",
    "never_kept",
    "seen_of",
    "why_given_up",
]

LANGUAGE = "not in the language asked for"
LENGTH = "too short or too long"
GRADE = "names a grade or the policy"
DESCRIBES = "describes the image"
DUPLICATE = "nearly the same as an earlier query"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the image that a query is written to.

    Attributes:
        descriptions: Its caption and its concept.
        kinds: What it shows, of the kinds of the rails, as was declared or found.
    """

    descriptions: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a candidate is given up.

    Attributes:
        reason: The same for all that is given up for the same.
        withheld: Whether the text itself must not be kept.
    """

    reason: str
    withheld: bool = False


def why_given_up(
    candidate: Candidate,
    cell: Cell,
    manner: Manner,
    seen: Seen,
    earlier: Sequence[Texts],
    *,
    policy: Policy,
    rails: Rails,
) -> Finding | None:
    """Why a candidate is given up; `None` if nothing is against it.

    Args:
        candidate: As it was written.
        cell: What it was written for.
        manner: How it was to be written.
        seen: Of its image; what the image shows counts as spoken of.
        earlier: Queries that it must not be nearly the same as.
        policy: Whose grades and categories it must not name.
        rails: What is never kept.
    """
    if (found := never_kept(candidate, cell, seen, rails)) is not None:
        return found
    text = candidate.text
    if not LENGTHS[manner.length].admits(word_count(text)):
        return Finding(LENGTH)
    if names_grade(text, policy):
        return Finding(GRADE)
    if describes(text, seen.descriptions):
        return Finding(DESCRIBES)
    return Finding(DUPLICATE) if any(each.has_alike(text) for each in earlier) else None


def never_kept(candidate: Candidate, cell: Cell, seen: Seen, rails: Rails) -> Finding | None:
    """Why a candidate's text is not even stored; `None` if nothing is against it.

    The rails, what texts never tell, and another language: its words for age are not looked for.
    """
    declared = kinds_of(candidate.kinds) | seen.kinds  # of the pair: what the image shows too
    proposal = Proposal(
        text=candidate.text,
        category=cell.category,
        severity=cell.pattern.text,
        language=cell.language,
        kinds=declared,
    )
    if (refused := rails.refusal(proposal)) is not None:
        return Finding(f"rails: {refused.rule}", withheld=True)
    if told := telling(candidate.text):
        return Finding(f"tells: {told[0]}", withheld=True)
    if not in_language(candidate.text, cell.language):
        return Finding(LANGUAGE, withheld=True)
    return None


def kinds_of(*declared: object) -> frozenset[str]:
    """The kinds that hold by any of these entries ``kinds`` of records."""
    found: set[str] = set()
    for each in declared:
        if isinstance(each, Mapping):
            found |= {str(kind) for kind, holds in each.items() if holds}
        elif isinstance(each, Collection) and not isinstance(each, str):
            found |= {str(kind) for kind in each}
    return frozenset(found)


def seen_of(image: Record, concept: Record, rails: Rails) -> Seen:
    """What the records of an image and of its concept say of it."""
    said = (image.content.get("caption"), concept.content.get("concept"))
    kinds = kinds_of(image.content.get("kinds"), concept.content.get("kinds"))
    return Seen(tuple(str(each) for each in said if each), kinds & set(rails.kinds))
