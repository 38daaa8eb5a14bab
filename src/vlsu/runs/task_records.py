"""The tasks of runs: what the record and the judgments of each hold besides what all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsu.runs.columns import FIRST_VERDICT_COLUMNS

__all__ = ["TASK_RECORDS", "TaskRecord"]


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What the record and the judgments of one task hold besides.

    Attributes:
        needed: Members of ``run.yaml`` that every record of the task has.
        fixed: Path in ``run.yaml`` of what may not change between two starts -> what it is called.
            Framings and judges may be added to: each has keys of its own.
        columns: Columns of ``judgments.parquet`` that every version has written.
        draws: Whether every draw is in ``judgments.parquet``, not the first one alone.
        parts: Parts of the dataset whose samples are judged at most once in each.
        results: What is made of the responses, in messages.
    """

    needed: tuple[str, ...] = ()
    fixed: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    draws: bool = True
    parts: int = 1
    results: str = "answers and verdicts"


_CAPTIONS: Mapping[tuple[str, ...], str] = {("captions",): "choice between images and captions"}

#: Task -> its records.
TASK_RECORDS: Mapping[str, TaskRecord] = {
    "understanding": TaskRecord(
        needed=("prompt", "fingerprint", "limit", "seed"),
        fixed={("prompt", "hash"): "prompt"},
        draws=False,
        results="judgments",
    ),
    "alignment": TaskRecord(
        needed=("framings", "judges", "captions", "limit", "seed"),
        fixed=_CAPTIONS,
        columns=FIRST_VERDICT_COLUMNS,
    ),
    "tuning": TaskRecord(
        needed=("framings", "judges", "captions", "split"),
        fixed={("split",): "split (--seed, --held-out or --limit)", **_CAPTIONS},
        columns=FIRST_VERDICT_COLUMNS,
        parts=2,
    ),
}
