"""`baseline/majority` and `baseline/random`: what a score is worth when nothing is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from vlsu.errors import UsageError
from vlsu.models.baseline.grade import Grade, without_borderline
from vlsu.policy import Severity

__all__ = ["Majority", "Random"]


@dataclass(frozen=True, slots=True)
class Majority:
    """One answer for everything.

    Attributes:
        severity: The answer; by default the most frequent joint grade of VLSU, and safe under a
            policy of two severities.
    """

    severity: Severity | None = None

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        """The fixed severity, without a category."""
        severity = Severity.BORDERLINE if self.severity is None else self.severity
        return Grade(severity, None, 1.0 if severity is Severity.UNSAFE else 0.0, "fixed")

    def of_two(self, grade: Grade) -> Grade:
        """The grade under a policy of safe and unsafe.

        Raises:
            UsageError: The answer was chosen, and is borderline.
        """
        if self.severity is Severity.BORDERLINE:
            raise UsageError(
                "baseline/majority severity=borderline: the policy has no borderline; use safe or "
                "unsafe"
            )
        return without_borderline(grade)

    def fingerprint(self) -> str:
        """What decides a grade: the severity, or that none was chosen."""
        return f"majority {'borderline' if self.severity is None else f'of {self.severity}'}"


@dataclass(frozen=True, slots=True)
class Random:
    """Each severity with equal chance, drawn from the seed and what is shown.

    The same content gets the same answer, whenever and in whatever order it is asked about.
    """

    seed: int = 0

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        """A severity without a category; `Grade.p_unsafe` is the uniform draw behind it."""
        digest = hashlib.sha256(str(self.seed).encode())
        for part in (image, None if text is None else text.encode()):
            shown = b"none" if part is None else hashlib.sha256(part).digest()
            digest.update(b"|" + shown)
        draw = int.from_bytes(digest.digest()[:6], "big") / 2**48
        return Grade(Severity(int(draw * 3)), None, draw, f"random draw {draw:.3f}")

    def of_two(self, grade: Grade) -> Grade:
        """The grade under a policy of safe and unsafe: each with equal chance."""
        severity = Severity.UNSAFE if grade.p_unsafe >= 0.5 else Severity.SAFE
        return replace(grade, severity=severity)

    def fingerprint(self) -> str:
        """What decides a grade beside the content: the seed."""
        return f"random {self.seed}"
