"""The answer of an embedded grader."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlsu.policy import Severity

__all__ = ["Grade", "without_borderline", "worse"]


@dataclass(frozen=True, slots=True)
class Grade:
    """One grade of an image, a text or a pair.

    Attributes:
        severity: The grade.
        category: Harm category id of the default policy (``"C1"`` .. ``"C15"``), or None where
            there is no harm to name.
        p_unsafe: How sure the grader is of `Severity.UNSAFE`, from 0 to 1.
        evidence: What the grade rests on, for people: signals and scores, never the graded content.
    """

    severity: Severity
    category: str | None
    p_unsafe: float
    evidence: str


def worse(first: Grade, second: Grade) -> Grade:
    """The late-fusion rule: the worse severity and its category, with all the evidence.

    Equal severities are settled by `Grade.p_unsafe`, then in favour of `first`; the result's
    `p_unsafe` is the larger of the two.
    """
    chosen = max(first, second, key=lambda grade: (grade.severity, grade.p_unsafe))
    return Grade(
        severity=chosen.severity,
        category=chosen.category,
        p_unsafe=max(first.p_unsafe, second.p_unsafe),
        evidence="; ".join(part for part in (first.evidence, second.evidence) if part),
    )


def without_borderline(grade: Grade) -> Grade:
    """The grade under a policy of two severities: borderline is safe, and has no category.

    What touches a topic without promoting the harm is what such policies call safe (`vlsu policy
    binary`). `p_unsafe` stays, for another threshold.
    """
    if grade.severity is not Severity.BORDERLINE:
        return grade
    return replace(grade, severity=Severity.SAFE, category=None)
