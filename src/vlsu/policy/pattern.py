"""Patterns: the severities of image, text and pair, and their families."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from vlsu.errors import PolicyError
from vlsu.policy.severity import Severity

__all__ = ["PATTERNS", "Family", "Pattern", "patterns_of"]


class Family(enum.StrEnum):
    """Relation of a pattern's joint severity to the worse of image and text.

    Only `LATE_FUSION` is solvable by grading each modality alone and taking the worse; the other
    two are joint reasoning itself.
    """

    LATE_FUSION = "late-fusion"
    ESCALATING = "escalating"
    DE_ESCALATING = "de-escalating"


@dataclass(frozen=True, slots=True, order=True)
class Pattern:
    """Severities of image, text and pair, written ``S-S-U``.

    Example:
        >>> pattern = Pattern.parse("S-S-U")
        >>> pattern.family.value, pattern.listed
        ('escalating', True)
    """

    image: Severity
    text: Severity
    joint: Severity

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read ``"S-S-U"``, in any letter case.

        Raises:
            PolicyError: Not three severities joined by ``-``.
        """
        parts = text.split("-")
        if len(parts) != 3:
            raise PolicyError(f"{text!r} is not a pattern; write image-text-joint such as S-S-U")
        return cls(*(Severity.parse(part) for part in parts))

    @property
    def family(self) -> Family:
        """Late-fusion, escalating (the pair is worse) or de-escalating (the pair is milder)."""
        worse = max(self.image, self.text)
        if self.joint > worse:
            return Family.ESCALATING
        return Family.DE_ESCALATING if self.joint < worse else Family.LATE_FUSION

    @property
    def order(self) -> tuple[int, ...]:
        """Sort key of the usual order: by family, then from mild to severe."""
        return (_FAMILIES.index(self.family), self.image, self.text, self.joint)

    @property
    def listed(self) -> bool:
        """Whether this is one of the 17 patterns benchmarks are built from.

        The rule: the pair is at least as severe as its text, and a pair with an unsafe image is
        never safe. Other patterns occur in real data and are counted like any other.
        """
        return self.joint >= self.text and not (
            self.image is Severity.UNSAFE and self.joint is Severity.SAFE
        )

    def __str__(self) -> str:
        return f"{self.image.letter}-{self.text.letter}-{self.joint.letter}"


_FAMILIES = tuple(Family)

#: The 17 patterns, in their usual order.
PATTERNS: tuple[Pattern, ...] = tuple(
    sorted(
        (
            pattern
            for image in Severity
            for text in Severity
            for joint in Severity
            if (pattern := Pattern(image, text, joint)).listed
        ),
        key=lambda pattern: pattern.order,
    )
)


def patterns_of(severities: Collection[Severity]) -> tuple[Pattern, ...]:
    """Those of the 17 that a policy's severities can make: of safe and unsafe alone, 5."""
    return tuple(p for p in PATTERNS if {p.image, p.text, p.joint} <= set(severities))
