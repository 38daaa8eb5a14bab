"""What one start of a stage did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vlsu.build.folder.records import Decision
from vlsu.runs.stop import Stop

__all__ = ["StageReport", "reasons_of", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What one start of a stage did.

    Attributes:
        stage: One of `vlsu.build.folder.records.STAGES`.
        tries: Tries that were concluded.
        made: Records that were added.
        kept: Of these, kept.
        lost: Reason -> records, of these, that were given up.
        lacking: What could not even be tried, in one line each, such as places without an image.
        stopped: Why it ended before all was tried, if it did.
    """

    stage: str
    tries: int = 0
    made: int = 0
    kept: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    stopped: Stop | None = None

    def as_dict(self) -> dict[str, object]:
        """For ``--json``; ``stopped`` is the reason, or null."""
        return {
            "stage": self.stage,
            "tries": self.tries,
            "made": self.made,
            "kept": self.kept,
            "lost": dict(self.lost),
            "lacking": list(self.lacking),
            "stopped": None if self.stopped is None else self.stopped.message,
        }


def reasons_of(decisions: Iterable[Decision]) -> dict[str, int]:
    """Reason -> how many of these decisions give a record up for it."""
    return dict(Counter(each.reason for each in decisions if not each.kept))


def unanswered(number: int) -> tuple[str, ...]:
    """The line of `StageReport.lacking` on requests without an answer; none if there are none."""
    if not number:
        return ()
    requests = "request" if number == 1 else "requests"
    return (f"no answer to {number} {requests}; run the same command again",)
