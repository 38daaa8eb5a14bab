"""Attribution: what may explain the errors on pairs."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.shares import joint_error_causes

__all__ = ["attribution"]


def attribution(
    cells: Cells, estimator: Estimator | StratifiedEstimator | None = None
) -> dict[str, object]:
    """Wrong joint judgments by what is right of image and text alone.

    A pair without an answer (refused, blocked, error, unparsed) says nothing of what the model
    understood, so it is a cause of its own and none of the other four, whatever its parts are.

    Args:
        cells: The samples. Counted are those whose joint judgment is wrong and whose three
            modalities were all asked and graded; an image or text outcome other than `ok` is wrong.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        ``joint_errors``: how many. ``both_correct``, ``image_wrong`` (alone), ``text_wrong``
        (alone), ``both_wrong`` and ``no_answer``, each ``{"count", "share"}``; the shares sum to 1.
        ``both_correct_answered``: the share of ``both_correct`` among the first four, so of the
        pairs that were answered wrongly; of runs without missing answers the share of
        ``both_correct`` itself.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    causes = joint_error_causes(cells)
    errors: BoolArray = np.logical_or.reduce(list(causes.values()))
    number = np.select(list(causes.values()), range(len(causes)), -1)
    counts = estimator.counts(number, len(causes)).tolist()
    answered = errors & ~causes["no_answer"]
    return {
        "joint_errors": sum(counts),
        **{
            name: {"count": count, "share": estimator.proportion(cause, errors)}
            for (name, cause), count in zip(causes.items(), counts, strict=True)
        },
        "both_correct_answered": estimator.proportion(causes["both_correct"], answered),
    }
