"""Agreement over some units, each coefficient with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import polars as pl

from vlsu.analysis.agreement.coefficients import (
    Ratio,
    Votes,
    Weights,
    alpha,
    alpha_distances,
    cohen,
    disagreement,
    fleiss,
    gwet,
)
from vlsu.analysis.agreement.redrawn import LeftOut, UnitAnswers
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.clustering import Mean, clustered_mean
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, percentiles, wilson
from vlsu.analysis.table.estimator import THIN
from vlsu.analysis.table.resampling import draw_sums, generator

__all__ = ["Bootstrap", "item_kinds", "pair_agreement", "unit_agreement"]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws of items.

    Attributes:
        replicates: Of each coefficient.
        seed: With a coefficient's scope it decides the draws.
        thin: Names of the coefficients too thin for the bootstrap; grows as they are estimated.
    """

    replicates: int
    seed: int
    thin: list[str] = field(default_factory=list)

    def draw(self, kinds: FloatArray, repeats: IntArray, name: str) -> FloatArray:
        """Replicates of the sum over items, ``(R, F)``; see `draw_sums`."""
        return draw_sums(kinds, repeats, self.replicates, generator(self.seed, name))

    def rate(
        self,
        name: str,
        observed: Ratio,
        replicates: Ratio | None,
        mean: Mean,
        redrawn: Callable[[Ratio], tuple[float, float] | None] | None = None,
    ) -> Rate:
        """A coefficient with its interval.

        Percentile bootstrap over items. With fewer than `THIN` (effectively independent) units in
        agreement or in disagreement it is too short: Wilson's bounds of the mean agreement take its
        place, with chance taken as fixed.

        Args:
            name: For the record, if it is thin.
            observed: Over all units.
            replicates: Of the bootstrap; `None` if there are so few units that it is thin anyhow.
            mean: Mean agreement of the units, whose complement is the observed disagreement up to
                a factor.
            redrawn: From the replicates to bounds with other graders; `None` where all agree.
        """
        value = float(observed.coefficient)
        if np.isnan(value):
            return UNDEFINED
        if redrawn is not None and replicates is not None:
            found = redrawn(replicates)
            if found is None:
                self.thin.append(name)
                found = _at_fixed_chance(observed, mean)
            return Rate.within(value, *found)
        bounds = None if replicates is None else percentiles(replicates.coefficient)
        if bounds is None or min(mean.value, 1 - mean.value) * mean.size < THIN:
            self.thin.append(name)
            bounds = _at_fixed_chance(observed, mean)
        return Rate.within(value, *bounds)


def unit_agreement(
    counts: IntArray,
    item: IntArray,
    *,
    ordinal: bool,
    name: str,
    bootstrap: Bootstrap,
    answers: UnitAnswers | None = None,
) -> dict[str, object]:
    """Agreement of all graders over some units.

    Args:
        counts: Grades by unit and label, shape ``(U, k)``.
        item: Of each unit, equal ones together; items are resampled whole. Shape ``(U,)``.
        ordinal: Whether the labels have an order.
        name: Of these units; with the seed it decides the draws.
        bootstrap: Draws and what is too thin for them.
        answers: The same grades by grader, for intervals with other graders too; those of
            ``unanimous`` are over items even so.

    Returns:
        ``items`` and ``grades`` counted, ``paired`` (units with two grades or more, which alone
        are informative of agreement), ``percent_agreement``, ``unanimous`` and the coefficients as
        `Rate`.
    """
    grades = counts.sum(axis=1)
    graded, paired = grades > 0, grades > 1
    k = counts.shape[1]
    tree: dict[str, object] = {
        "items": int(np.unique(item[graded]).size),
        "grades": int(grades.sum()),
        "paired": int(paired.sum()),
    }
    if not paired.any():
        rates = ("percent_agreement", "unanimous", *_formulas(k, ordinal))
        return tree | dict.fromkeys(rates, UNDEFINED)
    units, entry = _kinds_of_units(counts[graded])
    features = Votes.features(units)
    kinds, repeats = item_kinds(features, entry, item[graded])
    observed = Votes.from_features(repeats @ kinds, k)
    drawn = Votes.from_features(bootstrap.draw(kinds, repeats, name), k)
    pairs = Votes.from_features(features, k).pairs[entry][paired[graded]]
    clusters = item[paired]
    unanimous = (counts[paired].max(axis=1) == grades[paired]).astype(np.float64)

    def mean(weights: FloatArray) -> Mean:
        return clustered_mean(1 - (pairs * weights).sum(axis=(-2, -1)), clusters)

    agreed = mean(disagreement(k, "nominal"))
    tree["percent_agreement"] = agreed.rate
    tree["unanimous"] = clustered_mean(unanimous, clusters).rate
    left_out = None
    if answers is not None:
        left_out = LeftOut.of(answers, counts)
        bounds = left_out.share_bounds(agreed.value, agreed.size, disagreement(k, "nominal"))
        tree["percent_agreement"] = Rate.within(agreed.value, *bounds)
    formulas = _formulas(k, ordinal)
    return tree | _rates(formulas, observed, drawn, mean, name, bootstrap, left_out)


def _kinds_of_units(counts: IntArray) -> tuple[IntArray, IntArray]:
    """The different rows, sorted, and which of them each row is."""
    base = int(counts.max(initial=0)) + 1
    k = counts.shape[1]
    if base**k >= 1 << 63:
        kinds, entry = np.unique(counts, axis=0, return_inverse=True)
        return kinds, entry.reshape(-1)
    digits = base ** np.arange(k - 1, -1, -1, dtype=np.int64)
    codes, entry = np.unique(counts @ digits, return_inverse=True)
    return codes[:, None] // digits % base, entry.reshape(-1)


def pair_agreement(
    table: IntArray,
    drawn: FloatArray | None,
    mean: Callable[[FloatArray], Mean],
    *,
    ordinal: bool,
    name: str,
    bootstrap: Bootstrap,
) -> dict[str, object]:
    """Agreement of two graders over the units both graded.

    Args:
        table: First grader's label by second grader's, not empty; shape ``(k, k)``.
        drawn: Replicates of the table, ``(R, k, k)``; `None` if it is too thin for any.
        mean: Mean agreement of the units under some weights.
        ordinal: Whether the labels have an order.
        name: Of the pair.
        bootstrap: What is too thin for it.
    """
    k = len(table)
    steps: tuple[Weights, ...] = ("nominal", "linear", "quadratic") if ordinal else ("nominal",)
    tree: dict[str, object] = {"percent_agreement": mean(disagreement(k, "nominal")).rate}
    for weights in steps:
        matrix = disagreement(k, weights)
        key = "cohen_kappa" if weights == "nominal" else f"cohen_kappa_{weights}"
        replicates = None if drawn is None else cohen(drawn, matrix)
        tree[key] = bootstrap.rate(f"{name}.{key}", cohen(table, matrix), replicates, mean(matrix))
    votes = (Votes.from_table(table), None if drawn is None else Votes.from_table(drawn))
    formulas = _formulas(k, ordinal)
    del formulas["fleiss_kappa"]  # for two graders Cohen's is there
    return tree | _rates(formulas, *votes, mean, name, bootstrap)


def item_kinds(
    features: FloatArray, entry: IntArray, item: IntArray
) -> tuple[FloatArray, IntArray]:
    """Distinct items and how many there are of each: ``(T, F)`` and ``(T,)``.

    Args:
        features: What a unit of each kind adds, shape ``(V, F)``.
        entry: Kind of each unit, shape ``(U,)``.
        item: Of each unit, shape ``(U,)``.
    """
    if (item[1:] > item[:-1]).all():  # items of one unit
        repeats = np.bincount(entry, minlength=len(features))
        there = np.array(sorted(np.flatnonzero(repeats).tolist(), key=str), dtype=np.int64)
        return features[there].astype(np.float64), repeats[there]
    # Named by their contents and sorted, so that the order of the items decides no draw.
    found = (
        pl.DataFrame({"item": item, "entry": entry})
        .group_by("item")
        .agg(pl.col("entry").sort())
        .group_by("entry")
        .len()
        .sort(pl.col("entry").list.eval(pl.element().cast(pl.String)).list.join(","))
    )
    of_kind = np.repeat(np.arange(found.height), found["entry"].list.len().to_numpy())
    kinds = np.zeros((found.height, features.shape[1]))
    np.add.at(kinds, of_kind, features[found["entry"].explode().to_numpy()])
    return kinds, found["len"].cast(pl.Int64).to_numpy()


#: From sums of votes to a coefficient, and the disagreement of two labels, from 0 to 1, in it.
_Formula = tuple[Callable[[Votes], Ratio], Callable[[Votes], FloatArray]]


def _formulas(k: int, ordinal: bool) -> dict[str, _Formula]:
    nominal, quadratic, steps, ranks = (
        disagreement(k, weights) for weights in ("nominal", "quadratic", "linear", "ordinal")
    )
    formulas: dict[str, _Formula] = {
        "krippendorff_alpha_nominal": (lambda v: alpha(v, ordinal=False), lambda _: nominal),
        "krippendorff_alpha_ordinal": (lambda v: alpha(v, ordinal=True), _ordinal_distances),
        "fleiss_kappa": (lambda v: fleiss(v, nominal), lambda _: nominal),
        "gwet_ac1": (lambda v: gwet(v, nominal), lambda _: nominal),
        "gwet_ac2": (lambda v: gwet(v, quadratic), lambda _: quadratic),
        "gwet_ac2_linear": (lambda v: gwet(v, steps), lambda _: steps),
        "gwet_ac2_ordinal": (lambda v: gwet(v, ranks), lambda _: ranks),
    }
    of_order = {"krippendorff_alpha_ordinal", *(key for key in formulas if "ac2" in key)}
    return {key: formula for key, formula in formulas.items() if ordinal or key not in of_order}


def _rates(
    formulas: Mapping[str, _Formula],
    observed: Votes,
    drawn: Votes | None,
    mean: Callable[[FloatArray], Mean],
    name: str,
    bootstrap: Bootstrap,
    left_out: LeftOut | None = None,
) -> dict[str, object]:
    def rate(key: str, of: Callable[[Votes], Ratio], agreed: Mean) -> Rate:
        label, found = f"{name}.{key}", of(observed)
        if left_out is None:
            return bootstrap.rate(label, found, None if drawn is None else of(drawn), agreed)
        copies = replace(agreed, size=min(agreed.size, left_out.number))
        redrawn = partial(left_out.bounds, of, found, items=agreed.size)
        return bootstrap.rate(label, found, None if drawn is None else of(drawn), copies, redrawn)

    return {key: rate(key, of, mean(weights(observed))) for key, (of, weights) in formulas.items()}


def _ordinal_distances(votes: Votes) -> FloatArray:
    return alpha_distances(votes.coincidences.sum(axis=-1), ordinal=True)


def _at_fixed_chance(observed: Ratio, mean: Mean) -> tuple[float, float]:
    """Bounds of a coefficient from Wilson's of the mean agreement."""
    low, high = wilson(mean.value, mean.size)
    missed = 1 - mean.value
    # Where all agree, one disagreement counts as the worst: a weight of 1.
    seen = float(observed.observed) / missed if missed > 0 else 1.0
    unit = seen / float(observed.expected)
    return max(-1.0, 1 - (1 - low) * unit), 1 - (1 - high) * unit
