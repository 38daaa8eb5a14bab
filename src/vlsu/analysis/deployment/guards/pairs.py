"""Every two guards at one false-flag rate: paired differences in recall, and what is claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.deployment.guards.equal import (
    AtRate,
    PairedRecall,
    at_rate,
    paired_recall,
    with_target,
)
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import flagged
from vlsu.analysis.stats.clustering import paired_difference
from vlsu.analysis.stats.holm import holm

__all__ = ["compared_guards"]

#: An adjusted p below this is claimed.
_ALPHA = 0.05

Tree = dict[str, Any]


def compared_guards(guards: Sequence[Guard], samples: GuardSamples, bound: float) -> list[Tree]:
    """Paired differences in recall of every two guards where they flag the same harmless share.

    Two guards with scores are compared at the bound. A guard with verdicts alone stays where it is,
    and the other is brought to its false-flag rate. Two with verdicts alone are not comparable at
    one rate: the differences of both rates are there, and nothing is claimed. Where scores are
    equal, a guard reaches a rate between two operating points by flagging equal scores with a
    chance. Both are cross-fitted.

    Returns:
        For each pair ``first``, ``second``, ``at`` (``false_flags``, and ``of``: the name of the
        guard whose rate it is, `None` for the bound), ``recall`` and ``families`` (of its
        recall): ``first``, ``second``, ``difference`` (second less first), ``p``, ``p_adjusted``
        (Holm, over all pairs; over all pairs and families), ``higher``: the name of the guard
        that can be claimed to have the higher recall, or `None`. A claim holds whatever the missing
        answers are. Of two with verdicts alone ``false_flags`` instead of ``at``.
    """
    found = [_pair(first, second, samples, bound) for first, second in combinations(guards, 2)]
    _claim({(n, ""): pair["recall"] for n, pair in enumerate(found)}, found)
    _claim(
        {(n, f): part for n, pair in enumerate(found) for f, part in pair["families"].items()},
        found,
    )
    return found


def _claim(tests: Mapping[tuple[int, str], Tree], pairs: Sequence[Tree]) -> None:
    """Put adjusted p and claims into the results of one family of tests."""
    adjusted = holm({key: part["p"] for key, part in tests.items() if part["p"] is not None})
    for key, part in tests.items():
        part["p_adjusted"] = p = adjusted.get(key)
        part["higher"] = None
        if p is not None and p < _ALPHA:
            pair = pairs[key[0]]
            part["higher"] = pair["second" if part["difference"]["value"] > 0 else "first"]


def _pair(first: Guard, second: Guard, samples: GuardSamples, bound: float) -> Tree:
    if not first.scored and not second.scored:
        return _apart(first, second, samples)
    of = next((guard for guard in (first, second) if not guard.scored), None)
    everything = np.ones(samples.n, dtype=np.bool_)
    parts = {"": everything, **samples.families}
    results: dict[str, list[PairedRecall]] = {name: [] for name in parts}
    rate = bound
    for completion in _completions(first, second, samples):
        sides, reached = _at_one_rate((first, second), completion, samples, bound)
        if completion == (False, False):
            rate = reached
        for name, among in parts.items():
            harmful = among & samples.harmful
            if harmful.any():
                results[name].append(paired_recall(samples, *sides, harmful))
    trees = {name: _tree(each) for name, each in results.items() if each}
    return {
        "first": first.name,
        "second": second.name,
        "at": {"false_flags": rate, "of": None if of is None else of.name},
        "recall": trees.pop(""),
        "families": trees,
    }


def _completions(first: Guard, second: Guard, samples: GuardSamples) -> list[tuple[bool, bool]]:
    """Whether the missing answers of each are at their best; against both guards first."""
    found = [(False, False)]
    if first.missing.any():
        found.append((True, False))
    if second.missing.any():
        found.append((False, True))
    return found


def _at_one_rate(
    guards: tuple[Guard, Guard],
    best: tuple[bool, bool],
    samples: GuardSamples,
    bound: float,
) -> tuple[tuple[AtRate, AtRate], float]:
    scores = [g.best(samples) if b else g.worst(samples) for g, b in zip(guards, best, strict=True)]
    fixed = [n for n, guard in enumerate(guards) if not guard.scored]
    if not fixed:
        first, second = (at_rate(samples, each, bound, crossed=True) for each in scores)
        return (first, second), bound
    stays = fixed[0]
    flags = flagged(scores[stays], 0.5)
    rate = float(flags[~samples.harmful].mean())
    still = AtRate(flags, flags, None, rate)
    brought = with_target(samples, scores[1 - stays], flags, crossed=True)
    return ((still, brought) if stays == 0 else (brought, still)), rate


def _tree(results: Sequence[PairedRecall]) -> Tree:
    """One difference; its p is the largest of those by completion, 1 where their signs differ."""
    main = results[0]
    signs = {np.sign(each.difference.value or 0.0) for each in results}
    return {
        "first": main.first,
        "second": main.second,
        "difference": main.difference.as_dict(),
        "p": max(each.p for each in results) if len(signs) == 1 else 1.0,
    }


def _apart(first: Guard, second: Guard, samples: GuardSamples) -> Tree:
    """Two guards at operating points of their own: both differences, no test."""

    def part(among: BoolArray) -> Tree:
        one, other = (flagged(guard.worst(samples), 0.5)[among] for guard in (first, second))
        found = paired_difference(one, other, samples.cluster_of(among), samples.level)
        values = float(one.mean()), float(other.mean())
        return {
            "first": values[0],
            "second": values[1],
            "difference": found.rate.as_dict(),
            "p": None,
        }

    return {
        "first": first.name,
        "second": second.name,
        "at": None,
        "recall": part(samples.harmful),
        "false_flags": part(~samples.harmful),
        "families": {
            name: part(of & samples.harmful)
            for name, of in samples.families.items()
            if (of & samples.harmful).any()
        },
    }
