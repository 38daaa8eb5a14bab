"""Equivalence and non-inferiority: a difference held to a margin, by its interval.

Two one-sided tests at alpha (Schuirmann 1987) are the interval at 1 - 2 alpha: two runs are
equivalent if it lies within the margin on both sides, and one is not inferior if it lies above the
margin on its bad side. The intervals are those of the differences, computed at that level, so that
clusters and small samples count as they do everywhere. Where answers are missing, every way of
counting them has to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vlsu.analysis.comparison.claim_text import points
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.families import ALPHA, ComparedMetric, RunNames
from vlsu.analysis.stats.intervals import Rate

__all__ = ["NOT_WORSE", "UNTOLD", "WORSE", "Margin", "non_inferiority", "with_equivalence"]

#: Verdicts of `non_inferiority`.
NOT_WORSE, UNTOLD, WORSE = "not worse", "cannot be told", "worse"


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin, and how sure it has to be.

    Attributes:
        size: Above 0.
        tests: How many differences are held to it together, each at alpha over their number
            (Bonferroni); 1 for one, or where all must be within it.
    """

    size: float
    tests: int = 1

    @property
    def level(self) -> float:
        """Confidence of the two-sided interval.

        Example:
            >>> Margin(0.02).level
            0.9
        """
        return 1 - 2 * round(ALPHA, 12) / max(1, self.tests)

    def row(self, pair: RunNames, metric: ComparedMetric, caution: str | None) -> dict[str, object]:
        """What the margin says of a difference, for its row.

        Args:
            pair: Names of the two runs.
            metric: With intervals at `level`.
            caution: Why nothing is claimed of the pair, if so.
        """
        low, high = _hull(metric)
        within = (
            caution is None
            and low is not None
            and high is not None
            and -self.size < low
            and high < self.size
        )
        text = None
        if within and low is not None and high is not None:
            text = (
                f"{pair[0]} and {pair[1]} are equivalent within {self.words} on {metric.label}: "
                f"the {100 * self.level:.4g}% interval of the difference is "
                f"[{points(low, '+')}, {points(high, '+')}]"
            )
        return {
            "margin": self.size,
            "level": self.level,
            "low": low,
            "high": high,
            "equivalent": within,
            "verdict": None
            if not metric.good
            else UNTOLD
            if caution
            else non_inferiority(low, high, self.size, metric.good),
            "reason": caution,
            "text": text,
        }

    @property
    def words(self) -> str:
        """``2 points``.

        Example:
            >>> Margin(0.02).words
            '2 points'
        """
        size = f"{100 * self.size:.4g}"
        return f"{size} point{'' if size == '1' else 's'}"


def with_equivalence(
    rows: Mapping[RunNames, Mapping[str, Mapping[str, Any]]],
    measure: Callable[[RunNames, float], Mapping[str, ComparedMetric]],
    declared: Declared,
    caution: Mapping[RunNames, str],
) -> dict[RunNames, dict[str, dict[str, Any]]]:
    """Rows with ``equivalence``: of primary ones what the margin says of them, else `None`.

    Where runs are equivalent, the row's sentence says so too.

    Args:
        rows: As `vlsu.analysis.comparison.claims.test_differences` makes them.
        measure: The primary metrics of two runs, with intervals of a confidence.
        declared: With a margin, or without.
        caution: Pairs of which nothing is claimed, and why.
    """
    found = {
        pair: {path: {**row, "equivalence": None} for path, row in metrics.items()}
        for pair, metrics in rows.items()
    }
    if declared.margin is None:
        return found
    held = [
        (pair, path)
        for pair, metrics in rows.items()
        for path in declared.primary
        if path in metrics and metrics[path]["n"]
    ]
    tests = sum(pair not in caution for pair, _ in held) if declared.corrected else 1
    margin = Margin(declared.margin, tests)
    for pair in dict.fromkeys(pair for pair, _ in held):
        measured = measure(pair, margin.level)
        for path in (path for each, path in held if each == pair):
            row = found[pair][path]
            equivalence = margin.row(pair, measured[path], caution.get(pair))
            row["equivalence"] = equivalence
            if equivalence["text"]:
                row["text"] = f"{row['text']}. {equivalence['text']}"
    return found


def non_inferiority(low: float | None, high: float | None, margin: float, good: int) -> str:
    """Whether the second of two runs is worse than the first by a margin or more.

    Args:
        low: Of the interval of the difference, second minus first, at 1 - 2 alpha.
        high: Likewise.
        margin: Above 0.
        good: 1 where higher is better, -1 where lower is.

    Returns:
        `NOT_WORSE` if a loss of the margin is excluded; else `WORSE` if the second run is worse
        beyond chance, by whatever little; else `UNTOLD`.

    Example:
        >>> non_inferiority(-0.013, 0.02, margin=0.02, good=1)
        'not worse'
        >>> non_inferiority(-0.013, 0.02, margin=0.02, good=-1)
        'cannot be told'
    """
    if low is None or high is None:
        return UNTOLD
    if good < 0:
        low, high = -high, -low
    if low > -margin:
        return NOT_WORSE
    return WORSE if high < 0 else UNTOLD


def _hull(metric: ComparedMetric) -> tuple[float | None, float | None]:
    """The interval that holds those of every way of counting missing answers."""
    worst = metric.worst_case
    ends = [metric.difference, *metric.bounds.values()]
    if worst is not None:
        ends += [worst.lower, worst.upper]
    rates: list[Rate] = [each.difference for each in ends]
    lows = [rate.low for rate in rates if rate.low is not None]
    highs = [rate.high for rate in rates if rate.high is not None]
    if len(lows) < len(rates) or len(highs) < len(rates):
        return None, None
    return min(lows), max(highs)
