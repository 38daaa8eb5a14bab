"""Accuracy of the pair by what was right alone, and by gold category and severity."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator, Ratios
from vlsu.analysis.table.patterns import natural_order
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import Severity

__all__ = ["NO_CATEGORY", "flow", "severities"]

#: Stands for the category of samples that have none.
NO_CATEGORY = "no category"

Tree = dict[str, object]

IMAGE, TEXT, JOINT = range(3)


def flow(cells: Cells, estimator: Ratios | None = None) -> Tree:
    """From the predictions for image and text alone to the one for the pair: what is right where.

    Args:
        cells: The samples. Counted are those whose three modalities were all asked and graded; an
            outcome other than `ok` is wrong.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        ``both_correct``, ``image_wrong`` (the image alone is wrong), ``text_wrong`` and
        ``both_wrong``, each ``{"n", "correct", "accuracy"}``: samples, those of them whose pair is
        right, and their share, a rate. The four add up to the samples counted.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    among: BoolArray = np.logical_and.reduce(cells.graded & cells.asked, axis=1)
    image, text, joint = cells.right.T
    parts = {
        "both_correct": image & text,
        "image_wrong": ~image & text,
        "text_wrong": image & ~text,
        "both_wrong": ~image & ~text,
    }
    return {
        name: {
            "n": estimator.size(among & part),
            "correct": estimator.size(among & part & joint),
            "accuracy": estimator.proportion(joint, among & part).as_dict(),
        }
        for name, part in parts.items()
    }


def severities(cells: Cells, estimator: Ratios | None = None) -> Tree:
    """Accuracy of the pair by its gold category and gold severity: recall within a category.

    Args:
        cells: The samples. Counted are joint judgments with a gold joint grade; an outcome other
            than `ok` is wrong.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        Gold joint category, in the order C1 .. C15, and last `NO_CATEGORY` for samples without one
        -> gold joint severity -> ``{"n", "correct", "accuracy", "answered"}``: samples, those of
        them that are right, their share, and the share with the outcome `ok`. Only what occurs.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    among = cells.graded[:, JOINT] & cells.asked[:, JOINT]
    right, answered = cells.right[:, JOINT], cells.answered[:, JOINT]
    numbers = {name: number for number, name in enumerate(cells.categories)}
    names = sorted(cells.categories, key=natural_order)
    table: Tree = {}
    for name, number in (*((name, numbers[name]) for name in names), (NO_CATEGORY, -1)):
        inside = among & (cells.category == number)
        by_severity = {s: inside & (cells.gold[:, JOINT] == s) for s in Severity}
        rows = {
            severity.label: {
                "n": estimator.size(part),
                "correct": estimator.size(part & right),
                "accuracy": estimator.proportion(right, part).as_dict(),
                "answered": estimator.proportion(answered, part).as_dict(),
            }
            for severity, part in by_severity.items()
            if part.any()
        }
        if rows:
            table[name] = rows
    return table
