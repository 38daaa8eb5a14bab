"""Cells: a pattern, a category and a language, and how many samples of each are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vlsu.build.plan.drawing import rank
from vlsu.build.plan.targets import Targets
from vlsu.errors import UsageError
from vlsu.policy import Pattern, Policy, Severity, patterns_of

__all__ = [
    "NO_CATEGORY",
    "Cell",
    "Closed",
    "Place",
    "closed_cells",
    "patterns_in",
    "wanted_by_cell",
]

#: How the category of a cell without one is written.
NO_CATEGORY = "none"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What samples are built for.

    Attributes:
        pattern: Severities of image, text and pair.
        category: Of the policy; `None` for samples that are safe in all three, which belong to
            none.
        language: Of the texts.
    """

    pattern: Pattern
    category: str | None
    language: str

    @property
    def category_name(self) -> str:
        """The category, or `NO_CATEGORY`."""
        return NO_CATEGORY if self.category is None else self.category

    def as_dict(self) -> dict[str, str]:
        """For ``--json``: ``{"pattern", "category", "language"}``."""
        return {
            "pattern": str(self.pattern),
            "category": self.category_name,
            "language": self.language,
        }


class Place(NamedTuple):
    """What a concept and an image are for: every cell with this category and image severity.

    Attributes:
        category: Of the policy; `None` for what belongs to none.
        severity: Of the image.
    """

    category: str | None
    severity: Severity

    @property
    def category_name(self) -> str:
        """The category, or `NO_CATEGORY`."""
        return NO_CATEGORY if self.category is None else self.category

    @classmethod
    def of(cls, cell: Cell) -> Place:
        """The place of a cell."""
        return cls(cell.category, cell.pattern.image)


#: Why a pair of category and severity can hold nothing, or `None`: the rails' own question.
Closed = Callable[[str | None, Severity], str | None]


def patterns_in(policy: Policy, targets: Targets) -> tuple[Pattern, ...]:
    """The patterns of a build: those of the 17 that the policy's severities make, and one's own.

    The rule of the 17: the pair is at least as severe as its text, and a pair with an unsafe image
    is never safe (`Pattern.listed`). A pattern outside of it is built if a target names it.

    Raises:
        UsageError: A target names a pattern with a severity, or a category, that the policy lacks.
    """
    possible = patterns_of(policy.severities)
    for pattern in targets.patterns:
        if {pattern.image, pattern.text, pattern.joint} - set(policy.severities):
            raise UsageError(f"--target {pattern}: the policy has no borderline; use S and U")
    known = {each.lower() for each in policy.category_ids}
    for pattern, category in targets.cells:
        if category.lower() not in known:
            raise UsageError(
                f"--target {pattern}/{category}: the policy has no category {category!r}; it has "
                f"{', '.join(policy.category_ids)}"
            )
        if not _has_category(pattern):
            raise UsageError(
                f"--target {pattern}/{category}: a pattern that is safe throughout has no "
                f"category; write {pattern}=N"
            )
    own = [pattern for pattern in targets.patterns if pattern not in possible]
    return (*possible, *sorted(set(own), key=lambda pattern: pattern.order))


def wanted_by_cell(
    policy: Policy, targets: Targets, languages: Sequence[str], closed: Closed, *, seed: int = 0
) -> dict[Cell, int]:
    """How many samples of each cell are wanted.

    A pattern's number is shared among its categories and the languages as evenly as can be: counts
    of two categories, or of two languages, differ by one at most, and the seed decides which have
    one more. Categories with a number of their own, and closed ones, take no part in that.

    Args:
        policy: Its categories.
        targets: Numbers of patterns, and of categories in them.
        languages: At least one.
        closed: Why a category can hold no image or text of a severity.
        seed: Decides what rounding leaves.

    Returns:
        Every open cell, those of which nothing is wanted too, in the order of patterns, categories
        and languages.

    Raises:
        UsageError: A target asks for what cannot be, or what is closed.
    """
    found: dict[Cell, int] = {}
    for pattern in patterns_in(policy, targets):
        named = {
            policy.category(each).id: number
            for (of, each), number in targets.cells.items()
            if of == pattern
        }
        categories: list[str | None] = [*policy.category_ids] if _has_category(pattern) else [None]
        reasons = {each: _why_closed(pattern, each, closed) for each in categories}
        for name, number in named.items():
            if number and (reason := reasons[name]):
                raise UsageError(f"--target {pattern}/{name}={number}: {reason}")
        rest = [each for each in categories if not reasons[each] and each not in named]
        total = targets.of(pattern)
        if total and not rest and not named:
            raise UsageError(f"--target {pattern}={total}: {next(filter(None, reasons.values()))}")
        counts = _shared(total, rest, languages, f"{seed}\0{pattern}")
        for name, number in named.items():
            counts |= _shared(number, [name], languages, f"{seed}\0{pattern}\0{name}")
        for category in categories:
            for language in languages:
                if (category, language) in counts:
                    found[Cell(pattern, category, language)] = counts[category, language]
    return found


def closed_cells(
    policy: Policy, targets: Targets, closed: Closed
) -> dict[tuple[Pattern, str | None], str]:
    """Patterns and categories that are never built, and why."""
    return {
        (pattern, category): reason
        for pattern in patterns_in(policy, targets)
        if _has_category(pattern)
        for category in policy.category_ids
        if (reason := _why_closed(pattern, category, closed))
    }


def _has_category(pattern: Pattern) -> bool:
    return max(pattern.image, pattern.text, pattern.joint) > Severity.SAFE


def _why_closed(pattern: Pattern, category: str | None, closed: Closed) -> str | None:
    return closed(category, pattern.image) or closed(category, pattern.text)


def _shared(
    total: int, categories: Sequence[str | None], languages: Sequence[str], salt: str
) -> dict[tuple[str | None, str], int]:
    """A number shared among all pairs of the two, the marginal counts as even as can be.

    Pairs are gone through so that both the category and the language change with every step; after
    as many steps as both have a common multiple, the language is moved on by one, so that every
    pair is met once.
    """
    if not categories:
        return {}
    first = sorted(categories, key=lambda each: rank(salt, each))
    other = sorted(languages, key=lambda each: rank(salt, each))
    pairs = len(first) * len(other)
    every, more = divmod(total, pairs)
    common = math.lcm(len(first), len(other))
    counts: dict[tuple[str | None, str], int] = {}
    for n in range(pairs):
        pair = first[n % len(first)], other[(n + n // common) % len(other)]
        counts[pair] = every + (n < more)
    return counts
