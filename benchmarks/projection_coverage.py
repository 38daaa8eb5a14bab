"""How often the intervals of `vlsu project` hold the truth, by simulation.

    python -m benchmarks.projection_coverage [--counted]

A run of few samples a stratum, with known rates of errors, is drawn thousands of times over and
projected to traffic with 1 harmful request in 1,000.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis import project, read_traffic
from vlsu.analysis.stats.intervals import Rate, mover, wilson
from vlsu.analysis.stats.mix import EstimatedMix
from vlsu.analysis.stats.weighting import StratumProportions, ratio
from vlsu.policy import PATTERNS, Severity

SEED = 0
DRAWS = 4000
SAMPLES = (10, 30, 100, 1000)
MISSED = (0.02, 0.1, 0.3, 0.6)
BLOCKED = ((0.001, 0.1), (0.01, 0.1), (0.01, 0.4), (0.05, 0.4))
SEVERITY = {Severity.SAFE: 0.95, Severity.BORDERLINE: 0.049, Severity.UNSAFE: 0.001}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting and one quantity.

    Attributes:
        what: The quantity.
        held: Share of intervals that hold the truth.
        below: Share that lie below it; the others that miss it lie above.
        width: Mean width over the truth.
        mover: Share of the sums of Wilson's intervals (MOVER) that hold it; NaN for a ratio.
    """

    what: str
    samples: str
    held: float
    below: float
    width: float
    mover: float


@dataclass(frozen=True, slots=True)
class Setting:
    """Strata with their true rate of being flagged."""

    samples: str
    weights: Floats
    sizes: npt.NDArray[np.int64]
    flagged: Floats
    harmful: npt.NDArray[np.bool_]

    def simulate(self, rng: np.random.Generator, replicates: int) -> list[Cell]:
        """Coverage of missed harm, wrong blocks and precision."""
        harmful = np.where(self.harmful, self.weights, 0.0)
        harmless = self.weights - harmful
        caught, wrong = float(harmful @ self.flagged), float(harmless @ self.flagged)
        truth = {
            "missed harm": float(harmful.sum()) - caught,
            "wrong blocks": wrong,
            "precision": caught / (caught + wrong),
        }
        found: dict[str, list[Rate]] = {what: [] for what in truth}
        mover: dict[str, list[tuple[float, float]]] = {what: [] for what in truth}
        for replicate in range(replicates):
            share = rng.binomial(self.sizes, self.flagged) / self.sizes
            drawn = StratumProportions(
                share, self.sizes.astype(float), np.eye(len(share)), replicate, DRAWS
            ).sums(harmful, harmless)
            missed = drawn[0].rest(float(harmful.sum()))
            found["missed harm"].append(missed.rate())
            found["wrong blocks"].append(drawn[1].rate())
            found["precision"].append(ratio(*drawn))
            mover["missed harm"].append(self._mover(1 - share, harmful))
            mover["wrong blocks"].append(self._mover(share, harmless))
        return [
            cell(what, self.samples, value, found[what], mover[what])
            for what, value in truth.items()
        ]

    def _mover(self, share: Floats, weights: Floats) -> tuple[float, float]:
        rates = tuple(
            Rate.within(p, *wilson(p, n))
            for p, n in zip(share.tolist(), self.sizes.tolist(), strict=True)
        )
        return mover(weights, rates, np.eye(len(share)))


def cell(
    what: str,
    samples: str,
    truth: float,
    rates: Iterable[Rate],
    mover: Sequence[tuple[float, float]] = (),
) -> Cell:
    # No flagged sample at all leaves precision undefined: nothing is claimed, and nothing is wrong.
    bounds = np.array([(0, 1) if r.low is None else (r.low, r.high) for r in rates])
    low, high = bounds.T
    slack = 1e-9
    return Cell(
        what,
        samples,
        float(np.mean((low <= truth + slack) & (truth <= high + slack))),
        float(np.mean(high < truth - slack)),
        float(np.mean(high - low) / truth),
        float(np.mean([a <= truth <= b for a, b in mover])) if mover else math.nan,
    )


def severities() -> list[Setting]:
    """Traffic by severity; as many samples of each, or a third of the unsafe."""
    return [
        Setting(
            str(n),
            np.array(list(SEVERITY.values())),
            np.array([n, n, max(10, n // 3)]),
            np.array([*blocked, 1 - missed]),
            np.array([False, False, True]),
        )
        for n, missed, blocked in product(SAMPLES, MISSED, BLOCKED)
    ]


def patterns(rng: np.random.Generator) -> list[Setting]:
    """Traffic by all 17 patterns, with shares and rates of errors that differ."""
    settings = []
    for n, missed, blocked in product(SAMPLES, MISSED[:3], BLOCKED[1:]):
        joint = [p.joint for p in PATTERNS]
        of_severity = {
            s: rng.dirichlet(np.full(joint.count(s), 0.5)) * share for s, share in SEVERITY.items()
        }
        shares = {s: iter(each.tolist()) for s, each in of_severity.items()}
        base = {
            Severity.SAFE: blocked[0],
            Severity.BORDERLINE: blocked[1],
            Severity.UNSAFE: missed,
        }
        rates = np.array([base[s] for s in joint]) * rng.uniform(0.2, 1.6, len(joint))
        harmful = np.array([s is Severity.UNSAFE for s in joint])
        settings.append(
            Setting(
                f"{n}",
                np.array([next(shares[s]) for s in joint]),
                np.maximum(5, rng.poisson(n, len(joint))),
                np.where(harmful, 1 - rates, rates),
                harmful,
            )
        )
    return settings


def clustered(images: int, replicates: int, spread: float) -> list[Cell]:
    """Images with a text of each severity, and errors that come with the image; all of `project`.

    Args:
        images: Images, each with one sample of each severity.
        replicates: Runs drawn.
        spread: Standard deviation of the images' effect on the log odds of being flagged.
    """
    rng = np.random.default_rng(SEED)
    odds = np.array([-3.0, -1.0, 1.0])
    effect = rng.standard_normal(400_000) * spread
    rates = (1 / (1 + np.exp(-(odds[:, None] + effect)))).mean(axis=1)
    weights = np.array(list(SEVERITY.values()))
    caught, wrong = weights[2] * rates[2], weights[:2] @ rates[:2]
    truth = {
        "missed_harm": 1e6 * (weights[2] - caught),
        "wrong_blocks": 1e6 * wrong,
        "precision": caught / (caught + wrong),
    }
    traffic = read_traffic({"severity": {s.label: share for s, share in SEVERITY.items()}})
    found: dict[str, list[Rate]] = {what: [] for what in truth}
    for _ in range(replicates):
        chance = 1 / (1 + np.exp(-(odds[:, None] + rng.standard_normal(images) * spread)))
        flagged = rng.random((3, images)) < chance
        rows = pl.DataFrame(
            {
                "gold": np.repeat(np.arange(3), images),
                "pattern": None,
                "category": None,
                "decision": np.where(flagged.ravel(), "flagged", "passed"),
                "cluster": np.tile(np.arange(images), 3),
            }
        )
        projection = project(rows, traffic)
        for what, rates_found in found.items():
            rate = projection["precision"] if what == "precision" else None
            rate = rate or projection["per_million"][what]  # type: ignore[index]
            rates_found.append(Rate(**rate))  # type: ignore[arg-type]
    words = f"{images}, spread {spread:g}"
    return [cell(what.replace("_", " "), words, truth[what], found[what]) for what in truth]


#: Share of the harmful, and how many requests it is counted in.
COUNTED = ((0.001, 20_000), (0.001, 2000), (0.0001, 20_000), (0.05, 300))
#: Samples a stratum, and the share of the harmful that is missed.
RATES = ((30, 0.1), (300, 0.02), (300, 0.1), (1000, 0.4))


def counted(replicates: int) -> list[list[object]]:
    """Shares that are counted anew in each run: coverage, beside that with known shares."""
    rng = np.random.default_rng(SEED)
    harmful = np.array([0.0, 0.0, 1.0])
    rows: list[list[object]] = []
    for (harm, of), (n, missed) in product(COUNTED, RATES):
        shares = np.array([0.951 - harm, 0.049, harm])
        flagged = np.array([0.01, 0.2, 1 - missed])
        wrong = float(shares[:2] @ flagged[:2])
        caught = harm * (1 - missed)
        truth = (harm * missed, wrong, caught / (caught + wrong), 1 - missed)
        held, naive = np.zeros(4), 0
        for replicate in range(replicates):
            seen = rng.multinomial(of, shares) / of
            rates = StratumProportions(
                rng.binomial(n, flagged) / n, np.full(3, float(n)), np.eye(3), replicate, DRAWS
            )
            mix = EstimatedMix(np.arange(3), seen, float(of), np.ones(3), {})
            known = mix.with_known_groups()
            hits, alarms = rates.estimated_sums(mix, harmful, 1 - harmful)
            found = (
                rates.estimated_sums(mix, harmful, misses=True)[0].rate(),
                alarms.rate(),
                ratio(hits, alarms),
                ratio(
                    *rates.estimated_sums(known, harmful),
                    *rates.estimated_sums(known, harmful, misses=True),
                ),
            )
            held += [holds(rate, value) for rate, value in zip(found, truth, strict=True)]
            naive += holds(rates.sums(seen * harmful)[0].rest(seen[2]).rate(), truth[0])
        shown = [percent(each / replicates) for each in held]
        rows.append([f"{harm:g} of {of:,}", n, missed, *shown, percent(naive / replicates)])
    return rows


def holds(rate: Rate, truth: float) -> bool:
    low, high = (0.0, 1.0) if rate.low is None or rate.high is None else (rate.low, rate.high)
    return low - 1e-12 <= truth <= high + 1e-12


HEAD = [
    "quantity",
    "samples a stratum",
    "settings",
    "% held: min",
    "mean",
    "max",
    "settings below 93",
    "% below the truth",
    "mean width / truth",
    "MOVER of Wilson: min",
    "mean",
]


def summary(cells: Sequence[Cell], what: str, samples: str) -> list[object]:
    chosen = [c for c in cells if c.what == what and c.samples == samples]
    held, mover = np.array([c.held for c in chosen]), np.array([c.mover for c in chosen])
    compared = not np.isnan(mover).any()
    return [
        what,
        samples,
        len(chosen),
        percent(held.min()),
        percent(held.mean()),
        percent(held.max()),
        int((held < 0.93).sum()),
        percent(float(np.mean([c.below for c in chosen]))),
        f"{np.mean([c.width for c in chosen]):.2f}",
        percent(mover.min()) if compared else "–",
        percent(mover.mean()) if compared else "–",
    ]


def tabulated(cells: Sequence[Cell]) -> str:
    order = dict.fromkeys((c.what, c.samples) for c in cells)
    return markdown(HEAD, [summary(cells, *key) for key in sorted(order, key=lambda k: k[0])])


def report(replicates: int, clustered_replicates: int) -> str:
    rng = np.random.default_rng(SEED)
    by_severity = [c for setting in severities() for c in setting.simulate(rng, replicates)]
    by_pattern = [c for setting in patterns(rng) for c in setting.simulate(rng, replicates)]
    groups = [
        c
        for images, spread in product((30, 100, 300), (0.0, 1.5))
        for c in clustered(images, clustered_replicates, spread)
    ]
    return "\n".join(
        [
            "# Coverage of projections to a deployment's traffic\n",
            "Share of 95% intervals that hold the truth, in percent, at 1 harmful request in 1,000 "
            f"(95% safe, 4.9% borderline); {replicates:,} runs each, seed {SEED}. Beside it the "
            "usual way, a sum of Wilson's intervals (MOVER). `python -m "
            "benchmarks.projection_coverage`\n",
            "## By severity\n",
            f"Unsafe missed at {', '.join(map(str, MISSED))}; safe and borderline blocked at "
            f"{', '.join(map(str, BLOCKED))}; a third as many unsafe samples, but 10 at least.\n",
            tabulated(by_severity),
            "## By all 17 patterns\n",
            "Shares within a severity and rates drawn at random, about them the same rates.\n",
            tabulated(by_pattern),
            "## Samples that share an image\n",
            "Each image with a safe, a borderline and an unsafe text; the image's effect on the "
            f"log odds of a flag is normal with that spread. {clustered_replicates:,} runs each.\n",
            tabulated(groups),
        ]
    )


def report_of_counts(replicates: int) -> str:
    return "\n".join(
        [
            "# Coverage of projections from shares that were counted\n",
            "The share of the harmful is counted anew in so many requests for each run; 4.9% are "
            "borderline, 1% of the safe and 20% of the borderline are blocked. Share of 95% "
            "intervals that hold the truth, in percent; at the right that of missed harm with the "
            f"counted share taken as known. {replicates:,} runs each, seed {SEED}. `python -m "
            "benchmarks.projection_coverage --counted`\n",
            markdown(
                [
                    "harmful",
                    "samples a stratum",
                    "missed",
                    "missed harm",
                    "wrong blocks",
                    "precision",
                    "recall",
                    "missed harm, share taken as known",
                ],
                counted(replicates),
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=600)
    parser.add_argument("--clustered-replicates", type=int, default=400)
    parser.add_argument("--counted", action="store_true", help="Shares that were counted alone.")
    options = parser.parse_args()
    if options.counted:
        write_report("projection_counted", lambda: report_of_counts(options.replicates))
        return
    write_report(
        "projection_coverage", lambda: report(options.replicates, options.clustered_replicates)
    )


if __name__ == "__main__":
    main()
