"""Are the thresholds and comparisons of `vlsu guards` honest? By simulation.

    python -m benchmarks.guard_thresholds

Scores of harmless samples are normal, those of harmful ones normal about a larger mean, so that the
true false-flag rate and recall of any threshold are known.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.deployment.guards.equal import at_rate, paired_recall, recall_rate
from vlsu.analysis.deployment.guards.halves import crossfit_tree
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import assured, flagged, within
from vlsu.analysis.stats.intervals import Rate

SEED = 0
#: Harmless and harmful samples, bound on false flags.
SETTINGS = (
    (100, 60, 0.05),
    (100, 60, 0.1),
    (300, 200, 0.01),
    (300, 200, 0.05),
    (1000, 600, 0.01),
    (1000, 600, 0.05),
)
#: How far apart the means are.
APART = 2.0
#: Standard deviation of what samples of a group share, of 1 in all; samples in a group.
SHARED, GROUP = math.sqrt(0.5), 4

Floats = npt.NDArray[np.float64]
NORMAL = NormalDist()


def above(threshold: Floats | float, mean: float) -> Floats:
    """Share of a normal distribution of this mean that is above."""
    erfc = np.vectorize(math.erfc)
    found: Floats = erfc((np.asarray(threshold) - mean) / math.sqrt(2)) / 2
    return found


def excess(replicates: int) -> list[list[object]]:
    """How far the true false-flag rate of a chosen threshold is from the bound."""
    rng = np.random.default_rng(SEED)
    rows: list[list[object]] = []
    for n, harmful, bound in SETTINGS:
        allowed = math.floor(bound * n + 1e-9)
        true, seen = [], []
        for _ in range(10):
            harmless = np.sort(rng.standard_normal((replicates // 10, n)))[:, ::-1]
            scores = rng.standard_normal((replicates // 10, harmful)) + APART
            cut = harmless[:, [allowed]]
            least = np.where(scores > cut, scores, np.inf).min(axis=1)
            if allowed:
                least = np.minimum(least, harmless[:, allowed - 1])
            true.append(above(least, 0.0))
            seen.append((scores >= least[:, None]).mean(axis=1) - above(least, APART))
        rate, gain = np.concatenate(true), np.concatenate(seen)
        rows.append(
            [
                n,
                harmful,
                percent(bound),
                percent(float(rate.mean())),
                percent(bound + 1 / (n + 1)),
                percent(float((rate > bound).mean())),
                f"{percent(float(np.quantile(rate, 0.05)))}, "
                f"{percent(float(np.quantile(rate, 0.95)))}",
                f"{100 * gain.mean():+.2f}",
            ]
        )
    return rows


def rounded(scores: Floats) -> Floats:
    """Scores of a guard that knows five values."""
    found: Floats = np.clip(np.rint(scores), -1.0, 3.0)
    return found


def height(bound: float, *, coarse: bool) -> float:
    """True recall at a false-flag rate; between the points of a coarse guard on a line."""
    if not coarse:
        return float(above(NORMAL.inv_cdf(1 - bound), APART))
    cuts = np.array([math.inf, 2.5, 1.5, 0.5, -0.5, -math.inf])
    return float(np.interp(bound, above(cuts, 0.0), above(cuts, APART)))


def drawn(
    rng: np.random.Generator,
    harmless: int,
    harmful: int,
    guards: int,
    *,
    grouped: bool,
    coarse: bool = False,
) -> tuple[GuardSamples, list[Guard]]:
    """Samples, and scores of guards that are alike and correlated by one half."""
    n = harmless + harmful
    bad = np.arange(n) >= harmless
    # Groups hold harmless and harmful samples alike.
    group = rng.permutation(n) // GROUP if grouped else np.arange(n)
    lots = int(group.max()) + 1
    side = rng.permutation(lots) % 2
    samples = GuardSamples(
        ids=[str(row) for row in range(n)],
        gold=np.where(bad, 2, 0),
        harmful=bad,
        pattern=[""] * n,
        family=[""] * n,
        cluster=group[:, None] if grouped else np.zeros((n, 0), dtype=np.int64),
        lot=group,
        half=side[group],
    )
    common = rng.standard_normal(n)
    found = []
    for number in range(guards):
        own = (common + rng.standard_normal(n)) / math.sqrt(2)
        if grouped:
            shared = rng.standard_normal(lots)[group]
            own = SHARED * shared + math.sqrt(1 - SHARED**2) * own
        scores = own + APART * bad
        if coarse:
            scores = rounded(scores)
        found.append(Guard(f"guard {number}", scores, True, [""] * n, scores > 0))
    return samples, found


def holds(low: float | None, high: float | None, truth: float) -> bool:
    assert low is not None
    assert high is not None
    return low - 1e-12 <= truth <= high + 1e-12


def held_out(replicates: int, *, grouped: bool) -> list[list[object]]:
    """Held-out figures against the truth, and the assured threshold."""
    rows: list[list[object]] = []
    for n, harmful, bound in SETTINGS:
        rng = np.random.default_rng([SEED, n, harmful])
        found: list[list[float]] = []
        for _ in range(replicates):
            samples, (guard,) = drawn(rng, n, harmful, 1, grouped=grouped)
            found.append(one_guard(samples, guard, bound))
        table = np.array(found)
        rates, recalls, covered, sure = table[:, :3], table[:, 3:6], table[:, 6:10], table[:, 10:]
        rows.append(
            [
                n,
                harmful,
                percent(bound),
                percent(rates[:, 0].mean()),
                percent(rates[:, 1].mean()),
                percent(rates[:, 2].mean()),
                f"{100 * (recalls[:, 0] - recalls[:, 1]).mean():+.2f}",
                f"{100 * (recalls[:, 0] - recalls[:, 2]).mean():+.2f}",
                *(percent(covered[:, column].mean()) for column in range(4)),
                percent((sure[:, 0] > bound).mean()),
                percent(sure[:, 0].mean()),
            ]
        )
    return rows


def one_guard(samples: GuardSamples, guard: Guard, bound: float) -> list[float]:
    """Rates and truths of one draw.

    Held-out false-flag rate, its truth at the halves' thresholds and at the deployed one; so of
    recall; whether the intervals hold these four truths; true rate at the assured threshold.
    """
    scores = guard.worst(samples)
    tree, fitted = crossfit_tree(
        guard,
        samples,
        lambda s, among: within(s[among], samples.harmful[among], bound),
        bound,
    )
    deploy = within(scores, samples.harmful, bound)
    everything = np.ones(samples.n, dtype=np.bool_)
    sure = assured(scores, samples, everything, bound)
    rates: list[float] = []
    covered: list[bool] = []
    for of, mean in ((~samples.harmful, 0.0), (samples.harmful, APART)):
        # A sample is flagged by the threshold of the half that it is not in.
        share = float((samples.half[of] == 1).mean())
        halves = above(np.array(fitted.thresholds), mean)
        truths = (share * halves[0] + (1 - share) * halves[1], float(above(deploy, mean)))
        rate = Rate.from_json(tree["recall" if mean else "false_flags"])
        assert rate.value is not None
        rates += [rate.value, *truths]
        covered += [holds(rate.low, rate.high, truth) for truth in truths]
    return [*rates, *map(float, covered), float(above(sure, 0.0))]


def compared(replicates: int, *, grouped: bool, coarse: bool = False) -> list[list[object]]:
    """Two guards that are alike, at one false-flag rate; and the height of one's curve."""
    rows: list[list[object]] = []
    for n, harmful, bound in SETTINGS:
        rng = np.random.default_rng([SEED, 1, n, harmful])
        true = height(bound, coarse=coarse)
        found = []
        for _ in range(replicates):
            samples, guards = drawn(rng, n, harmful, 2, grouped=grouped, coarse=coarse)
            sides = [
                at_rate(samples, guard.worst(samples), bound, crossed=True) for guard in guards
            ]
            pair = paired_recall(samples, sides[0], sides[1], samples.harmful)
            one = recall_rate(samples, sides[0], samples.harmful)
            # The interval that takes the thresholds as known, for contrast.
            deploy = within(guards[0].worst(samples), samples.harmful, bound)
            plain = samples.rate(flagged(guards[0].worst(samples), deploy), samples.harmful)
            found.append(
                [
                    pair.difference.value or 0.0,
                    holds(pair.difference.low, pair.difference.high, 0.0),
                    pair.p < 0.05,
                    holds(one.low, one.high, true),
                    holds(plain.low, plain.high, true),
                    max(pair.first, pair.second) - true,
                ]
            )
        table = np.array(found, dtype=np.float64)
        rows.append(
            [
                n,
                harmful,
                percent(bound),
                f"{100 * table[:, 0].mean():+.2f}",
                *(percent(table[:, column].mean()) for column in range(1, 5)),
                f"{100 * table[:, 5].mean():+.1f}",
            ]
        )
    return rows


_COMPARED = (
    *("harmless", "harmful", "bound", "difference", "its interval holds 0", "p below 0.05"),
    *("recall at the bound held", "with the threshold taken as known", "the better of two, above"),
)


def tables(replicates: int, *, grouped: bool) -> Sequence[str]:
    kind = (
        f"Samples in groups of {GROUP} that share half of the variance of scores"
        if grouped
        else "Independent samples"
    )
    return (
        f"## {kind}: held out\n",
        "False-flag rates and coverages in percent; bias of the held-out recall in points.\n",
        markdown(
            [
                "harmless",
                "harmful",
                "bound",
                "held-out rate",
                "true rate of the halves' thresholds",
                "of the deployed one",
                "recall less that of the halves' thresholds",
                "less that of the deployed one",
                "rate held: halves",
                "deployed",
                "recall held: halves",
                "deployed",
                "assured one is above the bound",
                "its true rate",
            ],
            held_out(replicates, grouped=grouped),
        ),
        f"## {kind}: two guards that are alike\n",
        "At one false-flag rate, cross-fitted. Bias in points, the rest in percent; in the last "
        "column, by how many points the larger of two recalls is above the true one.\n",
        markdown(_COMPARED, compared(replicates, grouped=grouped)),
    )


def report(draws: int, replicates: int) -> str:
    return "\n".join(
        [
            "# Thresholds of guards, and comparisons at equal false-flag rate\n",
            "Scores of the harmless are normal, those of the harmful normal about a mean that is "
            f"{APART:g} standard deviations larger; seed {SEED}. `python -m "
            "benchmarks.guard_thresholds`\n",
            "## What a threshold chosen for a bound does\n",
            "The lowest threshold that flags at most this share of the harmless samples seen: its "
            f"true false-flag rate, in percent, over {draws:,} draws; and by how many points its "
            "recall on the same samples is above its true recall.\n",
            markdown(
                [
                    "harmless",
                    "harmful",
                    "bound",
                    "mean true rate",
                    "bound + 1 / (n + 1)",
                    "above the bound",
                    "5% and 95% of rates",
                    "recall on the same samples, above",
                ],
                excess(draws),
            ),
            *tables(replicates, grouped=False),
            *tables(replicates, grouped=True),
            "## Two guards that are alike and know five scores\n",
            "Independent samples; between two of its operating points a guard is on the line that "
            "joins them.\n",
            markdown(_COMPARED, compared(replicates, grouped=False, coarse=True)),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--replicates", type=int, default=1000)
    options = parser.parse_args()
    write_report("guard_thresholds", lambda: report(options.draws, options.replicates))


if __name__ == "__main__":
    main()
