"""Which of an image's candidates is kept, from their pre-grades alone: without I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.folder.records import ANOTHER_KEPT
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["Grade", "Grades", "Verdict", "decide_candidates", "drawn", "reason_of"]

_NAMES = {"image": "image", "text": "text", "joint": "pair"}

#: Why a category and a severity are closed, in a short form; `None` if they are not.
ClosedBy = Callable[[str, Severity], str | None]


@dataclass(frozen=True, slots=True)
class Grade:
    """What a grader said of one modality.

    Attributes:
        severity: `None` unless the outcome is ``ok``.
        category: Of the policy, where it named one.
        outcome: ``ok``, ``refused``, ``blocked`` or ``unparsed``.
    """

    severity: Severity | None
    category: str | None = None
    outcome: str = "ok"


@dataclass(frozen=True, slots=True)
class Grades:
    """The pre-grades of one query: of its image, its text and the pair."""

    image: Grade
    text: Grade
    joint: Grade

    def of(self, modality: str) -> Grade:
        """The grade of ``"image"``, ``"text"`` or ``"joint"``."""
        return {"image": self.image, "text": self.text, "joint": self.joint}[modality]

    @property
    def pattern(self) -> Pattern | None:
        """The pattern of the three severities; `None` where one is missing."""
        image, text, joint = self.image.severity, self.text.severity, self.joint.severity
        if image is None or text is None or joint is None:
            return None
        return Pattern(image, text, joint)

    def content(self) -> dict[str, Any]:
        """The content of a record of stage ``grades``."""
        found: dict[str, Any] = {}
        for name in MODALITIES:
            severity = self.of(name).severity
            found[name] = None if severity is None else severity.label
        found["categories"] = {name: self.of(name).category for name in MODALITIES}
        if any(self.of(name).outcome != "ok" for name in MODALITIES):
            found["outcomes"] = {name: self.of(name).outcome for name in MODALITIES}
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate is kept.

    Attributes:
        kept: Whether it is.
        reason: Why it is given up.
        about: ``on_target``; of one that is kept too ``unfiltered``, whether it was kept by the
            draw and not for its grades, and ``probability``, the chance with which the design
            keeps it.
        image_closed: Whether the image itself is of what is never built.
    """

    kept: bool
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    image_closed: bool = False


def reason_of(grades: Grades, target: Pattern) -> str | None:
    """Why a candidate does not meet its target, in a few words; `None` if it does.

    The image comes first, then the text, then the pair: the first that is not as wanted.

    Example:
        >>> grades = Grades(*(Grade(Severity.parse(each)) for each in "SSB"))
        >>> reason_of(grades, Pattern.parse("S-S-U"))
        'pair is borderline'
    """
    wanted = {"image": target.image, "text": target.text, "joint": target.joint}
    for name in MODALITIES:
        if grades.of(name).severity is None:
            return f"not graded ({grades.of(name).outcome})"
    for name in MODALITIES:
        severity = grades.of(name).severity
        if severity is not None and severity != wanted[name]:
            return f"{_NAMES[name]} is {severity.label}"
    return None


def decide_candidates(
    candidates: Sequence[Grades],
    target: Pattern,
    *,
    unfiltered: float,
    draw: float,
    pick: float,
    closed_by: ClosedBy,
) -> list[Verdict]:
    """Decide on all candidates of one image and cell: one is kept at most.

    As a rule it is the first on target. With a chance of `unfiltered` one that is drawn from all
    of them is kept in its place, whatever its grades; without that nobody could say later what the
    pre-grader threw away. What is closed as a whole is never kept, and takes no part in the draw.

    Every candidate that takes part has a known chance of being kept: `unfiltered` divided by their
    number, and for the first on target the chance that nothing is drawn besides.

    Args:
        candidates: Their pre-grades, in order.
        target: The pattern wanted.
        unfiltered: Chance that one is kept whatever its grades, from 0 to 1.
        draw: A number from 0 to 1: below `unfiltered`, one is drawn.
        pick: A number from 0 to 1: which one.
        closed_by: Why a category and a severity are never built.

    Returns:
        A verdict for each candidate, in order.
    """
    closed = [_closed(grades, closed_by) for grades in candidates]
    open_ = [n for n, reason in enumerate(closed) if reason is None]
    reasons = [reason_of(grades, target) for grades in candidates]
    first = next((n for n in open_ if reasons[n] is None), None)
    by_draw = bool(open_) and draw < unfiltered
    kept = open_[min(int(pick * len(open_)), len(open_) - 1)] if by_draw else first
    found = []
    for n, reason in enumerate(reasons):
        about: dict[str, Any] = {"on_target": reason is None}
        if closed[n] is not None:
            image = _closed_part(candidates[n], "image", closed_by) is not None
            found.append(Verdict(False, closed[n] or "", about, image))
            continue
        if n != kept:
            found.append(Verdict(False, reason or ANOTHER_KEPT, about))
            continue
        chance = unfiltered / len(open_) + (1 - unfiltered) * (n == first)
        about |= {"unfiltered": by_draw, "probability": chance}
        found.append(Verdict(True, "", about))
    return found


def drawn(seed: int, key: str, what: str) -> float:
    """A number from 0 to 1 that depends on nothing but these: the same in every start.

    Example:
        >>> drawn(0, "ab", "unfiltered") == drawn(0, "ab", "unfiltered")
        True
    """
    digest = hashlib.blake2b(f"{seed}\0{what}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _closed(grades: Grades, closed_by: ClosedBy) -> str | None:
    """The rule that closes what is shown or said; how the pair is meant is no material of its own.

    A safe image and a safe text hold nothing explicit, whatever they mean together.
    """
    parts = (_closed_part(grades, name, closed_by) for name in ("image", "text"))
    return next((each for each in parts if each is not None), None)


def _closed_part(grades: Grades, name: str, closed_by: ClosedBy) -> str | None:
    grade = grades.of(name)
    if grade.severity is None or grade.category is None:
        return None
    return closed_by(grade.category, grade.severity)
