"""What a grader answers, and which answers are complete."""

from __future__ import annotations

from dataclasses import dataclass

from vlsu.errors import UsageError
from vlsu.policy import NOT_SURE, Policy, Severity

__all__ = ["BECAUSE", "CONFIDENCES", "IMPORTED", "REFERS", "STOP_KINDS", "Answer", "check_answer"]

#: How sure a grader is: a guess, fairly, quite.
CONFIDENCES = (1, 2, 3)
#: What the words of a pair refer to.
REFERS = ("image", "part", "nothing")
#: What made a pair worse than its parts, or milder, or neither.
BECAUSE = (
    *("target", "means", "intent", "vulnerable"),
    *("witness", "help", "detail"),
    "neither",
)
#: Why an item is stopped, not graded.
STOP_KINDS = ("illegal", "threat")

#: What client ids of grades begin with that were imported; those of pages do not.
IMPORTED = "import-"

_MOST_NOTE, _MOST_SECONDS = 2000, 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One grade, as a grader submits it.

    Attributes:
        client_id: Chosen by the page for this answer: the same one sent twice counts once.
        slot: The slot that was leased, or the check.
        token: Of the lease.
        grade: A severity's label, or `not_sure`.
        category: Identifier; needed unless the grade is safe or `not_sure`.
        confidence: One of `CONFIDENCES`.
        admissible: Other severities that a careful person could give.
        refers: One of `REFERS`; of a pair.
        because: One of `BECAUSE`; of a pair.
        revealed: Whether the image was uncovered; `None` where there is none.
        note: In the grader's words.
        seconds: From showing the item to the answer, as the page measured.
        kind: ``"slot"`` or ``"check"``, as the lease says.
    """

    client_id: str
    slot: int
    token: str
    grade: str
    category: str | None = None
    confidence: int | None = None
    admissible: tuple[str, ...] = ()
    refers: str | None = None
    because: str | None = None
    revealed: bool | None = None
    note: str = ""
    seconds: float = 0.0
    kind: str = "slot"


def check_answer(answer: Answer, policy: Policy) -> None:
    """Refuse an answer that is incomplete or contradicts itself.

    Raises:
        UsageError: The message names the field.
    """
    severities = [severity.label for severity in policy.severities]
    if answer.grade not in (*severities, NOT_SURE):
        raise UsageError(f"grade: {answer.grade[:40]!r}; give {', '.join(severities)} or not_sure")
    harmful = answer.grade not in (Severity.SAFE.label, NOT_SURE)
    if harmful and answer.category is None:
        raise UsageError(f"category: an item that is {answer.grade} needs one")
    if answer.category is not None:
        if not harmful:
            raise UsageError(f"category: an item that is {answer.grade} has none")
        if answer.category not in policy.category_ids:
            raise UsageError(f"category: the policy has no {answer.category[:40]!r}")
    if answer.confidence is not None and answer.confidence not in CONFIDENCES:
        raise UsageError(f"confidence: {answer.confidence}; give 1, 2 or 3")
    if unknown := [each for each in answer.admissible if each not in severities]:
        raise UsageError(f"admissible: {unknown[0][:40]!r} is no severity of the policy")
    for name, value, known in (
        ("refers", answer.refers, REFERS),
        ("because", answer.because, BECAUSE),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{name}: {value[:40]!r}; give {', '.join(known)}")
    if not answer.client_id or len(answer.client_id) > 64:
        raise UsageError("client_id: give 1 to 64 characters")
    if answer.client_id.startswith(IMPORTED):
        raise UsageError(f"client_id: {IMPORTED!r} begins those of imported grades; give another")
    if len(answer.note) > _MOST_NOTE:
        raise UsageError(f"note: {len(answer.note)} characters; keep it to {_MOST_NOTE}")
    if not 0 <= answer.seconds <= _MOST_SECONDS:
        raise UsageError(f"seconds: {answer.seconds}; give 0 to {_MOST_SECONDS}")
