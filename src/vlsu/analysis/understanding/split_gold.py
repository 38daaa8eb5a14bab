"""Results on pairs whose gold grade is beyond doubt, apart from those with other admissible ones.

Where careful graders disagree, one gold grade is a choice among several that can be defended, and a
model that gives another of them is not simply wrong (Plank 2022). The headline figures count it as
wrong all the same; here it can be seen how much of the error that is.
"""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.table.cells import JOINT, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.understanding.shares import accuracy

__all__ = ["split_gold"]


def split_gold(cells: Cells, estimator: Estimator | StratifiedEstimator) -> dict[str, object]:
    """Joint judgments by whether another grade than the gold one is admissible.

    Args:
        cells: The samples, some with other admissible grades.
        estimator: Of these cells.

    Returns:
        ``unanimous`` and ``split``, each with ``n``, ``accuracy``, ``f1_macro`` and ``answered`` as
        of the joint judgments; ``split`` also has ``accuracy_admissible``: the share whose
        prediction is the gold grade or another admissible one. An outcome other than `ok` is wrong
        in both. ``accuracy_admissible``: the same share of all joint judgments.
    """
    others = np.zeros_like(cells.count) if cells.admissible is None else cells.admissible
    joint = accuracy(cells, JOINT)
    # A prediction that is none (FAILED, NOT_ASKED) is no bit of the admissible severities.
    defended = joint.hits | (others >> cells.predicted[:, JOINT] & 1).astype(bool)
    split = others > 0

    def part(name: str, among: BoolArray) -> dict[str, object]:
        confusion = Confusion.from_cells(cells, JOINT, among)
        return {
            "n": estimator.size(among),
            "accuracy": estimator.proportion(joint.hits, among),
            **estimator.mean_f1(confusion, f"gold_agreement.{name}", "f1_macro"),
            "answered": estimator.proportion(cells.answered[:, JOINT], among),
        }

    return {
        "unanimous": part("unanimous", joint.among & ~split),
        "split": {
            **part("split", joint.among & split),
            "accuracy_admissible": estimator.proportion(defended, joint.among & split),
        },
        "accuracy_admissible": estimator.proportion(defended, joint.among),
    }
