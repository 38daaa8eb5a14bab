"""Understanding runs against each other, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

from vlsu.analysis.comparison.claims import ALPHA, POWER, test_differences
from vlsu.analysis.comparison.differences import PAIRED_METHODS, REPLICATES, Difference
from vlsu.analysis.comparison.leaderboard import leaderboard
from vlsu.analysis.comparison.metrics import PairedMetrics, swaps_of
from vlsu.analysis.comparison.model_agreement import model_agreement
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.answered import ENOUGH
from vlsu.analysis.table.cells import JOINT
from vlsu.analysis.table.estimator import METHODS, Estimator
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.shares import accuracy, answered
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES

__all__ = ["RANKED", "joint_differences", "understanding_comparison"]

#: Metrics that runs are ranked by.
RANKED = ("joint.accuracy", "joint.f1_macro", "joint.f1_weighted", "joint.f1_binary",
          "joint.f1_binary_strict")  # fmt: skip


def understanding_comparison(
    cells: PairedCells, names: Sequence[str], *, seed: int = 0, enough: float = ENOUGH
) -> dict[str, object]:
    """Every pair of runs on the samples they share; the keys are in ``docs/comparing.md``.

    Args:
        cells: The samples that all runs have.
        names: Of the runs, at least two and all different.
        seed: Of bootstrap and randomization, not negative.
        enough: Where a run answered a smaller share of a metric's samples, the metric is compared
            twice, with missing answers as wrong and on the samples that both answered, and a
            difference is claimed only if it holds in both.

    Returns:
        ``answered`` (modality -> run -> the share of its questions that it answered), ``enough``,
        ``pairs`` (``first``, ``second``, ``metrics`` by path in `metrics.json`, each a row of
        `vlsu.analysis.comparison.claims.test_differences`), ``leaderboard`` (with three runs or
        more), ``agreement`` and ``intervals``.

    Raises:
        UsageError: Fewer than two runs, or one name for several.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("give two or more runs, each with a name of its own")
    pairs = {
        (names[a], names[b]): PairedMetrics(cells.pair(a, b), len(names), seed, enough).metrics()
        for a, b in combinations(range(len(names)), 2)
    }
    rows = test_differences(pairs, {})
    return {
        "answered": _answered(cells, names, seed),
        "enough": enough,
        "pairs": [
            {"first": first, "second": second, "metrics": metrics}
            for (first, second), metrics in rows.items()
        ],
        "leaderboard": leaderboard(rows, names, dict.fromkeys(RANKED, 1)) if len(names) > 2 else {},
        "agreement": model_agreement(cells, names, seed=seed),
        "intervals": {
            "level": LEVEL,
            "claimed_below": ALPHA,
            "power": POWER,
            "method": METHODS | PAIRED_METHODS,
            "resampled": "samples" if cells.runs[0].groups is None else "groups",
            "replicates": REPLICATES,
            "swaps": swaps_of(1, len(names)),
            "seed": seed,
        },
    }


def _answered(cells: PairedCells, names: Sequence[str], seed: int) -> dict[str, dict[str, object]]:
    """Modality -> run -> the share of its questions about these samples that it answered."""
    found: dict[str, dict[str, object]] = {modality: {} for modality in MODALITIES}
    for name, run in zip(names, cells.runs, strict=True):
        estimator = Estimator(Resampler(run, 1, seed))
        for number, modality in enumerate(MODALITIES):
            found[modality][name] = estimator.rate(answered(run, number)).as_dict()
    return found


def joint_differences(cells: PairedCells, *, seed: int = 0) -> dict[str, Difference]:
    """Of two runs `accuracy` and `f1_macro` of the joint grade, the rest left out.

    Args:
        cells: Of two runs.
        seed: Of the bootstrap, not negative.
    """
    pair = PairedMetrics(cells, 2, seed, 0.0)
    joint = pair.both(partial(accuracy, modality=JOINT))
    means = pair.f1(JOINT, joint.over.among, "joint", tests=1, names=("f1_macro",))
    return {"accuracy": pair.difference(joint, joint.over.among), **means}
