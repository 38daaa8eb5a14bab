"""A model graded as a single grader is: against the same leave-one-out references.

A grader is compared with the majority of the *others*, a model with the gold grade, which is the
majority of all. The others are fewer, their majority is less sure, and the grader's accuracy is the
lower for it: side by side the two flatter the model. Here both are compared with the same
references, on the same items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from vlsu.analysis.stats.clustering import paired_difference
from vlsu.analysis.stats.intervals import LEVEL, plain
from vlsu.analysis.table.cells import ABSENT, FAILED, JOINT, NOT_ASKED
from vlsu.analysis.table.tabulation import Tabulation
from vlsu.analysis.understanding.metrics import cell_metrics
from vlsu.policy import MODALITIES, SEVERITY_CODES

__all__ = ["References", "reference_scores"]

#: Item -> for each grader of it, the majority of the others and the grader's own answer; `None`:
#: not sure.
References = Mapping[str, Sequence[tuple[str, str | None]]]

_SCORES = ("n", "accuracy", "f1_macro", "f1_binary", "f1_binary_strict")


def reference_scores(
    references: References, predictions: Mapping[str, str | None], *, seed: int = 0
) -> dict[str, object] | None:
    """Scores of the graders and of a model on the references that both have.

    Args:
        references: As `vlsu.analysis.agreement.oracle.oracle_metrics` gives them.
        predictions: Item -> the model's severity; `None` where it gave none.
        seed: Of the bootstrap.

    Returns:
        ``items``; ``human`` and ``model``, each ``n`` (references), ``accuracy``, ``f1_macro``,
        ``f1_binary`` and ``f1_binary_strict``; and ``difference``, the model's accuracy less the
        graders'. Items are resampled with all their references. `None` if none is shared.
    """
    shared = sorted(references.keys() & predictions.keys())
    rows = [
        (item, reference, answer, predictions[item])
        for item in shared
        for reference, answer in references[item]
    ]
    if not rows:
        return None
    items = [item for item, *_ in rows]
    gold, human, model = (
        np.array([SEVERITY_CODES.get(row[column] or "", FAILED) for row in rows], dtype=np.int64)
        for column in (1, 2, 3)
    )
    # Equal items stand together, as the shared ones are sorted.
    cluster = np.unique(np.array(items), return_inverse=True)[1]
    difference = paired_difference(
        (human == gold).astype(np.float64), (model == gold).astype(np.float64), cluster, LEVEL
    )
    return plain(
        {
            "items": len(shared),
            "human": _scores(gold, human, items, seed),
            "model": _scores(gold, model, items, seed),
            "difference": difference.rate,
        }
    )


def _scores(
    gold: np.ndarray, said: np.ndarray, items: Sequence[str], seed: int
) -> dict[str, object]:
    grades = np.full((len(gold), len(MODALITIES)), ABSENT)
    predicted = np.full(grades.shape, NOT_ASKED)
    grades[:, JOINT], predicted[:, JOINT] = gold, said
    tabulation = Tabulation()
    none = pl.Series([None] * len(gold), dtype=pl.String)
    tabulation.count(grades, predicted, none, pl.Series(items), {})
    joint = cell_metrics(tabulation.cells(), seed=seed)["joint"]
    assert isinstance(joint, dict)
    return {name: joint[name] for name in _SCORES}
