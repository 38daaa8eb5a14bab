"""Accuracy of the pair by what was right alone, by family, by gold category and severity."""

from __future__ import annotations

from vlsu.analysis.table.cells import JOINT, Cells
from vlsu.analysis.table.estimator import Estimator, Ratios
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.shares import (
    NO_CATEGORY,
    category_accuracy,
    flagged,
    which_parts_are_right,
)
from vlsu.policy import Severity

__all__ = ["NO_CATEGORY", "flow", "severities"]

Tree = dict[str, object]


def flow(cells: Cells, estimator: Ratios | None = None) -> Tree:
    """From the predictions for image and text alone to the one for the pair: what is right where.

    Args:
        cells: The samples. Counted are those whose three modalities were all asked and graded; an
            outcome other than `ok` is wrong.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        ``both_correct``, ``image_wrong`` (the image alone is wrong), ``text_wrong`` and
        ``both_wrong``, each ``{"n", "correct", "no_answer", "accuracy"}``: samples, those of them
        whose pair is right, those whose joint outcome is not `ok`, and the share that is right, a
        rate. The four add up to the samples counted.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    joint, answered = cells.right[:, JOINT], cells.answered[:, JOINT]
    return {
        name: {
            "n": estimator.size(among),
            "correct": estimator.size(among & joint),
            "no_answer": estimator.size(among & ~answered),
            "accuracy": estimator.proportion(joint, among).as_dict(),
        }
        for name, among in which_parts_are_right(cells).items()
    }


def severities(cells: Cells, estimator: Ratios | None = None) -> Tree:
    """Accuracy of the pair by its gold category and gold severity: recall within a category.

    Args:
        cells: The samples. Counted are joint judgments with a gold joint grade; an outcome other
            than `ok` is wrong.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        Gold joint category, in the order C1 .. C15, and last `NO_CATEGORY` for samples without one
        -> gold joint severity -> ``{"n", "correct", "accuracy", "answered", "flagged"}``: samples,
        those of them that are right, their share, and the shares with the outcome `ok` and called
        unsafe. Only what occurs.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    answered = cells.answered[:, JOINT]
    table: Tree = {}
    for name, category in category_accuracy(cells).items():
        parts = {s: category.among & (cells.gold[:, JOINT] == s) for s in Severity}
        rows = {
            severity.label: {
                "n": estimator.size(part),
                "correct": estimator.size(part & category.hits),
                "accuracy": estimator.proportion(category.hits, part).as_dict(),
                "answered": estimator.proportion(answered, part).as_dict(),
                "flagged": estimator.proportion(flagged(cells, JOINT), part).as_dict(),
            }
            for severity, part in parts.items()
            if part.any()
        }
        if rows:
            table[name] = rows
    return table
