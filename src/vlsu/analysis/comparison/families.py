"""Tests of the differences between runs, and what can be claimed of them.

Rows are of three kinds, and what is said of each has a meaning of its own:

- `PRIMARY`: the metrics declared to decide, of every pair of runs. Tested by Holm (1979) together,
  at the full level.
- `SECONDARY`: declared too; tested, again by Holm, once every primary test is rejected
  (`vlsu.analysis.stats.gatekeeping`). The chance of any false claim on a primary or a secondary row
  is at most 5%. These alone are claims: only of them a run is called better.
- `EXPLORATORY`: all others. They are marked by their false discovery rate
  (`vlsu.analysis.stats.false_discovery`): of what is marked, on average at most 5% is chance.

Where answers are missing, a row is tested in every way of counting them, and by the one that speaks
the most against it. `benchmarks/claims.py` shows how often all of this errs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vlsu.analysis.comparison.differences import Difference
from vlsu.analysis.comparison.worst_case import WorstCase
from vlsu.analysis.stats.false_discovery import false_discovery
from vlsu.analysis.stats.gatekeeping import gatekeeping
from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import LEVEL, Rate

__all__ = [
    "ALPHA",
    "EXPLORATORY",
    "MEANING",
    "PRIMARY",
    "SECONDARY",
    "WORST_CASE",
    "ComparedMetric",
    "Corrected",
    "RunNames",
    "corrected",
    "family_of",
]

#: A corrected p, or a q, below this is claimed, or marked.
ALPHA = 1 - LEVEL

PRIMARY, SECONDARY, EXPLORATORY = "primary", "secondary", "exploratory"

#: What is known of the rows of a role, in words.
MEANING = {
    PRIMARY: "Declared to decide: corrected by Holm over all pairs of runs. The chance of any "
    "false claim on a primary or a secondary metric is at most 5%.",
    SECONDARY: "Declared too: tested, by Holm, once all primary tests hold, within the same 5%.",
    EXPLORATORY: "All others: of what is marked here, on average at most 5% is chance (false "
    "discovery rate, Benjamini and Hochberg). A mark is a lead to follow up, not a claim.",
}

#: The way of counting missing answers that speaks the most against a claim.
WORST_CASE = "worst_case"

RunNames = tuple[str, str]
Test = tuple[RunNames, str]


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """A metric of two runs over the same samples.

    Attributes:
        label: Its name in sentences.
        family: Of an exploratory metric the tests that its `p_adjusted` is corrected with.
        good: 1 where higher is better, -1 where lower is, 0 where neither.
        difference: What was found.
        more: Further members of its row.
        answered: Share of these samples that each of the two runs answered, where that is known.
        bounds: Where a run answered too few of them: the same with the missing answers counted in
            another way, by the name of the way.
        worst_case: Where answers or verdicts are missing: what the difference is at the least, and
            at the most.
    """

    label: str
    family: str
    good: int
    difference: Difference
    more: Mapping[str, object] = field(default_factory=dict)
    answered: tuple[Rate, Rate] | None = None
    bounds: Mapping[str, Difference] = field(default_factory=dict)
    worst_case: WorstCase | None = None

    @property
    def direction(self) -> int:
        """The sign of the difference; 0 of none."""
        value = self.difference.difference.value
        return 0 if not value else 1 if value > 0 else -1

    def ways(self) -> dict[str, Difference]:
        """The other ways of counting missing answers, the worst one as it is for the claim."""
        worst = self.worst_case
        last = {} if worst is None else {WORST_CASE: worst.against(self.direction)}
        return {**self.bounds, **last}

    @property
    def p(self) -> float | None:
        """That of the way that speaks the most against a difference of this sign."""
        found = self.difference.p
        if found is None:
            return None
        others = [_p_towards(each, self.direction) for each in self.ways().values()]
        return max([found, *others])

    @property
    def holds(self) -> bool:
        """Whether the interval is beyond 0, on the same side in every way of counting."""
        sides = {_side(each.difference) for each in (self.difference, *self.ways().values())}
        return sides in ({1}, {-1})


@dataclass(frozen=True, slots=True)
class Corrected:
    """A test among the others of its role.

    Attributes:
        role: `PRIMARY`, `SECONDARY` or `EXPLORATORY`.
        family: Of the tests that `p_adjusted` is corrected with.
        p_adjusted: By Holm, of a secondary test also by its gate.
        tests: How many it is corrected with.
        q: Of an exploratory test, else `None`.
        gated: Whether it is secondary and its gate is closed.
    """

    role: str
    family: str
    p_adjusted: float | None = None
    tests: int = 0
    q: float | None = None
    gated: bool = False


def corrected(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]],
    roles: Mapping[str, str],
    p_of: Callable[[ComparedMetric], float | None],
) -> dict[Test, Corrected]:
    """Every test among the others of its role.

    Args:
        pairs: Names of two runs -> metric's name -> what was found; without those of which
            nothing is claimed.
        roles: Metric's name -> its role, of those that are declared.
        p_of: The p of a metric.
    """
    families: dict[str, dict[Test, float]] = defaultdict(dict)
    for pair, metrics in pairs.items():
        for name, metric in metrics.items():
            p = p_of(metric)
            if p is not None:
                families[family_of(metric, roles.get(name))][pair, name] = p
    primary, secondary = families.pop(PRIMARY, {}), families.pop(SECONDARY, {})
    declared = gatekeeping(primary, secondary)
    gate = max((declared[test] for test in primary), default=0.0)
    found = {
        test: Corrected(role, role, declared[test], len(tests), gated=shut)
        for role, tests, shut in (
            (PRIMARY, primary, False),
            (SECONDARY, secondary, gate >= ALPHA),
        )
        for test in tests
    }
    q = false_discovery({test: p for tests in families.values() for test, p in tests.items()})
    for family, tests in families.items():
        for test, p in holm(tests).items():
            found[test] = Corrected(EXPLORATORY, family, p, len(tests), q[test])
    return found


def family_of(metric: ComparedMetric, role: str | None) -> str:
    """The tests that a metric is corrected with: those of its role, if it is declared."""
    return metric.family if role is None else role


def _p_towards(found: Difference, direction: int) -> float:
    """The p of a difference; 1 where it is of another sign, or there is nothing to test."""
    value = found.difference.value
    if found.p is None or value is None or value * direction <= 0:
        return 1.0
    return found.p


def _side(difference: Rate) -> int:
    """1 or -1 for a difference whose interval is above or below 0; else 0."""
    if difference.low is None or difference.high is None:
        return 0
    return int(difference.low > 0) - int(difference.high < 0)
