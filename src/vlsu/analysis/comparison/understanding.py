"""Understanding runs against each other, on the same samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import combinations

from vlsu.analysis.comparison.claims import ALPHA, POWER, test_differences
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.differences import PAIRED_METHODS, REPLICATES, Difference
from vlsu.analysis.comparison.families import MEANING, ComparedMetric, RunNames
from vlsu.analysis.comparison.leaderboard import leaderboard
from vlsu.analysis.comparison.margins import with_equivalence
from vlsu.analysis.comparison.metrics import PairedMetrics
from vlsu.analysis.comparison.model_agreement import model_agreement
from vlsu.analysis.comparison.paired_runs import swaps_of
from vlsu.analysis.comparison.single_runs import Known
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.answered import ENOUGH
from vlsu.analysis.table.cells import JOINT
from vlsu.analysis.table.estimator import METHODS, Estimator
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.levels import counts_all
from vlsu.analysis.understanding.shares import accuracy, answered
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Family

__all__ = ["RANKED", "joint_differences", "understanding_comparison"]

#: Metrics that runs are ranked by.
RANKED = ("joint.accuracy", "joint.f1_macro", "joint.f1_weighted", "joint.f1_binary",
          "joint.f1_binary_strict")  # fmt: skip


def understanding_comparison(
    cells: PairedCells,
    names: Sequence[str],
    *,
    seed: int = 0,
    enough: float = ENOUGH,
    declared: Declared | None = None,
    unsafe_alone: Collection[str] = (),
) -> dict[str, object]:
    """Every pair of runs on the samples they share; the keys are in ``docs/comparing.md``.

    Args:
        cells: The samples that all runs have.
        names: Of the runs, at least two and all different.
        seed: Of bootstrap and randomization, not negative.
        enough: Where a run answered a smaller share of a metric's samples, the metric is compared
            twice, with missing answers as wrong and on the samples that both answered, and a
            difference is claimed only if it holds in both. Above 0 it must hold, too, whatever the
            answers are that never came or could not be read.
        declared: Which metrics decide: if not given, macro-F1 of the pair, then its accuracy, in
            all and by family; where a run's model tells safe from unsafe only, the F1 of unsafe,
            then its recall and precision.
        unsafe_alone: The runs whose models do.

    Returns:
        ``answered`` (modality -> run -> the share of its questions that it answered), ``enough``,
        ``declared``, ``pairs`` (``first``, ``second``, ``metrics`` by path in `metrics.json`, each
        a row of `vlsu.analysis.comparison.claims.test_differences`), ``leaderboard`` (with three
        runs or more), ``agreement`` and ``intervals``; with `unsafe_alone` also ``unsafe_alone``:
        ``runs`` and ``reason``.

    Raises:
        UsageError: Fewer than two runs, or one name for several; or a metric that is declared is
            none of those compared.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("give two or more runs, each with a name of its own")
    known = Known()
    numbers = {(names[a], names[b]): (a, b) for a, b in combinations(range(len(names)), 2)}

    def paired(pair: RunNames, level: float) -> PairedMetrics:
        alone = any(name in unsafe_alone for name in pair)
        found = cells.pair(*numbers[pair])
        return PairedMetrics(
            found,
            len(names),
            seed,
            enough,
            level,
            known=known.at(found.place),
            unsafe_alone=alone,
        )

    pairs = {pair: paired(pair, LEVEL).metrics() for pair in numbers}
    declared = declared or Declared()
    _require_told(declared, unsafe_alone)
    roles = declared.resolved(pairs, _default(pairs, alone=bool(unsafe_alone)))
    rows = test_differences(pairs, {}, primary=roles.primary, secondary=roles.secondary)
    rows = with_equivalence(
        rows, lambda pair, level: paired(pair, level).metrics(roles.primary), roles, {}
    )
    goods = {path: metric.good for metrics in pairs.values() for path, metric in metrics.items()}
    ranked = {path: goods[path] for path in (*roles.primary, *RANKED) if goods.get(path)}
    return {
        "answered": _answered(cells, names, seed),
        "enough": enough,
        "declared": roles.as_dict(),
        "pairs": [
            {"first": first, "second": second, "metrics": metrics}
            for (first, second), metrics in rows.items()
        ],
        "leaderboard": leaderboard(rows, names, ranked) if len(names) > 2 else {},
        "agreement": model_agreement(cells, names, seed=seed, unsafe_alone=unsafe_alone),
        **({"unsafe_alone": _alone(unsafe_alone)} if unsafe_alone else {}),
        "intervals": {
            "level": LEVEL,
            "claimed_below": ALPHA,
            "power": POWER,
            "method": METHODS | PAIRED_METHODS,
            "roles": MEANING,
            "resampled": "samples" if cells.runs[0].groups is None else "groups",
            "replicates": REPLICATES,
            "swaps": swaps_of(1, len(names)),
            "seed": seed,
        },
    }


def _alone(names: Collection[str]) -> dict[str, object]:
    who = " and ".join(names)
    tell = "tell" if len(names) > 1 else "tells"
    return {
        "runs": list(names),
        "reason": f"{who} {tell} safe from unsafe only: compared is what asks for unsafe alone",
    }


def _require_told(declared: Declared, unsafe_alone: Collection[str]) -> None:
    """Raise if a metric is declared that a run cannot be scored by."""
    for option, paths in (("--primary", declared.primary), ("--secondary", declared.secondary)):
        for path in paths:
            if unsafe_alone and counts_all(path):
                raise UsageError(
                    f"{option} {path}: cannot be told: {_alone(unsafe_alone)['reason']}; give "
                    "joint.f1_binary or joint.per_class.unsafe.recall"
                )


def _default(pairs: Mapping[RunNames, Mapping[str, ComparedMetric]], *, alone: bool) -> list[str]:
    """The metrics that decide where none are given; of the pair, if both runs asked about it."""
    asked = [
        modality
        for modality in reversed(MODALITIES)
        if any(metrics[f"{modality}.f1_binary"].difference.n for metrics in pairs.values())
    ]
    modality = asked[0] if asked else "joint"
    if alone:
        unsafe = f"{modality}.per_class.unsafe"
        return [f"{modality}.f1_binary", f"{unsafe}.recall", f"{unsafe}.precision"]
    families = [f"families.{family.value}.accuracy" for family in Family]
    known = next(iter(pairs.values()))
    return [
        f"{modality}.f1_macro",
        f"{modality}.accuracy",
        *(path for path in families if modality == "joint" and path in known),
    ]


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
