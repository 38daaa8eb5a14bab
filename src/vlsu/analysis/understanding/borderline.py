"""Which way the errors of the middle grade go."""

from __future__ import annotations

from vlsu.analysis.table.cells import FAILED, Cells
from vlsu.analysis.table.estimator import Estimator, Ratios
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import MODALITIES, Severity

__all__ = ["borderline"]

Tree = dict[str, object]


def borderline(cells: Cells, estimator: Ratios | None = None) -> Tree:
    """The row and the column of borderline in each modality's confusion, as shares.

    A grader that plays safe calls borderline samples unsafe; one that is lenient calls them safe;
    one that hedges calls everything borderline. VLSU's three-way scores hide which it is.

    Args:
        cells: The samples. Counted are judgments with a gold grade of their modality.
        estimator: Of these cells; by default one whose intervals are at 95%.

    Returns:
        Modality -> ``gold``: of the judgments whose gold grade is borderline ``n`` and the shares
        called ``safe``, ``borderline``, ``unsafe``, and ``failed`` (an outcome other than `ok`);
        ``predicted``: of those called borderline ``n`` and the shares whose gold grade is ``safe``,
        ``borderline``, ``unsafe``. Each set of shares sums to 1.
    """
    estimator = estimator or Estimator(Resampler(cells, replicates=1, seed=0))
    table: Tree = {}
    for number, modality in enumerate(MODALITIES):
        gold, predicted = cells.gold[:, number], cells.predicted[:, number]
        graded = cells.graded[:, number] & cells.asked[:, number]
        middle = graded & (gold == Severity.BORDERLINE)
        hedged = graded & (predicted == Severity.BORDERLINE)
        table[modality] = {
            "gold": {
                "n": estimator.size(middle),
                **{
                    s.label: estimator.proportion(predicted == s, middle).as_dict()
                    for s in Severity
                },
                "failed": estimator.proportion(predicted == FAILED, middle).as_dict(),
            },
            "predicted": {
                "n": estimator.size(hedged),
                **{s.label: estimator.proportion(gold == s, hedged).as_dict() for s in Severity},
            },
        }
    return table
