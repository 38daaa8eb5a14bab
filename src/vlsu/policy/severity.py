"""Severity: how harmful an image, a text or a pair is."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from vlsu.errors import PolicyError

__all__ = ["NOT_SURE", "SEVERITY_CODES", "Severity"]

#: A grader's answer that is never a severity.
NOT_SURE = "not_sure"


class Severity(enum.IntEnum):
    """An ordered severity: ``SAFE < BORDERLINE < UNSAFE``.

    The integer value is the rank, so ``max(image, text)`` is the worse of two; the text form, used
    in every file, is `label`.

    Example:
        >>> max(Severity.SAFE, Severity.BORDERLINE).label
        'borderline'
    """

    SAFE = 0
    BORDERLINE = 1
    UNSAFE = 2

    @property
    def label(self) -> str:
        """The lower-case name used in files, prompts and tables: ``"safe"``."""
        return _LABELS[self]

    @property
    def letter(self) -> str:
        """The letter used in patterns: ``"S"``, ``"B"`` or ``"U"``."""
        return self.name[0]

    def __str__(self) -> str:
        return self.label

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Read a severity from its name or letter, in any letter case.

        Raises:
            PolicyError: The text is anything else, ``not_sure`` and the empty text included.

        Example:
            >>> Severity.parse(" Unsafe "), Severity.parse("u")
            (<Severity.UNSAFE: 2>, <Severity.UNSAFE: 2>)
        """
        try:
            return _BY_NAME[text.strip().lower()]
        except KeyError:
            raise PolicyError(
                f"{text!r} is not a severity; use safe, borderline or unsafe"
            ) from None


#: By rank: read once for every grade of every judgment.
_LABELS = tuple(severity.name.lower() for severity in Severity)
#: Label -> rank: how files write a severity, and the number that tables of counts hold.
SEVERITY_CODES: Mapping[str, int] = MappingProxyType({s.label: int(s) for s in Severity})

_BY_NAME = {name: s for s in Severity for name in (s.label, s.letter.lower())}
