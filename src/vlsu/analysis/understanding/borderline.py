"""What borderline samples are called, and what is called borderline."""

from __future__ import annotations

from vlsu.analysis.table.cells import FAILED, Cells
from vlsu.analysis.table.estimator import Estimator, Ratios
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.shares import borderline_called, called_borderline
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
        gold = {s.label: borderline_called(cells, number, s) for s in Severity}
        gold["failed"] = borderline_called(cells, number, FAILED)
        predicted = {s.label: called_borderline(cells, number, s) for s in Severity}
        table[modality] = {
            name: {
                "n": estimator.size(shares["safe"].among),
                **{key: estimator.rate(share).as_dict() for key, share in shares.items()},
            }
            for name, shares in (("gold", gold), ("predicted", predicted))
        }
    return table
