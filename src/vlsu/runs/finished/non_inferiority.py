"""A run against a base run: is it worse by a margin or more?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.analysis.comparison.claim_text import points
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.margins import NOT_WORSE, UNTOLD, WORSE, Margin
from vlsu.analysis.comparison.results import MetricRow
from vlsu.runs.finished.comparison import compared
from vlsu.runs.run import Run

__all__ = ["AgainstCheck", "NotWorse", "check_against"]


@dataclass(frozen=True, slots=True)
class NotWorse:
    """A requirement on the difference to a base run.

    Attributes:
        key: Path of the metric.
        base: The base run's folder.
        margin: The loss that must be excluded, above 0.
    """

    key: str
    base: str
    margin: float

    def __str__(self) -> str:
        return f"{self.key}: not worse than {self.base} by more than {Margin(self.margin).words}"


@dataclass(frozen=True, slots=True)
class AgainstCheck:
    """The result of checking a metric against a base run.

    Attributes:
        requirement: What was required.
        verdict: ``not worse``, ``cannot be told`` or ``worse``.
        value: The run's metric minus the base's; `None` if there is nothing to compare.
        low: Of its interval at `level`, in every way of counting missing answers.
        high: Likewise.
        level: Confidence of the interval: 90% for one-sided tests at 5%.
        why: The reason, as a sentence.
    """

    requirement: NotWorse
    verdict: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    why: str

    @property
    def met(self) -> bool:
        """Whether a loss of the margin is excluded."""
        return self.verdict == NOT_WORSE

    def to_dict(self) -> dict[str, object]:
        """Plain Python, ready for JSON."""
        return {
            "requirement": str(self.requirement),
            "key": self.requirement.key,
            "against": self.requirement.base,
            "margin": self.requirement.margin,
            "met": self.met,
            "verdict": self.verdict,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "why": self.why,
        }


def check_against(
    run: Run,
    base: Run,
    margin: float,
    *,
    primary: Sequence[str],
    wanted: Sequence[str],
    enough: float,
    dataset: str | Path | None = None,
    seed: int = 0,
) -> tuple[AgainstCheck, ...]:
    """Check a run's metrics against those of a base run, on the samples that both have.

    All must be met for a conclusion, so each is tested at the full level (Berger 1982).

    Args:
        run: A finished run.
        base: Another, of the same task and dataset.
        margin: The loss that must be excluded, in (0, 1).
        primary: Metrics by path; if none is given, those of `wanted` that runs are compared by, and
            without any the primary ones of the task.
        wanted: Metrics that something else is required of.
        enough: As for `vlsu.runs.finished.comparison.compare`.
        dataset: The dataset's folder, if it was moved since the runs.
        seed: Of bootstrap and randomization.

    Raises:
        UsageError: The runs are of different tasks, or a metric is none of those compared.
        RunError: As `vlsu.runs.finished.comparison.compare`.
        DataError: The dataset is not found.
    """

    def rows_of(paths: Sequence[str]) -> tuple[dict[str, MetricRow], list[str]]:
        declared = Declared(tuple(paths), margin=margin, corrected=False)
        found = compared([base, run], dataset, seed, enough, declared)
        return found.pairs[0].metrics, found.declared.primary

    rows, paths = rows_of(primary)
    required = [path for path in dict.fromkeys(wanted) if path in rows]
    if required and not primary:
        rows, paths = rows_of(required)
    return tuple(_check(NotWorse(path, str(base.path), margin), rows[path]) for path in paths)


def _check(requirement: NotWorse, row: MetricRow) -> AgainstCheck:
    held, words = row.equivalence, Margin(requirement.margin).words
    level = Margin(requirement.margin).level if held is None else held.level
    value = row.difference.value
    if held is None or value is None or held.low is None or held.high is None:
        why = "cannot be told: no sample has both runs' answer and a gold grade"
        return AgainstCheck(requirement, UNTOLD, None, None, None, level, why)
    verdict = held.verdict or UNTOLD
    seen = (
        f"run - base is {points(value, '+')} points [{points(held.low, '+')}, "
        f"{points(held.high, '+')}] (n = {row.n:,}, {100 * level:.4g}% interval"
        f"{', whatever the missing answers are' if 'worst_case' in row.bounds else ''})"
    )
    why = {
        NOT_WORSE: f"not worse by more than {words}: {seen}",
        WORSE: f"worse: {seen}",
        UNTOLD: f"cannot be told, a loss of {words} is not excluded: {seen}",
    }[verdict]
    if held.reason:
        why = f"cannot be told, {held.reason}: {seen}"
    return AgainstCheck(requirement, verdict, value, held.low, held.high, level, why)
