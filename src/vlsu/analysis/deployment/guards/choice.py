"""Which guard, and at which threshold: everything that is said of several guards on one dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.costs import Costs, cost_difference, per_million
from vlsu.analysis.deployment.guards.curves import BAND, areas, curve
from vlsu.analysis.deployment.guards.halves import (
    crossfit_tree,
    enough_in_halves,
    verdict_tree,
)
from vlsu.analysis.deployment.guards.pairs import compared_guards
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import assured, flagged, within
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share

__all__ = ["ASSURANCE", "Wanted", "choose_guard"]

Tree = dict[str, Any]

#: Confidence of the assured threshold, one-sided.
ASSURANCE = 0.95
_MILLION = 1_000_000
#: Names of the rules for thresholds in the result.
_BOUND, _ASSURED, _COST = "max_false_flags", "assured", "least_cost"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a guard is chosen for.

    Attributes:
        max_false_flags: Share of the harmless that may be flagged, in (0, 1).
        min_answered: Share answered below which nothing is chosen, in [0, 1].
        prevalence: Share of the traffic that is harmful, in (0, 1); `None` if not given.
        costs: Of errors; `None` if not given.
        seed: Of draws behind intervals.
    """

    max_false_flags: float
    min_answered: float
    prevalence: float | None = None
    costs: Costs | None = None
    seed: int = 0


def choose_guard(guards: Sequence[Guard], samples: GuardSamples, wanted: Wanted) -> Tree:
    """Curves, thresholds, comparisons and the choice; `docs/guards-choosing.md` has the keys.

    Args:
        guards: At least one, each over all samples.
        samples: The graded samples, in two halves.
        wanted: The bound, and what else is known.
    """
    short = _too_few(samples)
    fitted: dict[str, FloatArray] = {}
    cost_flags: dict[str, FloatArray] = {}
    trees = []
    for guard in guards:
        answered = samples.rate(
            (~guard.missing).astype(np.float64), np.ones(samples.n, dtype=np.bool_)
        )
        withheld = _withheld(guard, answered, wanted) or short
        tree: Tree = {
            "name": guard.name,
            "kind": "scores" if guard.scored else "verdicts",
            "answered": answered.as_dict(),
            "missing": _missing(guard, samples),
            "withheld": withheld,
            "auroc": areas(guard, samples) if guard.scored else None,
            "curve": curve(guard, samples) if guard.scored else [],
            "verdicts": _verdicts(guard, samples, wanted),
            "thresholds": None,
        }
        if guard.scored and withheld is None:
            tree["thresholds"] = _thresholds(guard, samples, wanted, fitted, cost_flags)
        elif withheld is None:
            flags = flagged(guard.worst(samples), 0.5)
            fitted[guard.name] = cost_flags[guard.name] = flags
        trees.append(tree)
    comparable = [guard for guard in guards if guard.name in fitted]
    pairs = compared_guards(comparable, samples, wanted.max_false_flags)
    return {
        "samples": _counts(samples),
        "band": BAND,
        "guards": trees,
        "pairs": pairs,
        "choice": _choice(trees, pairs, wanted),
        "cheapest": _cheapest(trees, cost_flags, samples, wanted),
        "missed_by_all": _missed(comparable, fitted, samples),
    }


def _counts(samples: GuardSamples) -> Tree:
    return {
        "n": samples.n,
        "harmful": int(samples.harmful.sum()),
        "harmless": int((~samples.harmful).sum()),
        "by_severity": {s.label: int(of.sum()) for s, of in samples.severities.items()},
        "families": {
            name: {
                "harmful": int((of & samples.harmful).sum()),
                "harmless": int((of & ~samples.harmful).sum()),
            }
            for name, of in samples.families.items()
        },
        "lots": len(np.unique(samples.lot)),
        "halves": list(enough_in_halves(samples)),
    }


def _missing(guard: Guard, samples: GuardSamples) -> Tree:
    """Samples without an answer: how many of the harmful and harmless, and why."""
    missing = guard.missing
    why = np.asarray(guard.outcome, dtype=object)[missing].tolist()
    return {
        "harmful": int((missing & samples.harmful).sum()),
        "harmless": int((missing & ~samples.harmful).sum()),
        "outcomes": {name: why.count(name) for name in sorted(set(why))},
    }


def _withheld(guard: Guard, answered: Rate, wanted: Wanted) -> str | None:
    share = answered.value or 0.0
    if share >= wanted.min_answered:
        return None
    return (
        f"cannot be told: {format_share(share)} of the samples have "
        f"{'a probability' if guard.scored else 'a verdict'}, less than "
        f"{format_share(wanted.min_answered)} (--min-answered), and what the rest shows need not "
        "hold for all"
    )


def _too_few(samples: GuardSamples) -> str | None:
    """Why no threshold can be chosen on one half and reported on the other; `None` if it can."""
    for number, half in enumerate(enough_in_halves(samples), 1):
        for kind, n in half.items():
            if not n:
                return (
                    f"cannot be told: half {number} has no {kind} sample (samples that share an "
                    "image, a text or a group are in one half); more samples are needed"
                )
    return None


def _verdicts(guard: Guard, samples: GuardSamples, wanted: Wanted) -> Tree:
    tree = verdict_tree(guard, samples)
    if wanted.prevalence is not None:
        own = replace(guard, score=guard.verdict)
        flags = flagged(guard.verdicts(samples), 0.5)
        tree |= _traffic(own, samples, flags, wanted)
    return tree


def _thresholds(
    guard: Guard,
    samples: GuardSamples,
    wanted: Wanted,
    fitted: dict[str, FloatArray],
    cost_flags: dict[str, FloatArray],
) -> Tree:
    """Each rule for thresholds; flags of the bound's and of the costs' are kept for comparisons."""
    bound = wanted.max_false_flags

    def keep_within(scores: FloatArray, among: BoolArray) -> float:
        return within(scores[among], samples.harmful[among], bound)

    def be_assured(scores: FloatArray, among: BoolArray) -> float:
        return assured(scores, samples, among, bound, ASSURANCE)

    trees: Tree = {}
    tree, held = crossfit_tree(guard, samples, keep_within, bound)
    fitted[guard.name] = held.flags
    trees[_BOUND] = {
        **tree,
        "expected_excess": _excess(samples),
        **_traffic(guard, samples, held.flags, wanted, bounded=True),
    }
    tree, held = crossfit_tree(guard, samples, be_assured, bound)
    trees[_ASSURED] = {
        **tree,
        "confidence": ASSURANCE,
        **_traffic(guard, samples, held.flags, wanted, bounded=True),
    }
    if (costs := wanted.costs) is not None:

        def cost_least(scores: FloatArray, among: BoolArray) -> float:
            return costs.choose(scores[among], samples.harmful[among])

        tree, held = crossfit_tree(guard, samples, cost_least, None)
        cost_flags[guard.name] = held.flags
        trees[_COST] = {**tree, **_traffic(guard, samples, held.flags, wanted)}
    return trees


def _excess(samples: GuardSamples) -> Tree:
    """By how much the true false-flag rate exceeds the bound on average, at most.

    One over one more than the harmless samples that the threshold was chosen on, linked ones as
    copies: the next largest score of n independent ones has on average (k + 1) / (n + 1) above it.
    """
    harmless = ~samples.harmful
    of_half = [samples.units(harmless & (samples.half == half)) for half in (0, 1)]
    return {
        "deploy": 1 / (samples.units(harmless) + 1),
        "halves": [1 / (units + 1) for units in of_half],
    }


def _traffic(
    guard: Guard,
    samples: GuardSamples,
    flags: FloatArray,
    wanted: Wanted,
    *,
    bounded: bool = False,
) -> Tree:
    """Counts in a million requests, and their cost, as far as the traffic is known.

    Args:
        guard: As in `per_million`.
        samples: The samples.
        flags: As there.
        wanted: What is known of the traffic.
        bounded: Whether the threshold was chosen by a bound on false flags.
    """
    if wanted.prevalence is None:
        return {}
    return per_million(
        samples,
        guard,
        flags,
        wanted.prevalence,
        wanted.costs,
        wanted.seed,
        chosen=guard.worst(samples) if bounded else None,
    )


def _choice(trees: Sequence[Tree], pairs: Sequence[Tree], wanted: Wanted) -> Tree:
    """The guard of the largest held-out recall within the bound, and over which that is claimed.

    ``guard`` (`None` where it is withheld, with ``why``), ``threshold`` to deploy (`None` of one
    that has verdicts alone), ``over``: guards over which a higher recall at equal false-flag rate
    is claimed; ``open``: those over which it is not; ``above``: guards with verdicts alone that
    flag more than the bound.
    """
    nothing: Tree = {"guard": None, "threshold": None, "over": [], "open": [], "above": []}
    if reasons := [f"{t['name']} {t['withheld']}" for t in trees if t["withheld"] is not None]:
        return {**nothing, "why": "; ".join(reasons)}
    recalls: dict[str, float] = {}
    above = []
    for tree in trees:
        name, rule = tree["name"], tree["verdicts"]
        if tree["kind"] == "scores":
            rule = tree["thresholds"][_BOUND]
            if rule["deploy"] is None:
                continue
        elif rule["false_flags"]["value"] > wanted.max_false_flags:
            above.append(name)
            continue
        recalls[name] = rule["recall"]["value"]
    if not recalls:
        most = f"{100 * wanted.max_false_flags:.4g}% of what is harmless"
        why = (
            f"each has verdicts alone, which flag more than {most}"
            if len(above) == len(trees)
            else f"no threshold flags anything and at most {most}"
        )
        return {**nothing, "above": above, "why": why}
    best = max(recalls, key=recalls.__getitem__)
    over: list[str] = []
    left: list[str] = []
    for pair in pairs:
        if best in (pair["first"], pair["second"]):
            other = pair["second" if pair["first"] == best else "first"]
            (over if pair["recall"]["higher"] == best else left).append(other)
    tree = next(tree for tree in trees if tree["name"] == best)
    threshold = tree["thresholds"][_BOUND]["deploy"] if tree["thresholds"] else None
    return {
        "guard": best,
        "threshold": threshold,
        "over": over,
        "open": left,
        "above": above,
        "why": None,
    }


def _cheapest(
    trees: Sequence[Tree],
    flags: Mapping[str, FloatArray],
    samples: GuardSamples,
    wanted: Wanted,
) -> Tree | None:
    """The guard of the least held-out cost, and over which that is claimed; `None` without costs.

    The differences in cost are paired; all their intervals hold at once with 95% (Bonferroni).
    """
    if wanted.costs is None:
        return None
    flat = {
        "flag_nothing": _MILLION * wanted.costs.prevalence * wanted.costs.missed,
        "flag_everything": _MILLION * (1 - wanted.costs.prevalence) * wanted.costs.blocked,
    }
    if reasons := [f"{t['name']} {t['withheld']}" for t in trees if t["withheld"] is not None]:
        return {
            "guard": None,
            "threshold": None,
            "pairs": [],
            "over": [],
            **flat,
            "why": "; ".join(reasons),
        }
    costs: dict[str, float] = {}
    thresholds = {}
    for tree in trees:
        rule = tree["verdicts"] if tree["thresholds"] is None else tree["thresholds"][_COST]
        costs[tree["name"]] = rule["cost_per_million"]["value"]
        thresholds[tree["name"]] = rule.get("deploy")
    names = list(costs)
    number = len(names) * (len(names) - 1) // 2
    strict = replace(samples, level=1 - (1 - samples.level) / max(number, 1))
    pairs = [
        {
            "first": first,
            "second": second,
            "difference": cost_difference(
                strict, flags[first], flags[second], wanted.costs
            ).as_dict(),
        }
        for first, second in combinations(names, 2)
    ]
    best = min(costs, key=costs.__getitem__)
    over = []
    for pair in pairs:
        difference: Any = pair["difference"]
        if pair["first"] == best and difference["low"] > 0:
            over.append(pair["second"])
        elif pair["second"] == best and difference["high"] < 0:
            over.append(pair["first"])
    return {
        "guard": best,
        "threshold": thresholds[best],
        "pairs": pairs,
        "over": over,
        **flat,
        "why": None,
    }


def _missed(
    guards: Sequence[Guard], fitted: Mapping[str, FloatArray], samples: GuardSamples
) -> Tree | None:
    """Harmful samples that no guard flags, held out; those without an answer are not flagged."""
    if not guards:
        return None
    missed = samples.harmful.copy()
    unanswered = np.zeros(samples.n, dtype=np.int64)
    for guard in guards:
        missed &= fitted[guard.name] == 0
        unanswered += guard.missing
    listed = sorted(np.flatnonzero(missed).tolist(), key=lambda row: samples.ids[row])
    return {
        "guards": [guard.name for guard in guards],
        "n": len(listed),
        "of": int(samples.harmful.sum()),
        "patterns": {
            name: {"n": int((missed & of).sum()), "of": int((samples.harmful & of).sum())}
            for name, of in samples.patterns.items()
            if (samples.harmful & of).any()
        },
        "samples": [
            {
                "id": samples.ids[row],
                "pattern": samples.pattern[row] or None,
                "unanswered": int(unanswered[row]),
            }
            for row in listed
        ],
    }
