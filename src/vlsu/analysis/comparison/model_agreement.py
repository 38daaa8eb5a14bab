"""Agreement of several models' predictions, whatever the gold grades."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.table.cells import JOINT
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.patterns import by_family
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import MODALITIES, Severity

__all__ = ["model_agreement"]

_REPLICATES = 2000


def model_agreement(
    cells: PairedCells, names: Sequence[str], *, seed: int, unsafe_alone: Collection[str] = ()
) -> dict[str, object]:
    """Agreement of predictions, and the samples that all runs get right or wrong.

    Args:
        cells: The samples that all runs have.
        names: Of the runs.
        seed: Of kappa's bootstrap.
        unsafe_alone: Runs whose models tell safe from unsafe only. Where there are any, right is
            to tell unsafe from the rest, and predictions agree that are both unsafe or both not.

    Returns:
        By modality: ``n`` (graded samples that all runs were asked about), ``all_right`` and
        ``all_wrong`` (``{"count", "share"}``; an outcome other than `ok` is wrong), for `joint`
        the same three by family under ``families``; and ``pairs``, each ``{"first", "second", "n",
        "agreement", "kappa"}`` over samples where both outcomes are `ok`: the share of equal
        predictions, and Cohen's (1960) kappa.
    """
    estimator = Estimator(Resampler(cells.runs[0], _REPLICATES, seed))
    found: dict[str, object] = {}
    for number, modality in enumerate(MODALITIES):
        asked = np.logical_and.reduce([run.asked[:, number] for run in cells.runs])
        among = asked & cells.runs[0].graded[:, number]
        right = np.stack(
            [(run.right_on_unsafe if unsafe_alone else run.right)[:, number] for run in cells.runs]
        )
        tree = _all_alike(estimator, right, among)
        if number == JOINT:
            tree["families"] = {
                name: _all_alike(estimator, right, part)
                for name, part in by_family(cells.runs[0].gold, asked).items()
            }
        found[modality] = tree | {
            "pairs": [
                {
                    "first": names[a],
                    "second": names[b],
                    **_pair(estimator, cells, a, b, number, unsafe_alone=bool(unsafe_alone)),
                }
                for a, b in combinations(range(len(names)), 2)
            ]
        }
    return found


def _all_alike(estimator: Estimator, right: BoolArray, among: BoolArray) -> dict[str, object]:
    tree: dict[str, object] = {"n": estimator.size(among)}
    every: BoolArray = np.logical_and.reduce(right)
    none: BoolArray = ~np.logical_or.reduce(right)
    for name, hits in (("all_right", every), ("all_wrong", none)):
        tree[name] = {
            "count": estimator.size(hits & among),
            "share": estimator.proportion(hits, among).as_dict(),
        }
    return tree


def _pair(
    estimator: Estimator,
    cells: PairedCells,
    first: int,
    second: int,
    modality: int,
    *,
    unsafe_alone: bool,
) -> dict[str, object]:
    sides = cells.runs[first], cells.runs[second]
    both = sides[0].answered[:, modality] & sides[1].answered[:, modality]
    predictions = [run.predicted[:, modality] for run in sides]
    if unsafe_alone:
        worst = int(Severity.UNSAFE)
        predictions = [np.where(said == worst, worst, 0) for said in predictions]
    equal: BoolArray = predictions[0] == predictions[1]
    kappa = estimator.kappa(
        np.where(both, predictions[0] * 3 + predictions[1], -1), f"agreement.{MODALITIES[modality]}"
    )
    return {
        "n": estimator.size(both),
        "agreement": estimator.proportion(equal, both).as_dict(),
        "kappa": kappa.as_dict(),
    }
