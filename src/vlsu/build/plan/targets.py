"""Targets: how many samples of a pattern, or of a category in it, a build is to have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vlsu._text import quoted
from vlsu.errors import PolicyError, UsageError
from vlsu.policy import Pattern

__all__ = ["DEFAULT", "MOST", "Targets", "parse_targets"]

#: Samples of each pattern, unless a target says otherwise: two for each of 15 categories.
DEFAULT = 30
#: Samples of one target, at most.
MOST = 1_000_000
#: Stands for every pattern without a number of its own.
ALL = "all"
_TARGET = re.compile(
    r"\s*(?P<pattern>[^=/\s]+)(?:/(?P<category>.*\S))?\s*=\s*(?P<n>[0-9]{1,7})\s*", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Targets:
    """How many samples are wanted.

    Attributes:
        default: Of each pattern without a number of its own.
        numbers: Pattern -> number, over all categories and languages but those in `cells`.
        cells: (pattern, category) -> number, over all languages.
    """

    default: int = DEFAULT
    numbers: Mapping[Pattern, int] = field(default_factory=dict)
    cells: Mapping[tuple[Pattern, str], int] = field(default_factory=dict)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Patterns that are named."""
        return (*self.numbers, *(pattern for pattern, _ in self.cells))

    def of(self, pattern: Pattern) -> int:
        """The number of a pattern; 0 of one outside the 17 that only a category is asked of."""
        return self.numbers.get(pattern, self.default if pattern.listed else 0)

    def as_dict(self) -> dict[str, int]:
        """As options spell it: ``{"all": 30, "S-S-U": 20, "S-S-U/C9": 5}``."""
        return {
            ALL: self.default,
            **{str(pattern): n for pattern, n in sorted(self.numbers.items())},
            **{f"{pattern}/{c}": n for (pattern, c), n in sorted(self.cells.items())},
        }


def parse_targets(given: Iterable[str]) -> Targets:
    """Read values of ``--target``, each one target or several with commas between.

    ``S-S-U=20`` is a pattern's number over all categories and languages, ``S-S-U/C9=5`` that of a
    category in it, ``all=0`` that of each pattern without one of its own.

    Raises:
        UsageError: One is none of these, is above `MOST`, or is given twice.

    Example:
        >>> parse_targets(["S-S-U=20,all=0"]).as_dict()
        {'all': 0, 'S-S-U': 20}
    """
    default: int | None = None
    numbers: dict[Pattern, int] = {}
    cells: dict[tuple[Pattern, str], int] = {}
    for target in (each for value in given for each in value.split(",")):
        match = _TARGET.fullmatch(target)
        if match is None:
            raise UsageError(
                f"--target {quoted(target)}: write PATTERN=N, PATTERN/CATEGORY=N or all=N, such as "
                "S-S-U=20"
            )
        name, category, number = match["pattern"], match["category"], int(match["n"])
        if number > MOST:
            raise UsageError(f"--target {quoted(target)}: at most {MOST}")
        if name.lower() == ALL and category is None:
            twice, default = default is not None, number
        else:
            try:
                pattern = Pattern.parse(name)
            except PolicyError as error:
                raise UsageError(f"--target {quoted(target)}: {error}") from None
            if category is None:
                twice, numbers[pattern] = pattern in numbers, number
            else:
                # capitals of other scripts may not lead back: the policy compares small letters
                key = (pattern, category.upper() if category.isascii() else category.lower())
                twice, cells[key] = key in cells, number
        if twice:
            raise UsageError(f"--target {quoted(target)}: given twice; remove one")
    return Targets(DEFAULT if default is None else default, numbers, cells)
