"""The parts of an understanding run's `metrics.json` that need more of a sample than its cell."""

from __future__ import annotations

from collections.abc import Collection

from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.understanding.minimal_pairs import minimal_pairs
from vlsu.analysis.understanding.probabilities import probability_metrics
from vlsu.policy import Severity

__all__ = ["diagnosis"]


def diagnosis(
    judgments: Frame,
    samples: Frame,
    *,
    level: float = LEVEL,
    severities: Collection[Severity] = tuple(Severity),
) -> dict[str, object]:
    """``minimal_pairs``, and ``calibration`` where there is a `p_unsafe`.

    Some 30 bytes a judgment are held at a time, so that a million fit into memory.

    Args:
        judgments: As in ``judgments.parquet``; scanned several times, so best a lazy scan of it.
        samples: The dataset's, as `vlsu.data.Dataset.frame` gives them; may hold more than were
            judged.
        level: Confidence of the intervals, in (0, 1).
        severities: Those of the policy.

    Raises:
        UsageError: `level` is out of range.
        RunError: The judgments cannot be used; the message names the sample.
        DataError: The samples lack a column.
    """
    pairs = minimal_pairs(judgments, samples, level=level, severities=severities)
    metrics: dict[str, object] = {"minimal_pairs": pairs}
    if calibration := probability_metrics(judgments, samples, level=level):
        metrics["calibration"] = calibration
    return metrics
